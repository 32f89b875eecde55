"""START HERE: every step that an order passes through, in order.

A message comes in (`INTAKE_FLOW`), an order is checked, routed and booked (`ORDER_FLOW`), and each
centre's part of it is labelled, released and, once the centre has shipped it, told to the channel and
the ERP (`FULFILMENT_FLOW`). A step accepts one state; `kept.domain.lifecycle` says what each fact makes
of a state, `kept.engine` runs the steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kept.domain.lifecycle import STEP_OF_STATE, TERMINAL, WAITING, MessageState, OrderState, PartState
from kept.engine.step import Step, each
from kept.steps.acknowledge import acknowledge
from kept.steps.advise import advise
from kept.steps.book import book
from kept.steps.cancel import cancel
from kept.steps.confirm import confirm
from kept.steps.deduplicate import deduplicate
from kept.steps.fetch import fetch
from kept.steps.instruct import instruct
from kept.steps.intercept import intercept
from kept.steps.label import label
from kept.steps.normalise import normalise
from kept.steps.post import post
from kept.steps.receive import receive
from kept.steps.release import release
from kept.steps.route import route
from kept.steps.validate import validate
from kept.steps.withdraw import withdraw

INTAKE_FLOW: tuple[Step[Any], ...] = (
    Step("normalise", MessageState.RECEIVED, normalise),  # a channel's raw message -> the one schema
    Step("fetch", MessageState.NAMED, each(fetch)),  # a message that only names an order -> the order as it stands
    Step("deduplicate", MessageState.NORMALISED, deduplicate),  # same sale? newest revision
    Step("receive", MessageState.ARRIVED, receive),  # a centre's message -> facts of its part
    Step("instruct", MessageState.INSTRUCTED, instruct),  # an operator's word -> facts of its order
)

ORDER_FLOW: tuple[Step[Any], ...] = (
    Step("acknowledge", OrderState.UNACKNOWLEDGED, each(acknowledge)),  # the channel hears that we took it
    Step("validate", OrderState.RECEIVED, each(validate)),  # content, payment, ERP: hold or go on
    Step("route", OrderState.VALIDATED, route),  # choose centres, reserve stock
    Step("book", OrderState.ROUTED, each(book)),  # the ERP's sales order
    Step("withdraw", OrderState.WITHDRAWING, each(withdraw)),  # cancelled: out of the ERP again
    Step("cancel", OrderState.RETRACTING, each(cancel)),  # cancelled by us: the channel hears what will not ship
)

FULFILMENT_FLOW: tuple[Step[Any], ...] = (
    Step("label", PartState.READY, label),  # SSCC, ZPL and PDF
    Step("release", PartState.LABELLED, each(release)),  # ask the centre
    # ... the centre accepts, packs and ships: step receive ...
    Step("advise", PartState.SHIPPED, advise),  # ASN of the real pack
    Step("confirm", PartState.ADVISED, each(confirm)),  # tracking to the channel
    Step("post", PartState.CONFIRMED, each(post)),  # shipment to the ERP
    Step("intercept", PartState.WITHDRAWING, each(intercept)),  # cancelled: ask the centre to stop
)

FLOW: Mapping[str, Step[Any]] = {step.name: step for step in (*INTAKE_FLOW, *ORDER_FLOW, *FULFILMENT_FLOW)}


def check_flow() -> None:
    """Every state is terminal, has exactly one step, or waits for somebody named. Raises ValueError."""
    for state in (*MessageState, *OrderState, *PartState):
        steps = [step.name for step in FLOW.values() if step.accepts is state]
        roles = [bool(steps), state in WAITING, state in TERMINAL]
        if sum(roles) != 1 or len(steps) > 1:
            raise ValueError(f"state {state!r} must be terminal, waiting or have one step; it has {steps}")
        if (STEP_OF_STATE.get(state) or "") != "".join(steps):
            raise ValueError(f"lifecycle says {STEP_OF_STATE.get(state)!r} moves {state!r} on, the flow {steps}")


check_flow()
