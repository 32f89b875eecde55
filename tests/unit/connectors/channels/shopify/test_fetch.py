"""Messages that only name an order: edits, and what happens to fulfilment orders."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx2
import orjson
import pytest

from kept.connectors.channels.shopify.fetch import ShopifyFetch
from kept.connectors.channels.shopify.mapping import normalise
from kept.connectors.http import HttpTarget
from kept.ports import Incoming, TemporaryFault
from tests.conformance.wire import answer
from tests.unit.connectors.channels.shopify.sales import SaleOfShop, SoldLine

GID = "gid://shopify/FulfillmentOrder/77"
NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
HELD = {
    "fulfillment_order": {"id": GID, "status": "on_hold"},
    "fulfillment_hold": {"id": "gid://shopify/FulfillmentHold/1"},
}


def told(topic: str, body: Any) -> Incoming:
    return Incoming({"x-shopify-topic": topic}, orjson.dumps(body))


class Shop:
    """One sale, and the fulfilment order 77 of it."""

    def __init__(self) -> None:
        self.sale = SaleOfShop(lines=(SoldLine(11, 1, 1000), SoldLine(12, 2, 500)))
        self.known = True
        self.other = False
        self.broken: dict[str, Any] = {}  # fields that come otherwise than the schema says

    def fetcher(self) -> ShopifyFetch:
        transport = httpx2.MockTransport(self.handle)
        return ShopifyFetch(
            HttpTarget("channel:shop", "http://shop", timeout_s=5, requests_at_once=2, headers={}, transport=transport)
        )

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        body = orjson.loads(request.content)
        if "fulfillmentOrder(" in body["query"]:
            found = {"id": body["variables"]["id"], "orderId": self.sale.gid}
            return answer(200, {"data": {"fulfillmentOrder": found if self.known else None}})
        node = self.sale.node() if body["variables"]["id"] == self.sale.gid else None
        if node is not None and self.other:
            node = node | {"id": "gid://shopify/Order/1"}
        if node is not None:
            node = node | self.broken
        return answer(200, {"data": {"order": node}})


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (told("fulfillment_orders/placed_on_hold", HELD), GID),
        (told("fulfillment_orders/moved", {"original_fulfillment_order": {"id": GID}}), GID),
        (told("orders/edited", {"order_edit": {"id": 1, "order_id": 5001}}), "gid://shopify/Order/5001"),
        (told("orders/edited", {"order_edit": {"id": 1}}), ""),
        (told("fulfillment_orders/moved", {}), ""),
        (told("products/update", {"id": 1, "x": GID}), ""),
        (Incoming({"x-shopify-topic": "orders/edited"}, b"{"), ""),
    ],
)
def test_what_a_message_names(message: Incoming, name: str) -> None:
    assert Shop().fetcher().names(message) == name


async def test_the_order_of_a_fulfilment_order_is_read_as_a_poll_would_bring_it() -> None:
    shop = Shop()
    polled = await shop.fetcher().fetch(GID)
    assert polled is not None
    order = normalise("shop", Incoming(polled.headers, polled.body), NOW)
    assert order is not None
    assert f"gid://shopify/Order/{order.external_id}" == shop.sale.gid
    assert [line.quantity for line in order.lines] == [1, 2]


async def test_what_shopify_does_not_have_is_nothing() -> None:
    shop = Shop()
    assert await shop.fetcher().fetch("gid://shopify/Order/404") is None
    shop.known = False
    assert await shop.fetcher().fetch(GID) is None


async def test_another_order_than_was_asked_for_is_no_answer() -> None:
    shop = Shop()
    shop.other = True
    with pytest.raises(TemporaryFault, match="another order"):
        await shop.fetcher().fetch(shop.sale.gid)


@pytest.mark.parametrize(
    ("broken", "where"),
    [
        ({"updatedAt": None}, r"updatedAt"),
        ({"lineItems": {"nodes": []}}, r"pageInfo.*lineItems"),
        ({"lineItems": {"nodes": [], "pageInfo": {"hasNextPage": True, "endCursor": None}}}, "no cursor"),
        ({"refunds": [{"id": 7}]}, r"refunds\[0\]\.id"),
    ],
)
async def test_an_order_that_breaks_its_schema_is_a_fault_that_names_the_field(
    broken: dict[str, Any], where: str
) -> None:
    shop = Shop()
    shop.broken = broken
    with pytest.raises(TemporaryFault, match=where):
        await shop.fetcher().fetch(shop.sale.gid)


def test_fulfilment_order_webhooks_say_nothing_about_an_order_by_themselves() -> None:
    assert normalise("shop", told("fulfillment_orders/placed_on_hold", HELD), NOW) is None
