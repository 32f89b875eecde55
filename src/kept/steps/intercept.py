"""Intercept: ask the centre to stop a part of a cancelled order. It may be too late; the centre decides."""

from __future__ import annotations

from kept.domain.events import InterceptAsked, PartCancelled
from kept.domain.keys import effect_key
from kept.domain.subjects import PartOf
from kept.engine.outcome import Done, Outcome, Reject, Wait
from kept.ports import Effect, Intercept, InterceptAnswer
from kept.steps.ports import Ports
from kept.steps.release import release_key


async def intercept(subject: PartOf, ports: Ports) -> Outcome:
    part = subject.part
    standing = await ports.effect_standings.standing(release_key(subject))
    if standing is None or standing.status == "refused":
        return Done([PartCancelled(part.number, "never asked of the centre")])
    centre = ports.centres.get(part.centre)
    if centre is None:
        return Reject(f"centre {part.centre!r} is no longer configured", "unknown_centre")
    effect = Effect(effect_key(subject.reference, "intercept"), f"centre:{centre.name}", "intercept", subject.reference)
    asked = await ports.own_effects.perform(
        effect,
        lambda: centre.intercepts.intercept(subject.reference, effect.key),
        answer_type=Intercept,
        find=None,
        honours_key=True,  # the port's contract: asking twice is asking once
    )
    match asked.answer:
        case InterceptAnswer.CANCELLED:
            return Done([PartCancelled(part.number, "stopped by the centre")])
        case InterceptAnswer.UNKNOWN:
            if standing.status != "confirmed" and ports.clock() < standing.settled_at:
                return Wait(standing.settled_at, "the request that was under way may still arrive")
            return Done([PartCancelled(part.number, "the centre never had it")])
        case InterceptAnswer.PENDING | InterceptAnswer.TOO_LATE:
            return Done([InterceptAsked(part.number)])
