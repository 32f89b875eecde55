"""Commands about routing: why an order goes where it goes, and whether that can be decided again."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from kept.cli.data import Json
from kept.cli.database import with_database
from kept.cli.output import print_json, print_rows


def register(app: typer.Typer) -> None:
    """Put the commands into the application."""
    routing = typer.Typer(no_args_is_help=True, help="Which centres ship an order, and why.")
    routing.command("explain")(explain)
    routing.command("verify")(verify)
    routing.command("backtest")(backtest)
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


def backtest(
    policy: Annotated[Path, typer.Option(help="A kept.toml, or one with only [routing] and [centres].")],
    days: Annotated[int, typer.Option(min=1, help="Decisions of how many days.")] = 7,
    cost_percent_max: Annotated[float | None, typer.Option(help="Gate: no dearer than so many percent.")] = None,
    late_more_max: Annotated[int | None, typer.Option(help="Gate: no more late orders than so many beyond.")] = None,
    unfilled_max: Annotated[int | None, typer.Option(help="Gate: no more orders left waiting than so many.")] = None,
    as_json: Json = False,
) -> None:
    """Make past decisions again under another policy, as of then, and compare cost, lateness, splits and what would
    have been left waiting. Exit code 1 if a gate is not passed."""
    from kept.processes.assembly import utc_now
    from kept.processes.routing_policy import routing_policy
    from kept.settings import load_business
    from kept.store.routing_views import backtested

    other, since = routing_policy(load_business(policy)), utc_now() - timedelta(days=days)
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("decisions", total=None)

        def tell(done: int, of: int) -> None:
            progress.update(task, completed=done, total=of)

        found = with_database(lambda database: backtested(database, other, since, tell))
    totals = found["totals"]
    missed = [
        f"{name} is {value}, the gate is {limit}"
        for name, value, limit in (
            ("cost_percent", totals["cost_percent"], cost_percent_max),
            ("late more", totals["late_now"] - totals["late_then"], late_more_max),
            ("unfilled", totals["unfilled_now"], unfilled_max),
        )
        if limit is not None and value > limit
    ]
    if as_json or not sys.stdout.isatty():
        print_json({**found, "gates_missed": missed})
    else:
        print_rows([totals], tuple(totals), as_json=False)
        print_rows(found["changed"][:50], ("reference", "then", "now"), as_json=False)
        for each in missed:
            typer.echo(each)
    if missed:
        raise typer.Exit(1)
