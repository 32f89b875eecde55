"""Validate: content and ERP agree that the order can be fulfilled, or it is held with the evidence.

Whether its money ties and its SKUs are known is asked here; a bad order is never refused at the door.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kept.domain.events import CancelRequested, OrderHeld, OrderRecorded, OrderValidated, PaymentAwaited
from kept.domain.instructions import ACCEPTABLE_HOLDS
from kept.domain.money import to_decimal_string
from kept.domain.order import OrderContent, Payment
from kept.domain.progress import Order
from kept.domain.revisions import BUYER, wholly_unwanted
from kept.domain.skus import unmapped
from kept.engine.outcome import Done, Outcome
from kept.ports import ItemCheck
from kept.steps.ports import Ports


async def validate(order: Order, ports: Ports) -> Outcome:
    content = order.content
    verdict = not_ours_to_ship(content) or not_paid(content)
    if verdict is not None:
        return Done([verdict])
    channel = ports.channels.get(content.account)
    if wholly_unwanted(content) and content.account in ports.cancel_on_request and channel and channel.cancel:
        return Done([CancelRequested(BUYER, order.message_id, BUYER)])
    held = next((hold for hold in incomplete(content) if not _accepted(hold, order)), None)
    if held is not None:
        return Done([held])
    checks = await ports.items.check_items(sorted({line.sku for line in content.lines if line.quantity > 0}))
    held = unsaleable(checks)
    if held is not None:
        return Done([held])
    assert content.ship_to is not None, "incomplete() holds an order without an address"
    customer = await ports.erp.customers.resolve_customer(content.account, content.email, content.ship_to)
    return Done([OrderValidated(customer)])


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


def _accepted(hold: OrderHeld, order: Order) -> bool:
    return hold.code in ACCEPTABLE_HOLDS and hold.code in order.accepted_holds


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


def unsaleable(checks: Sequence[ItemCheck]) -> OrderHeld | None:
    """Orders with SKUs that the ERP does not sell."""
    unknown = sorted(check.sku for check in checks if not check.known)
    if unknown:
        return OrderHeld("sku_unknown", f"the ERP does not know {', '.join(unknown)}")
    blocked = sorted(check.sku for check in checks if not check.saleable)
    if blocked:
        return OrderHeld("sku_not_saleable", f"the ERP does not sell {', '.join(blocked)}")
    return None
