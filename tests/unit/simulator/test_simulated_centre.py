"""A simulated centre takes requests once, tells their fate in signed events, and goes on after a restart."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from kept.simulator.audit_books import CentreBook
from kept.simulator.config import WorldConfig
from kept.simulator.faults import Behaviour
from kept.simulator.world import centre_running

Json = dict[str, Any]
WorldMaker = Callable[..., WorldConfig]
CALM = Behaviour.calm()
HOUR_S = 3600.0


@pytest.fixture
def east(client: Any, authorise: Any) -> Callable[..., Any]:
    """A centre named east (or another), serving; gives a client that is let in."""

    @asynccontextmanager
    async def running(config: WorldConfig, name: str = "east") -> AsyncIterator[httpx2.AsyncClient]:
        async with centre_running(name, config) as port:
            yield client(port, authorise(config.centres[name].token))

    return running


def events(kept: Any, kind: str = "") -> list[Json]:
    found = [json.loads(hook.body) for hook in kept.hooks]
    return [event for event in found if event["type"].endswith(kind)]


def slow(config: WorldConfig, **delays: float) -> WorldConfig:
    return replace(config, delays=replace(config.delays, **delays))


async def put(centre: httpx2.AsyncClient, body: Json, reference: str = "R-1-1", key: str = "k1") -> httpx2.Response:
    return await centre.put(f"/v1/requests/{reference}", json=body, headers={"idempotency-key": key})


async def cancel(centre: httpx2.AsyncClient, reference: str = "R-1-1") -> str:
    response = await centre.post(f"/v1/requests/{reference}/cancel", json={}, headers={"idempotency-key": "c"})
    answer: str = response.json()["answer"]
    return answer


def shipped_by(config: WorldConfig, name: str = "east") -> tuple[list[tuple[Any, ...]], dict[str, int]]:
    book = CentreBook(config.book_path(f"centre-{name}"))
    try:
        return list(book.shipments()), book.on_hand()
    finally:
        book.close()


async def test_a_request_is_accepted_then_shipped_in_the_carton_asked_for(
    kept: Any, make_world: WorldMaker, east: Any, genuine: Any, request_body: Json
) -> None:
    config = make_world(kept_url=kept.url)
    async with east(config) as centre:
        first, again = await put(centre, request_body), await put(centre, request_body, key="k2")
        assert (first.status_code, again.status_code) == (202, 200)
        assert first.json() == again.json()
        await kept.until(lambda hooks: len(hooks) == 2)
        found = (await centre.get("/v1/requests/R-1-1")).json()
        stock = (await centre.get("/v1/stock")).json()
        assert await cancel(centre) == "too_late"
    assert all(genuine(hook) for hook in kept.hooks)
    accepted, shipped = events(kept)
    assert (accepted["type"], accepted["reference"]) == ("fulfilment.accepted", "R-1-1")
    assert [package["sscc"] for package in shipped["packages"]] == [request_body["sscc"]]
    assert shipped["packages"][0]["lines"] == request_body["lines"]
    assert shipped["occurred_at"].endswith("Z")
    assert found == {"request_id": first.json()["request_id"], "state": "shipped"}
    assert {level["sku"]: level["on_hand"] for level in stock["levels"]}["SKU-0001"] == 999_998
    lines, on_hand = shipped_by(config)
    assert lines == [("R-1-1", "R-1", 1, "SKU-0001", 2), ("R-1-1", "R-1", 2, "SKU-0002", 1)]
    assert on_hand["SKU-0002"] == 999_999


async def test_other_content_conflicts_and_bad_content_is_refused(
    kept: Any, make_world: WorldMaker, east: Any, request_body: Json
) -> None:
    async with east(make_world(kept_url=kept.url)) as centre:
        await put(centre, request_body)
        conflict = await put(centre, request_body | {"service": "express"})
        stolen = await put(centre, request_body, reference="R-2-1")
        twice = await put(centre, request_body | {"lines": request_body["lines"][:1] * 2}, "R-3-1", "k3")
        unknown = await centre.get("/v1/requests/R-9-9")
    assert (conflict.status_code, conflict.json()["code"]) == (409, "reference_conflict")
    assert (stolen.status_code, stolen.json()["code"]) == (409, "key_conflict")
    assert (twice.status_code, unknown.status_code) == (422, 404)


async def test_a_cancel_before_its_request_keeps_the_request_out(
    kept: Any, make_world: WorldMaker, east: Any, request_body: Json
) -> None:
    async with east(make_world(kept_url=kept.url)) as centre:
        assert [await cancel(centre), await cancel(centre)] == ["unknown", "unknown"]
        refused = await put(centre, request_body)
        assert (refused.status_code, refused.json()["code"]) == (409, "cancelled")
        assert (await centre.get("/v1/requests/R-1-1")).status_code == 404


async def test_a_cancel_in_time_stops_the_request(
    kept: Any, make_world: WorldMaker, east: Any, request_body: Json
) -> None:
    config = slow(make_world(kept_url=kept.url), accept_s=HOUR_S, ship_s=HOUR_S)
    async with east(config) as centre:
        await put(centre, request_body)
        assert [await cancel(centre), await cancel(centre)] == ["cancelled", "cancelled"]
        assert (await centre.get("/v1/requests/R-1-1")).json()["state"] == "cancelled"


async def test_a_pending_cancel_is_answered_by_an_event(
    kept: Any, make_world: WorldMaker, east: Any, request_body: Json
) -> None:
    config = slow(make_world(kept_url=kept.url, behaviour=replace(CALM, pending_cancels=1)), ship_s=HOUR_S)
    async with east(config) as centre:
        await put(centre, request_body)
        assert await cancel(centre) == "pending"
        await kept.until(lambda hooks: any(b"fulfilment.cancelled" in hook.body for hook in hooks))
        assert await cancel(centre) == "cancelled"


async def test_a_pending_cancel_that_loses_the_race_is_refused(
    kept: Any, make_world: WorldMaker, east: Any, request_body: Json
) -> None:
    behaviour = replace(CALM, pending_cancels=1)
    config = slow(make_world(kept_url=kept.url, behaviour=behaviour), accept_s=0.3, ship_s=0.3)
    async with east(config) as centre:
        await put(centre, request_body)
        assert await cancel(centre) == "pending"
        await kept.until(lambda hooks: any(b"fulfilment.cancel_refused" in hook.body for hook in hooks))
        assert await cancel(centre) == "too_late"
    assert events(kept, "shipped")


async def test_exactly_one_centre_of_the_world_refuses_an_order(
    kept: Any, make_world: WorldMaker, east: Any, request_body: Json
) -> None:
    config = make_world(kept_url=kept.url, behaviour=replace(CALM, rejects=1))
    for name in config.centres:
        async with east(config, name) as centre:
            await put(centre, request_body, f"R-1-{name}")
            await kept.until(lambda hooks, name=name: any(f"R-1-{name}".encode() in hook.body for hook in hooks))
    assert [event["reason"] for event in events(kept, "rejected")] == ["damaged_stock"]
    assert len(events(kept, "accepted")) == 2


async def test_a_short_pick_leaves_a_piece_behind_and_an_empty_shelf_rejects(
    kept: Any, make_world: WorldMaker, east: Any, request_body: Json
) -> None:
    config = make_world(kept_url=kept.url)
    config = replace(config, centres={"east": replace(config.centres["east"], on_hand=2)})
    async with east(replace(config, behaviour=replace(CALM, short_picks=1))) as centre:
        await put(centre, request_body)
        await kept.until(lambda hooks: len(hooks) == 2)
        assert [line["line_no"] for line in events(kept)[1]["packages"][0]["lines"]] == [1]
        await put(centre, request_body | {"lines": request_body["lines"][:1]}, "R-2-1", "k2")
        await kept.until(lambda hooks: len(hooks) == 4)
    assert (events(kept)[3]["type"], events(kept)[3]["reason"]) == ("fulfilment.rejected", "out_of_stock")
    lines, on_hand = shipped_by(config)
    assert lines == [("R-1-1", "R-1", 1, "SKU-0001", 2)]
    assert on_hand["SKU-0001"] == 0


async def test_clumsy_events_come_twice_and_in_the_wrong_order(
    kept: Any, make_world: WorldMaker, east: Any, request_body: Json
) -> None:
    behaviour = replace(CALM, shipped_first=1, event_duplicates=1, event_twins=1)
    async with east(make_world(kept_url=kept.url, behaviour=behaviour)) as centre:
        await put(centre, request_body)
        await kept.until(lambda hooks: len(hooks) == 6)
    ids = [hook.headers["webhook-id"] for hook in kept.hooks]
    assert sorted(ids.count(each) for each in set(ids)) == [1, 1, 2, 2]
    assert events(kept)[0]["type"] == "fulfilment.shipped"
    assert len(events(kept, "accepted")) == len(events(kept, "shipped")) == 3


async def test_an_event_can_arrive_before_the_answer_to_its_request(
    kept: Any, make_world: WorldMaker, east: Any, request_body: Json
) -> None:
    config = make_world(kept_url=kept.url, behaviour=replace(CALM, event_first=1))
    config = slow(config, accept_s=HOUR_S, ship_s=HOUR_S)
    async with east(config) as centre:
        assert (await put(centre, request_body)).status_code == 202
        assert [event["type"] for event in events(kept)] == ["fulfilment.accepted"]


async def test_events_are_sent_until_taken_even_by_the_next_process(
    kept: Any, make_world: WorldMaker, east: Any, request_body: Json
) -> None:
    config = make_world(kept_url=kept.url)
    kept.answer = lambda hook: 503
    async with east(config) as centre:
        await put(centre, request_body)
        await kept.until(lambda hooks: len(hooks) >= 3)
    kept.answer = lambda hook: 202
    async with east(config) as centre:
        await kept.until(lambda hooks: any(b"fulfilment.shipped" in hook.body for hook in hooks))
        assert (await put(centre, request_body)).status_code == 200
    lines, _ = shipped_by(config)
    assert len(lines) == 2
    accepted = [hook for hook in kept.hooks if b"fulfilment.accepted" in hook.body]
    assert len({hook.headers["webhook-id"] for hook in accepted}) == 1
