"""Commands about systems outside: which are left alone, and to ask one again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer

from kept.cli.data import Json
from kept.cli.database import redis_url
from kept.cli.output import print_json, print_rows

T = TypeVar("T")


def register(app: typer.Typer) -> None:
    """Put the commands into the application."""
    targets = typer.Typer(no_args_is_help=True, help="Systems outside: channels, ERPs, centres.")
    targets.command("list")(list_targets)
    targets.command("reset")(reset_target)
    app.add_typer(targets, name="targets")


def list_targets(as_json: Json = False) -> None:
    """List targets that are left alone for now: since and until when, and why."""
    notices = _with_board(lambda board: board.notices())
    rows = [{**asdict(each), "since": _moment(each.since), "until": _moment(each.until)} for each in notices]
    print_rows(rows, ("target", "since", "until", "access_refused", "reason"), as_json)


def reset_target(name: Annotated[str, typer.Argument(help="As `kept targets list` shows it: channel:shop.")]) -> None:
    """Ask a target again now, as after its credentials were mended. Workers hear of it within a minute."""
    _with_board(lambda board: board.clear(name))
    print_json({"target": name})


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _with_board(work: Callable[[Any], Awaitable[T]]) -> T:
    from kept.engine.circuit_board import CircuitBoard
    from kept.engine.streams import connect

    async def connected() -> T:
        redis = connect(redis_url())
        try:
            return await work(CircuitBoard(redis))
        finally:
            await redis.aclose()

    return asyncio.run(connected())
