"""The command that reconciles channel, ledger and ERP."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from typing import Annotated, Any

import typer

from kept.cli.data import Json
from kept.cli.database import running
from kept.cli.output import print_rows
from kept.cli.servers import Config

_COLUMNS = ("reference", "account", "cause", "place", "ours", "theirs", "repair", "first_seen")


def register(app: typer.Typer) -> None:
    """Put the command into the application."""
    app.command("reconcile")(reconcile)


def reconcile(
    days: Annotated[int, typer.Option(min=1, help="Orders of how many days.")] = 7,
    repair: Annotated[bool, typer.Option(help="Put right what is safe to put right.")] = True,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Compare channel, ledger and ERP to the cent and the unit, and print on what they differ.

    Exit code 1 if they differ on anything.
    """
    from kept.ports import Fault

    try:
        rows = asyncio.run(_reconciled(config, days, repair=repair))
    except Fault as fault:
        print(f"kept: {fault}", file=sys.stderr)
        raise typer.Exit(1) from fault
    print_rows(rows, _COLUMNS, as_json)
    if rows:
        raise typer.Exit(1)


async def _reconciled(config: Any, days: int, *, repair: bool) -> list[dict[str, Any]]:
    from kept.processes.assembly import only_erp, opened_connectors, utc_now
    from kept.processes.reconciling import Reconciler
    from kept.settings import SettingsError
    from kept.store.database import Database
    from kept.store.differences import Differences
    from kept.store.loading import Orders

    settings = running(config)
    async with opened_connectors(settings) as connectors:
        erp = only_erp(connectors.erps)
        if erp.orders is None:
            raise SettingsError(f"the ERP {erp.name!r} does not read orders back (`offers` in kept.toml)")
        database = Database(settings.database_url)
        try:
            orders = Orders(database)
            done = await Reconciler(database, orders, erp, utc_now).reconcile(
                utc_now() - timedelta(days=days), repair=repair
            )
            print(f"{done.orders} orders at rest, {done.differing} differ, {done.repaired} repaired", file=sys.stderr)
            return await Differences(database, orders).open()
        finally:
            await database.close()
