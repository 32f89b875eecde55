"""Commands about channels."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from kept.cli.output import print_json


def register(app: typer.Typer) -> None:
    """Put the commands into the application."""
    channels = typer.Typer(no_args_is_help=True, help="Channels: their dialects, tried on files.")
    channels.command("normalise")(normalise)
    channels.command("types")(types)
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
