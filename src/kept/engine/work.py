"""Working off a delivery: the step's outcome, or the fault that stopped it, becomes a settlement.

Used by the runner and, as it is, by the deterministic simulation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from kept.domain.urgency import Urgency
from kept.engine import crash
from kept.engine.delivery import Loaded, Ring, Rung, Settling
from kept.engine.effects import ClaimLost, DeliveryEffects, StillUncertain
from kept.engine.interfaces import Bell, Store, StoreUnavailable
from kept.engine.outcome import Outcome, Reject, Retry, Wait
from kept.engine.quotas import due_by, urgency
from kept.engine.settle import settle
from kept.engine.step import Each, Step
from kept.ports import AccessRefused, BadMessage, NotAsked, PermanentFault, TemporaryFault, UnknownResult

log = structlog.get_logger("kept.engine")

# How soon to come back when a circuit is open and does not say: its own first cool-down.
_CIRCUIT_WAIT_S = 1.0
# How soon to come back to a target that refuses us: as its circuit does, by one probe at a time.
_ACCESS_WAIT_S = 60.0


def outcome_of_fault(fault: Exception, now: datetime) -> Outcome:
    """The outcome that a fault means. Anything unforeseen is retried and, if it stays, buried by name."""
    match fault:
        case NotAsked(retry_after_s=wait_s):
            return Wait(now + timedelta(seconds=wait_s or _CIRCUIT_WAIT_S), str(fault))
        case AccessRefused():
            # Every order of the account meets it: they wait until somebody mended it, and none is buried for it.
            return Wait(now + timedelta(seconds=_ACCESS_WAIT_S), str(fault))
        case StoreUnavailable():
            return Wait(now, str(fault))
        case StillUncertain(until=until):
            return Wait(max(until, now), str(fault))
        case TemporaryFault(down_for_s=float(wait_s)) | UnknownResult(down_for_s=float(wait_s)):
            # It was the one that was sent ahead to find out: an outage must not use up its attempts.
            return Wait(now + timedelta(seconds=max(wait_s, _CIRCUIT_WAIT_S)), str(fault))
        case TemporaryFault(retry_after_s=wait_s):
            return Retry(str(fault), wait_s)
        case UnknownResult():
            return Retry(str(fault), code="unknown_result")
        case PermanentFault(code=code):
            return Reject(str(fault), code or "refused")
        case BadMessage():
            return Reject(str(fault), "bad_message")
        case _:
            # Only the type: an arbitrary exception's text may hold personal data.
            return Retry(f"unforeseen {type(fault).__name__}", code=f"bug:{type(fault).__name__}")


async def attempt(
    step: Step[Any],
    loaded: Loaded,
    ports: Callable[[DeliveryEffects], Any],
    effects: DeliveryEffects,
    clock: Callable[[], datetime],
) -> Settling | None:
    """Run a step written for one subject. None when another worker owns the delivery."""
    assert isinstance(step.run, Each)
    urgency.set(Urgency(loaded.delivery.urgency))
    due_by.set(loaded.delivery.deadline.timestamp())
    try:
        outcome = await step.run.one(loaded.subject, ports(effects))
    except ClaimLost:
        return None
    except Exception as fault:  # noqa: BLE001 - any fault becomes an outcome here and nowhere else
        outcome = explain(fault, step, loaded, clock())
    settlement = settle(outcome, loaded.delivery, step.retry, now=clock())
    return Settling(loaded.delivery, loaded.subject, settlement, effects.results)


def given_up(
    step: Step[Any], loaded: Loaded, effects: DeliveryEffects, clock: Callable[[], datetime], after_s: float
) -> Settling:
    """An attempt that took longer than its claim may last."""
    fault = UnknownResult(f"step {step.name} was not done within {after_s:g} s")
    settlement = settle(explain(fault, step, loaded, clock()), loaded.delivery, step.retry, now=clock())
    return Settling(loaded.delivery, loaded.subject, settlement, effects.results)


def explain(fault: Exception, step: Step[Any], loaded: Loaded, now: datetime) -> Outcome:
    """Log a fault with its correlation id and say what outcome it means."""
    outcome = outcome_of_fault(fault, now)
    delivery = loaded.delivery
    unforeseen = isinstance(outcome, Retry) and outcome.code.startswith("bug:")
    log.warning(
        "step.fault",
        step=step.name,
        delivery=delivery.id,
        attempt=delivery.attempts + 1,
        correlation_id=delivery.correlation_id,
        fault=type(fault).__name__,
        reason=getattr(outcome, "reason", ""),
        exc_info=fault if unforeseen else None,
    )
    return outcome


async def finish(
    store: Store, bell: Bell, settlings: Sequence[Settling], finished: Callable[[], Sequence[Rung]]
) -> list[Ring]:
    """Commit settlements, ring for what follows, acknowledge last.

    The order is the promise: whatever dies in between is worked off again and changes nothing twice.
    `finished` says, after the commit, which queue messages have nothing left to do.
    """
    crash.reach("settle.before_commit")
    rings = await store.settle(settlings)
    crash.reach("settle.after_commit")
    crash.reach("ring.before")
    await bell.ring(rings)
    crash.reach("ring.after")
    crash.reach("ack.before")
    await bell.ack(finished())
    crash.reach("ack.after")
    return rings
