"""Where an order stands, and what each fact makes of it.

`evolve` is the fold of the ledger: given an order and new facts it says the order's next shape, every
fact to write (those that follow by themselves included) and what stock they move. It is pure, so that
the ledger can be replayed and checked against the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kept.domain import events as ev
from kept.domain.consequences import consequences, shipped_by_line
from kept.domain.keys import fulfilment_reference
from kept.domain.lifecycle import RESERVING, TERMINAL, OrderState, PartState, advance_order, advance_part
from kept.domain.numbering import renumbered
from kept.domain.order import OrderContent, OrderLine
from kept.domain.values import changed

Fields = dict[str, Any]  # what a fact changes of an order or a part, by field


@dataclass(frozen=True, slots=True)
class LineProgress:
    """Quantities of one order line that needs shipping. `open` pieces are neither cancelled nor shipped."""

    line_no: int
    sku: str
    ordered: int
    cancelled: int = 0
    shipped: int = 0

    @property
    def open(self) -> int:
        return self.ordered - self.cancelled - self.shipped


@dataclass(frozen=True, slots=True)
class PartLine:
    """Pieces of one order line in one centre's part."""

    line_no: int
    sku: str
    quantity: int
    shipped: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """A fulfilment order: what one centre is to ship of an order."""

    id: int  # 0 until stored
    number: int
    centre: str
    service: str
    state: PartState
    lines: tuple[PartLine, ...]
    sscc: str = ""
    label_sha256: str = ""
    shipment: ev.PartShipped | None = None

    @property
    def open(self) -> bool:
        return self.state not in TERMINAL

    @property
    def shipped_short(self) -> bool:
        return self.shipment is not None and any(line.shipped < line.quantity for line in self.lines)


@dataclass(frozen=True, slots=True)
class Order:
    """An order as its ledger tells it. `seq` is the number of its last fact."""

    id: int
    reference: str
    state: OrderState
    seq: int
    message_id: int  # the message whose content is in force
    revision: int  # the newest that was heard of, in force or not
    correlation_id: str
    content: OrderContent
    lines: tuple[LineProgress, ...]
    parts: tuple[Part, ...] = ()
    customer_id: str = ""
    erp_order_id: str = ""
    cancel_reason: str = ""  # why we cancel it, for the channel; "" while we don't
    accepted_holds: tuple[str, ...] = ()  # codes of holds of this content that a person let go
    version: int = 1  # of the content, raised by every amendment; effects that carry the content bear it in their key
    booked_version: int = 1  # which the ERP has, once it has one
    numbering: tuple[int, ...] = ()  # our numbers of the content's lines where they aren't the channel's (in `content`)

    def part(self, number: int) -> Part:
        """The fulfilment order with that number; KeyError when there is none."""
        for part in self.parts:
            if part.number == number:
                return part
        raise KeyError(f"order {self.reference} has no part {number}")

    def part_reference(self, number: int) -> str:
        return fulfilment_reference(self.reference, number)

    def refused(self) -> frozenset[str]:
        """Centres that rejected a part of this order or shipped it short: not asked again."""
        return frozenset(part.centre for part in self.parts if part.state is PartState.REJECTED or part.shipped_short)

    def unrouted(self) -> tuple[LineProgress, ...]:
        """Lines with pieces that no centre has; `open` of each is how many."""
        held: dict[int, int] = {}
        for part in self.parts:
            if part.state in RESERVING:
                for line in part.lines:
                    held[line.line_no] = held.get(line.line_no, 0) + line.quantity
        free = (changed(line, ordered=line.ordered - held.get(line.line_no, 0)) for line in self.lines)
        return tuple(line for line in free if line.open > 0)


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact as the ledger keeps it: with its number and the state of its subject after it."""

    seq: int
    event: ev.LedgerEvent
    part: int | None
    state: str


@dataclass(frozen=True, slots=True)
class StockMove:
    """A change to one centre's stock of one SKU, in pieces. `at`: when it happened there, if on_hand changes."""

    centre: str
    sku: str
    reserved: int
    on_hand: int = 0
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Evolution:
    """What new facts made of an order."""

    order: Order
    entries: tuple[Entry, ...]
    stock: tuple[StockMove, ...]


