"""Reconciling: the channel's last word, our ledger and the ERP, compared to the cent and the unit. Pure.

Only what has come to rest is compared: an order that is still being worked on differs by what is on its way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kept.domain.erp_orders import ErpLine, ErpOrder, ErpOrderStatus
from kept.domain.lifecycle import OrderState, PartState
from kept.domain.money import to_decimal_string
from kept.domain.numbering import numbering, renumbered
from kept.domain.order import OrderContent, OrderLine
from kept.domain.progress import Order


class Cause(StrEnum):
    """What kind of difference it is. Each names the two sides that differ."""

    CHANNEL_CANCELLED = "channel_cancelled"  # cancelled at the channel; we ship, or shipped
    CHANNEL_TOTAL = "channel_total"  # the channel's last total is not that of the content in force
    CHANNEL_QUANTITY = "channel_quantity"  # likewise a line's quantity
    ERP_MISSING = "erp_missing"  # booked, and the ERP does not have it
    ERP_DOUBLED = "erp_doubled"  # the ERP has several of one reference
    ERP_STATUS = "erp_status"  # open there and ended here, or the other way round
    ERP_CURRENCY = "erp_currency"
    ERP_TOTAL = "erp_total"
    ERP_TAX = "erp_tax"
    ERP_QUANTITY = "erp_quantity"  # of a line; a line that one side lacks has 0 there
    ERP_AMOUNT = "erp_amount"  # of a line, without tax
    ERP_SHIPPED = "erp_shipped"  # of a line: pieces posted, and pieces delivered there
    ERP_REFUND = "erp_refund"  # given back at the channel, and not in the ERP


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing on which two sides differ. `place` is "" or "line 2"; the values are for people."""

    cause: Cause
    place: str
    ours: str
    theirs: str


def differences(order: Order, last_word: OrderContent, erp: Sequence[ErpOrder]) -> list[Difference]:
    """On what the three sides differ. `last_word` is the newest content that the channel told."""
    return [*_from_channel(order, last_word), *_from_erp(order, last_word, erp)]


# ------------------------------------------------------------------ the channel's side


def _from_channel(order: Order, said: OrderContent) -> Iterator[Difference]:
    content = order.content
    if said.cancelled and order.state not in (OrderState.CANCELLED, OrderState.RECORDED):
        yield Difference(Cause.CHANNEL_CANCELLED, "", order.state.value, "cancelled")
        return
    if said.cancelled or said.revision <= content.revision:
        return
    last = max((line.line_no for line in order.lines), default=0)
    theirs = {line.line_no: line for line in renumbered(said, numbering(content, said, last)).lines}
    shipped = {line.line_no: line.shipped for line in order.lines}
    for line_no in sorted({line.line_no for line in content.lines} | theirs.keys()):
        ours = _quantity(content.lines, line_no)
        wanted = theirs[line_no].quantity if line_no in theirs else 0
        # What came back after it shipped is the channel's business and a refund, not another order.
        if ours != wanted and not wanted < ours <= shipped.get(line_no, 0):
            yield Difference(Cause.CHANNEL_QUANTITY, f"line {line_no}", str(ours), str(wanted))
    if said.refunded_minor == content.refunded_minor and said.total_minor != content.total_minor:
        yield Difference(Cause.CHANNEL_TOTAL, "", _money(content.total_minor, content), _money(said.total_minor, said))


def _quantity(lines: Sequence[OrderLine], line_no: int) -> int:
    return next((line.quantity for line in lines if line.line_no == line_no), 0)


# ------------------------------------------------------------------ the ERP's side


