"""Polling Shopify: pages, long orders, refunds, and what goes wrong on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx2
import orjson
import pytest

from kept.connectors.channels.shopify.mapping import normalise
from kept.connectors.channels.shopify.poll import ShopifyPoll, search
from kept.connectors.http import HttpTarget
from kept.domain.order import OrderContent
from kept.ports import BadMessage, Incoming, Page, PermanentFault, Polled, TemporaryFault
from tests.conformance.wire import answer
from tests.unit.connectors.channels.shopify.sales import NO_PAGE, Json, SaleOfShop, SoldLine
from tests.unit.connectors.channels.shopify.test_nodes import NOW, by_query

SINCE = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
UNTIL = datetime(2026, 11, 3, 15, 0, tzinfo=UTC)
_BEYOND = "in-place-of-the-number"


class ListingShop:
    """Lists sales by pages, `page` orders and `rows` lines each; cursors are positions."""

    def __init__(self, sales: Sequence[SaleOfShop], page: int = 2, rows: int = 2) -> None:
        self.sales = {sale.gid: sale for sale in sales}
        self.page, self.rows = page, rows
        self.asked: list[tuple[str, Json]] = []
        self.answers: dict[str, Json] = {}  # an operation's own answer, instead of the right one
        self.raw = b""  # the bytes of every answer, instead of the right ones

    def poll(self) -> ShopifyPoll:
        transport = httpx2.MockTransport(self.handle)
        return ShopifyPoll(
            HttpTarget("channel:shop", "http://shop", timeout_s=5, requests_at_once=2, headers={}, transport=transport)
        )

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        body = orjson.loads(request.content)
        name = body["query"].split("(")[0].split()[-1]
        self.asked.append((name, body["variables"]))
        if self.raw:
            return httpx2.Response(200, stream=httpx2.ByteStream(self.raw))
        if name in self.answers:
            return answer(200, self.answers[name])
        after = int(body["variables"].get("after") or 0)
        gid = body["variables"].get("id", "")
        match name:
            case "orders":
                nodes = [self.listed(sale) for sale in self.sales.values()]
                return answer(200, {"data": {"orders": cut(nodes, after, self.page)}})
            case "orderLines":
                node = self.sales[gid].node()
                lines = cut(node["lineItems"]["nodes"], after, self.rows)
                return answer(200, {"data": {"order": {"updatedAt": node["updatedAt"], "lineItems": lines}}})
            case "refund":
                sale = self.sales[gid.replace("Refund", "Order")]
                node = sale.refund_node()
                rows = cut(node["refundLineItems"]["nodes"], after, self.rows)
                return answer(200, {"data": {"refund": node | {"refundLineItems": rows}}})
        return answer(400, {})

    def listed(self, sale: SaleOfShop) -> Json:
        node = sale.node()
        lines = cut(node["lineItems"]["nodes"], 0, self.rows)
        return node | {"lineItems": lines, "refunds": [{"id": each["id"]} for each in node["refunds"]]}

    def names(self) -> list[str]:
        return [name for name, _ in self.asked]


def cut(nodes: list[Json], after: int, size: int) -> Json:
    end = after + size
    more = end < len(nodes)
    return {"nodes": nodes[after:end], "pageInfo": {"hasNextPage": more, "endCursor": str(end) if more else None}}


def sale(number: int, lines: int = 1, **changes: Any) -> SaleOfShop:
    return SaleOfShop(tuple(SoldLine(at, 2, 1000) for at in range(1, lines + 1)), number=number, **changes)


def read(polled: Polled) -> OrderContent:
    content = normalise("shop", Incoming(polled.headers, polled.body), NOW)
    assert content is not None
    return content


async def everything(poll: ShopifyPoll) -> list[Page]:
    pages = [await poll.changed(SINCE, UNTIL)]
    while pages[-1].next_cursor:
        pages.append(await poll.changed(SINCE, UNTIL, pages[-1].next_cursor))
    return pages


async def test_all_orders_come_page_by_page_each_under_the_key_of_its_revision() -> None:
    shop = ListingShop([sale(1), sale(2), sale(3)])
    pages = await everything(shop.poll())
    assert [[order.key for order in page.orders] for page in pages] == [
        ["1:2026-11-03T14:00:01Z", "2:2026-11-03T14:00:01Z"],
        ["3:2026-11-03T14:00:01Z"],
    ]
    assert [variables.get("after") for _, variables in shop.asked] == [None, "2"]
    found = [read(order) for page in pages for order in page.orders]
    assert found == [by_query(each) for each in shop.sales.values()]


async def test_a_newer_revision_has_another_key() -> None:
    async def key_of(updated_at: str) -> str:
        (page,) = await everything(ListingShop([sale(1, updated_at=updated_at)]).poll())
        return page.orders[0].key

    assert await key_of("2026-11-03T14:00:01Z") != await key_of("2026-11-03T14:00:02Z")


async def test_an_order_of_many_lines_is_put_together_from_its_pages() -> None:
    shop = ListingShop([sale(1, lines=7)], rows=3)
    (page,) = await everything(shop.poll())
    content = read(page.orders[0])
    assert [line.external_id for line in content.lines] == ["1", "2", "3", "4", "5", "6", "7"]
    assert content.computed_total_minor() == content.total_minor == 14000
    assert shop.names() == ["orders", "orderLines", "orderLines"]


async def test_refunds_are_asked_for_where_there_are_any_and_with_all_their_lines() -> None:
    lines = tuple(SoldLine(at, 3, 1000, 1, discounts=(90,), removed_discount=30) for at in range(1, 6))
    refunded = SaleOfShop(lines, number=2, paid_back=4850, shipping=500, shipping_back=500)
    shop = ListingShop([sale(1), refunded], rows=5)
    shop.rows = 2
    (page,) = await everything(shop.poll())
    assert [read(order) for order in page.orders] == [by_query(sale(1)), by_query(refunded)]
    content = read(page.orders[1])
    assert content.refunded_minor == 4850
    assert {(line.quantity, line.discount_minor) for line in content.lines} == {(2, 60)}
    assert shop.names().count("refund") == 3


async def test_an_order_that_changes_while_it_is_read_is_read_again_later() -> None:
    for name in ("orderLines", "refund"):
        shop = ListingShop([sale(1, lines=3, paid_back=100)])
        newer = replace(shop.sales["gid://shopify/Order/1"], updated_at="2026-11-03T14:09:09Z")
        order = {"updatedAt": newer.updated_at, "lineItems": {"nodes": [], "pageInfo": NO_PAGE}}
        shop.answers[name] = {"data": {"order": order, "refund": newer.refund_node()}}
        with pytest.raises(TemporaryFault, match="order 1 changed while it was read"):
            await shop.poll().changed(SINCE, UNTIL)


async def test_an_order_that_can_not_be_read_is_handed_on_and_loses_no_other() -> None:
    broken = sale(1, financial="BARTERED")
    (page,) = await everything(ListingShop([broken, sale(2)]).poll())
    with pytest.raises(BadMessage, match="unknown financial status 'bartered'"):
        read(page.orders[0])
    assert read(page.orders[1]) == by_query(sale(2))


async def test_a_throttled_page_waits_as_long_as_the_bucket_needs() -> None:
    shop = ListingShop([])
    bucket = {"maximumAvailable": 2000.0, "currentlyAvailable": 127, "restoreRate": 100.0}
    shop.answers["orders"] = {
        "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
        "extensions": {"cost": {"requestedQueryCost": 927, "throttleStatus": bucket}},
    }
    with pytest.raises(TemporaryFault) as caught:
        await shop.poll().changed(SINCE, UNTIL)
    assert caught.value.retry_after_s == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("orders", {"orders": None}),
        ("orders", {"orders": {"nodes": [], "pageInfo": {"hasNextPage": True, "endCursor": None}}}),
        ("orders", {"orders": {"nodes": [{"id": "gid://shopify/Order/1"}], "pageInfo": NO_PAGE}}),
        ("orderLines", {"order": None}),
        ("refund", {"refund": None}),
        ("refund", {"refund": sale(9, paid_back=1).refund_node()}),
    ],
)
async def test_an_answer_that_is_none_is_asked_for_again(name: str, told: Json) -> None:
    shop = ListingShop([sale(1, lines=3, paid_back=100)])
    shop.answers[name] = {"data": told}
    with pytest.raises(TemporaryFault, match="gave nothing"):
        await shop.poll().changed(SINCE, UNTIL)


async def test_a_number_beyond_64_bits_is_judged_with_its_order_and_loses_no_other() -> None:
    shop = ListingShop([sale(1), sale(2)])
    nodes = [shop.listed(each) for each in shop.sales.values()]
    nodes[0]["lineItems"]["nodes"][0]["quantity"] = _BEYOND
    told = orjson.dumps({"data": {"orders": cut(nodes, 0, 2)}}, default=str).replace(f'"{_BEYOND}"'.encode(), b"9" * 20)
    shop.raw = told
    (page,) = await everything(shop.poll())
    with pytest.raises(BadMessage, match="quantity"):
        read(page.orders[0])
    assert read(page.orders[1]) == by_query(sale(2))


async def test_a_query_that_shopify_refuses_is_no_matter_of_time() -> None:
    shop = ListingShop([])
    shop.answers["orders"] = {"errors": [{"message": "Too dear", "extensions": {"code": "MAX_COST_EXCEEDED"}}]}
    with pytest.raises(PermanentFault) as caught:
        await shop.poll().changed(SINCE, UNTIL)
    assert caught.value.code == "MAX_COST_EXCEEDED"


def test_the_search_names_whole_seconds_in_utc_and_leaves_no_gap_between_windows() -> None:
    first, between = SINCE, UNTIL.replace(microsecond=1)
    assert search(first, between) == "updated_at:>='2026-11-03T12:00:00Z' updated_at:<'2026-11-03T15:00:01Z'"
    elsewhere = between.astimezone(timezone(timedelta(hours=-5)))
    assert search(elsewhere, UNTIL + timedelta(hours=1)).startswith("updated_at:>='2026-11-03T15:00:00Z'")


async def test_the_search_is_what_is_asked_with() -> None:
    shop = ListingShop([])
    await shop.poll().changed(SINCE, UNTIL)
    assert shop.asked == [("orders", {"query": search(SINCE, UNTIL)})]
