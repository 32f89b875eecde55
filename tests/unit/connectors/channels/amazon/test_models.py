"""The judge of our requests and of the stand-in's answers finds what is wrong, so that its silence means something."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.conformance.amazon_models import Judge
from tests.conformance.wire import answer
from tests.unit.connectors.channels.amazon.accounts import HOST

SHIPMENT: dict[str, Any] = {
    "marketplaceId": "M",
    "packageDetail": {
        "packageReferenceId": "1",
        "carrierCode": "UPS",
        "trackingNumber": "1Z",
        "shipDate": "2026-11-03T09:00:00Z",
        "orderItems": [{"orderItemId": "1", "quantity": 1}],
    },
}
CONFIRM = "/orders/v0/orders/1/shipmentConfirmation"


async def problems(method: str, path: str, body: object = None, told: httpx2.Response | None = None) -> list[str]:
    judge = Judge(httpx2.MockTransport(lambda request: told or answer(200, {"orders": []})), HOST)
    async with httpx2.AsyncClient(transport=judge, base_url=f"http://{HOST}") as client:
        await client.request(method, path, json=body)
    return judge.problems


def with_detail(**changes: object) -> dict[str, Any]:
    return SHIPMENT | {"packageDetail": SHIPMENT["packageDetail"] | changes}


@pytest.mark.parametrize(
    ("method", "path", "body", "found"),
    [
        ("POST", CONFIRM, with_detail(shipDate="03/11/2026"), "date-time"),
        ("POST", CONFIRM, with_detail(packageReferenceId=1), "'string'"),
        ("POST", CONFIRM, with_detail(carrier="UPS"), "Additional properties"),
        ("POST", CONFIRM, {"marketplaceId": "M"}, "packageDetail"),
        ("GET", "/orders/2026-01-01/orders?includedData=BUYER,NAME", None, "NAME"),
        ("GET", "/orders/2026-01-01/orders?maxResults=5", None, "maxResults is unknown"),
        ("GET", "/orders/v0/orders?LastUpdatedAfter=2026-11-03", None, "MarketplaceIds is missing"),
        ("GET", "/orders/v1/orders", None, "no operation"),
    ],
)
async def test_a_wrong_request_is_found(method: str, path: str, body: object, found: str) -> None:
    told = answer(200, {"payload": {"Orders": []}}) if "v0/orders?" in path else None
    told = httpx2.Response(204, stream=httpx2.ByteStream(b"")) if path == CONFIRM else told
    (only,) = await problems(method, path, body, told)
    assert found in only


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (answer(200, {"orders": [{"orderId": "1"}]}), "createdTime"),
        (answer(200, {}), "orders"),
        (answer(418, {}), "418"),
        (answer(400, {"errors": [{"code": "InvalidInput"}]}), "message"),
    ],
)
async def test_a_wrong_answer_is_found(told: httpx2.Response, found: str) -> None:
    assert found in "; ".join(await problems("GET", "/orders/2026-01-01/orders", None, told))