def shippable(lines: Iterable[OrderLine]) -> tuple[LineProgress, ...]:
    """The lines whose pieces a centre must ship."""
    return tuple(
        LineProgress(line.line_no, line.sku, line.quantity)
        for line in lines
        if line.requires_shipping and line.quantity > 0
    )


def received(order_id: int, reference: str, correlation_id: str, content: OrderContent, message_id: int) -> Evolution:
    """A new order and its first fact. The channel hears of it first, where it wants to."""
    state = OrderState.RECEIVED if content.acknowledge_by is None else OrderState.UNACKNOWLEDGED
    event = ev.OrderReceived(content.revision, message_id)
    order = Order(
        id=order_id,
        reference=reference,
        state=state,
        seq=1,
        message_id=message_id,
        revision=content.revision,
        correlation_id=correlation_id,
        content=content,
        lines=shippable(content.lines),
    )
    return Evolution(order, (Entry(1, event, None, state.value),), ())


def evolve(order: Order, facts: Sequence[Any], content: OrderContent | None = None) -> Evolution:
    """Apply facts in order, each followed by what it entails. `content` is the new one, as the channel numbers its
    lines, for OrderRevised and OrderAmended.

    Raises IllegalTransition when the order does not allow a fact.
    """
    entries: list[Entry] = []
    stock: list[StockMove] = []
    waiting = list(facts)
    while waiting:
        event = waiting.pop(0)
        stock.extend(_stock_moves(order, event))
        before, order = order, _apply(order, event, content)
        number = event.part if type(event) in ev.PART_EVENTS else None
        state = order.state if number is None else order.part(number).state
        entries.append(Entry(order.seq, event, number, state.value))
        waiting[:0] = consequences(before, order, event)
    return Evolution(order, tuple(entries), tuple(stock))


# ------------------------------------------------------------------ applying one fact


def _apply(order: Order, event: Any, content: OrderContent | None) -> Order:
    kind = type(event)
    if kind in ev.PART_EVENTS:
        before = order.part(event.part)
        change_part = _PART_CHANGES.get(kind)
        changes = change_part(before, event) if change_part is not None else {}
        after = changed(before, state=advance_part(before.state, kind.__name__), **changes)
        parts = tuple(after if part is before else part for part in order.parts)
        lines = _with_shipped(order.lines, event) if kind is ev.PartShipped else order.lines
        return changed(order, parts=parts, lines=lines, seq=order.seq + 1)
    state_after = advance_order(order.state, kind.__name__)
    change = _ORDER_CHANGES.get(kind)
    if kind is ev.OrderRevised or kind is ev.OrderAmended:
        assert content is not None, f"{kind.__name__} needs the new content"
        new = _revised(order, event, content) if kind is ev.OrderRevised else _amended(order, event, content)
        # Holds were let go for what the order said then.
        new |= {"message_id": event.message_id, "revision": event.revision, "accepted_holds": ()}
        return changed(order, state=state_after, seq=order.seq + 1, **new)
    return changed(order, state=state_after, seq=order.seq + 1, **(change(order, event) if change is not None else {}))


def _revised(order: Order, _: ev.OrderRevised, content: OrderContent) -> Fields:
    """The new content's lines, keeping what already shipped of each."""
    shipped = {line.line_no: line.shipped for line in order.lines}
    lines = tuple(changed(line, shipped=shipped.get(line.line_no, 0)) for line in shippable(content.lines))
    return {"content": content, "lines": lines, "numbering": ()}


