"""Commands that tell an order something: cancel, release."""

from __future__ import annotations

import getpass
from typing import Annotated, Any

import typer

from kept.cli.database import with_database
from kept.cli.output import print_json
from kept.ports import CancelReason


def register(orders: typer.Typer) -> None:
    """Put the commands beside those that show orders."""
    orders.command("cancel")(cancel_order)
    orders.command("release")(release_order)


def cancel_order(
    name: Annotated[str, typer.Argument(help="Our reference, a number or a channel's id.")],
    reason: Annotated[CancelReason, typer.Option(help="What the channel is told.")],
) -> None:
    """Cancel an order: its centres are asked to stop, the ERP and the channel are told."""
    _take_down(name, "cancel", reason.value)


def release_order(name: Annotated[str, typer.Argument(help="Our reference, a number or a channel's id.")]) -> None:
    """Let a held order go on. It is checked again: a cause that is not a matter of opinion must be gone."""
    _take_down(name, "release", "")


def _take_down(name: str, action: str, reason: str) -> None:
    from kept.processes.assembly import utc_now
    from kept.store.instructions import Instructions, NotPossible, UnknownOrder
    from kept.store.loading import Orders
    from kept.store.postgres import PostgresStore

    async def work(database: Any) -> Any:
        taken = await Instructions(database, utc_now).take_down(name, action, getpass.getuser(), reason=reason)
        store = PostgresStore(database, Orders(database), utc_now)
        await store.hand_back([ring.delivery_id for ring in taken.rings])  # for the relay to ring
        return taken

    try:
        taken = with_database(work)
    except (UnknownOrder, NotPossible) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    print_json({"reference": taken.reference, "action": action, "message_id": taken.receipt.message_id})
