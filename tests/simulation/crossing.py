"""The border between a process and the world: every port call crosses it, and faults strike there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from kept.store.effects import LEASE

from .faults import Faults
from .stepper import CRASH, Stepper, pause

T = TypeVar("T")

LEASE_MS = int(LEASE.total_seconds() * 1000)
_EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
_LATENCY_MS = 20  # of one way over the wire, at most


class Crossing:
    """Leads calls over the border."""

    def __init__(self, stepper: Stepper, faults: Faults) -> None:
        self.stepper = stepper
        self._faults = faults
        self.unrest_until_ms = 0  # somebody stands still, or a request is still on its way, until then

    def clock(self) -> datetime:
        """The time of day, the same for every process but Redis."""
        return _EPOCH + timedelta(milliseconds=self.stepper.now_ms)

    async def call(self, boundary: str, act: Callable[[], T], broken: type[ConnectionError]) -> T:
        """A call to the store or the bell: all or nothing, and the reply may be lost."""
        fault = await self.enter(boundary)
        if fault in {"not_committed", "bell_down"}:
            raise broken(fault)
        result = act()
        await self.leave(fault)
        if fault == "reply_lost":
            raise broken(fault)
        return result

    async def enter(self, boundary: str) -> str:
        """The way out. The fault that will strike, or ""."""
        stepper = self.stepper
        stepper.caller()
        fault = self._faults.draw(boundary, stepper.now_ms)
        stepper.note(f"{boundary} {fault}" if fault else boundary)
        await pause(self._interruption_ms(fault, "before") if fault else self._latency_ms())
        return fault

    async def leave(self, fault: str) -> None:
        """The way back."""
        await pause(self._interruption_ms(fault, "after") if fault else self._latency_ms())
        self.stepper.caller()

    def unrest(self, ms: int) -> int:
        """Remember that something outstanding will happen in `ms`."""
        self.unrest_until_ms = max(self.unrest_until_ms, self.stepper.now_ms + ms)
        return ms

    def _latency_ms(self) -> int:
        return 1 + int(self.stepper.random.random() * _LATENCY_MS)

    def _interruption_ms(self, fault: str, side: str) -> int:
        """How long the caller is held up on this side of the call."""
        kind, _, where = fault.partition("_")
        if where != side:
            return self._latency_ms()
        match kind:
            case "crash":
                return CRASH
            case "freeze":  # beyond its lease: somebody else takes over, and then it goes on
                return self.unrest(LEASE_MS + self.stepper.random.randint(1, 2 * LEASE_MS))
            case "stall":
                return self.unrest(self.stepper.random.randint(500, LEASE_MS - 1000))
            case _:
                return self._latency_ms()
