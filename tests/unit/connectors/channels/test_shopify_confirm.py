"""Telling Shopify of shipments: over locations, after half a try, and against its refusals."""

from __future__ import annotations

from dataclasses import replace

import httpx2
import orjson
import pytest

from kept.connectors.channels.shopify.client import ShopifyConfirm
from kept.connectors.http import HttpTarget
from kept.domain.events import Package, ShippedLine
from kept.ports import ChannelShipment, PermanentFault, TemporaryFault, UnknownResult
from tests.conformance.operations import CONFIRMATION, KEY, PACKAGE
from tests.conformance.vendors import FakeShop
from tests.conformance.wire import Trouble, Wire, answer


def confirm_over(transport: httpx2.AsyncBaseTransport) -> ShopifyConfirm:
    headers = {"x-shopify-access-token": "token-of-channel"}
    return ShopifyConfirm(
        HttpTarget(
            "channel:shop", "http://shop.test", timeout_s=5, requests_at_once=2, headers=headers, transport=transport
        )
    )


def mutations(wire: Wire) -> list[httpx2.Request]:
    return [request for request in wire.requests if b"mutation" in request.content]


def wired(shop: FakeShop) -> tuple[ShopifyConfirm, Wire]:
    wire = Wire(shop.transport(), lambda request: b"mutation" in request.content)
    return confirm_over(wire), wire


async def test_a_shipment_over_two_locations_is_two_fulfilments_with_one_tracking() -> None:
    shop = FakeShop({"1": {"11": 2, "12": 1}, "2": {"12": 2}})
    confirm, wire = wired(shop)
    assert await confirm.confirm(CONFIRMATION, KEY) == ChannelShipment("1,2")
    assert len(mutations(wire)) == 2
    assert shop.open_lines == {"1": {"11": 0, "12": 0}, "2": {"12": 0}}
    assert await confirm.find(CONFIRMATION) == ChannelShipment("1,2")


async def test_a_half_done_shipment_is_not_found_and_the_next_try_does_the_rest_only() -> None:
    """Line 12 has more open pieces than we shipped: they are another shipment's and stay open."""
    shop = FakeShop({"1": {"11": 2, "12": 4}, "2": {"12": 2}})
    shipped = replace(
        CONFIRMATION, packages=(replace(PACKAGE, lines=(ShippedLine(1, "S1", 2), ShippedLine(2, "S2", 5))),)
    )
    confirm, wire = wired(shop)
    wire.troubles.extend([None, Trouble.TIMEOUT_BEFORE])
    with pytest.raises(UnknownResult):
        await confirm.confirm(shipped, KEY)
    assert await confirm.find(shipped) is None
    await confirm.confirm(shipped, KEY)
    assert shop.open_lines == {"1": {"11": 0, "12": 0}, "2": {"12": 1}}
    assert await confirm.find(shipped) is not None


async def test_nothing_shipped_sends_nothing() -> None:
    confirm, wire = wired(FakeShop())
    for packages in ((), (Package("006141411234567890", "UPS", "1Z", 0, ()),)):
        assert await confirm.confirm(replace(CONFIRMATION, packages=packages), KEY) == ChannelShipment("")
    assert wire.requests == []


async def test_pieces_that_are_not_open_stop_everything_before_anything_is_sent() -> None:
    confirm, wire = wired(FakeShop({"1": {"11": 2, "12": 2}}))
    with pytest.raises(PermanentFault, match="1 shipped pieces of lines 12") as caught:
        await confirm.confirm(CONFIRMATION, KEY)
    assert caught.value.code == "not_fulfillable"
    assert mutations(wire) == []


async def test_another_shipments_tracking_is_not_adopted() -> None:
    shop = FakeShop({"1": {"11": 4, "12": 6}})
    confirm, _ = wired(shop)
    await confirm.confirm(CONFIRMATION, KEY)
    other = replace(CONFIRMATION, packages=(replace(PACKAGE, tracking="1Z000"),))
    assert await confirm.find(other) is None
    assert await confirm.confirm(other, KEY) == ChannelShipment("2")


async def test_a_line_that_shopify_never_had_is_refused() -> None:
    confirm, _ = wired(FakeShop())
    with pytest.raises(PermanentFault, match="line 2"):
        await confirm.confirm(replace(CONFIRMATION, line_ids={1: "11"}), KEY)


async def test_an_order_that_is_not_there_is_refused_and_not_found() -> None:
    confirm, _ = wired(FakeShop())
    elsewhere = replace(CONFIRMATION, channel_order_id="404")
    assert await confirm.find(elsewhere) is None
    with pytest.raises(PermanentFault) as caught:
        await confirm.confirm(elsewhere, KEY)
    assert caught.value.code == "order_unknown"


async def test_throttling_waits_until_the_bucket_has_what_the_query_costs() -> None:
    shop = FakeShop()
    shop.throttled = True
    with pytest.raises(TemporaryFault) as caught:
        await wired(shop)[0].confirm(CONFIRMATION, KEY)
    assert caught.value.retry_after_s == pytest.approx((852 - 100) / 50)


