"""Orders API v0 -> the canonical order. Pure.

One order is spread over several answers of Amazon's: getOrder (or one of getOrders), getOrderItems, and with the
right to personal data getOrderAddress, getOrderBuyerInfo and getOrderItemsBuyerInfo. A message holds them
unchanged: {"order": ..., "orderItems": ... or [pages], "address"?, "buyerInfo"?, "orderItemsBuyerInfo"?}, each
with or without its "payload"; or the order itself with "OrderItems" put into it.

`ItemPrice` is for the whole quantity, and so are tax, discounts and shipping beside it. There are no prices
while the order is pending. What the buyer pays is
    ItemPrice - PromotionDiscount + ShippingPrice - ShippingDiscount + GiftWrapPrice + CODFee - CODFeeDiscount
and, where prices don't contain it, the tax of each of these with the same sign.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from kept.connectors.channels.amazon.codes import FULFILLED_BY_AMAZON_V0, STANDINGS_V0
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
    tax_included_in,
)
from kept.connectors.channels.amazon.schemas_v0 import (
    BuyerInfo,
    Flag,
    Item,
    ItemBuyerInfo,
    Items,
    Order,
    OrderAddress,
    OrderBuyerInfo,
    OrderItems,
    OrderItemsBuyerInfo,
)
from kept.domain.order import OrderContent
from kept.ports import BadMessage

_PAGES_MAX = 20  # of items: an answer has up to 100, and no order has more than LINES_MAX


def is_v0(body: dict[str, Any]) -> bool:
    """Whether it looks like an order of v0 with its items, or its parts."""
    return ("AmazonOrderId" in body and "OrderStatus" in body) or ("order" in body and "orderItems" in body)


def content_of(account: str, body: dict[str, Any]) -> OrderContent:
    """One revision of an order. Raises BadMessage with the JSON path for what can't be read."""
    if "order" in body:
        raw, at = _answer(body["order"], "$.order")
        order = convert_at(raw, Order, at)
        items, places = _items(order, body.get("orderItems"))
        _add_address(order, body.get("address"))
        _add_buyer(order, body.get("buyerInfo"))
        _add_wishes(order, items, body.get("orderItemsBuyerInfo"))
    else:
        raw, at = _answer(body, "$")
        order = convert_at(raw, Order, at)
        if "OrderItems" not in raw:
            raise BadMessage(
                "the order came without its items: put the answer of getOrderItems beside it, as orderItems", where=at
            )
        items = convert_at(raw["OrderItems"], Items, at + ".OrderItems")
        places = [f"{at}.OrderItems[{index}]" for index in range(len(items))]
    return _content(account, order, at, items, places)


def _content(account: str, order: Order, at: str, items: Sequence[Item], places: Sequence[str]) -> OrderContent:
    marketplace = order.marketplace_id
    currency = currency_of(_all_money(order, items), marketplace, at + ".MarketplaceId")
    purse = Purse(currency, at + ".OrderTotal.CurrencyCode")
    status = known(STANDINGS_V0, order.order_status, "order status", at + ".OrderStatus")
    total = None if order.order_total is None else purse.positive(order.order_total, at + ".OrderTotal")
    address = order.shipping_address
    extended = address.extended_fields if address else None
    buyer = order.buyer_info
    return order_of(
        Read(
            account=account,
            external_id=order.amazon_order_id,
            placed_at=order.purchase_date,
            updated_at=order.last_update_date,
            standing=status,
            by_amazon=known(
                FULFILLED_BY_AMAZON_V0, order.fulfillment_channel, "fulfilment channel", at + ".FulfillmentChannel"
            ),
            replacement=_true(order.is_replacement_order),
            currency=currency,
            lines=[_line(item, purse, place) for item, place in zip(items, places, strict=True)],
            total_minor=total,
            tax_included_otherwise=tax_included_in(marketplace),
            ship_to=address_of(address, extended.neighborhood if extended else None),
            email=(buyer.buyer_email if buyer else None) or "",
            service=order.shipment_service_level_category or "",
            ship_by=order.latest_ship_date,
            deliver_by=order.latest_delivery_date,
            holds=_holds(order),
            where=Places(
                placed_at=at + ".PurchaseDate",
                updated_at=at + ".LastUpdateDate",
                service=at + ".ShipmentServiceLevelCategory",
                ship_by=at + ".LatestShipDate",
                deliver_by=at + ".LatestDeliveryDate",
            ),
        )
    )


def _line(item: Item, purse: Purse, at: str) -> Line:
    wishes = item.buyer_info or ItemBuyerInfo()
    request = item.buyer_requested_cancel
    return Line(
        external_id=item.order_item_id,
        sku=item.seller_sku or "",  # the validate step holds a line without one
        title=item.title or "",
        quantity=item.quantity_ordered,
        amounts=_amounts(item, wishes, purse, at),
        gift=_true(item.is_gift) or bool(wishes.gift_wrap_level or wishes.gift_message_text),
        cancel_requested=request is not None and _true(request.is_buyer_requested_cancel),
        deliver_by=item.scheduled_delivery_end,
        constraints=demanded(item.shipping_constraints),
    )


