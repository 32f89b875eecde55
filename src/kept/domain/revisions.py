"""What a channel's next word about a known order changes."""

from __future__ import annotations

from kept.domain.events import CancelRequested, LedgerEvent, OrderRevised, RevisionIgnored
from kept.domain.lifecycle import ORDER_TRANSITIONS
from kept.domain.order import OrderContent, Payment
from kept.domain.progress import Order
from kept.domain.skus import unmapped

BUYER = "buyer"  # who asks, and `kept.ports.CancelReason.BUYER`


def facts_of_revision(
    order: Order, content: OrderContent, message_id: int, *, honours_requests: bool = False
) -> list[LedgerEvent]:
    """The facts that a revision makes of an order. The newest one wins, by the channel's own update time.

    An older or equal one is recorded and changes nothing. A cancel is always taken up while the order is
    open, and so is the buyer's request for one where the account `honours_requests`. Any other change applies
    until centres are chosen; after that it is recorded as too late.
    """
    revision = content.revision
    if content.cancelled and not order.content.cancelled and _allows(order, "CancelRequested"):
        return [CancelRequested("channel", message_id)]
    if _given_up(order, content) and _allows(order, "CancelRequested"):
        return [CancelRequested("channel, which gave the money back or shipped it otherwise", message_id)]
    newly_asked = wholly_unwanted(content) and not wholly_unwanted(order.content)
    if honours_requests and newly_asked and order.parts and _allows(order, "CancelRequested"):
        return [CancelRequested(BUYER, message_id, BUYER)]
    if revision == order.content.revision and (_newly_mapped(order, content) or _further_paid(order, content)):
        return [OrderRevised(revision, message_id)]
    if revision <= order.content.revision:
        reason = "same revision" if revision == order.content.revision else "older revision"
        return [RevisionIgnored(revision, message_id, reason)]
    if not order.parts and _allows(order, "OrderRevised"):
        return [OrderRevised(revision, message_id)]
    if _what_ships(content) == _what_ships(order.content):
        return [RevisionIgnored(revision, message_id, "nothing that ships differs")]
    return [RevisionIgnored(revision, message_id, f"too late: the order is {order.state.value}")]


def wholly_unwanted(content: OrderContent) -> bool:
    """Whether the buyer asks to cancel every line that would ship."""
    wanted = [line for line in content.lines if line.requires_shipping and line.quantity > 0]
    return bool(wanted) and all(line.cancel_requested for line in wanted)


def _given_up(order: Order, content: OrderContent) -> bool:
    """The money is gone, or somebody else shipped, after centres were chosen.

    After our own shipment both are the echo of what we did; before routing, validate judges them.
    """
    if content.revision <= order.content.revision or not order.parts:
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


def _what_ships(content: OrderContent) -> tuple[object, ...]:
    lines = tuple((line.line_no, line.sku, line.quantity) for line in content.lines)
    return lines, content.ship_to, content.cancelled
