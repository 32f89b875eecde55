"""What follows by itself from a fact: no step decides it, and it is written in the same transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kept.domain import events as ev
from kept.domain.lifecycle import RESERVING, STOPPING, OrderState, PartState

if TYPE_CHECKING:  # the fold applies what is found here, and so imports it
    from kept.domain.progress import Order, Part


def consequences(before: Order, order: Order, event: Any) -> list[ev.LedgerEvent]:
    """The facts that follow at once from `event`, which made `order` of `before`."""
    match event:
        case ev.OrderBooked():
            ready: list[ev.LedgerEvent] = [
                ev.PartReady(part.number) for part in order.parts if part.state is PartState.PLANNED
            ]
            return ready or _conclusion(order)
        case ev.CancelRequested():
            stopped: list[ev.LedgerEvent] = [_stop(part, "order cancelled") for part in order.parts if _stoppable(part)]
            return stopped or _conclusion(order)
        case ev.OrderAmended():
            cut: list[ev.LedgerEvent] = [_stop(part, "order amended") for part in _amended_parts(before, order)]
            return cut or _conclusion(order)
        case ev.PartRejected(part=number, reason=reason):
            return _returned(order, number, reason)
        case ev.PartShipped(part=number):
            return [*_unwanted(before, event), *_after_shipping(order, number)]
        case ev.PartCancelled() | ev.PartPosted():
            return _conclusion(order)
        case _:
            return []


def shipped_by_line(event: ev.PartShipped) -> dict[int, int]:
    """Pieces shipped per order line, over all packages."""
    gone: dict[int, int] = {}
    for package in event.packages:
        for line in package.lines:
            gone[line.line_no] = gone.get(line.line_no, 0) + line.quantity
    return gone


# ------------------------------------------------------------------ stopping parts


def _stoppable(part: Part) -> bool:
    return part.state in RESERVING - STOPPING


def _stop(part: Part, reason: str) -> ev.PartCancelled | ev.PartWithdrawn:
    """A planned part was told to nobody; from READY on, its release may be on its way already."""
    if part.state is PartState.PLANNED:
        return ev.PartCancelled(part.number, reason)
    return ev.PartWithdrawn(part.number)


# Which part of several is stopped first: the one that its centre has done least for.
_EFFORT = (PartState.PLANNED, PartState.READY, PartState.LABELLED, PartState.RELEASED, PartState.ACCEPTED)


def _amended_parts(before: Order, order: Order) -> list[Part]:
    """The parts that can't ship as they are: all of them to another address, else as few as free the pieces."""
    parts = [part for part in order.parts if _stoppable(part)]
    if not order.content.same_destination(before.content):
        return parts
    asked_alike = order.content.ship_to == before.content.ship_to and order.content.promise == before.content.promise
    excess = {line.line_no: -line.open for line in order.lines}
    for part in parts:
        for line in part.lines:
            excess[line.line_no] += line.quantity
    stopped: list[Part] = []
    for part in sorted(parts, key=lambda part: (_EFFORT.index(part.state), -part.number)):
        # A centre is asked once and in the same words, and of a labelled part it may be being asked just now.
        asked_otherwise = part.state is PartState.LABELLED and not asked_alike
        if asked_otherwise or any(excess[line.line_no] > 0 for line in part.lines):
            stopped.append(part)
            for line in part.lines:
                excess[line.line_no] -= line.quantity
    return stopped


def _unwanted(before: Order, event: ev.PartShipped) -> list[ev.LedgerEvent]:
    """Pieces that shipped although an amendment had taken them off the order."""
    gone = shipped_by_line(event)
    beyond = tuple(
        ev.ReturnLine(line.line_no, line.sku, gone[line.line_no] - line.open)
        for line in before.lines
        if gone.get(line.line_no, 0) > line.open
    )
    return [ev.ReturnNeeded(beyond)] if beyond else []


# ------------------------------------------------------------------ where an order goes on


def _after_shipping(order: Order, number: int) -> list[ev.LedgerEvent]:
    if order.part(number).shipped_short:
        return _returned(order, number, "shipped short")
    return _conclusion(order) if order.state is OrderState.AMENDING else []


def _returned(order: Order, number: int, reason: str) -> list[ev.LedgerEvent]:
    if order.state in (OrderState.VALIDATED, OrderState.ROUTED, OrderState.BOOKED):
        return [ev.QuantityReturned(number, reason)]
    return _conclusion(order)


def _conclusion(order: Order) -> list[ev.LedgerEvent]:
    """What an order whose parts were awaited does next, once they have ended."""
    if order.state is OrderState.AMENDING:
        return [] if any(part.state in STOPPING for part in order.parts) else [ev.AmendmentSettled()]
    if any(part.open for part in order.parts):
        return []
    all_shipped = all(line.open == 0 for line in order.lines)
    if order.state is OrderState.CANCELLING:
        return [ev.OrderCompleted()] if all_shipped and order.parts else [ev.PartsStopped()]
    if order.state is OrderState.BOOKED and all_shipped:
        return [ev.OrderCompleted()]
    return []
