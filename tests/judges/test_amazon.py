"""Prism judges our Amazon connector and its stand-in by Amazon's own models: both must speak the real dialect."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import orjson
import pytest

from kept.connectors.http import HttpTargets
from kept.connectors.registry import build_channel
from kept.ports import Channel, ChannelCancelled, ChannelShipment, StockOffer
from tests.conformance.amazon import FakeAmazon
from tests.conformance.operations import AT, CONFIRMATION, KEY, WHOLE_CANCEL
from tests.conformance.wire import NO_LIMITS, answer
from tests.fixtures_location import shared_specs
from tests.judges.prism import Judged, Route, judging, serving
from tests.unit.connectors.channels.amazon.accounts import HOST, settings_in
from tests.unit.connectors.channels.amazon.orders import order_2026, order_v0

pytestmark = pytest.mark.xdist_group("prism")

MODELS = {
    "/orders/v0/": "ordersV0",
    "/orders/2026-01-01/": "orders_2026-01-01",
    "/feeds/": "feeds_2021-06-30",
    "/listings/": "listingsItems_2021-08-01",
    "/tokens/": "tokens_2021-03-01",
}


class Stand:
    """The vendor that is behind the judge now: each test puts its own there."""

    def __init__(self) -> None:
        self.vendor = FakeAmazon()

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        return self.vendor.handle(request)


@pytest.fixture(scope="module")
def stand() -> Stand:
    return Stand()


@pytest.fixture(scope="module")
def routes(stand: Stand) -> Iterator[tuple[Route, ...]]:
    models = {f"{prefix}": shared_specs("amazon", f"{name}.json") for prefix, name in MODELS.items()}
    with serving(httpx2.MockTransport(stand.handle)) as upstream, judging(models, upstream) as started:
        yield started


@pytest.fixture
async def judged(routes: tuple[Route, ...], stand: Stand) -> AsyncIterator[Judged]:
    stand.vendor = FakeAmazon()
    transport = Judged(HOST, routes, httpx2.MockTransport(stand.handle))
    yield transport
    await transport.aclose()


def seller(judged: Judged, folder: Path, **changes: object) -> Channel:
    settings = replace(settings_in(folder), **changes)  # type: ignore[arg-type] # a test names settings freely
    return build_channel("shop", settings, HttpTargets(transport=judged, shared=NO_LIMITS))


async def test_a_shipment_is_confirmed_and_found_before_the_judge(judged: Judged, stand: Stand, tmp_path: Path) -> None:
    port = seller(judged, tmp_path).confirm
    assert port is not None
    assert await port.confirm(CONFIRMATION, KEY) == ChannelShipment("1001")
    assert await port.find(CONFIRMATION) == ChannelShipment("1001")
    assert len(stand.vendor.packages) == 1
    assert judged.calls == 2


async def test_a_cancel_and_its_look_up_pass_the_judge(judged: Judged, stand: Stand, tmp_path: Path) -> None:
    port = seller(judged, tmp_path).cancel
    assert port is not None
    assert await port.cancel(WHOLE_CANCEL, KEY) == ChannelCancelled("5001")
    assert await port.find_cancel(WHOLE_CANCEL) == ChannelCancelled("5001")
    assert len(stand.vendor.feeds) == 1


async def test_stock_passes_the_judge(judged: Judged, stand: Stand, tmp_path: Path) -> None:
    port = seller(judged, tmp_path).push_stock
    assert port is not None
    assert await port.push([StockOffer("S 1", 7)], KEY) == []
    assert [refused.sku for refused in await port.push([StockOffer("NO", 7)], KEY)] == ["NO"]
    assert stand.vendor.stock == {"S 1": 7}


async def test_both_ways_of_polling_pass_the_judge(judged: Judged, stand: Stand, tmp_path: Path) -> None:
    order = order_v0()
    items = order.pop("OrderItems")

    class Lists(FakeAmazon):
        def serve(self, request: httpx2.Request, method: str, path: str, body: dict[str, object]) -> httpx2.Response:
            if path == "/orders/v0/orders":
                return answer(200, {"payload": {"Orders": [order]}})
            if path.endswith("/orderItems"):
                return answer(200, {"payload": {"AmazonOrderId": order["AmazonOrderId"], "OrderItems": items}})
            return super().serve(request, method, path, body)

    stand.vendor = Lists()
    stand.vendor.listed = [order_2026()]
    for api in ("2026-01-01", "v0"):
        port = seller(judged, tmp_path, api=api).poll
        assert port is not None
        assert len((await port.changed(AT, AT)).orders) == 1


# ------------------------------------------------------------------ and its silence means something

WRONG = [
    ("POST", "/orders/v0/orders/1/shipmentConfirmation", {"marketplaceId": "M"}),
    ("GET", "/orders/2026-01-01/orders?includedData=NAMES", None),
    ("GET", "/orders/v0/orders?LastUpdatedAfter=2026-11-03T09:00:00Z", None),
    ("POST", "/feeds/2021-06-30/feeds", {"feedType": "X", "marketplaceIds": []}),
    ("PATCH", "/listings/2021-08-01/items/A/S?marketplaceIds=M", {"productType": "PRODUCT", "patches": []}),
    ("POST", "/tokens/2021-03-01/restrictedDataToken", {"restrictedResources": [{"method": "HEAD", "path": "/"}]}),
]


@pytest.mark.parametrize(("method", "path", "body"), WRONG)
async def test_the_judge_refuses_a_wrong_request(judged: Judged, method: str, path: str, body: object) -> None:
    async with httpx2.AsyncClient(transport=judged, base_url=f"http://{HOST}") as client:
        told = await client.request(method, path, json=body)
    assert told.status_code == 422
    assert orjson.loads(told.content)["type"].endswith("UNPROCESSABLE_ENTITY")


async def test_the_judge_refuses_a_wrong_answer(judged: Judged, stand: Stand) -> None:
    class Wrong(FakeAmazon):
        def handle(self, request: httpx2.Request) -> httpx2.Response:
            return answer(200, {"orders": [{"orderId": "1"}]})

    stand.vendor = Wrong()
    async with httpx2.AsyncClient(transport=judged, base_url=f"http://{HOST}") as client:
        told = await client.get("/orders/2026-01-01/orders?createdAfter=2026-11-03T09:00:00Z")
    assert told.status_code == 500
    assert orjson.loads(told.content)["type"].endswith("VIOLATIONS")
