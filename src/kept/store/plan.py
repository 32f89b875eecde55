"""What a group of settlements wants written, worked out before the transaction begins. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kept.domain import events as ev
from kept.domain.lifecycle import STEP_OF_STATE, MessageState, OrderState, advance_message
from kept.domain.order import OrderContent
from kept.domain.progress import Evolution, Order, evolve
from kept.domain.subjects import Message, PartOf, Subject
from kept.domain.urgency import Urgency, urgency_of
from kept.domain.values import changed
from kept.engine.delivery import Advance, Settling


@dataclass(frozen=True, slots=True)
class NextDelivery:
    """What must happen next for a subject."""

    kind: str  # "message", "order", "part"
    subject_id: int
    order_id: int | None
    step: str
    urgency: int
    deadline: datetime
    correlation_id: str
    subject: Subject


@dataclass(eq=False, slots=True)
class Change:
    """One settlement's effect on the ledger, and what it was decided on."""

    settling: Settling
    before: Order | None = None  # None: a message without an order, or a new order
    base: Order | None = None  # what the tables show: `before`, or the start of a chain that this change ends
    in_tables: bool = True  # False: a later change of the same chain writes the order's tables
    evolution: Evolution | None = None
    new_order: bool = False
    content: OrderContent | None = None  # to be stored for the message
    message_done: str = ""  # how the message ended, "" while it goes on
    nexts: list[NextDelivery] = field(default_factory=list)
    superseded: list[tuple[str, int]] = field(default_factory=list)  # subjects whose deliveries end here


def change_of(settling: Settling, now: datetime) -> Change:
    """What an Advance settlement wants written. Raises IllegalTransition for facts that can't be."""
    advance = settling.settlement
    assert isinstance(advance, Advance)
    subject = settling.subject
    if isinstance(subject, Message):
        return _message_change(settling, subject, advance, now)
    order = subject.order if isinstance(subject, PartOf) else subject
    return Change(settling, before=order, base=order, evolution=evolve(order, advance.events, advance.content))


def _message_change(settling: Settling, message: Message, advance: Advance, now: datetime) -> Change:
    change = Change(settling, superseded=[("message", message.id)])
    state = STATE_OF_MESSAGE_STEP[settling.delivery.step]
    facts: list[Any] = []
    for event in advance.events:
        match event:
            case ev.MessageNormalised(content=content):
                state = advance_message(state, "MessageNormalised")
                change.content = content
                change.nexts.append(_next_of_message(message, content, now))
            case ev.OrderNamed():
                state = advance_message(state, "OrderNamed")
                change.nexts.append(_fetch_of_message(message, now))
            case ev.MessageProcessed():
                state = advance_message(state, "MessageProcessed")
                change.message_done = "processed"
            case ev.MessageIgnored(reason=reason):
                state = advance_message(state, "MessageIgnored")
                change.message_done = f"ignored: {reason}"
            case _:
                facts.append(event)
    if isinstance(advance.about, Evolution):  # a new order, made by the step
        change.new_order = True
        change.evolution = advance.about
    elif facts:
        change.before = change.base = advance.about
        change.evolution = evolve(advance.about, facts, advance.content)
    return change


STATE_OF_MESSAGE_STEP = {step: state for state, step in STEP_OF_STATE.items() if isinstance(state, MessageState)}


def _fetch_of_message(message: Message, now: datetime) -> NextDelivery:
    """Of the order itself nothing is known yet: it may be anything, so it is urgent."""
    return NextDelivery(
        kind="message",
        subject_id=message.id,
        order_id=None,
        step=STEP_OF_STATE[MessageState.NAMED],
        urgency=Urgency.NOW,
        deadline=message.received_at,
        correlation_id=message.correlation_id,
        subject=message,
    )