def _amended(order: Order, event: ev.OrderAmended, content: OrderContent) -> Fields:
    """The new content's lines. A line that is gone stays known, for parts and shipments that name it."""
    content = renumbered(content, event.numbers)
    wanted = {line.line_no: line for line in shippable(content.lines)}
    known = {line.line_no: line for line in order.lines}
    lines = []
    for line_no in sorted(wanted.keys() | known.keys()):
        shipped = known[line_no].shipped if line_no in known else 0
        quantity = wanted[line_no].ordered if line_no in wanted else 0
        sku = (wanted.get(line_no) or known[line_no]).sku
        # What was sent back after it shipped was ordered all the same.
        lines.append(LineProgress(line_no, sku, max(quantity, shipped), shipped=shipped))
    return {
        "content": content,
        "lines": tuple(lines),
        "numbering": event.numbers,
        "version": order.version + 1,
    }


def _routed(order: Order, event: ev.OrderRouted) -> Fields:
    number = max((part.number for part in order.parts), default=0)
    parts = tuple(
        Part(
            id=0,
            number=number + index,
            centre=plan.centre,
            service=plan.service,
            state=PartState.PLANNED,
            lines=tuple(PartLine(line.line_no, line.sku, line.quantity) for line in plan.lines),
        )
        for index, plan in enumerate(event.parts, start=1)
    )
    return {"parts": order.parts + parts}


def _closed(order: Order, _: Any) -> Fields:
    """An order that ended: what did not ship is cancelled."""
    if all(line.open == 0 for line in order.lines):
        return {}
    return {"lines": tuple(changed(line, cancelled=line.ordered - line.shipped) for line in order.lines)}


def _with_shipped(lines: Sequence[LineProgress], event: ev.PartShipped) -> tuple[LineProgress, ...]:
    """Pieces that shipped although they had been taken off the order were ordered once: they count as such."""
    gone = shipped_by_line(event)
    shipped = (changed(line, shipped=line.shipped + gone.get(line.line_no, 0)) for line in lines)
    return tuple(line if line.open >= 0 else changed(line, ordered=line.shipped) for line in shipped)


def _part_shipped(part: Part, event: ev.PartShipped) -> Fields:
    gone = shipped_by_line(event)
    lines = tuple(changed(line, shipped=gone.get(line.line_no, 0)) for line in part.lines)
    return {"lines": lines, "shipment": event}


_ORDER_CHANGES: dict[type[Any], Callable[[Order, Any], Fields]] = {
    ev.RevisionIgnored: lambda order, event: {"revision": max(order.revision, event.revision)},
    ev.OrderValidated: lambda _, event: {"customer_id": event.customer_id},
    ev.OrderRouted: _routed,
    ev.OrderBooked: lambda order, event: {"erp_order_id": event.erp_order_id, "booked_version": order.version},
    ev.HoldReleased: lambda order, event: {"accepted_holds": (*order.accepted_holds, event.code)},
    ev.CancelRequested: lambda _, event: {"cancel_reason": event.reason},
    ev.OrderCancelled: _closed,
    ev.OrderCompleted: _closed,
}
_PART_CHANGES: dict[type[Any], Callable[[Part, Any], Fields]] = {
    ev.PartLabelled: lambda _, event: {
        "sscc": event.sscc,
        "label_sha256": event.documents[0] if event.documents else "",
    },
    ev.PartShipped: _part_shipped,
}


# ------------------------------------------------------------------ stock


def _stock_moves(order: Order, event: Any) -> list[StockMove]:
    """What a fact does to stock, judged on the order before it."""
    match event:
        case ev.OrderRouted(parts=parts):
            return [StockMove(plan.centre, line.sku, line.quantity) for plan in parts for line in plan.lines]
        case ev.PartRejected(part=number) | ev.PartCancelled(part=number):
            part = order.part(number)
            return [StockMove(part.centre, line.sku, -line.quantity) for line in part.lines]
        case ev.PartShipped(part=number):
            part = order.part(number)
            gone = shipped_by_line(event)
            return [
                StockMove(part.centre, line.sku, -line.quantity, -gone.get(line.line_no, 0), event.shipped_at)
                for line in part.lines
            ]
        case _:
            return []