def _amounts(item: Item, wishes: ItemBuyerInfo, purse: Purse, at: str) -> Amounts:
    """See the formula at the top of this file."""

    def of(money: MoneyBody | None, name: str) -> int:
        return purse.positive(money, f"{at}.{name}")

    return Amounts(
        goods_minor=of(item.item_price, "ItemPrice"),
        discount_minor=of(item.promotion_discount, "PromotionDiscount"),
        tax_minor=of(item.item_tax, "ItemTax") - of(item.promotion_discount_tax, "PromotionDiscountTax"),
        charges_minor=of(item.shipping_price, "ShippingPrice")
        - of(item.shipping_discount, "ShippingDiscount")
        + of(wishes.gift_wrap_price, "BuyerInfo.GiftWrapPrice")
        + of(item.cod_fee, "CODFee")
        - of(item.cod_fee_discount, "CODFeeDiscount"),
        charges_tax_minor=of(item.shipping_tax, "ShippingTax")
        - of(item.shipping_discount_tax, "ShippingDiscountTax")
        + of(wishes.gift_wrap_tax, "BuyerInfo.GiftWrapTax"),
    )


def _all_money(order: Order, items: Sequence[Item]) -> Iterable[MoneyBody | None]:
    yield order.order_total
    for item in items:
        yield item.item_price


def _holds(order: Order) -> list[str]:
    holds = []
    if order.easy_ship_shipment_status is not None:  # "only included for Amazon Easy Ship orders"
        holds.append("Amazon's carrier collects it (Easy Ship): schedule the pick-up and use Amazon's label")
    if order.is_ispu:
        holds.append("the buyer picks it up in the store: there is nothing to send")
    if order.has_regulated_items:
        holds.append("it has regulated items: approve them at Amazon first")
    if order.payment_method == "COD":
        holds.append("the carrier has to collect the payment, and no centre is told")
    return holds


# ------------------------------------------------------------------ the answers of one order


def _answer(value: object, at: str) -> tuple[dict[str, Any], str]:
    """An answer's payload and where it is. Raises BadMessage for what is no object."""
    if isinstance(value, dict) and isinstance(value.get("payload"), dict):
        return value["payload"], at + ".payload"
    if not isinstance(value, dict):
        raise BadMessage(f"Expected `object`, got `{type(value).__name__}`", where=at)
    return value, at


def _items(order: Order, value: object) -> tuple[list[Item], list[str]]:
    """All items of all pages, and where each is. Raises BadMessage if a page is missing or of another order."""
    pages = value if isinstance(value, list) else [value]
    if not 1 <= len(pages) <= _PAGES_MAX:
        raise BadMessage(f"{len(pages)} pages of items, where there may be 1 to {_PAGES_MAX}", where="$.orderItems")
    items: list[Item] = []
    places: list[str] = []
    for number, each in enumerate(pages):
        raw, at = _answer(each, f"$.orderItems[{number}]" if isinstance(value, list) else "$.orderItems")
        page = convert_at(raw, OrderItems, at)
        _same_order(order, page.amazon_order_id, at)
        if number == len(pages) - 1 and page.next_token:
            raise BadMessage("there are more items than these: put every page into orderItems", where=at + ".NextToken")
        places += [f"{at}.OrderItems[{index}]" for index in range(len(page.order_items))]
        items += page.order_items
    return items, places


def _add_address(order: Order, value: object) -> None:
    """The address of getOrderAddress is the whole one; the order's own may be without name and street."""
    if value is None:
        return
    raw, at = _answer(value, "$.address")
    answer = convert_at(raw, OrderAddress, at)
    _same_order(order, answer.amazon_order_id, at)
    if answer.shipping_address is not None:
        order.shipping_address = answer.shipping_address


def _add_buyer(order: Order, value: object) -> None:
    if value is None:
        return
    raw, at = _answer(value, "$.buyerInfo")
    answer = convert_at(raw, OrderBuyerInfo, at)
    _same_order(order, answer.amazon_order_id, at)
    if answer.buyer_email:
        order.buyer_info = BuyerInfo(answer.buyer_email)


def _add_wishes(order: Order, items: Sequence[Item], value: object) -> None:
    """Gift messages and wraps of getOrderItemsBuyerInfo, each to its item."""
    if value is None:
        return
    raw, at = _answer(value, "$.orderItemsBuyerInfo")
    answer = convert_at(raw, OrderItemsBuyerInfo, at)
    _same_order(order, answer.amazon_order_id, at)
    by_id = {item.order_item_id: item for item in items}
    for index, wishes in enumerate(answer.order_items):
        item = by_id.get(wishes.order_item_id)
        if item is None:
            raise BadMessage("an item that the order has not", where=f"{at}.OrderItems[{index}].OrderItemId")
        fields = {name: getattr(wishes, name) for name in ItemBuyerInfo.__struct_fields__}
        item.buyer_info = msgspec.structs.replace(item.buyer_info or ItemBuyerInfo(), **fields)


def _same_order(order: Order, order_id: str, at: str) -> None:
    if order_id != order.amazon_order_id:
        raise BadMessage(
            f"this is of the order {order_id}, not of {order.amazon_order_id}", where=at + ".AmazonOrderId"
        )


def _true(flag: Flag | None) -> bool:
    return flag is True or flag == "true"
