"""Reads the order of a message that only names it: an edit, or what happened to a fulfilment order.

Needs the access scopes that polling needs.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import msgspec

from kept.connectors import strict_json
from kept.connectors.answers import UnexpectedAnswer, same
from kept.connectors.channels.shopify import queries
from kept.connectors.channels.shopify.codes import TOPIC_HEADER
from kept.connectors.channels.shopify.fulfilling import order_gid
from kept.connectors.channels.shopify.graphql import execute
from kept.connectors.channels.shopify.poll import OrderSeen, ShopifyPoll, seen
from kept.connectors.http import HttpTarget
from kept.ports import BadMessage, Incoming, Polled

# placed_on_hold, hold_released, moved, split, cancelled, rescheduled, ...: each may change what we may ship.
_FULFILMENT_ORDERS = "fulfillment_orders/"
_EDITED = "orders/edited"
_GID = re.compile(rb"gid://shopify/FulfillmentOrder/[0-9]{1,20}")


class _FulfilmentOrder(msgspec.Struct, rename="camel"):
    id: str
    order_id: str


class _FulfilmentOrderData(msgspec.Struct, rename="camel"):
    fulfillment_order: _FulfilmentOrder | None


class _OrderData(msgspec.Struct):
    order: dict[str, Any] | None


class ShopifyFetch:
    """`kept.ports.FetchOrder` for one shop. Raises the faults of a read, as `HttpTarget.call` does."""

    def __init__(self, target: HttpTarget) -> None:
        self._target = target
        self._poll = ShopifyPoll(target)

    def names(self, message: Incoming) -> str:
        """The gid of the order that was edited, or of the fulfilment order that something happened to."""
        topic = message.headers.get(TOPIC_HEADER, "")
        if topic.startswith(_FULFILMENT_ORDERS):
            found = _GID.search(message.body)
            return found[0].decode() if found else ""
        return _edited(message.body) if topic == _EDITED else ""

    async def fetch(self, name: str) -> Polled | None:
        """See `kept.ports.FetchOrder`."""
        gid: str | None = name
        if "/FulfillmentOrder/" in name:
            read = partial(_order_of, gid=name)
            gid = await execute(self._target, queries.ORDER_OF_FULFILMENT_ORDER, {"id": name}, read)
        if gid is None:
            return None
        found = await execute(self._target, queries.LISTED_ORDER, {"id": gid}, partial(_listed, gid=gid))
        return None if found is None else await self._poll.whole(*found)


def _edited(body: bytes) -> str:
    try:
        parsed = strict_json.parse(body)
    except BadMessage:
        return ""
    edit = parsed.get("order_edit") if isinstance(parsed, dict) else None
    number = edit.get("order_id") if isinstance(edit, dict) else None
    return order_gid(str(number)) if isinstance(number, int) and number > 0 else ""


def _order_of(data: Any, gid: str) -> str | None:
    found = msgspec.convert(data, _FulfilmentOrderData).fulfillment_order
    if found is None:
        return None
    same("the fulfilment order", gid, found.id)
    return found.order_id


def _listed(data: Any, gid: str) -> tuple[dict[str, Any], OrderSeen] | None:
    node = msgspec.convert(data, _OrderData).order
    if node is None:
        return None
    if node.get("id") != gid:
        raise UnexpectedAnswer("it is another order than the one that was asked for")
    return node, seen(node)
