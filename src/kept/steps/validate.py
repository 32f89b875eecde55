"""Validate: content and ERP agree that the order can be fulfilled, or it is held with the evidence.

Whether its money ties and its SKUs are known is asked here; a bad order is never refused at the door. While the ERP
can't be asked, an order of which it lately knew every SKU goes on to routing, and is cleared when it is booked.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from kept.domain.events import CancelRequested, OrderHeld, OrderRecorded, OrderValidated, PaymentAwaited
from kept.domain.holds import is_accepted
from kept.domain.money import to_decimal_string
from kept.domain.order import OrderContent, Payment
from kept.domain.progress import Order
from kept.domain.revisions import BUYER, wholly_unwanted
from kept.domain.skus import unmapped
from kept.engine.outcome import Done, Outcome
from kept.ports import TemporaryFault, UnknownResult
from kept.steps.clearance import clear, skus_of
from kept.steps.ports import Ports

# An authorisation that ends sooner than this may be gone before the parcel is.
_AUTHORISED_FOR_AT_LEAST = timedelta(days=1)


async def validate(order: Order, ports: Ports) -> Outcome:
    content = order.content
    verdict = not_ours_to_ship(content) or not_paid(content)
    if verdict is not None:
        return Done([verdict])
    channel = ports.channels.get(content.account)
    if wholly_unwanted(content) and content.account in ports.cancel_on_request and channel and channel.cancel:
        return Done([CancelRequested(BUYER, order.message_id, BUYER)])
    days = ports.rules_of(content.account).authorisation_days
    holds = (*incomplete(content), *expiring(content, ports.clock(), days))
    held = next((hold for hold in holds if not is_accepted(hold.code, order.accepted_holds)), None)
    if held is not None:
        return Done([held])
    try:
        cleared = await clear(order, ports)
    except (TemporaryFault, UnknownResult):  # a customer that was made all the same is found next time
        if not await ports.items.known_lately(skus_of(content)):
            raise
        cleared = ""  # step book asks again
    return Done([cleared if isinstance(cleared, OrderHeld) else OrderValidated(cleared)])


def not_ours_to_ship(content: OrderContent) -> OrderRecorded | None:
    """Orders that are known and never routed."""
    if content.cancelled:
        return OrderRecorded("cancelled at the channel before anything was done")
    if content.fulfilled_by_channel:
        return OrderRecorded("the channel ships it from its own stock")
    if content.test:
        return OrderRecorded("test order")
    if content.already_shipped:
        return OrderRecorded("the channel says that it has shipped")
    if not any(line.requires_shipping and line.quantity > 0 for line in content.lines):
        return OrderRecorded("nothing to ship")
    return None


def not_paid(content: OrderContent) -> PaymentAwaited | OrderHeld | None:
    """Orders whose money is not there."""
    match content.payment:
        case Payment.PAID | Payment.AUTHORISED | Payment.FREE:
            return None
        case Payment.PENDING:
            return PaymentAwaited(content.payment.value)
        case Payment.REFUNDED | Payment.VOIDED:
            return OrderHeld("payment_gone", f"the channel says {content.payment.value}; cancel it there or here")


def expiring(content: OrderContent, now: datetime, days: int) -> Iterator[OrderHeld]:
    """Money that is only promised, and about to be so no more."""
    until = content.placed_at + timedelta(days=days)
    if content.payment is Payment.AUTHORISED and now > until - _AUTHORISED_FOR_AT_LEAST:
        yield OrderHeld(
            "authorisation_expiring",
            f"the payment is authorised until about {until:%Y-%m-%d %H:%M} UTC: capture it, or let the order go",
        )


def incomplete(content: OrderContent) -> Iterator[OrderHeld]:
    """Orders whose content does not hold together, or that the channel says to wait with: all that speaks for it."""
    if content.hold:
        yield OrderHeld("channel_hold", f"the channel says to wait: {content.hold}")
    unknown = unmapped(content)
    if unknown:
        yield OrderHeld("sku_unmapped", f"no SKU of ours for {', '.join(unknown)}; import the mapping")
    asked = [str(line.line_no) for line in content.lines if line.cancel_requested and line.quantity > 0]
    if asked:
        yield OrderHeld("cancel_requested", f"the buyer asks to cancel line {', '.join(asked)}: cancel or refuse it")
    if content.ship_to is None:
        yield OrderHeld("no_address", "the channel gave no shipping address")
    for line in content.lines:
        if line.quantity > 0 and not line.sku:
            yield OrderHeld("sku_missing", f"line {line.line_no} ({line.external_id}) has no SKU")
    computed = content.computed_total_minor()
    if computed != content.total_minor:
        ours = to_decimal_string(computed, content.currency)
        theirs = to_decimal_string(content.total_minor, content.currency)
        yield OrderHeld("total_mismatch", f"lines come to {ours} {content.currency}, the channel says {theirs}")
