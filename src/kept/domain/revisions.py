"""What a channel's next word about a known order changes."""

from __future__ import annotations

from kept.domain.events import CancelRequested, LedgerEvent, OrderAmended, OrderRevised, RevisionIgnored
from kept.domain.lifecycle import ORDER_TRANSITIONS
from kept.domain.numbering import numbering, renumbered
from kept.domain.order import OrderContent, Payment
from kept.domain.progress import Order, shippable
from kept.domain.skus import unmapped

BUYER = "buyer"  # who asks, and `kept.ports.CancelReason.BUYER`


def facts_of_revision(
    order: Order, content: OrderContent, message_id: int, *, honours_requests: bool = False, amendable: bool = False
) -> list[LedgerEvent]:
    """The facts that a revision makes of an order. The newest one wins, by the channel's own update time.

    An older or equal one is recorded and changes nothing. A cancel is always taken up while the order is
    open, and so is the buyer's request for one where the account `honours_requests`. Any other change simply
    applies until centres are chosen. After that it amends what has not shipped yet, where the ERP is `amendable`,
    and is recorded as too late otherwise.
    """
    revision = content.revision
    said = order.content
    if content.cancelled and not said.cancelled and _allows(order, "CancelRequested"):
        return [CancelRequested("channel", message_id)]
    if _given_up(order, content) and _allows(order, "CancelRequested"):
        return [CancelRequested("channel, which gave the money back or shipped it otherwise", message_id)]
    newly_asked = wholly_unwanted(content) and not wholly_unwanted(said)
    if honours_requests and newly_asked and order.parts and _allows(order, "CancelRequested"):
        return [CancelRequested(BUYER, message_id, BUYER)]
    if revision == said.revision and (_newly_mapped(order, content) or _further_paid(order, content)):
        return [OrderRevised(revision, message_id)]
    if revision <= order.revision:
        reason = "same revision" if revision == order.revision else "older revision"
        return [RevisionIgnored(revision, message_id, reason)]
    if not order.parts and _allows(order, "OrderRevised"):
        return [OrderRevised(revision, message_id)]
    return [_after_routing(order, content, message_id, amendable=amendable)]


def _after_routing(order: Order, content: OrderContent, message_id: int, *, amendable: bool) -> LedgerEvent:
    last = max((line.line_no for line in order.lines), default=0)
    numbers = numbering(order.content, content, last)
    said = renumbered(content, numbers)
    if said.cancelled == order.content.cancelled and _ships_the_same(order, said):
        asked = _newly_asked(order.content, said)
        reason = f"the buyer asks to cancel line {asked}: the order is {order.state.value}" if asked else _NO_DIFFERENCE
        return RevisionIgnored(content.revision, message_id, reason)
    if not shippable(said.lines) and _allows(order, "CancelRequested"):
        return CancelRequested("channel, which took every line off the order", message_id)
    if amendable and _can_ship(said) and _allows(order, "OrderAmended"):
        return OrderAmended(content.revision, message_id, numbers)
    return RevisionIgnored(content.revision, message_id, f"too late: the order is {order.state.value}")


_NO_DIFFERENCE = "nothing that is still to ship differs"


def wholly_unwanted(content: OrderContent) -> bool:
    """Whether the buyer asks to cancel every line that would ship."""
    wanted = [line for line in content.lines if line.requires_shipping and line.quantity > 0]
    return bool(wanted) and all(line.cancel_requested for line in wanted)


def _given_up(order: Order, content: OrderContent) -> bool:
    """The money is gone, or somebody else shipped, after centres were chosen.

    After our own shipment both are the echo of what we did; before routing, validate judges them.
    """
    if content.revision <= order.revision or not order.parts:
        return False
    if any(part.shipment is not None for part in order.parts):
        return False
    return content.already_shipped or content.payment in (Payment.REFUNDED, Payment.VOIDED)


# How far the money is. Channels' times have whole seconds, in which an order is made and paid.
_PAYMENT_RANK = {
    Payment.PENDING: 0,
    Payment.AUTHORISED: 1,
    Payment.PAID: 2,
    Payment.FREE: 2,
    Payment.VOIDED: 3,
    Payment.REFUNDED: 3,
}


def _further_paid(order: Order, content: OrderContent) -> bool:
    """Another word of the same moment, in which the money is further: whatever came first, this came of it."""
    further = _PAYMENT_RANK[content.payment] > _PAYMENT_RANK[order.content.payment]
    return further and not order.parts and _allows(order, "OrderRevised")


def _newly_mapped(order: Order, content: OrderContent) -> bool:
    """The same revision, read again because SKUs were mapped for which the order is held."""
    before, after = unmapped(order.content), unmapped(content)
    return len(after) < len(before) and not order.parts and _allows(order, "OrderRevised")


def _allows(order: Order, event: str) -> bool:
    return (order.state, event) in ORDER_TRANSITIONS


def _ships_the_same(order: Order, content: OrderContent) -> bool:
    """Whether the same pieces go the same way. What shipped already can't differ any more, whatever came back of it."""
    if not order.content.same_destination(content) and any(line.open for line in order.lines):
        return False
    return {line_no: wanted for line_no, wanted in _wanted(order, content).items() if wanted} == {
        line.line_no: line.ordered for line in order.lines if line.ordered
    }


def _wanted(order: Order, content: OrderContent) -> dict[int, int]:
    """Pieces of each line that a revision leaves, those that shipped at least."""
    wanted = {line.line_no: line.shipped for line in order.lines}
    for line in shippable(content.lines):
        wanted[line.line_no] = max(line.ordered, wanted.get(line.line_no, 0))
    return wanted


def _can_ship(content: OrderContent) -> bool:
    """Whether a revision is an order that we ship. What it is instead, its ledger can't become after routing."""
    gone = content.cancelled or content.test or content.fulfilled_by_channel or content.already_shipped
    return not gone and content.ship_to is not None


def _newly_asked(before: OrderContent, content: OrderContent) -> str:
    known = {line.line_no for line in before.lines if line.cancel_requested}
    return ", ".join(
        str(line.line_no)
        for line in content.lines
        if line.cancel_requested and line.quantity > 0 and line.line_no not in known
    )
