"""The simulated flow: a pure step, a step with one effect, a step with two."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from kept.domain.keys import effect_key
from kept.domain.lifecycle import OrderState
from kept.engine.effects import DeliveryEffects
from kept.engine.outcome import Done, Outcome
from kept.engine.retry import RetryPolicy
from kept.engine.step import Step, each
from kept.ports import Effect

from .rows import Fact, SimOrder
from .target import Document, SimTarget

# Six attempts, so that some schedules give up. A wait takes two horizons at most, if nothing goes wrong.
POLICY = RetryPolicy(attempts_max=6, cap_s=30.0, wait_max=timedelta(minutes=3))


@dataclass(frozen=True, slots=True)
class Ports:
    """What the steps need of the outside."""

    effects: DeliveryEffects
    erp: SimTarget
    centre: SimTarget


async def route(order: SimOrder, ports: Ports) -> Outcome:
    return Done([Fact("routed")])


async def book(order: SimOrder, ports: Ports) -> Outcome:
    return Done([Fact("booked", await _change(order, ports.effects, ports.erp, "book"))])


async def release(order: SimOrder, ports: Ports) -> Outcome:
    label = await _change(order, ports.effects, ports.centre, "label")
    request = await _change(order, ports.effects, ports.centre, "release")
    return Done([Fact("labelled", label), Fact("released", request)])


async def _change(order: SimOrder, effects: DeliveryEffects, target: SimTarget, operation: str) -> str:
    """The id of the one document that the target must hold for this operation."""
    reference = f"{order.reference}/{operation}"
    effect = Effect(effect_key(order.reference, operation), target.name, operation, {"reference": reference})
    document = await effects.perform(
        effect,
        lambda: target.send(reference, effect.key),
        answer_type=Document,
        find=(lambda: target.find(reference)) if target.searchable else None,
        honours_key=target.honours_key,
        write_horizon=target.horizon,
    )
    return document.document_id


FLOW: dict[str, Step[Any]] = {
    "route": Step("route", OrderState.VALIDATED, each(route), POLICY),
    "book": Step("book", OrderState.ROUTED, each(book), POLICY),
    "release": Step("release", OrderState.BOOKED, each(release), POLICY),
}
STEP_OF_STATE = {step.accepts: step.name for step in FLOW.values()}
FIRST_STATE = OrderState.VALIDATED
LAST_STATE = OrderState.COMPLETE
ADVANCES = {
    "routed": OrderState.ROUTED,
    "booked": OrderState.BOOKED,
    "released": OrderState.COMPLETE,
}
KINDS_OF_FACTS = ("routed", "booked", "labelled", "released")
