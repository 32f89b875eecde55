"""The stand-in ERP keeps its contract, is honest about duplicates, and fails as its plan says."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from kept.settings import resolve_secret
from kept.simulator.audit_books import ErpBook
from kept.simulator.config import WorldConfig
from kept.simulator.faults import APPLIED, FaultKind, FaultPlan
from kept.simulator.world import erp_running

Json = dict[str, Any]
WorldMaker = Callable[..., WorldConfig]
ClientMaker = Callable[[int, dict[str, str]], httpx2.AsyncClient]
Authorise = Callable[[str], dict[str, str]]


@pytest.fixture
def erp_client(client: ClientMaker, authorise: Authorise) -> Callable[[WorldConfig, int], httpx2.AsyncClient]:
    return lambda config, port: client(port, authorise(config.erp.token))


ErpClient = Callable[[WorldConfig, int], httpx2.AsyncClient]


def key(value: str) -> dict[str, str]:
    return {"idempotency-key": value}


def book_of(config: WorldConfig) -> ErpBook:
    return ErpBook(config.book_path("erp"))


def live(config: WorldConfig) -> list[str]:
    book = book_of(config)
    try:
        return [reference for reference, *_ in book.live_orders()]
    finally:
        book.close()


async def test_one_key_or_one_reference_makes_one_order(
    make_world: WorldMaker, erp_client: ErpClient, order_body: Json
) -> None:
    config = make_world()
    async with erp_running(config) as port:
        erp = erp_client(config, port)
        first = await erp.post("/v1/orders", json=order_body, headers=key("k1"))
        same_key = await erp.post("/v1/orders", json=order_body, headers=key("k1"))
        same_reference = await erp.post("/v1/orders", json=order_body, headers=key("k2"))
        found = (await erp.get("/v1/orders", params={"reference": "R-1"})).json()["orders"]
    assert (first.status_code, same_key.status_code, same_reference.status_code) == (201, 200, 200)
    assert first.json() == same_key.json() == same_reference.json() == found[0]
    assert first.json() | {"order_id": ""} == {
        "order_id": "",
        "reference": "R-1",
        "total_minor": 4350,
        "currency": "USD",
    }
    assert live(config) == ["R-1"]


async def test_other_content_under_one_reference_is_a_conflict(
    make_world: WorldMaker, erp_client: ErpClient, order_body: Json
) -> None:
    config = make_world()
    async with erp_running(config) as port:
        erp = erp_client(config, port)
        await erp.post("/v1/orders", json=order_body, headers=key("k1"))
        changed = await erp.post("/v1/orders", json=order_body | {"total_minor": 1}, headers=key("k1"))
        stolen = await erp.post("/v1/orders", json=order_body | {"reference": "R-2"}, headers=key("k1"))
    assert (changed.status_code, changed.json()["code"]) == (409, "reference_conflict")
    assert changed.headers["content-type"].startswith("application/problem+json")
    assert (stolen.status_code, stolen.json()["code"]) == (409, "key_conflict")


async def test_an_erp_that_honours_nothing_books_twice_and_says_so(
    make_world: WorldMaker, erp_client: ErpClient, order_body: Json
) -> None:
    config = make_world()
    config = replace(config, erp=replace(config.erp, honours_key=False, unique_reference=False))
    async with erp_running(config) as port:
        erp = erp_client(config, port)
        for _ in range(2):
            assert (await erp.post("/v1/orders", json=order_body, headers=key("k1"))).status_code == 201
        found = (await erp.get("/v1/orders", params={"reference": "R-1"})).json()["orders"]
    assert len({each["order_id"] for each in found}) == 2
    assert live(config) == ["R-1", "R-1"]


async def test_a_newer_version_amends_and_an_older_one_changes_nothing(
    make_world: WorldMaker, erp_client: ErpClient, order_body: Json
) -> None:
    config = make_world()
    fewer = order_body | {"lines": [order_body["lines"][0] | {"quantity": 1}], "total_minor": 2450}
    async with erp_running(config) as port:
        erp = erp_client(config, port)
        assert (await erp.put("/v1/orders/R-1", json=fewer, headers=key("a"))).status_code == 404
        await erp.post("/v1/orders", json=order_body, headers=key("k1"))
        amended = await erp.put("/v1/orders/R-1", json=fewer | {"version": 3}, headers=key("a3"))
        late = await erp.put("/v1/orders/R-1", json=order_body | {"version": 2}, headers=key("a2"))
        await erp.post("/v1/orders/R-1/withdrawal", json={}, headers=key("w"))
        closed = await erp.put("/v1/orders/R-1", json=order_body | {"version": 4}, headers=key("a4"))
        other = await erp.put("/v1/orders/R-2", json=order_body, headers=key("a5"))
    assert (amended.status_code, amended.json()["total_minor"]) == (200, 2450)
    assert late.json() == closed.json() == amended.json()
    assert other.status_code == 422
    book = book_of(config)
    assert [(reference, quantity) for reference, _, _, _, quantity in book.order_lines()] == [("R-1", 1)]
    book.close()


async def test_shipments_and_withdrawals_need_an_order_and_happen_once(
    make_world: WorldMaker, erp_client: ErpClient, order_body: Json
) -> None:
    config = make_world()
    packed = {"line_no": 1, "sku": "SKU-0001", "quantity": 2}
    package = {"sscc": "006141411234567890", "carrier": "C", "tracking": "T", "weight_g": 5, "lines": [packed]}
    shipment = {"reference": "R-1-1", "shipped_at": "2026-03-03T00:00:00Z", "packages": [package]}
    async with erp_running(config) as port:
        erp = erp_client(config, port)
        early = await erp.post("/v1/orders/R-1/shipments", json=shipment, headers=key("s1"))
        assert early.status_code == 404
        booked = await erp.post("/v1/orders", json=order_body, headers=key("k1"))
        assert (await erp.get("/v1/orders/R-1/shipments/R-1-1")).status_code == 404
        posted = [await erp.post("/v1/orders/R-1/shipments", json=shipment, headers=key("s1")) for _ in range(2)]
        assert [each.status_code for each in posted] == [201, 200]
        assert (await erp.get("/v1/orders/R-1/shipments/R-1-1")).json() == posted[0].json() == posted[1].json()
        other = await erp.post("/v1/orders/R-1/shipments", json=shipment | {"packages": []}, headers=key("s2"))
        assert other.status_code == 409
        withdrawn = [await erp.post("/v1/orders/R-1/withdrawal", json={}, headers=key("w")) for _ in range(2)]
        assert [each.json()["order_id"] for each in withdrawn] == [booked.json()["order_id"]] * 2
        assert (await erp.post("/v1/orders/R-9/withdrawal", json={}, headers=key("v"))).status_code == 404
    book = book_of(config)
    assert book.shipments() == [("R-1", "R-1-1", 1, 2)]
    assert book.withdrawn() == {"R-1"}
    book.close()


async def test_items_customers_and_refusals(
    make_world: WorldMaker, erp_client: ErpClient, client: ClientMaker, order_body: Json
) -> None:
    config = make_world()
    async with erp_running(config) as port:
        erp = erp_client(config, port)
        items = (await erp.post("/v1/items/check", json={"skus": ["SKU-0200", "SKU-0201"]})).json()["items"]
        assert [(item["known"], item["saleable"]) for item in items] == [(True, True), (False, False)]
        person = {"name": "A", "email": "", "address": order_body["ship_to"]}
        ids = [(await erp.put(f"/v1/customers/{name}", json=person)).json() for name in ("a:1", "a:1", "b")]
        assert ids[0] == ids[1] != ids[2]
        assert (await erp.post("/v1/orders", json={"reference": "R"}, headers=key("k"))).status_code == 422
        assert (await erp.post("/v1/orders", content=b"{", headers=key("k"))).status_code == 400
        assert (await erp.post("/v1/orders", json=order_body)).json()["code"] == "key_missing"
        stranger = client(port, {"authorization": "Bearer no"})
        assert (await stranger.post("/v1/items/check", json={"skus": []})).status_code == 401
        assert (await stranger.get("/sim/status")).json()["done"] is True


async def test_the_book_outlives_a_restart(make_world: WorldMaker, erp_client: ErpClient, order_body: Json) -> None:
    config = make_world()
    async with erp_running(config) as port:
        first = await erp_client(config, port).post("/v1/orders", json=order_body, headers=key("k1"))
    async with erp_running(config) as port:
        again = await erp_client(config, port).post("/v1/orders", json=order_body, headers=key("k1"))
    assert (again.status_code, again.json()) == (200, first.json())


@pytest.mark.parametrize("kind", list(FaultKind))
async def test_each_fault_is_seen_and_books_only_if_it_says_so(
    kind: FaultKind, make_world: WorldMaker, erp_client: ErpClient, order_body: Json
) -> None:
    plan = FaultPlan(rate=1, kinds=(kind,), hold_s=0.1, slow_min_s=0.0, slow_max_s=0.01)
    config = make_world(faults=plan)
    async with erp_running(config) as port:
        erp = erp_client(config, port)
        seen = await outcome(erp, order_body)
        assert live(config) == (["R-1"] if kind in APPLIED else [])
        assert await outcome(erp, order_body) == seen
        third = await erp.post("/v1/orders", json=order_body, headers=key("k1"))
        assert third.status_code == (200 if kind in APPLIED else 201)
        faults = (await erp.get("/sim/status")).json()["faults"]
    assert live(config) == ["R-1"]
    assert faults == {kind.value: 2}
    assert seen == EXPECTED[kind]


NO_ANSWER, CUT_BODY = "RemoteProtocolError", "RemoteProtocolError"
EXPECTED = {
    FaultKind.TIMEOUT_BEFORE: NO_ANSWER,
    FaultKind.TIMEOUT_AFTER: NO_ANSWER,
    FaultKind.CUT_BEFORE: NO_ANSWER,
    FaultKind.CUT_AFTER: NO_ANSWER,
    FaultKind.CUT_MIDDLE: CUT_BODY,
    FaultKind.RESET: "ReadError",
    FaultKind.HTTP_429: "429 after 1",
    FaultKind.HTTP_500_BEFORE: "500",
    FaultKind.HTTP_500_AFTER: "500",
    FaultKind.HTTP_503: "503",
    FaultKind.SLOW: "2xx",
    FaultKind.TRUNCATED_JSON: "2xx and no JSON",
}


async def outcome(erp: httpx2.AsyncClient, order_body: Json) -> str:
    """What a client sees of one booking."""
    try:
        response = await erp.post("/v1/orders", json=order_body, headers=key("k1"))
    except httpx2.TransportError as error:
        return type(error).__name__
    if response.status_code >= 300:
        wait = response.headers.get("retry-after")
        return f"{response.status_code} after {wait}" if wait else str(response.status_code)
    try:
        response.json()
    except ValueError:
        return "2xx and no JSON"
    return "2xx"


async def test_a_timeout_lasts_until_the_client_gives_up(
    make_world: WorldMaker, erp_client: ErpClient, order_body: Json
) -> None:
    config = make_world(faults=FaultPlan(rate=1, kinds=(FaultKind.TIMEOUT_AFTER,), hold_s=60))
    async with erp_running(config) as port:
        with pytest.raises(httpx2.ReadTimeout):
            await erp_client(config, port).post("/v1/orders", json=order_body, headers=key("k"), timeout=0.2)
    assert live(config) == ["R-1"]


@pytest.mark.parametrize(("kind", "reset"), [(FaultKind.CUT_BEFORE, False), (FaultKind.RESET, True)])
async def test_a_cut_is_a_close_and_a_reset_is_a_reset(kind: FaultKind, reset: bool, make_world: WorldMaker) -> None:
    config = make_world(faults=FaultPlan(rate=1, kinds=(kind,)))
    token = resolve_secret(config.erp.token).reveal()
    head = f"GET /v1/orders?reference=R HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"

    def talk(port: int) -> bytes | None:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
            raw.sendall(head.encode())
            try:
                return raw.recv(1000)
            except ConnectionResetError:
                return None

    async with erp_running(config) as port:
        answer = await asyncio.to_thread(talk, port)
    assert answer == (None if reset else b"")
