"""Amazon's messages -> our canonical order. Pure.

A message is an order of either API version or a notification. The header `kept-format` says which; without it
the shape does. What Amazon has besides (purchase orders to vendors, orders of its own warehouses' customers,
answers that hold a part of an order) is refused by name, so that nobody has to guess why.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import orjson

from kept.connectors import strict_json
from kept.connectors.channels.amazon import orders_2026, orders_v0
from kept.connectors.channels.amazon.notifications import is_notification, order_change
from kept.domain.order import OrderContent
from kept.ports import BadMessage, Incoming

FORMAT_HEADER = "kept-format"
V0_ORDER = "amazon-v0-order"
ORDER_2026 = "amazon-2026-order"
NOTIFICATION = "amazon-notification"
REFUSAL_HEADER = "kept-refusal"  # why the order that a notification names could not be fetched

_READERS: Mapping[str, Callable[[str, dict[str, Any]], OrderContent]] = {
    V0_ORDER: orders_v0.content_of,
    ORDER_2026: orders_2026.content_of,
}
_FORMATS = (*_READERS, NOTIFICATION)

# What else Amazon sends, by a member that nothing else has; the first that fits names it.
_NO_ORDERS = {
    "errors": "an error answer of Amazon's, no order",
    "purchaseOrderNumber": "a purchase order of Amazon to a vendor, no customer's order",
    "ordersStatus": "states of purchase orders to a vendor, no customer's order",
    "sellerFulfillmentOrderId": "a multi-channel fulfilment order, which Amazon's warehouses ship for us",
    "fulfillmentOrders": "multi-channel fulfilment orders, which Amazon's warehouses ship for us",
    "fulfillmentConfiguration": "a multi-channel fulfilment order, which Amazon's warehouses ship for us",
    "OrderItems": "a list of items without their order: put it beside the order, as orderItems",
    "ShippingAddress": "the answer of getOrderAddress alone: put it beside its order, as address",
    "BuyerEmail": "the answer of getOrderBuyerInfo alone: put it beside its order, as buyerInfo",
    "GiftWrapPrice": "the buyer's wishes for one item alone, no order",
    "RegulatedInformation": "the answer of getOrderRegulatedInfo alone, no order",
    "transactionId": "a receipt for something sent to Amazon, no order",
}


def identify(message: Incoming) -> str:
    """The notification's own id; of anything else the hash of the body, which the same message repeats."""
    try:
        change = order_change(message.body)
    except BadMessage:
        change = None
    if change is not None:
        return change.notification_id
    return "sha256:" + hashlib.sha256(message.body).hexdigest()


def normalise(account: str, message: Incoming, received_at: datetime) -> OrderContent | None:
    """See `kept.ports.Normalise`. None for notifications: they only say which order to fetch."""
    parsed = strict_json.parse(message.body)
    if not isinstance(parsed, dict):
        raise BadMessage(f"Expected `object`, got `{type(parsed).__name__}`", where="$")
    kind = message.headers.get(FORMAT_HEADER) or _recognised(parsed)
    if REFUSAL_HEADER in message.headers:
        raise BadMessage(message.headers[REFUSAL_HEADER], where="$")
    if kind == NOTIFICATION:
        order_change(message.body)  # raises for one that can't be read
        return None
    reader = _READERS.get(kind)
    if reader is None:
        raise BadMessage(f"the format {kind[:40]!r} is unknown; known are {', '.join(_FORMATS)}", where=FORMAT_HEADER)
    return reader(account, parsed)


def messages_of_file(body: bytes) -> list[Incoming]:
    """One order in any of its forms, or a list of either API version, each as polling would bring it.

    Amazon's own examples put the answer into {"request", "response"}: the response counts. Raises BadMessage.
    """
    parsed = strict_json.parse(body)
    if isinstance(parsed, dict) and parsed.keys() == {"request", "response"}:
        parsed = parsed["response"]
    inner = parsed.get("payload", parsed) if isinstance(parsed, dict) else parsed
    for name in ("orders", "Orders"):
        if isinstance(inner, dict) and isinstance(inner.get(name), list):
            return [Incoming({}, orjson.dumps(order)) for order in inner[name]]
    return [Incoming({}, orjson.dumps(parsed))]


def _recognised(body: dict[str, Any]) -> str:
    """The format that a body's shape says. Raises BadMessage with what it is instead, where it is no order."""
    if is_notification(body):
        return NOTIFICATION
    at = "$"
    inner: Any = body
    for wrapper in ("payload", "order"):
        if isinstance(inner, dict) and orders_v0.is_v0(inner):
            return V0_ORDER
        if isinstance(inner, dict) and wrapper in inner:
            inner, at = inner[wrapper], f"{at}.{wrapper}"
    if isinstance(inner, dict):
        if orders_v0.is_v0(inner):
            return V0_ORDER
        if orders_2026.is_2026(inner):
            return ORDER_2026
        for member, what in _NO_ORDERS.items():
            if member in inner:
                raise BadMessage(f"this is {what}", where=f"{at}.{member}")
        if isinstance(inner.get("orders"), list) or isinstance(inner.get("Orders"), list):
            raise BadMessage("this is a list of orders: bring each by itself", where=at)
    raise BadMessage("this is no order of Amazon's: it has neither AmazonOrderId nor orderId with items", where=at)