def _from_erp(order: Order, said: OrderContent, erp: Sequence[ErpOrder]) -> Iterator[Difference]:
    live = [each for each in erp if each.status is not ErpOrderStatus.CANCELLED]
    if len(live) > 1:
        ids = ", ".join(each.erp_order_id for each in live)
        yield Difference(Cause.ERP_DOUBLED, "", order.erp_order_id, ids)
        return
    if order.state is OrderState.CANCELLED:
        if live and live[0].status is not ErpOrderStatus.CLOSED:
            yield Difference(Cause.ERP_STATUS, "", order.state.value, live[0].status.value)
        return
    if not order.erp_order_id:
        return
    if not erp:
        yield Difference(Cause.ERP_MISSING, "", order.erp_order_id, "")
        return
    theirs = live[0] if live else erp[0]
    yield from _status(order, theirs)
    yield from _amounts(order, said, theirs)
    yield from _lines(order, theirs)


def _status(order: Order, theirs: ErpOrder) -> Iterator[Difference]:
    open_there = theirs.status in (ErpOrderStatus.OPEN, ErpOrderStatus.DRAFT)
    # What needs no shipping is delivered by somebody else, who may not have done it yet.
    all_ours = all(line.requires_shipping for line in order.content.lines if line.quantity > 0)
    ended_here = order.state is OrderState.COMPLETE and all_ours
    if theirs.status in (ErpOrderStatus.CANCELLED, ErpOrderStatus.DRAFT) or (ended_here and open_there):
        yield Difference(Cause.ERP_STATUS, "", order.state.value, theirs.status.value)


def _amounts(order: Order, said: OrderContent, theirs: ErpOrder) -> Iterator[Difference]:
    content = order.content
    if theirs.currency != content.currency:
        yield Difference(Cause.ERP_CURRENCY, "", content.currency, theirs.currency)
        return
    tax = sum(line.tax_minor for line in content.lines) + content.shipping_tax_minor
    for cause, ours, other in (
        (Cause.ERP_TOTAL, content.total_minor, theirs.total_minor),
        (Cause.ERP_TAX, tax, theirs.tax_minor),
        (Cause.ERP_REFUND, said.refunded_minor - content.refunded_minor, theirs.refunded_minor),
    ):
        if ours != other:
            yield Difference(cause, "", _money(ours, content), _money(other, content))


def _lines(order: Order, theirs: ErpOrder) -> Iterator[Difference]:
    content = order.content
    ours = {line.line_no: line for line in content.lines if line.quantity > 0}
    there = {line.line_no: line for line in theirs.lines if line.line_no}
    posted = _posted(order)
    for line_no in sorted(ours.keys() | there.keys()):
        mine, other = ours.get(line_no), there.get(line_no)
        place = f"line {line_no}"
        quantities = (mine.quantity if mine else 0, other.quantity if other else 0)
        if quantities[0] != quantities[1]:
            yield Difference(Cause.ERP_QUANTITY, place, str(quantities[0]), str(quantities[1]))
        elif mine and other and _net(mine, content) != other.net_minor:
            net = _money(_net(mine, content), content)
            yield Difference(Cause.ERP_AMOUNT, place, net, _money(other.net_minor, content))
        yield from _shipped(place, posted.get(line_no, 0), other)


def _shipped(place: str, posted: int, other: ErpLine | None) -> Iterator[Difference]:
    delivered = other.shipped if other else 0
    if posted != delivered:
        yield Difference(Cause.ERP_SHIPPED, place, str(posted), str(delivered))


def _posted(order: Order) -> dict[int, int]:
    """Pieces whose shipment the ERP was told of, by line."""
    posted: dict[int, int] = {}
    for part in order.parts:
        if part.state is PartState.POSTED:
            for line in part.lines:
                posted[line.line_no] = posted.get(line.line_no, 0) + line.shipped
    return posted


def _net(line: OrderLine, content: OrderContent) -> int:
    gross = line.unit_price_minor * line.quantity - line.discount_minor
    return gross - line.tax_minor if content.tax_included else gross


def _money(minor: int, content: OrderContent) -> str:
    return f"{to_decimal_string(minor, content.currency)} {content.currency}"
