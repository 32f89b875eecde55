"""Orders API 2026-01-01 -> the canonical order. Pure.

An order comes whole: {"order": {...}} of getOrder, or one of the orders of searchOrders. An item's proceeds are
broken down by type (ITEM, SHIPPING, TAX, ...), each for the item's whole quantity, and their sum is its part of the
grand total: tax stands on its own and is added on top. `unitPrice` is what the shop showed, perhaps with tax, and
stands in only where there is no breakdown. Discounts are read by their size, whichever sign they have.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from kept.connectors.channels.amazon.codes import (
    FULFILLED_BY_AMAZON_2026,
    PROGRAMS_THAT_HOLD,
    REPLACEMENTS,
    STANDINGS_2026,
)
from kept.connectors.channels.amazon.content import (
    Amounts,
    Line,
    MoneyBody,
    Places,
    Purse,
    Read,
    address_of,
    convert_at,
    currency_of,
    demanded,
    known,
    order_of,
)
from kept.connectors.channels.amazon.schemas_2026 import Item, ItemBreakdown, Order, Window
from kept.domain.order import OrderContent
from kept.ports import BadMessage

_CHARGES = frozenset({"SHIPPING", "GIFT_WRAP", "COD_FEE", "OTHER"})  # beside the goods
_TIP = "DELIVERY_TIP"  # the one charge that stands on no item
_CASH = "CashOnDelivery"


def is_2026(body: dict[str, Any]) -> bool:
    """Whether it looks like an order of 2026-01-01."""
    return "orderId" in body and "orderItems" in body


def content_of(account: str, body: dict[str, Any]) -> OrderContent:
    """One revision of an order, bare or as {"order": ...}. Raises BadMessage with the JSON path."""
    at = "$.order" if "order" in body else "$"
    order = convert_at(body.get("order", body), Order, at)
    fulfilment = order.fulfillment
    if fulfilment is None:
        raise BadMessage("there is no fulfilment: ask with includedData=FULFILLMENT", where=at + ".fulfillment")
    marketplace = order.sales_channel.marketplace_id
    currency = currency_of(_all_money(order), marketplace, at + ".salesChannel.marketplaceId")
    purse = Purse(currency, at + ".proceeds.grandTotal.currencyCode")
    lines = [_line(item, purse, f"{at}.orderItems[{index}]") for index, item in enumerate(order.order_items)]
    grand_total = order.proceeds.grand_total if order.proceeds else None
    total = None if grand_total is None else purse.positive(grand_total, at + ".proceeds.grandTotal")
    address = order.recipient.delivery_address if order.recipient else None
    extended = address.extended_fields if address else None
    return order_of(
        Read(
            account=account,
            external_id=order.order_id,
            placed_at=order.created_time,
            updated_at=order.last_updated_time,
            standing=known(
                STANDINGS_2026, fulfilment.fulfillment_status, "order status", at + ".fulfillment.fulfillmentStatus"
            ),
            by_amazon=known(
                FULFILLED_BY_AMAZON_2026, fulfilment.fulfilled_by, "fulfilling party", at + ".fulfillment.fulfilledBy"
            ),
            replacement=any(other.association_type in REPLACEMENTS for other in order.associated_orders or ()),
            currency=currency,
            lines=lines,
            total_minor=total,
            tax_included_otherwise=False,
            ship_to=address_of(address, extended.neighborhood if extended else None),
            email=(order.buyer.buyer_email if order.buyer else None) or "",
            service=fulfilment.fulfillment_service_level or "",
            ship_by=_end(fulfilment.ship_by_window),
            deliver_by=_end(fulfilment.deliver_by_window),
            holds=_holds(order),
            extra_minor=_tips(order, lines, total, purse, at),
            where=Places(
                placed_at=at + ".createdTime",
                updated_at=at + ".lastUpdatedTime",
                service=at + ".fulfillment.fulfillmentServiceLevel",
                ship_by=at + ".fulfillment.shipByWindow",
                deliver_by=at + ".fulfillment.deliverByWindow",
            ),
        )
    )


def _end(window: Window | None) -> datetime | None:
    return window.latest_date_time if window else None


def _all_money(order: Order) -> Iterable[MoneyBody | None]:
    if order.proceeds is not None:
        yield order.proceeds.grand_total
    for item in order.order_items:
        for breakdown in (item.proceeds.breakdowns if item.proceeds else None) or ():
            yield breakdown.subtotal
        yield item.product.price.unit_price if item.product.price else None


# ------------------------------------------------------------------ lines


def _line(item: Item, purse: Purse, at: str) -> Line:
    quantity = _wanted(item, at)
    fulfilment = item.fulfillment
    shipping = fulfilment.shipping if fulfilment else None
    packing = fulfilment.packing if fulfilment else None
    return Line(
        external_id=item.order_item_id,
        sku=item.product.seller_sku or "",  # the validate step holds a line without one
        title=item.product.title or "",
        quantity=quantity,
        amounts=_amounts(item, quantity, purse, at),
        gift=packing is not None and packing.gift_option is not None,
        cancel_requested=_buyer_asked(item, at),
        deliver_by=_end(shipping.scheduled_delivery_window) if shipping else None,
        constraints=demanded(shipping.shipping_constraints if shipping else None),
    )


def _wanted(item: Item, at: str) -> int:
    """Pieces still wanted: those shipped and those left to ship, where Amazon says so; else those ordered.

    Raises BadMessage for more than were ordered.
    """
    fulfilment = item.fulfillment
    if fulfilment is None or (fulfilment.quantity_fulfilled is None and fulfilment.quantity_unfulfilled is None):
        executed = item.cancellation is not None and item.cancellation.cancellation_execution is not None
        return 0 if executed else item.quantity_ordered
    wanted = (fulfilment.quantity_fulfilled or 0) + (fulfilment.quantity_unfulfilled or 0)
    if wanted > item.quantity_ordered:
        raise BadMessage(f"{wanted} pieces are shipped or left of {item.quantity_ordered}", where=at + ".fulfillment")
    return wanted


def _buyer_asked(item: Item, at: str) -> bool:
    """Whether the buyer asks to cancel the item. Raises BadMessage for an unknown asker."""
    request = item.cancellation.cancellation_request if item.cancellation else None
    if request is None:
        return False
    return known({"BUYER": True}, request.requester, "requester", at + ".cancellation.cancellationRequest.requester")


def _amounts(item: Item, quantity: int, purse: Purse, at: str) -> Amounts:
    breakdowns = (item.proceeds.breakdowns if item.proceeds else None) or []
    if not breakdowns:
        unit_price = item.product.price.unit_price if item.product.price else None
        return Amounts(goods_minor=purse.positive(unit_price, at + ".product.price.unitPrice") * quantity)
    goods = discount = tax = charges = charges_tax = 0
    for index, breakdown in enumerate(breakdowns):
        place = f"{at}.proceeds.breakdowns[{index}]"
        amount = purse.minor(breakdown.subtotal, place + ".subtotal")
        match breakdown.type:
            case "ITEM":
                goods += _not_negative(amount, place)
            case "DISCOUNT":
                beside = abs(_beside_goods(breakdown, purse, place))
                discount += abs(amount) - beside
                charges -= beside
            case "TAX":
                beside = _beside_goods(breakdown, purse, place)
                tax += amount - beside
                charges_tax += beside
            case code if code in _CHARGES:
                charges += amount
            case code:
                raise BadMessage(f"unknown kind of proceeds {code[:40]!r}", where=place + ".type")
    return Amounts(goods, discount, tax, charges, charges_tax)


def _beside_goods(breakdown: ItemBreakdown, purse: Purse, at: str) -> int:
    """What of a tax or discount falls on shipping and the other charges. Without details: nothing."""
    return sum(
        purse.minor(detail.value, f"{at}.detailedBreakdowns[{index}].value")
        for index, detail in enumerate(breakdown.detailed_breakdowns or ())
        if detail.subtype in _CHARGES
    )


def _not_negative(amount: int, at: str) -> int:
    if amount < 0:
        raise BadMessage(f"{amount} minor units, which is below zero", where=at + ".subtotal")
    return amount


# ------------------------------------------------------------------ the whole order


def _tips(order: Order, lines: Sequence[Line], total: int | None, purse: Purse, at: str) -> int:
    """Tips, which are charged separately. One that is not charged yet counts if the grand total has it in."""
    charged = pending = 0
    breakdowns = (order.proceeds.breakdowns if order.proceeds else None) or ()
    for index, breakdown in enumerate(breakdowns):
        if breakdown.type == _TIP:
            amount = purse.positive(breakdown.subtotal, f"{at}.proceeds.breakdowns[{index}].subtotal")
            if breakdown.status == "PENDING":
                pending += amount
            else:
                charged += amount
    if not pending or total is None:
        return charged
    without = sum(_proceeds(line.amounts) for line in lines) + charged
    return charged + pending if without + pending == total else charged


def _proceeds(amounts: Amounts) -> int:
    goods = amounts.goods_minor - amounts.discount_minor + amounts.tax_minor
    return goods + amounts.charges_minor + amounts.charges_tax_minor


def _holds(order: Order) -> list[str]:
    holds = [PROGRAMS_THAT_HOLD[program] for program in order.programs or () if program in PROGRAMS_THAT_HOLD]
    executions = (order.payment.payment_executions if order.payment else None) or ()
    if any(execution.payment_method == _CASH for execution in executions):
        holds.append("the carrier has to collect the payment, and no centre is told")
    return holds
