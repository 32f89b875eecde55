"""Lists of orders, page by page, type by type."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import httpx2
import orjson
import pytest

from kept.connectors.channels.walmart.mapping import normalise
from kept.connectors.channels.walmart.poll import query
from kept.ports import Channel, Incoming, Page, Polled, TemporaryFault
from tests.conformance.walmart import FakeWalmart
from tests.conformance.wire import answer
from tests.fixtures_location import shared_specs
from tests.unit.connectors.channels.walmart.orders import NOW, line, order
from tests.unit.connectors.channels.walmart.seller import Json, seller

SINCE, UNTIL = datetime(2026, 11, 3, 8, 0, tzinfo=UTC), datetime(2026, 11, 3, 9, 0, 0, 1, tzinfo=UTC)
NEXT = "?limit=200&hasMoreElements=true&soIndex=400&poIndex=17962&sellerId=801&createdStartDate=2026-05-08T09:00:00Z"


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WALMART_SECRET", "token-of-client")


def listed(*orders: Json, cursor: str | None = None) -> httpx2.Response:
    meta = {"totalCount": 500, "limit": 200} | ({"nextCursor": cursor} if cursor else {})
    return answer(200, {"list": {"meta": meta, "elements": {"order": list(orders)}}})


async def page(channel: Channel, cursor: str = "") -> Page:
    assert channel.poll is not None
    return await channel.poll.changed(SINCE, UNTIL, cursor)


async def whole(channel: Channel) -> list[Polled]:
    """All orders of a window; at most ten pages."""
    found, cursor = list[Polled](), ""
    for _ in range(10):
        got = await page(channel, cursor)
        found += got.orders
        cursor = got.next_cursor
        if not cursor:
            break
    return found


def test_a_query_says_dates_and_type_and_only_what_walmart_knows() -> None:
    asked = query(SINCE, UNTIL, "SellerFulfilled", NOW)
    parameters = orjson.loads(shared_specs("walmart", "us_orders.json").read_bytes())["paths"]["/v3/orders"]["get"]
    found = {name: value for name, (value,) in parse_qs(asked[1:], strict_parsing=True).items()}
    assert found.keys() <= {each["name"] for each in parameters["parameters"]}
    assert found == {
        "lastModifiedStartDate": "2026-11-03T08:00:00Z",
        "lastModifiedEndDate": "2026-11-03T09:00:01Z",  # rounded up
        "createdStartDate": "2026-05-08T09:00:00Z",
        "shipNodeType": "SellerFulfilled",
        "replacementInfo": "true",
        "limit": "200",
    }


async def test_every_type_of_ship_node_is_asked_and_nothing_to_list_is_no_error() -> None:
    vendor = FakeWalmart()
    vendor.listed = {"WFSFulfilled": listed(order())}
    found = await whole(seller(vendor))
    assert [each.key.partition(":")[0] for each in found] == ["1796277083022"]
    assert ["shipNodeType=" + kind in asked for kind, asked in zip(KINDS, vendor.asked, strict=True)] == [True] * 3


KINDS = ("SellerFulfilled", "WFSFulfilled", "3PLFulfilled")


async def test_the_next_cursor_goes_back_as_it_came() -> None:
    vendor = FakeWalmart()
    vendor.listed = {"soIndex=400": listed(order(purchaseOrderId="2")), "SellerFulfilled": listed(order(), cursor=NEXT)}
    first = await page(seller(vendor))
    assert first.next_cursor == f"SellerFulfilled {NEXT}"
    second = await page(seller(vendor), first.next_cursor)
    assert [each.key.partition(":")[0] for each in second.orders] == ["2"]
    assert vendor.asked[-1] == NEXT[1:]
    assert second.next_cursor == "WFSFulfilled"


async def test_the_same_revision_has_the_same_key_and_another_one_another() -> None:
    keys = []
    for body in (order(), dict(reversed(order().items())), order(line("1", intentToCancel="true"))):
        vendor = FakeWalmart()
        vendor.listed = {"SellerFulfilled": listed(body)}
        keys += [each.key for each in await whole(seller(vendor))]
    assert keys[0] == keys[1] != keys[2]


async def test_what_is_polled_reads_like_an_order() -> None:
    vendor = FakeWalmart()
    vendor.listed = {"SellerFulfilled": listed(order())}
    (polled,) = await whole(seller(vendor))
    content = normalise("market", Incoming(polled.headers, polled.body), NOW + timedelta(days=1))
    assert content is not None
    assert content.external_id == "1796277083022"


async def test_an_order_without_its_number_makes_the_page_unreadable() -> None:
    vendor = FakeWalmart()
    vendor.listed = {"SellerFulfilled": listed({"customerOrderId": "1"})}
    with pytest.raises(TemporaryFault, match="an order without its purchaseOrderId"):
        await page(seller(vendor))