async def test_access_denied_is_permanent_with_its_code() -> None:
    shop = FakeShop()
    shop.denied = True
    with pytest.raises(PermanentFault) as caught:
        await wired(shop)[0].confirm(CONFIRMATION, KEY)
    assert caught.value.code == "ACCESS_DENIED"


@pytest.mark.parametrize(
    ("created", "fault"),
    [
        (
            {"data": {"fulfillmentCreate": {"fulfillment": None, "userErrors": [{"field": None, "message": "No."}]}}},
            PermanentFault,
        ),
        ({"data": {"fulfillmentCreate": {"fulfillment": None, "userErrors": []}}}, UnknownResult),
        ({"data": {"fulfillmentCreate": None}}, UnknownResult),
        ({"data": None, "errors": [{"message": "x", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]}, UnknownResult),
        ({"data": {"fulfillmentCreate": None}, "errors": [{"message": "Timeout"}]}, UnknownResult),
        ({"errors": [{"message": "Variable is invalid"}]}, PermanentFault),
        ({}, UnknownResult),
    ],
)
async def test_what_a_mutation_answers_means(created: object, fault: type[Exception]) -> None:
    shop = FakeShop()

    def handle(request: httpx2.Request) -> httpx2.Response:
        return answer(200, created) if b"mutation" in request.content else shop.handle(request)

    with pytest.raises(fault):
        await confirm_over(httpx2.MockTransport(handle)).confirm(CONFIRMATION, KEY)


async def test_an_order_with_more_fulfilments_than_we_are_shown_is_a_persons() -> None:
    shop = FakeShop()
    for number in range(10):
        made = {"numbers": [f"T{number}"], "pieces": {"99": 1}}
        shop.documents.setdefault("confirmations", {})[str(number)] = made
    with pytest.raises(PermanentFault) as caught:
        await wired(shop)[0].find(CONFIRMATION)
    assert caught.value.code == "too_many_fulfilments"


async def test_long_lists_of_lines_and_of_fulfilment_orders_are_read_page_by_page() -> None:
    shop = FakeShop({"1": {"11": 2}, "2": {"12": 3}})
    order = shop._order("gid://shopify/Order/5001")  # the fake's own whole order, to be cut into pages
    assert order is not None
    first, second = order["fulfillmentOrders"]["nodes"]
    lines = first["lineItems"]["nodes"]

    def paged(nodes: list[object], more: str | None) -> dict[str, object]:
        return {"nodes": nodes, "pageInfo": {"hasNextPage": more is not None, "endCursor": more}}

    def handle(request: httpx2.Request) -> httpx2.Response:
        body = orjson.loads(request.content)
        after = body["variables"].get("after")
        if "mutation" in body["query"]:
            return shop.handle(request)
        if "fulfillmentOrder(id" in body["query"]:
            assert (body["variables"]["id"], after) == (first["id"], "lines-1")
            return answer(200, {"data": {"fulfillmentOrder": {"lineItems": paged(lines, None)}}})
        shown = {**second} if after else {**first, "lineItems": paged([], "lines-1")}
        orders = paged([shown], None if after else "orders-1")
        return answer(200, {"data": {"order": {**order, "fulfillmentOrders": orders}}})

    await confirm_over(httpx2.MockTransport(handle)).confirm(CONFIRMATION, KEY)
    assert shop.open_lines == {"1": {"11": 0}, "2": {"12": 0}}


@pytest.mark.parametrize("part", ["fulfillments", "fulfillmentOrders", "its lines", "a fulfilment's lines"])
async def test_a_next_page_without_a_cursor_is_no_answer_and_nothing_is_counted_twice(part: str) -> None:
    shop = FakeShop()
    await wired(shop)[0].confirm(CONFIRMATION, KEY)
    endless = {"hasNextPage": True, "endCursor": None}
    order = shop._order("gid://shopify/Order/5001")
    assert order is not None
    (fulfilment,) = order["fulfillments"]
    (fulfilment_order,) = order["fulfillmentOrders"]["nodes"]
    places = {
        "fulfillments": fulfilment["fulfillmentLineItems"],
        "fulfillmentOrders": order["fulfillmentOrders"],
        "its lines": fulfilment_order["lineItems"],
    }
    if part in places:
        places[part]["pageInfo"] = endless
    else:  # the first page has a cursor, and the one that it leads to has none
        fulfilment["fulfillmentLineItems"]["pageInfo"] = endless | {"endCursor": "1"}
    lines = fulfilment["fulfillmentLineItems"] | {"pageInfo": endless}

    def serve(request: httpx2.Request) -> httpx2.Response:
        return answer(200, {"data": {"order": order, "fulfillment": {"fulfillmentLineItems": lines}}})

    with pytest.raises(TemporaryFault, match="no cursor"):
        await confirm_over(httpx2.MockTransport(serve)).find(CONFIRMATION)
