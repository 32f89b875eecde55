"""Sends what a book says is due, a bounded number at once, until it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

# Idle, a book is asked 20 times a second; busy, it is asked again as soon as there may be room.
_IDLE_S = 0.05
_BUSY_S = 0.005


class Row(Protocol):
    """Something to send, with its id in the book."""

    @property
    def id(self) -> int: ...


R = TypeVar("R", bound=Row)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait that long, or until `stop`."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


@dataclass(slots=True)
class Outbox(Generic[R]):
    """`due(limit)` names what is due; `send` sends one and writes into the book what came of it."""

    due: Callable[[int], Awaitable[Sequence[R]]]
    send: Callable[[R], Coroutine[Any, Any, None]]
    at_once: int
    in_flight: dict[int, asyncio.Task[None]] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. What was in flight then is cut off and sent again by the next start."""
        try:
            while not stop.is_set():
                started = await self._start_due()
                await pause(stop, _BUSY_S if started else _IDLE_S)
        finally:
            for task in self.in_flight.values():
                task.cancel()
            await asyncio.gather(*self.in_flight.values(), return_exceptions=True)

    async def _start_due(self) -> int:
        """Start what there is room for. Raises what a finished send raised: that is a bug, not a bad answer."""
        for number, task in list(self.in_flight.items()):
            if task.done():
                del self.in_flight[number]
                task.result()
        room = self.at_once - len(self.in_flight)
        if room <= 0:
            return 0
        rows = await self.due(room + len(self.in_flight))
        fresh = [row for row in rows if row.id not in self.in_flight][:room]
        for row in fresh:
            self.in_flight[row.id] = asyncio.create_task(self.send(row))
        return len(fresh)
