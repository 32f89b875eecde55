"""Webhook subscriptions of a shop: what stands is seen, what is missing is made, and twice is once."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import orjson
import pytest

from kept.connectors.channels.shopify.codes import ORDER_TOPICS, SUBSCRIBED_TOPICS
from kept.connectors.channels.shopify.subscriptions import ShopifySubscriptions
from kept.connectors.http import HttpTarget
from kept.ports import Channel, PermanentFault, UnknownResult
from kept.processes.subscriptions import SubscriptionKeeper, see_to
from tests.conformance.wire import NO_LIMITS, answer

URL = "https://kept.example.com"
ADDRESS = f"{URL}/webhooks/shop"


class Shop:
    """Subscriptions by topic and address, a few a page."""

    def __init__(self, page: int = 3) -> None:
        self.rows: list[tuple[str, str]] = []
        self.page = page
        self.made = 0
        self.said: dict[str, Any] | None = None

    def port(self) -> ShopifySubscriptions:
        target = HttpTarget(
            "channel:shop",
            "http://shop",
            timeout_s=5,
            requests_at_once=2,
            headers={},
            shared=NO_LIMITS,
            transport=httpx2.MockTransport(self.handle),
        )
        return ShopifySubscriptions(target)

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        body = orjson.loads(request.content)
        if self.said is not None:
            return answer(200, {"data": self.said})
        found = re.search(r"\{\s*(\w+)", body["query"])
        assert found
        variables = body["variables"]
        if found[1] == "webhookSubscriptions":
            rows = [row for row in self.rows if row[0] in variables["topics"]]
            start = int(variables.get("after") or 0)
            more = len(rows) > start + self.page
            nodes = [{"topic": topic, "uri": uri} for topic, uri in rows[start : start + self.page]]
            page = {"hasNextPage": more, "endCursor": str(start + self.page) if more else None}
            return answer(200, {"data": {"webhookSubscriptions": {"nodes": nodes, "pageInfo": page}}})
        row = (variables["topic"], variables["webhookSubscription"]["uri"])
        if row in self.rows:
            error = {"field": ["webhookSubscription"], "message": "Address for this topic has already been taken"}
            return answer(200, {"data": {found[1]: {"webhookSubscription": None, "userErrors": [error]}}})
        self.rows.append(row)
        self.made += 1
        return answer(200, {"data": {found[1]: {"webhookSubscription": {"id": "gid://1"}, "userErrors": []}}})


async def test_what_is_missing_is_made_and_then_stands() -> None:
    shop = Shop()
    looked = await see_to("shop", shop.port(), f"{URL}/", make=False)
    assert (looked.address, looked.complete, shop.made) == (ADDRESS, False, 0)
    made = await see_to("shop", shop.port(), URL, make=True)
    assert (made.made, made.complete) == (SUBSCRIBED_TOPICS, True)
    again = await see_to("shop", shop.port(), URL, make=True)
    assert (again.made, again.complete, shop.made) == ((), True, len(SUBSCRIBED_TOPICS))


async def test_one_that_the_vendor_dropped_is_made_again_by_the_keeper() -> None:
    shop = Shop()
    shop.rows = [(topic, ADDRESS) for topic in SUBSCRIBED_TOPICS[1:]]
    keeper = SubscriptionKeeper({"shop": channel(shop), "other": channel(None)}, URL)
    assert keeper.accounts == ["shop"]
    assert await keeper.look("shop") == 1
    assert await keeper.look("shop") == 0
    assert (SUBSCRIBED_TOPICS[0], ADDRESS) in shop.rows


async def test_nobody_subscribes_without_an_address_of_ours() -> None:
    assert SubscriptionKeeper({"shop": channel(Shop())}, "").accounts == []


async def test_one_to_another_address_is_shown_and_does_not_count() -> None:
    shop = Shop()
    shop.rows = [(SUBSCRIBED_TOPICS[0], "https://old.example.com/hook")]
    first = (await shop.port().standing(ADDRESS))[0]
    assert (first.stands, first.elsewhere) == (False, ("https://old.example.com/hook",))


async def test_making_one_that_somebody_else_just_made_is_no_fault() -> None:
    shop = Shop()
    for _ in range(2):
        await shop.port().subscribe(SUBSCRIBED_TOPICS[0], ADDRESS, "k")
    assert shop.made == 1


async def test_an_address_that_is_refused_is_a_fault_with_shopify_s_words() -> None:
    shop = Shop()
    refused = {"webhookSubscription": None, "userErrors": [{"message": "Address is not allowed", "field": None}]}
    shop.said = {"webhookSubscriptionCreate": refused}
    with pytest.raises(PermanentFault, match="ORDERS_CREATE: Address is not allowed"):
        await shop.port().subscribe("ORDERS_CREATE", ADDRESS, "k")
    shop.said = {"webhookSubscriptionCreate": {"webhookSubscription": None, "userErrors": []}}
    with pytest.raises(UnknownResult, match="neither"):
        await shop.port().subscribe("ORDERS_CREATE", ADDRESS, "k")


async def test_a_keeper_that_meets_a_fault_goes_on() -> None:
    shop = Shop()
    shop.said = {"webhookSubscriptions": {"nodes": [{"topic": 7}], "pageInfo": {"hasNextPage": False}}}
    assert await SubscriptionKeeper({"shop": channel(shop)}, URL).look("shop") == 0


def test_every_topic_that_brings_an_order_is_subscribed_to() -> None:
    assert {topic.replace("/", "_").upper() for topic in ORDER_TOPICS} <= set(SUBSCRIBED_TOPICS)


def channel(shop: Shop | None) -> Channel:
    return Channel(
        "shop",
        verify=lambda message, now: None,
        identify=lambda message: "",
        normalise=lambda account, message, received_at: None,
        confirm=None,
        subscriptions=shop.port() if shop else None,
    )
