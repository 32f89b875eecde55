"""A coroutine stepper: one seeded source of randomness decides who runs next, and time is a number.

Processes are coroutines that yield how long to pause. A crash is a process that is never resumed: closing
it would run its `finally` blocks, which a dead process doesn't. The same seed gives the same trace.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random
from types import coroutine
from typing import Any

CRASH = -1


class DeadCaller(BaseException):
    """A port was called by an incarnation that is dead. No `except Exception` may hide it."""


@coroutine
def pause(ms: int) -> Generator[int, None, None]:
    """Let others run for at least `ms`; with CRASH, die here."""
    yield ms


@dataclass(eq=False, slots=True)
class Incarnation:
    """One life of a process."""

    name: str
    body: Coroutine[Any, Any, None]
    alive: bool = True
    ticket: int = 0  # of its one valid place in the queue; an older one is void


class Stepper:
    """Runs processes and timers in an order that the seed decides."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now_ms = 0
        self.steps = 0
        self.running: Incarnation | None = None
        self.trace: list[tuple[int, str, str]] = []
        self.on_crash: Callable[[Incarnation], None] = lambda _: None
        self._queue: list[tuple[int, float, int, int, Incarnation | Callable[[], None]]] = []
        self._pushed = 0
        self._dead: list[Incarnation] = []  # kept, so that the interpreter doesn't close their coroutines

    def spawn(self, name: str, body: Coroutine[Any, Any, None]) -> Incarnation:
        """Start a process; it first runs when the queue comes to it."""
        born = Incarnation(name, body)
        self._push(self.now_ms, born, 0)
        return born

    def after(self, ms: int, act: Callable[[], None]) -> None:
        """Do something at a later time, whoever is alive by then."""
        self._push(self.now_ms + ms, act, 0)

    def wake(self, sleeper: Incarnation) -> None:
        """End a process' pause now."""
        sleeper.ticket += 1
        self._push(self.now_ms, sleeper, sleeper.ticket)

    def shut_down(self) -> None:
        """The end of the schedule: nobody runs any more, and no port answers."""
        for _, _, _, _, turn in self._queue:
            if isinstance(turn, Incarnation):
                turn.body.close()
        for dead in self._dead:
            dead.body.close()
        self._queue.clear()

    def caller(self) -> Incarnation:
        """Who is calling. Raises DeadCaller for anybody who is not being stepped right now."""
        if self.running is None or not self.running.alive:
            raise DeadCaller
        return self.running

    def note(self, what: str) -> None:
        """Put a line into the trace."""
        running = self.running
        self.trace.append((self.now_ms, running.name if running is not None else "world", what))

    def step(self) -> bool:
        """Run whoever is next; False when nobody is left."""
        if not self._queue:
            return False
        at_ms, _, _, ticket, turn = heappop(self._queue)
        self.now_ms = max(self.now_ms, at_ms)
        if not isinstance(turn, Incarnation):
            turn()
        elif turn.alive and ticket == turn.ticket:
            self._resume(turn)
        return True

    def _resume(self, turn: Incarnation) -> None:
        self.steps += 1
        self.running = turn
        try:
            pause_ms = turn.body.send(None)
        except StopIteration:
            turn.alive = False
            return
        finally:
            self.running = None
        if pause_ms == CRASH:
            turn.alive = False
            self._dead.append(turn)
            self.on_crash(turn)
        else:
            turn.ticket += 1
            self._push(self.now_ms + pause_ms, turn, turn.ticket)

    def _push(self, at_ms: int, turn: Incarnation | Callable[[], None], ticket: int) -> None:
        # The draw decides between those that are due at the same moment; the count only keeps tuples apart.
        self._pushed += 1
        heappush(self._queue, (at_ms, self.random.random(), self._pushed, ticket, turn))
