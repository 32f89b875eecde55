"""Asking Amazon for what changed, by both order APIs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kept.connectors.channels.amazon.mapping import normalise
from kept.ports import Incoming, Page, TemporaryFault
from tests.conformance.amazon import FakeAmazon, errors
from tests.conformance.wire import answer
from tests.unit.connectors.channels.amazon.accounts import Account, open_account
from tests.unit.connectors.channels.amazon.orders import item_v0, order_2026, order_v0

Json = dict[str, Any]
SINCE = datetime(2026, 11, 1, 10, 0, tzinfo=UTC)
UNTIL = datetime(2026, 11, 1, 11, 0, 0, 250_000, tzinfo=UTC)


class Lists(FakeAmazon):
    """A seller whose lists are told by the test: `told` makes the answer to a path and its parameters."""

    def __init__(self, told: Callable[[str, httpx2.QueryParams], httpx2.Response]) -> None:
        super().__init__()
        self.told = told

    def serve(self, request: httpx2.Request, method: str, path: str, body: Json) -> httpx2.Response:
        if method == "GET":
            return self.told(path, request.url.params)
        return super().serve(request, method, path, body)


async def changed(account: Account, cursor: str = "") -> Page:
    assert account.channel.poll is not None
    return await account.channel.poll.changed(SINCE, UNTIL, cursor)


def asked(account: Account) -> list[dict[str, str]]:
    return [dict(request.url.params) for request in account.wire.requests if request.method == "GET"]


async def test_a_search_asks_for_whole_orders_of_the_window_and_pages_on(tmp_path: Path) -> None:
    def told(path: str, params: httpx2.QueryParams) -> httpx2.Response:
        if "paginationToken" in params:
            return answer(200, {"orders": [], "createdBefore": "2026-11-01T11:00:01Z"})
        return answer(200, {"orders": [order_2026()], "pagination": {"nextToken": "page 2"}})

    account = open_account(tmp_path, Lists(told))
    page = await changed(account)
    assert page.next_cursor == "page 2"
    (order,) = page.orders
    read = normalise("shop", Incoming(order.headers, order.body), UNTIL)
    assert read == normalise("shop", Incoming({}, order.body), UNTIL)
    assert read is not None
    assert order.key.startswith(f"{read.external_id}:2026-")
    assert await changed(account, page.next_cursor) == Page(())
    first, second = asked(account)
    assert first == {
        "lastUpdatedAfter": "2026-11-01T10:00:00Z",
        "lastUpdatedBefore": "2026-11-01T11:00:01Z",
        "marketplaceIds": "ATVPDKIKX0DER",
        "maxResultsPerPage": "100",
        "includedData": "BUYER,RECIPIENT,PROCEEDS,PAYMENT,CANCELLATION,FULFILLMENT,PACKAGES",
    }
    assert second == first | {"paginationToken": "page 2"}
    assert account.judge.problems == []


async def test_the_end_of_a_window_is_old_enough_for_amazon(tmp_path: Path) -> None:
    poll = open_account(tmp_path).channel.poll
    assert poll is not None
    assert poll.delay - timedelta(seconds=1) > timedelta(minutes=2)
    assert poll.overlap > timedelta(0)


async def test_v0_lists_orders_and_fetches_every_page_of_their_items(tmp_path: Path) -> None:
    order = order_v0()
    items = order.pop("OrderItems")
    order_id = order["AmazonOrderId"]

    def told(path: str, params: httpx2.QueryParams) -> httpx2.Response:
        if path == "/orders/v0/orders":
            return answer(200, {"payload": {"Orders": [order], "NextToken": "more orders"}})
        assert path == f"/orders/v0/orders/{order_id}/orderItems"
        rest = params.get("NextToken") == "more items"
        page = {"AmazonOrderId": order_id, "OrderItems": [item_v0(OrderItemId="99")] if rest else items}
        return answer(200, {"payload": page if rest else page | {"NextToken": "more items"}})

    account = open_account(tmp_path, Lists(told), api="v0")
    page = await changed(account)
    assert page.next_cursor == "more orders"
    (polled,) = page.orders
    assert polled.key == f"{order_id}:{order['LastUpdateDate']}"
    read = normalise("shop", Incoming(polled.headers, polled.body), UNTIL)
    assert read is not None
    assert [line.external_id for line in read.lines][-1] == "99"
    assert len(read.lines) == len(items) + 1
    await changed(account, "more orders")
    assert asked(account)[0] == {
        "LastUpdatedAfter": "2026-11-01T10:00:00Z",
        "LastUpdatedBefore": "2026-11-01T11:00:01Z",
        "MarketplaceIds": "ATVPDKIKX0DER",
        "MaxResultsPerPage": "20",
    }
    assert asked(account)[3]["NextToken"] == "more orders"
    assert account.judge.problems == []


async def test_throttled_items_of_v0_wait_until_a_whole_page_of_them_is_free_again(tmp_path: Path) -> None:
    order = order_v0()
    del order["OrderItems"]

    def told(path: str, params: httpx2.QueryParams) -> httpx2.Response:
        if path == "/orders/v0/orders":
            return answer(200, {"payload": {"Orders": [order]}})
        return errors(429, "QuotaExceeded", "You exceeded your quota for the requested resource.")

    account = open_account(tmp_path, Lists(told), api="v0")
    with pytest.raises(TemporaryFault) as caught:
        await changed(account)
    assert caught.value.retry_after_s == 40.0


@pytest.mark.parametrize(
    ("api", "told"),
    [
        ("", {"orders": [{"orderId": "1"}]}),
        ("", {"orders": [{"orderId": "", "lastUpdatedTime": "2026-11-01T10:00:00Z"}]}),
        ("", {"pagination": {"nextToken": "x"}}),
        ("v0", {"payload": {"Orders": [{"AmazonOrderId": "1"}]}}),
        ("v0", {"Orders": []}),
    ],
)
async def test_an_answer_that_is_no_list_of_orders_is_asked_for_again(tmp_path: Path, api: str, told: Json) -> None:
    account = open_account(tmp_path, Lists(lambda path, params: answer(200, told)), api=api)
    with pytest.raises(TemporaryFault):
        await changed(account)
