"""One order through the real HTTP world: everything that was done for it carries its correlation id."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from kept.connectors.registry import Connectors, build_connectors
from kept.embedded import free_port
from kept.processes.assembly import assemble_ports
from kept.simulator.config import Delays, WorldConfig
from kept.simulator.demo import demo_config
from kept.simulator.faults import Behaviour
from kept.simulator.world import centre_running, channels_running, erp_running
from kept.store.database import Database
from kept.store.invariants import breaches
from kept.store.migrate import installation_prefix
from kept.store.stock import StockRooms
from tests.integration.api.serving import Api, serving_api, settings_for
from tests.integration.engine.workers import Workshop, workshop
from tests.servers import fetch, until, value_of

_QUICK = Delays(accept_s=0.0, ship_s=0.1)


@contextlib.asynccontextmanager
async def parties(config: WorldConfig, connectors: Connectors, database: Database) -> AsyncIterator[None]:
    """Every party of the world, with its stock counted; the channels come last, and sell."""
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(erp_running(config))
        for name in config.centres:
            await stack.enter_async_context(centre_running(name, config))
            await StockRooms(database).take_snapshot(name, await connectors.centres[name].stock.stock())
        await stack.enter_async_context(channels_running(config))
        yield


async def work(api: Api, shop: Workshop, connectors: Connectors) -> None:
    """Begin a worker with the real connectors."""
    prefix = await installation_prefix(shop.database)
    shop.begin(assemble_ports(shop.database, shop.orders, connectors, api.settings.business, prefix))


def calls_of(config: WorldConfig) -> list[tuple[str, str, str]]:
    """(party, operation, correlation id) of every request that any party saw."""
    found: list[tuple[str, str, str]] = []
    for party in ("erp", "channels", *(f"centre-{name}" for name in config.centres)):
        book = sqlite3.connect(config.book_path(party))
        rows = book.execute("SELECT operation, correlation_id FROM calls").fetchall()
        book.close()
        found += [(party, operation, correlation_id) for operation, correlation_id in rows]
    return found


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", [1, 2])
async def test_everything_done_for_an_order_carries_its_correlation_id(
    tmp_path: Path, database_url: str, redis_url: str, database: Database, seed: int
) -> None:
    first_port = free_port()
    settings = settings_for(tmp_path, database_url, redis_url, first_port=first_port)
    connectors = build_connectors(settings.business)
    async with (
        serving_api(settings) as api,
        workshop(database_url, redis_url) as shop,
        shop.relaying(),
    ):
        made = demo_config(
            tmp_path / "world",
            kept_url=f"http://127.0.0.1:{api.port}",
            first_port=first_port,
            seed=seed,
            rate=50,
            count=1,
            behaviour=Behaviour.calm(),
            delays=_QUICK,
        )
        config = replace(made.config, webhooks_at_once=4)
        await work(api, shop, connectors)
        async with parties(config, connectors, database):

            async def complete() -> bool:
                return await value_of(database, "SELECT state FROM orders") == "complete"

            await until(complete, within_s=60)
    await connectors.aclose()

    order = (await fetch(database, "SELECT id, correlation_id, message_id FROM orders"))[0]
    ours = order["correlation_id"]
    assert ours == await value_of(database, "SELECT correlation_id FROM inbox WHERE id = $1", order["message_id"])

    facts = await fetch(database, "SELECT type, correlation_id FROM ledger")
    assert {"PartAccepted", "PartShipped", "OrderCompleted"} <= {row["type"] for row in facts}
    assert {row["correlation_id"] for row in facts} == {ours}  # also of those that a centre's own message brought

    calls = await fetch(database, "SELECT order_id, operation, correlation_id FROM calls")
    assert {(row["order_id"], row["correlation_id"]) for row in calls} == {(order["id"], ours)}
    effects = await fetch(database, "SELECT operation, correlation_id FROM effects")
    assert {row["operation"] for row in effects} == {"book", "request", "confirm", "post", "invoice"}
    assert {row["correlation_id"] for row in effects} == {ours}

    seen = calls_of(config)
    assert len(seen) >= 4
    changing = [call for call in seen if call[1] != "stock"]
    assert {correlation_id for *_, correlation_id in changing} == {ours}, seen
    assert await breaches(database) == {}
