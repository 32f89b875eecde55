"""The channels send what they sold until it is taken, signed as their kind demands, and hear of shipments."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kept.connectors.channels.shopify.mapping import normalise
from kept.connectors.channels.shopify.poll import ShopifyPoll
from kept.connectors.http import HttpTarget
from kept.domain.order import OrderContent
from kept.ports import Incoming
from kept.settings import resolve_secret
from kept.simulator.audit_books import ChannelBook
from kept.simulator.config import WorldConfig
from kept.simulator.faults import Behaviour
from kept.simulator.world import channels_running

Json = dict[str, Any]
WorldMaker = Callable[..., WorldConfig]
CALM = Behaviour.calm()
GRAPHQL = "/admin/api/2026-10/graphql.json"


def book_of(config: WorldConfig) -> ChannelBook:
    return ChannelBook(config.book_path("channels"))


async def run_to_the_end(config: WorldConfig, kept: Any, enough: Callable[[list[Any]], bool]) -> None:
    async with channels_running(config):
        await kept.until(enough)


async def test_both_channels_send_genuine_webhooks(
    kept: Any, make_world: WorldMaker, genuine: Callable[[Any], bool]
) -> None:
    config = make_world(kept_url=kept.url, rate=1000, count=10)
    await run_to_the_end(config, kept, lambda hooks: len(hooks) == 10)
    assert Counter(hook.account for hook in kept.hooks) == {"shop": 5, "inhouse": 5}
    assert all(genuine(hook) for hook in kept.hooks)
    shop = next(hook for hook in kept.hooks if hook.account == "shop")
    assert shop.headers["x-shopify-topic"] == "orders/create"
    assert shop.headers["x-shopify-api-version"] == "2026-10"
    for name in ("webhook-id", "event-id", "triggered-at", "shop-domain"):
        assert shop.headers[f"x-shopify-{name}"]
    book = book_of(config)
    assert len(book.orders()) == 10
    assert book.unanswered() in range(11)  # an answer may still be on its way when the world stops
    book.close()


async def test_the_status_says_when_all_is_answered_and_the_book_has_the_correlation_ids(
    kept: Any, make_world: WorldMaker, client: Any
) -> None:
    config = make_world(kept_url=kept.url, rate=1000, count=4)
    async with channels_running(config) as ports:
        await kept.until(lambda hooks: len(hooks) == 4)
        status: Json = {"done": False}
        while not status["done"]:  # bounded by the suite's time limit
            status = (await client(ports["shop"], {}).get("/sim/status")).json()
    assert (status["sent"], status["webhooks"], status["answered"], status["tries"]) == (4, 4, 4, 4)
    book = book_of(config)
    assert all(answered == 202 and correlation for *_, answered, correlation in book.sent())
    book.close()


async def test_a_webhook_is_sent_until_it_is_taken_with_its_body_unchanged(
    kept: Any, make_world: WorldMaker, genuine: Callable[[Any], bool]
) -> None:
    kept.answer = lambda hook: 503 if len(kept.hooks) < 4 else 200
    config = make_world(kept_url=kept.url, rate=1000, count=2)
    await run_to_the_end(config, kept, lambda hooks: len(hooks) == 6)
    for account in ("shop", "inhouse"):
        tries = [hook for hook in kept.hooks if hook.account == account]
        assert len(tries) > 1
        assert len({hook.body for hook in tries}) == 1
    assert all(genuine(hook) for hook in kept.hooks)


async def test_a_restarted_driver_goes_on_and_makes_no_order_twice(kept: Any, make_world: WorldMaker) -> None:
    kept.answer = lambda hook: 503
    config = make_world(kept_url=kept.url, rate=1000, count=6)
    await run_to_the_end(config, kept, lambda hooks: len(hooks) >= 3)
    refused = len(kept.hooks)
    kept.answer = lambda hook: 202
    await run_to_the_end(config, kept, lambda hooks: len({hook.body for hook in hooks[refused:]}) == 6)
    book = book_of(config)
    assert len({order for _, order, *_ in book.orders()}) == len(book.orders()) == 6
    book.close()


async def test_duplicates_share_an_id_and_twins_share_the_content(kept: Any, make_world: WorldMaker) -> None:
    behaviour = replace(CALM, duplicates=1, twins=1)
    config = make_world(kept_url=kept.url, rate=1000, count=1, behaviour=behaviour)
    await run_to_the_end(config, kept, lambda hooks: len(hooks) == 3)
    assert len({hook.body for hook in kept.hooks}) == 1
    ids = Counter(hook.headers.get("webhook-id") or hook.headers["x-shopify-webhook-id"] for hook in kept.hooks)
    assert sorted(ids.values()) == [1, 2]


async def test_forged_and_malformed_webhooks_are_extra_and_are_not_sent_for_ever(
    kept: Any, make_world: WorldMaker, genuine: Callable[[Any], bool]
) -> None:
    kept.answer = lambda hook: 202 if genuine(hook) else 401
    behaviour = replace(CALM, malformed=1, forged=1)
    config = make_world(kept_url=kept.url, rate=1000, count=6, behaviour=behaviour)
    async with channels_running(config):
        await kept.until(lambda hooks: len(hooks) == 18)
    assert sum(not genuine(hook) for hook in kept.hooks) == 6
    sold = {order for _, order, *_ in book_of(config).orders()}
    forged = {order for order, _ in book_of(config).forged()}
    assert len(sold) == len(forged) == 6
    assert not sold & forged


async def test_a_cancelled_order_says_so_and_is_known_as_cancelled(kept: Any, make_world: WorldMaker) -> None:
    config = make_world(kept_url=kept.url, rate=1000, count=2, behaviour=replace(CALM, cancels_soon=1))
    await run_to_the_end(config, kept, lambda hooks: len(hooks) == 4)
    assert all(gone for *_, gone in book_of(config).orders())
    last = {hook.account: json.loads(hook.body) for hook in kept.hooks}
    assert last["inhouse"]["cancelled"] is True
    assert last["shop"]["cancelled_at"] is not None


async def test_the_shop_confirms_pieces_once_and_refuses_more_than_are_left(
    kept: Any, make_world: WorldMaker, client: Any
) -> None:
    config = make_world(kept_url=kept.url, rate=1000, count=2)
    async with channels_running(config) as ports:
        await kept.until(lambda hooks: len(hooks) == 2)
        token = resolve_secret(config.channels["shop"].token).reveal()
        shop = client(ports["shop"], {"x-shopify-access-token": token})
        gid = next(json.loads(h.body)["admin_graphql_api_id"] for h in kept.hooks if h.account == "shop")
        read = {"query": "query ($id: ID!) { order(id: $id) { id } }", "variables": {"id": gid}}
        before = (await shop.post(GRAPHQL, json=read)).json()["data"]["order"]
        open_order = before["fulfillmentOrders"]["nodes"][0]
        fulfilment = {
            "lineItemsByFulfillmentOrder": [
                {
                    "fulfillmentOrderId": open_order["id"],
                    "fulfillmentOrderLineItems": [
                        {"id": line["id"], "quantity": line["remainingQuantity"]}
                        for line in open_order["lineItems"]["nodes"]
                    ],
                }
            ],
            "trackingInfo": {"number": "T-1", "company": "SimPost"},
        }
        write = {"query": "mutation { fulfillmentCreate }", "variables": {"fulfillment": fulfilment}}
        made = (await shop.post(GRAPHQL, json=write)).json()["data"]["fulfillmentCreate"]
        again = (await shop.post(GRAPHQL, json=write)).json()["data"]["fulfillmentCreate"]
        after = (await shop.post(GRAPHQL, json=read)).json()["data"]["order"]
        stranger = await client(ports["shop"], {}).post(GRAPHQL, json=read)
    assert open_order["status"] == "OPEN"
    assert made["userErrors"] == []
    assert again["fulfillment"] is None
    assert again["userErrors"]
    assert [each["id"] for each in after["fulfillments"]] == [made["fulfillment"]["id"]]
    assert after["fulfillments"][0]["trackingInfo"][0]["number"] == "T-1"
    assert after["fulfillmentOrders"]["nodes"][0]["status"] == "CLOSED"
    assert stranger.status_code == 401
    confirmed = book_of(config).confirmations()
    assert {reference for _, reference, *_ in confirmed} == {"T-1"}


async def test_the_inhouse_system_notes_a_shipment_once(
    kept: Any, make_world: WorldMaker, client: Any, authorise: Any
) -> None:
    config = make_world(kept_url=kept.url, rate=1000, count=2)
    async with channels_running(config) as ports:
        await kept.until(lambda hooks: len(hooks) == 2)
        order = next(json.loads(hook.body) for hook in kept.hooks if hook.account == "inhouse")
        system = client(ports["inhouse"], authorise(config.channels["inhouse"].token))
        path = f"/orders/{order['id']}/shipments"
        line = {"id": order["lines"][0]["id"], "quantity": 1}
        body = {"fulfilment_ref": "R-1-1", "packages": [{"tracking": "T", "lines": [line]}]}
        assert (await system.get(f"{path}/R-1-1")).status_code == 404
        key = {"idempotency-key": "k1"}
        first, again = [await system.post(path, json=body, headers=key) for _ in range(2)]
        other = await system.post(path, json=body | {"packages": []}, headers=key)
        found = await system.get(f"{path}/R-1-1")
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 422)
    assert first.json() == again.json() == found.json()
    assert book_of(config).confirmations() == [(order["id"], "R-1-1", line["id"], 1)]


async def test_an_unknown_channel_type_stops_the_world_at_once(make_world: WorldMaker) -> None:
    config = make_world()
    config = replace(config, channels={"x": replace(config.channels["shop"], type="bazaar")})
    with pytest.raises(ValueError, match="bazaar"):
        async with channels_running(config):
            pass


async def test_the_shop_lists_its_orders_as_its_webhooks_told_them(kept: Any, make_world: WorldMaker) -> None:
    config = make_world(kept_url=kept.url, rate=1000, count=200, behaviour=replace(CALM, edits=0.5, pending=0.5))
    token = resolve_secret(config.channels["shop"].token).reveal()
    now = datetime.now(UTC)
    async with channels_running(config) as ports:
        await kept.until(lambda hooks: {"orders/create"} <= {hook.headers.get("x-shopify-topic") for hook in hooks})
        shop = admin_api(ports["shop"], token)
        try:
            told: dict[str, OrderContent] = {}
            listed: dict[str, OrderContent] = {}
            while told != listed or len(told) < 100:  # bounded by the suite's time limit
                told |= newest(hook for hook in kept.hooks if hook.account == "shop")
                listed = await all_listed(ShopifyPoll(shop), now)
        finally:
            await shop.aclose()
    assert any(json.loads(hook.body).get("refunds") for hook in kept.hooks)


async def test_some_orders_are_told_by_webhooks_alone_and_some_by_the_list_alone(
    kept: Any, make_world: WorldMaker
) -> None:
    luck = replace(CALM, unheard=0.3, unlisted=0.3)
    config = make_world(kept_url=kept.url, rate=1000, count=100, behaviour=luck)
    token = resolve_secret(config.channels["shop"].token).reveal()
    async with channels_running(config) as ports:
        shop = admin_api(ports["shop"], token)
        try:
            told: dict[str, OrderContent] = {}
            listed: dict[str, OrderContent] = {}
            while len(told.keys() | listed.keys()) < 50:  # bounded by the suite's time limit
                told |= newest(hook for hook in kept.hooks if hook.account == "shop")
                listed = await all_listed(ShopifyPoll(shop), datetime.now(UTC))
        finally:
            await shop.aclose()
    assert 5 < len(listed.keys() - told.keys()) < 30
    assert 3 < len(told.keys() - listed.keys()) < 30


def admin_api(port: int, token: str) -> HttpTarget:
    headers = {"x-shopify-access-token": token}
    return HttpTarget("channel:shop", f"http://127.0.0.1:{port}", timeout_s=10, requests_at_once=2, headers=headers)


def newest(hooks: Iterable[Any]) -> dict[str, OrderContent]:
    """The newest revision of each order among webhooks."""
    found: dict[str, OrderContent] = {}
    for hook in hooks:
        order = normalise("shop", Incoming(hook.headers, hook.body), datetime.now(UTC))
        assert order is not None
        if order.external_id not in found or found[order.external_id].revision < order.revision:
            found[order.external_id] = order
    return found


async def all_listed(poll: ShopifyPoll, now: datetime) -> dict[str, OrderContent]:
    found: dict[str, OrderContent] = {}
    cursor = ""
    while True:
        page = await poll.changed(now - timedelta(hours=1), now + timedelta(hours=1), cursor)
        for each in page.orders:
            order = normalise("shop", Incoming(each.headers, each.body), datetime.now(UTC))
            assert order is not None  # one that changed meanwhile may come again, newer
            found[order.external_id] = order
        if not page.next_cursor:
            return found
        cursor = page.next_cursor
