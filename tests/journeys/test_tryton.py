"""Orders of the simulated world through every process of Kept into a real Tryton, and compared there to the cent."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from kept import settings
from kept.domain.money import to_minor
from kept.embedded import free_port
from kept.processes.local import Machine, running
from kept.simulator.config import Delays
from kept.simulator.demo import DemoWorld, demo_config
from kept.simulator.faults import Behaviour
from kept.store.database import Database
from tests.erps.tryton_desk import Desk
from tests.erps.tryton_server import PASSWORD, SHOP, TRYTON, USER, TrytonServer
from tests.servers import fetch, until, value_of

pytestmark = TRYTON

ORDERS = 15
WITHIN_S = 150.0
FINAL = ["complete", "cancelled", "recorded"]
_ERP = """[erps.main]
type = "tryton"
base_url = "{url}"
user = "{user}"
token = "file:{password}"
shop = "{shop}"
shipping_sku = "POSTAGE"
tax_sku = "CHANNEL-TAX"
timeout_s = 30

[erps.main.warehouses]
east = "WH"
"""


def world_with(server: TrytonServer) -> Callable[[Path, str], DemoWorld]:
    """The in-house shop and the centres are simulated; the ERP is not."""

    def make(folder: Path, kept_url: str) -> DemoWorld:
        folder.mkdir(parents=True, exist_ok=True)
        world = demo_config(
            folder,
            kept_url=kept_url,
            first_port=free_port(),
            seed=9,
            rate=10,
            count=ORDERS,
            behaviour=replace(Behaviour.calm(), duplicates=0.2, short_picks=0.2, rejects=0.1),
            delays=Delays(accept_s=0.1, ship_s=0.5),
            accounts=("inhouse",),
        )
        password = folder / "tryton-password"
        password.write_text(PASSWORD, encoding="utf-8")
        section = _ERP.format(url=server.url, user=USER, password=password, shop=SHOP)
        toml, replaced = re.subn(r"\[erps\.main\]\n(?:[a-z_]+ = .*\n?)+", section + "\n", world.kept_toml)
        assert replaced == 1
        return replace(world, kept_toml=toml)

    return make


def reconciled(machine: Machine) -> list[tuple[str, str]]:
    """What `kept reconcile` prints: (reference, cause)."""
    settings = machine.settings
    environment = {
        **os.environ,
        "KEPT_DATABASE_URL": settings.database_url,
        "KEPT_REDIS_URL": settings.redis_url,
        "KEPT_CONFIG": str(settings.home / "world" / "kept.toml"),
    }
    command = [sys.executable, "-m", "kept", "reconcile", "--json"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    rows = json.loads(ran.stdout)
    assert ran.returncode == bool(rows), ran.stderr
    assert not ran.stderr.startswith("0 orders"), ran.stderr
    return [(row["reference"], row["cause"]) for row in rows]


async def stock_at_rest(machine: Machine, centre: str) -> dict[str, int]:
    """The stock that routing sees there. Orders have not moved for an hour then: those are reconciled."""
    database = Database(machine.settings.database_url, connections_max=1)
    try:
        await fetch(database, "UPDATE orders SET updated_at = updated_at - interval '1 hour'")
        rows = await fetch(database, "SELECT sku, on_hand FROM stock WHERE centre = $1", centre)
        return {row["sku"]: row["on_hand"] for row in rows}
    finally:
        await database.close()


async def watched(machine: Machine) -> tuple[list[asyncpg.Record], list[asyncpg.Record]]:
    """The orders at their ends, and the pieces that have left of each by SKU."""
    database = Database(machine.settings.database_url, connections_max=2)
    try:

        async def ended() -> bool:
            machine.supervisor.tend()
            count = await value_of(database, "SELECT count(*) FROM orders WHERE state = ANY($1)", FINAL)
            return count == ORDERS and await value_of(database, "SELECT count(*) FROM deliveries") == 0

        try:
            await until(ended, within_s=WITHIN_S, every_s=0.3)
        except TimeoutError as error:
            states = await fetch(database, "SELECT state, count(*) FROM orders GROUP BY state")
            waiting = await fetch(database, "SELECT step, count(*) FROM deliveries GROUP BY step")
            dead = await fetch(database, "SELECT step, reason FROM dead_letters")
            raise TimeoutError(f"{states} {waiting} {dead}") from error
        orders = await fetch(
            database, "SELECT reference, state, currency, total_minor, erp_order_id FROM orders ORDER BY reference"
        )
        shipped = await fetch(
            database,
            "SELECT o.reference, l.sku, sum(l.shipped)::int AS pieces FROM order_lines l JOIN orders o"
            " ON o.id = l.order_id WHERE l.shipped > 0 GROUP BY o.reference, l.sku",
        )
        return orders, shipped
    finally:
        await database.close()


def sales_in(desk: Desk, references: list[str]) -> dict[str, dict[str, Any]]:
    """The sales by our reference: one for each."""
    fields = ("reference", "state", "total_amount", "currency.code", "shipment_state")
    found = desk.find("sale.sale", [["reference", "in", references]], *fields)
    assert sorted(sale["reference"] for sale in found) == sorted(references)
    return {sale["reference"]: sale for sale in found}


def sent_from(desk: Desk, references: list[str]) -> dict[tuple[str, str], int]:
    """Pieces that have left, by our reference and SKU."""
    sent = Counter[tuple[str, str]]()
    for reference in references:
        domain = [["origin.sale.reference", "=", reference, "sale.line"], ["state", "=", "done"]]
        for move in desk.find("stock.move", domain, "quantity", "product.code"):
            sent[reference, move["product."]["code"]] += int(move["quantity"])
    return dict(sent)


@pytest.mark.timeout(300, func_only=True)
def test_orders_are_booked_and_shipped_in_a_real_tryton_to_the_cent_and_the_piece(
    tryton: TrytonServer, tmp_path: Path
) -> None:
    loaded = replace(settings.load(), home=tmp_path / "home", port=free_port())
    with running(loaded, None, world_with(tryton)) as machine:
        orders, shipped = asyncio.run(watched(machine))
        stock = asyncio.run(stock_at_rest(machine, "east"))
        assert reconciled(machine) == []
        lost = next(order["reference"] for order in orders if order["erp_order_id"])
        (sale,) = (desk := Desk(tryton)).sales(lost, "id")
        desk.call("sale.sale.write", [sale["id"]], {"web_id": f"{lost} lost"})
        assert reconciled(machine) == [(lost, "erp_missing")]
        desk.call("sale.sale.write", [sale["id"]], {"web_id": lost})
        assert reconciled(machine) == []
    # The simulated centres have some hundred pieces of a SKU, Tryton's warehouse about a million.
    assert all(stock[f"SKU-{number:04d}"] > 900_000 for number in range(1, 201))
    booked = [order for order in orders if order["erp_order_id"]]
    references = [order["reference"] for order in booked]
    sales = sales_in(desk, references)
    assert len(booked) >= ORDERS // 2
    assert {order["state"] for order in booked} == {"complete"}
    for order in booked:
        sale = sales[order["reference"]]
        assert str(sale["id"]) == order["erp_order_id"]
        assert sale["currency."]["code"] == order["currency"]
        assert to_minor(str(Decimal(sale["total_amount"]["decimal"])), order["currency"]) == order["total_minor"]
        assert (sale["state"], sale["shipment_state"]) == ("processing", "sent")
    left = {(row["reference"], row["sku"]): row["pieces"] for row in shipped}
    assert sent_from(desk, references) == left
