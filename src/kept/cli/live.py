"""Live progress in the terminal: where orders are, refreshed each second; plain lines without a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live as RichLive
from rich.table import Table

from kept.domain.lifecycle import OrderState, PartState
from kept.engine.interfaces import StoreUnavailable
from kept.flow import FLOW
from kept.processes.local import Machine
from kept.store.database import Database
from kept.store.queries import Queries

# Without a terminal, one line in so many seconds is enough for a log.
_LINE_EVERY_S = 5.0


class Live:
    """Shows progress while a block runs. Everything goes to stderr; stdout is for data."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._console = Console(stderr=True)
        self._rich = RichLive(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._loop = asyncio.new_event_loop()
        self._database = Database(machine.settings.database_url, connections_max=1)
        self._said_at = 0.0

    def __enter__(self) -> Live:
        self.say(f"Kept is up: {self._machine.url}/docs (API), {self._machine.url}/console")
        if self._rich is not None:
            self._rich.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._rich is not None:
            self._rich.__exit__(kind, error, trace)
        self._loop.run_until_complete(self._database.close())
        self._loop.close()

    def say(self, text: str) -> None:
        self._console.print(text)

    def refresh(self) -> None:
        """Ask the ledger and show."""
        with contextlib.suppress(StoreUnavailable):
            counts = self._ask(Queries(self._database).counts())
            if self._rich is not None:
                self._rich.update(_table(counts), refresh=True)
            elif time.monotonic() - self._said_at >= _LINE_EVERY_S:
                self._said_at = time.monotonic()
                print(_line(counts), file=sys.stderr, flush=True)

    def at_rest(self, orders: int) -> bool:
        """Whether at least so many orders came and all are at an end, with nothing on its way."""
        try:
            counts = self._ask(Queries(self._database).counts())
            return bool(sum(counts["orders"].values()) >= orders and self._ask(self._quiet()))
        except StoreUnavailable:
            return False

    async def _quiet(self) -> bool:
        from kept.processes.audit import read_books

        if await Queries(self._database).unfinished():
            return False
        world = self._machine.world
        return world is None or read_books(world.path).unanswered == 0

    def _ask(self, question: Any) -> Any:
        return self._loop.run_until_complete(question)


def _line(counts: Mapping[str, Any]) -> str:
    waiting = " ".join(f"{step}={row['waiting']}" for step, row in sorted(counts["steps"].items()))
    orders = counts["orders"]
    return (
        f"received {counts['messages']} messages, {sum(orders.values())} orders;"
        f" shipped {_shipped(counts)} parts; complete {orders.get('complete', 0)},"
        f" cancelled {orders.get('cancelled', 0)}, held {orders.get('held', 0)}, dead {counts['dead']};"
        f" waiting: {waiting or 'nothing'}"
    )


def _shipped(counts: Mapping[str, Any]) -> int:
    states = (PartState.SHIPPED, PartState.ADVISED, PartState.CONFIRMED, PartState.POSTED)
    return sum(counts["parts"].get(state.value, 0) for state in states)


def _table(counts: Mapping[str, Any]) -> Table:
    table = Table(title="Every order is a promise", title_justify="left", box=None, header_style="bold")
    for name in ("orders", "", "steps", "waiting", "later", "parts", ""):
        table.add_column(name, justify="left" if name in ("orders", "steps", "parts") else "right")
    orders = [("messages received", counts["messages"])]
    orders += [(state.value, counts["orders"].get(state.value, 0)) for state in OrderState]
    orders += [("dead letters", counts["dead"]), ("refused", counts["refused"])]
    steps = [(name, counts["steps"].get(name, {"waiting": 0, "later": 0})) for name in FLOW]
    parts = [(state.value, counts["parts"].get(state.value, 0)) for state in PartState]
    for index in range(max(len(orders), len(steps), len(parts))):
        row = [*_cells(orders, index)]
        name, step = steps[index] if index < len(steps) else ("", None)
        row += [name, str(step["waiting"]) if step else "", str(step["later"]) if step else ""]
        table.add_row(*row, *_cells(parts, index))
    return table


def _cells(rows: list[tuple[str, int]], index: int) -> tuple[str, str]:
    return (rows[index][0], str(rows[index][1])) if index < len(rows) else ("", "")
