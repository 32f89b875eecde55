"""Commands about channels."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from kept.cli.data import Json
from kept.cli.database import running, with_database
from kept.cli.output import print_json, print_rows
from kept.cli.servers import Config

_MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


def register(app: typer.Typer) -> None:
    """Put the commands into the application."""
    channels = typer.Typer(no_args_is_help=True, help="Channels: their dialects, tried on files.")
    channels.command("normalise")(normalise)
    channels.command("types")(types)
    channels.command("polls")(polls)
    channels.command("backfill")(backfill)
    channels.command("subscriptions")(subscriptions)
    channels.command("import")(import_orders)
    app.add_typer(channels, name="channels")


def types() -> None:
    """Print the kinds of channels that kept.toml may name, one a line."""
    from kept.connectors.registry import CHANNELS

    for name in sorted(CHANNELS):
        print(name)


def normalise(
    files: Annotated[list[Path], typer.Argument(help="Payloads as the channel sends or lists them.")],
    kind: Annotated[str, typer.Option("--type", help="The kind of channel: see `kept channels types`.")],
    account: Annotated[str, typer.Option(help="The account's name in the order printed.")] = "account",
) -> None:
    """Print what payloads say, as canonical orders in JSON, or the exact reason why they can't be read.

    Exit code 1 if any file holds something that can't be read; 2 for a wrong command.
    """
    from kept.connectors.registry import CHANNELS

    if kind not in CHANNELS:
        raise typer.BadParameter(f"{kind!r} is unknown; known are {', '.join(sorted(CHANNELS))}", param_hint="--type")
    readings = [reading for path in files for reading in _read(path, kind, account)]
    print_json(readings)
    if any("error" in reading for reading in readings):
        raise typer.Exit(1)


def polls(as_json: Json = False) -> None:
    """Print how far each account was polled, and what its messages had left out."""
    from kept.store.polling import PollWindows

    rows = with_database(lambda database: PollWindows(database).standing())
    print_rows(rows, ("account", "done_until", "polled_at", "found", "missed", "last_error"), as_json)


def backfill(
    account: Annotated[str, typer.Argument(help="The channel account.")],
    since: Annotated[datetime, typer.Option("--from", formats=_MOMENTS, help="From when, in UTC.")],
    until: Annotated[datetime | None, typer.Option("--to", formats=_MOMENTS, help="Until when; default: now.")] = None,
    config: Config = None,
) -> None:
    """Ask an account for every order that changed in a time, and take in what is missing. Repeating it is harmless."""
    from kept.ports import Fault
    from kept.processes.poller import Found, back_fill

    end = until.replace(tzinfo=UTC) if until else datetime.now(UTC)
    begin = since.replace(tzinfo=UTC)
    if begin >= end:
        raise typer.BadParameter(f"{since} is not before the end", param_hint="--from")

    def told(found: Found) -> None:
        print(f"{found.listed} listed, {found.missed} were missing", file=sys.stderr)

    try:
        total = asyncio.run(back_fill(running(config), account, begin, end, told))
    except Fault as fault:
        print(f"kept: {fault}", file=sys.stderr)
        raise typer.Exit(1) from fault
    print_json({"account": account, "listed": total.listed, "missing": total.missed})


def subscriptions(
    account: Annotated[str, typer.Argument(help="The channel account.")],
    ensure: Annotated[bool, typer.Option(help="Make those that are missing.")] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Print what an account tells us of by itself, and make what is missing. Exit code 1 unless all of it stands."""
    from kept.ports import Fault
    from kept.processes.subscriptions import account_subscriptions

    try:
        standing = asyncio.run(account_subscriptions(running(config), account, make=ensure))
    except Fault as fault:
        print(f"kept: {fault}", file=sys.stderr)
        raise typer.Exit(1) from fault
    rows = [
        {
            "topic": each.topic,
            "state": "stands" if each.stands else "made" if each.topic in standing.made else "missing",
            "address": standing.address,
            "elsewhere": ", ".join(url for url in each.elsewhere if url != standing.address),
        }
        for each in standing.subscriptions
    ]
    print_rows(rows, ("topic", "state", "address", "elsewhere"), as_json)
    if not standing.complete:
        raise typer.Exit(1)


def import_orders(
    files: Annotated[list[Path], typer.Argument(help="Files of orders: CSV or NDJSON.")],
    account: Annotated[str, typer.Option(help="The channel account whose orders these are.")],
    config: Config = None,
) -> None:
    """Take in orders from files, and print what became of each file. Repeating it is harmless.

    What is wrong in a FILE goes to FILE.errors.csv beside it, and the exit code is 1; the rest is taken all the same.
    """
    from kept.processes.file_drop import import_files

    results = asyncio.run(import_files(running(config), account, files))
    print_json(results)
    if any(result["bad"] for result in results):
        raise typer.Exit(1)


def _read(path: Path, kind: str, account: str) -> list[dict[str, Any]]:
    """What one file says: {"file", "order"}, {"file", "ignored"} or {"file", "error", "where"} for each message."""
    from kept.connectors.registry import CHANNELS
    from kept.ports import BadMessage

    channel = CHANNELS[kind]
    try:
        messages = channel.messages_of_file(path.read_bytes())
    except OSError as error:
        return [{"file": str(path), "error": error.strerror or type(error).__name__, "where": ""}]
    except BadMessage as error:
        return [{"file": str(path), "error": str(error), "where": error.where}]
    readings: list[dict[str, Any]] = []
    for message in messages:
        try:
            order = channel.normalise(account, message, datetime.now(UTC))
        except BadMessage as error:
            readings.append({"file": str(path), "error": str(error), "where": error.where})
            continue
        if order is None:
            readings.append({"file": str(path), "ignored": "says nothing about an order"})
        else:
            readings.append({"file": str(path), "order": order})
    return readings
