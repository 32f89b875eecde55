"""Every recorded Shopify payload, through API and steps on real servers: each ends in a state that is explained."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kept.connectors.registry import build_connectors
from kept.embedded import free_port
from kept.flow import FLOW
from kept.processes.assembly import assemble_ports
from kept.simulator.demo import demo_config
from kept.simulator.world import erp_running
from kept.store.database import Database
from kept.store.invariants import breaches
from kept.store.migrate import installation_prefix
from tests.fixtures_location import shared_fixtures
from tests.integration.api.serving import serving_api, settings_for
from tests.integration.engine.workers import workshop
from tests.servers import fetch, until, value_of

Json = dict[str, Any]

# What the recorded orders come to, and the fact that says why. All orders of one id are revisions of one sale.
EXPLAINED = {
    "held": "OrderHeld",
    "recorded": "OrderRecorded",
    "pending": "PaymentAwaited",
    "cancelled": "OrderCancelled",
}


def manifest() -> dict[str, Json]:
    with shared_fixtures("MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file) if row["channel"] == "shopify"}


def order_files() -> list[str]:
    """The files of recorded answers about orders."""
    root = shared_fixtures()
    return sorted(str(path.relative_to(root)) for path in root.glob("shopify/rest_*/order.*.json"))


def orders_in(name: str) -> Iterator[Json]:
    """What one file holds: a bare order, {"order": ...} or {"orders": [...]}; an empty answer stands for itself."""
    body = json.loads(shared_fixtures(*name.split("/")).read_bytes())
    if "orders" in body:
        yield from body["orders"]
    else:
        yield body.get("order", body)


def test_the_files_are_those_of_the_manifest() -> None:
    listed = manifest()
    files = order_files()
    assert len(files) == 37
    assert set(files) <= set(listed)
    assert sum(int(listed[name]["orders"]) for name in files) == 35


@pytest.mark.timeout(200)
async def test_every_recorded_payload_ends_in_a_state_that_is_explained(
    tmp_path: Path, database_url: str, redis_url: str, database: Database
) -> None:
    payloads = [(name, order) for name in order_files() for order in orders_in(name)]
    others = [
        (name, json.loads(shared_fixtures(*name.split("/")).read_bytes()))
        for name in sorted(manifest())
        if name not in order_files() and name.endswith(".json")
    ]
    first_port = free_port()
    settings = settings_for(tmp_path, database_url, redis_url, first_port=first_port)
    world = demo_config(tmp_path / "world", first_port=first_port).config
    connectors = build_connectors(settings.business)
    async with (
        erp_running(world),
        serving_api(settings) as api,
        workshop(database_url, redis_url) as shop,
        shop.relaying(),
    ):
        ports = assemble_ports(
            shop.database, shop.orders, connectors, settings.business, await installation_prefix(database)
        )
        shop.begin(ports, FLOW)
        for number, (name, payload) in enumerate([*payloads, *others]):
            answer = await api.sell(json.dumps(payload).encode(), f"{number} {name}", "orders/updated")
            assert answer.status_code == 202

        async def at_rest() -> bool:
            return await value_of(database, "SELECT count(*) FROM deliveries") == 0

        await until(at_rest, within_s=90)
    await connectors.aclose()

    sent = len(payloads) + len(others)
    dead = {
        row["subject_id"]: row for row in await fetch(database, "SELECT * FROM dead_letters WHERE kind = 'message'")
    }
    ended = {row["message_id"]: row for row in await fetch(database, "SELECT * FROM message_ends")}
    assert await value_of(database, "SELECT count(*) FROM inbox") == sent
    assert not set(dead) & set(ended)
    assert len(dead) + len(ended) == sent
    assert {row["code"] for row in dead.values()} == {"bad_message"}
    assert all("(at " in row["reason"] for row in dead.values())
    # Two files about orders hold none: an empty answer and a list of a few fields only.
    keys = {row["id"]: row["external_key"] for row in await fetch(database, "SELECT id, external_key FROM inbox")}
    order_keys = {f"{number} {name}" for number, (name, _) in enumerate(payloads)}
    unread = {keys[message_id].split()[1] for message_id in dead if keys[message_id] in order_keys}
    assert unread == {"shopify/rest_2022-04/order.test_34.json", "shopify/rest_2026-07/order.test_3.json"}

    orders = await fetch(database, "SELECT external_id, state FROM orders")
    assert {row["external_id"] for row in orders} >= {str(order["id"]) for _, order in payloads if "currency" in order}
    assert {row["state"] for row in orders} <= set(EXPLAINED)
    why = await fetch(
        database,
        "SELECT o.external_id, o.state, l.type, l.data FROM orders o JOIN LATERAL ("
        " SELECT type, data FROM ledger WHERE order_id = o.id AND part IS NULL AND type <> 'RevisionIgnored'"
        " ORDER BY seq DESC LIMIT 1) l ON true",
    )
    assert [tuple(row) for row in why if row["type"] != EXPLAINED[row["state"]]] == []
    assert Counter(row["state"] for row in orders)["held"] >= 1
    assert await value_of(database, "SELECT count(*) FROM dead_letters WHERE kind <> 'message'") == 0
    assert await breaches(database) == {}
