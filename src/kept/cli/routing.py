"""Commands about routing: why an order goes where it goes, and whether that can be decided again."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Annotated, Any

import typer

from kept.cli.data import Json
from kept.cli.database import with_database
from kept.cli.output import print_json


def register(app: typer.Typer) -> None:
    """Put the commands into the application."""
    routing = typer.Typer(no_args_is_help=True, help="Which centres ship an order, and why.")
    routing.command("explain")(explain)
    routing.command("verify")(verify)
    app.add_typer(routing, name="routing")


def explain(name: str, as_json: Json = False) -> None:
    """Why an order was routed as it was: candidates, costs, the runner-up. NAME is our reference, a number or a
    channel's id."""
    from kept.store.routing_views import decisions_of

    found = with_database(lambda database: decisions_of(database, name))
    if found is None:
        typer.echo(f"no order has the reference, number or channel id {name!r}", err=True)
        raise typer.Exit(1)
    if as_json or not sys.stdout.isatty():
        print_json(found)
        return
    for decision in found["decisions"]:
        typer.echo(f"{decision['at']:%Y-%m-%d %H:%M:%S}  policy {decision['policy']} {decision['policy_sha256'][:12]}")
        for line in decision["words"]:
            typer.echo(f"  {line}")
    if not found["decisions"]:
        typer.echo("it has not been routed yet")


def verify(
    name: Annotated[str, typer.Argument(help="One order; without it, all that were routed lately.")] = "",
    days: Annotated[int, typer.Option(min=1, help="How many days back.")] = 7,
    as_json: Json = False,
) -> None:
    """Make stored decisions again and compare them to the byte. Exit code 1 if one differs."""
    from kept.processes.assembly import utc_now
    from kept.store.routing_views import verified_since

    since = utc_now() - timedelta(days=days)
    done: dict[str, Any] = with_database(lambda database: verified_since(database, since, name))
    if as_json or not sys.stdout.isatty():
        print_json(done)
    else:
        typer.echo(f"{done['decisions']} decisions made again, {len(done['differing'])} differ")
        for each in done["differing"]:
            typer.echo(f"  {each['reference']} {each['sha256'][:12]}: {each['why']}")
    if done["differing"]:
        raise typer.Exit(1)
