"""Orders of the simulated Walmart, from notifications and lists to shipments, through every process of Kept."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kept import settings
from kept.embedded import free_port
from kept.processes.audit import audit
from kept.processes.local import Machine, running
from kept.simulator.config import Delays
from kept.simulator.demo import DemoWorld, demo_config
from kept.simulator.faults import Behaviour, FaultPlan
from kept.store.database import Database
from tests.servers import fetch, until, value_of

MARKET = "market"
ORDERS = 15
WITHIN_S = 100.0
FINAL = ("complete", "cancelled", "recorded")


def status_of(machine: Machine) -> dict[str, Any]:
    assert machine.world is not None
    port = machine.world.config.channels[MARKET].port
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/sim/status", timeout=5) as answer:
        told: dict[str, Any] = json.load(answer)
    return told


async def at_rest(machine: Machine, database: Database) -> bool:
    try:
        if not status_of(machine)["done"]:
            return False
    except urllib.error.URLError:
        return False  # the world is still coming up
    ended = await value_of(database, "SELECT count(*) FROM orders WHERE state = ANY($1)", list(FINAL))
    return ended == ORDERS and await value_of(database, "SELECT count(*) FROM deliveries") == 0


async def watched(machine: Machine) -> None:
    """Wait for the end and look at everything."""
    database = Database(machine.settings.database_url, connections_max=2)
    try:

        async def ended() -> bool:
            machine.supervisor.tend()
            return await at_rest(machine, database)

        try:
            await until(ended, within_s=WITHIN_S, every_s=0.3)
        except TimeoutError as error:
            states = await fetch(database, "SELECT state, count(*) FROM orders GROUP BY state")
            waiting = await fetch(database, "SELECT step, count(*) FROM deliveries GROUP BY step")
            raise TimeoutError(f"{status_of(machine)} {states} {waiting}") from error
        assert machine.world is not None
        report = await audit(database, machine.world.path)
        assert report.at_rest
        assert [finding for finding in report.findings if finding.broken] == []
    finally:
        await database.close()


def walmart_world(folder: Path, kept_url: str) -> DemoWorld:
    folder.mkdir(parents=True, exist_ok=True)
    return demo_config(
        folder,
        kept_url=kept_url,
        first_port=free_port(),
        seed=6,
        rate=10,
        count=ORDERS,
        faults=FaultPlan(seed=6, rate=0.05, hold_s=3.0),
        # One malformed message: two of the same bytes would be one to the inbox, since neither has an id.
        behaviour=replace(Behaviour.calm(), pending=0.2, edits=0.2, duplicates=0.2, malformed=0.1, forged=0.1),
        delays=Delays(accept_s=0.1, ship_s=0.3),
        poll_every_s=5,
        accounts=(MARKET,),
    )


@pytest.mark.timeout(300)
def test_walmarts_orders_are_acknowledged_shipped_and_confirmed_within_its_rates(tmp_path: Path) -> None:
    loaded = replace(settings.load(), home=tmp_path / "home", port=free_port())
    with running(loaded, None, walmart_world) as machine:
        asyncio.run(watched(machine))
        status = status_of(machine)
        assert status["beyond_rates"] == {}
        assert status["faults"]
        assert status["confirmed"] >= 1
