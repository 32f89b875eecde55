"""Receive: a centre's message (accepted, rejected, shipped, cancelled) becomes facts of the part it is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta

from kept.documents.sscc import is_valid_sscc
from kept.domain import centre_events
from kept.domain.events import MessageProcessed, PartEvent, PartReleased
from kept.domain.lifecycle import PartState
from kept.domain.progress import Order, Part, evolve
from kept.domain.subjects import Message, PartOf
from kept.engine.outcome import Done, Outcome, Reject, Wait
from kept.ports import BadMessage, CentreEvent, CentreEventKind, Incoming
from kept.steps.ports import Ports
from kept.steps.release import release_key

# Our own settlement of the request is milliseconds away, or its retry seconds.
_SOON = timedelta(seconds=1)
# After this long it is no race any more: our release is being retried, or dead.
_OWN_WORD_WITHIN = timedelta(seconds=30)
_LATER = timedelta(seconds=30)


async def receive(messages: Sequence[Message], ports: Ports) -> Sequence[Outcome]:
    read = [_read(message, ports) for message in messages]
    references = [split_reference(event.reference)[0] for event in read if isinstance(event, CentreEvent)]
    orders = await ports.orders.by_references(references)
    to_come = Counter(references)
    outcomes: list[Outcome] = []
    for event, message in zip(read, messages, strict=True):
        if isinstance(event, Reject):
            outcomes.append(event)
            continue
        outcome = _apply(event, message, orders, ports)
        if isinstance(outcome, Wait):
            outcome = await _unsettled(outcome, event, message, orders, ports)
        to_come[split_reference(event.reference)[0]] -= 1
        if isinstance(outcome, Done) and to_come[outcome.about.reference]:
            # What a centre says in one breath is judged one after the other.
            orders[outcome.about.reference] = evolve(outcome.about, outcome.events[1:]).order
        outcomes.append(outcome)
    return outcomes


def split_reference(reference: str) -> tuple[str, int]:
    """A part's reference as its order's reference and the part's number; number 0 if it is none of ours."""
    order_reference, _, number = reference.rpartition("-")
    return order_reference, int(number) if number.isdecimal() and len(number) < 6 else 0


def _read(message: Message, ports: Ports) -> CentreEvent | Reject:
    centre = ports.centres.get(message.source)
    if centre is None:
        return Reject(f"centre {message.source!r} is no longer configured", "unknown_centre")
    try:
        return centre.read_event(Incoming(message.headers, message.body))
    except BadMessage as fault:
        return Reject(str(fault), "bad_message")


def _apply(event: CentreEvent, message: Message, orders: Mapping[str, Order], ports: Ports) -> Outcome:
    order_reference, number = split_reference(event.reference)
    order = orders.get(order_reference)
    part = next((part for part in order.parts if part.number == number), None) if order else None
    if part is None or part.centre != message.source:
        return Reject(f"{message.source} has no request {event.reference!r} of ours", "unknown_reference")
    if part.state in centre_events.TOO_EARLY:
        return Wait(ports.clock() + _SOON, f"our request {event.reference} is not settled yet")
    # Refused here, so that the centre can say it again rightly; the ASN could not be made of it later.
    wrong = [package.sscc for package in event.packages if not is_valid_sscc(package.sscc)]
    if wrong:
        return Reject(f"{event.reference} has cartons without a valid SSCC: {wrong}", "bad_sscc")
    doubled = [sscc for sscc, count in Counter(package.sscc for package in event.packages).items() if count > 1]
    if doubled:
        return Reject(f"{event.reference} has several cartons with one SSCC: {doubled}", "bad_sscc")
    try:
        fact = _fact(event, part, message)
    except centre_events.ContradictsRequest as contradiction:
        return Reject(str(contradiction), "contradicts_request")
    return Done([MessageProcessed(), fact], about=order)


async def _unsettled(
    wait: Wait, event: CentreEvent, message: Message, orders: Mapping[str, Order], ports: Ports
) -> Outcome:
    """A centre speaks of a request that we have not settled. When that lasts, its word settles it.

    Our answer may never have come, and the release be a dead letter by now; what was sent was received all the same.
    """
    if ports.clock() - message.received_at < _OWN_WORD_WITHIN:
        return wait
    order_reference, number = split_reference(event.reference)
    order = orders[order_reference]
    subject = PartOf(order, number)
    if (
        subject.part.state is not PartState.LABELLED
        or await ports.effect_standings.standing(release_key(subject)) is None
    ):
        return Wait(ports.clock() + _LATER, wait.reason)
    released = PartReleased(number, "")
    outcome = _apply(event, message, {order_reference: evolve(order, [released]).order}, ports)
    if not isinstance(outcome, Done):
        return outcome
    processed, fact = outcome.events
    return Done([processed, released, fact], about=order)


def _fact(event: CentreEvent, part: Part, message: Message) -> PartEvent:
    match event.kind:
        case CentreEventKind.ACCEPTED:
            return centre_events.accepted(part)
        case CentreEventKind.REJECTED:
            return centre_events.rejected(part, event.reason or "no reason given")
        case CentreEventKind.SHIPPED:
            # A clock that runs ahead would take the pieces out of every count until then.
            return centre_events.shipped(part, min(event.occurred_at, message.received_at), event.packages)
        case CentreEventKind.CANCELLED:
            return centre_events.cancelled(part)
        case CentreEventKind.CANCEL_REFUSED:
            return centre_events.ignored(part, "cancel refused")