def _next_of_message(message: Message, content: OrderContent, now: datetime) -> NextDelivery:
    return NextDelivery(
        kind="message",
        subject_id=message.id,
        order_id=None,
        step=STEP_OF_STATE[MessageState.NORMALISED],
        urgency=urgency_of(content.promise.ship_by, now),
        deadline=content.promise.ship_by,
        correlation_id=message.correlation_id,
        subject=changed(message, content=content, body=b"", headers={}),
    )


def follow(change: Change, now: datetime) -> None:
    """Deliveries that end and begin because states changed."""
    before = change.base
    if before is None or change.evolution is None or not change.in_tables:
        return
    after = change.evolution.order
    if after.state is not before.state or after.message_id != before.message_id:
        change.superseded.append(("order", after.id))
        step = STEP_OF_STATE.get(after.state)
        if step is not None:
            change.nexts.append(_next(after, "order", after.id, step, now, after))
    was = {part.number: part.state for part in before.parts}
    for part in after.parts:
        if part.number in was and part.state is not was[part.number]:
            change.superseded.append(("part", part.id))
            step = STEP_OF_STATE.get(part.state)
            if step is not None:
                change.nexts.append(_next(after, "part", part.id, step, now, PartOf(after, part.number)))


def first_delivery(order: Order, now: datetime) -> NextDelivery:
    """What happens first to a new order."""
    return _next(order, "order", order.id, STEP_OF_STATE[order.state], now, order)


def _next(order: Order, kind: str, subject_id: int, step: str, now: datetime, subject: Subject) -> NextDelivery:
    deadline = order.content.promise.ship_by
    if order.state is OrderState.UNACKNOWLEDGED and order.content.acknowledge_by is not None:
        deadline = min(deadline, order.content.acknowledge_by)
    return NextDelivery(
        kind, subject_id, order.id, step, urgency_of(deadline, now), deadline, order.correlation_id, subject
    )


def own_subject(settling: Settling) -> tuple[str, int]:
    """The (kind, id) under which a settling's delivery stands."""
    subject = settling.subject
    if isinstance(subject, Message):
        return "message", subject.id
    if isinstance(subject, PartOf):
        return "part", subject.part.id
    return "order", subject.id


def order_id_of(settling: Settling) -> int | None:
    """The order that a settling is about, if there is one yet."""
    subject = settling.subject
    if isinstance(subject, PartOf):
        return subject.order.id
    if isinstance(subject, Order):
        return subject.id
    settlement = settling.settlement
    if isinstance(settlement, Advance) and isinstance(settlement.about, Order):
        return settlement.about.id
    return None


def count_new_parts(changes: Sequence[Change]) -> int:
    return sum(part.id == 0 for c in changes if c.evolution is not None for part in c.evolution.order.parts)


def with_part_ids(changes: Sequence[Change], ids: Iterator[int]) -> None:
    """Give an id to every part that a routing decision made."""
    for change in changes:
        if change.evolution is None or all(part.id for part in change.evolution.order.parts):
            continue
        order = change.evolution.order
        parts = tuple(part if part.id else changed(part, id=next(ids)) for part in order.parts)
        change.evolution = changed(change.evolution, order=changed(order, parts=parts))


def chained(changes: Sequence[Change], now: datetime) -> tuple[list[Change], list[Settling]]:
    """Changes that can be written together, with what follows from each; the others must be decided again.

    A second change to an order counts only if it was decided on what the first one makes of it. Then the
    two are a chain: each writes its facts, the last one the tables.
    """
    latest: dict[int, Change] = {}
    kept: list[Change] = []
    again: list[Settling] = []
    for change in changes:
        order = change.before
        previous = latest.get(order.id) if order is not None else None
        if order is not None and previous is not None:
            assert previous.evolution is not None
            if order.seq != previous.evolution.order.seq:
                again.append(change.settling)
                continue
            change.base, previous.in_tables = previous.base, False
        if order is not None:
            latest[order.id] = change
        kept.append(change)
    for change in kept:
        follow(change, now)
    return kept, again
