"""Asks Amazon for the orders that changed: by the Orders API 2026-01-01, or by v0 for accounts not yet moved.

Both are a backstop to ORDER_CHANGE: the rates (searchOrders one in three minutes, getOrders one a minute) allow no
more. 2026-01-01 lists whole orders; v0 lists orders without items, which are asked for one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import orjson

from kept.connectors.answers import UnexpectedAnswer, given, same
from kept.connectors.channels.amazon.client import INCLUDED, ORDERS_2026, ORDERS_V0, Json, Seller
from kept.connectors.channels.amazon.mapping import FORMAT_HEADER, ORDER_2026, V0_ORDER
from kept.connectors.http import Request
from kept.connectors.wire import convert, segment
from kept.ports import Page, Polled, TemporaryFault

# "At least two minutes before the time of the request", by Amazon's clock: a minute for the difference to ours.
_DELAY = timedelta(minutes=3)
_OVERLAP = timedelta(minutes=15)  # orders turn up in the lists some minutes after their own update time
_PAGE_2026 = 100  # the most that Amazon gives; each page costs three minutes of the rate
# Every order of v0 costs a getOrderItems, of which there is one in two seconds, 30 at once. A page of 20 fits into
# the burst, and into the time that a page may take.
_PAGE_V0 = 20
_ITEMS_WAIT_S = _PAGE_V0 / 0.5
_ITEM_PAGES_MAX = 20


class _Listed(msgspec.Struct, rename="camel"):
    order_id: str
    last_updated_time: str


class _ListedV0(msgspec.Struct, rename="pascal"):
    amazon_order_id: str
    last_update_date: str


class _Pagination(msgspec.Struct, rename="camel"):
    next_token: str | None = None


class _Search(msgspec.Struct):
    orders: list[Json]
    pagination: _Pagination = msgspec.field(default_factory=_Pagination)


class _OrdersV0(msgspec.Struct, rename="pascal"):
    orders: list[Json]
    next_token: str | None = None


class _ItemsV0(msgspec.Struct, rename="pascal"):
    amazon_order_id: str
    next_token: str | None = None


class AmazonPoll:
    """`kept.ports.PollOrders` by searchOrders (2026-01-01). Raises the faults of a read."""

    overlap = _OVERLAP
    delay = _DELAY

    def __init__(self, seller: Seller) -> None:
        self._seller = seller

    async def changed(self, since: datetime, until: datetime, cursor: str = "") -> Page:
        """Orders with lastUpdatedTime in [since, until], 100 a page; a cursor lives 24 hours."""
        params = {
            "lastUpdatedAfter": _second(since),
            "lastUpdatedBefore": _second_up(until),
            "marketplaceIds": ",".join(self._seller.marketplaces),
            "maxResultsPerPage": str(_PAGE_2026),
            "includedData": ",".join(INCLUDED),
        }
        if cursor:
            params["paginationToken"] = cursor  # the other parameters must stay as they were
        request = Request("GET", ORDERS_2026, params=params, name="searchOrders")
        return await self._seller.target.call(request, _page)


class AmazonPollV0:
    """`kept.ports.PollOrders` by getOrders and getOrderItems (v0, until 2027-03-27). Raises the faults of a read.

    With a restricted data token, which the target gives to these two, orders come with their address and buyer.
    """

    overlap = _OVERLAP
    delay = _DELAY

    def __init__(self, seller: Seller) -> None:
        self._seller = seller

    async def changed(self, since: datetime, until: datetime, cursor: str = "") -> Page:
        """Orders with LastUpdateDate in [since, until], 20 a page, each with all its items."""
        params = {
            "LastUpdatedAfter": _second(since),
            "LastUpdatedBefore": _second_up(until),
            "MarketplaceIds": ",".join(self._seller.marketplaces),
            "MaxResultsPerPage": str(_PAGE_V0),
        }
        if cursor:
            params["NextToken"] = cursor
        listed = await self._seller.target.call(Request("GET", ORDERS_V0, params=params, name="getOrders"), _orders_v0)
        try:
            polled = [await self._polled(order) for order in listed.orders]
        except TemporaryFault as fault:
            # The page begins again with its first order: it needs the whole bucket.
            wait_s = max(fault.retry_after_s or 0.0, _ITEMS_WAIT_S)
            raise TemporaryFault(str(fault), retry_after_s=wait_s) from fault
        return Page(tuple(polled), listed.next_token or "")

    async def _polled(self, order: Json) -> Polled:
        listed = msgspec.convert(order, _ListedV0)
        body = {"order": order, "orderItems": await self._items(listed.amazon_order_id)}
        key = f"{listed.amazon_order_id}:{listed.last_update_date}"
        return Polled(key, {FORMAT_HEADER: V0_ORDER}, orjson.dumps(body))

    async def _items(self, order_id: str) -> list[Json]:
        """Every page of an order's items, as it came."""

        def read(answer: Any) -> tuple[Json, _ItemsV0]:
            payload = _payload(answer)
            page = msgspec.convert(payload, _ItemsV0)
            same("the order of the items", order_id, page.amazon_order_id)
            return payload, page

        pages: list[Json] = []
        params: Mapping[str, str] | None = None
        path = f"{ORDERS_V0}/{segment(order_id)}/orderItems"
        for _ in range(_ITEM_PAGES_MAX):
            request = Request("GET", path, params=params, name="getOrderItems")
            payload, page = await self._seller.target.call(request, read)
            pages.append(payload)
            if not page.next_token:
                break
            params = {"NextToken": page.next_token}
        return pages


def polled_order(order: Json) -> Polled:
    """A whole order of 2026-01-01; its key is the same for the same revision. Raises msgspec.ValidationError."""
    listed = msgspec.convert(order, _Listed)
    given("orderId", listed.order_id)
    return Polled(f"{listed.order_id}:{listed.last_updated_time}", {FORMAT_HEADER: ORDER_2026}, orjson.dumps(order))


def _page(answer: Any) -> Page:
    search = convert(answer, _Search)
    return Page(tuple(polled_order(order) for order in search.orders), search.pagination.next_token or "")


def _orders_v0(answer: Any) -> _OrdersV0:
    listed = convert(_payload(answer), _OrdersV0)
    msgspec.convert(listed.orders, list[_ListedV0])  # raises here, where it counts as an unreadable answer
    return listed


def _payload(answer: Any) -> Json:
    if not isinstance(answer, dict) or not isinstance(answer.get("payload"), dict):
        raise UnexpectedAnswer("there is no payload")
    payload: Json = answer["payload"]
    return payload


def _second(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _second_up(moment: datetime) -> str:
    """The next whole second, so that nothing falls between two windows."""
    return _second(moment if moment.microsecond == 0 else moment + timedelta(seconds=1))
