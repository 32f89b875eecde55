"""Going on at once: what a settlement makes due next, and this worker serves, needs no trip through Redis.

The delivery is a committed row like any other; only its ring stays in this process, with the subject that the
settlement just wrote. If the process dies, the ring is lost and the relay rings again. If the subject moves on
meanwhile, the settlement notices, as always. So this is a shortcut and nothing to rely on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence

from kept.engine.delivery import Loaded, Ring, Rung
from kept.engine.interfaces import Bell


class HandOver:
    """A bell that keeps what this worker can go on with, up to `per_step_max` a step, and rings for the rest."""

    def __init__(self, bell: Bell, steps: Iterable[str], per_step_max: int) -> None:
        self._bell = bell
        self._waiting: dict[str, deque[Loaded]] = {step: deque() for step in steps}
        self._some = {step: asyncio.Event() for step in self._waiting}
        self._per_step_max = per_step_max
        self._closed = False

    async def ring(self, rings: Sequence[Ring]) -> None:
        """Keep or ring. Raises BellUnavailable for those that had to be rung for."""
        away = [ring for ring in rings if not self._keep(ring)]
        if away:
            await self._bell.ring(away)

    def _keep(self, ring: Ring) -> bool:
        waiting = self._waiting.get(ring.step)
        if ring.loaded is None or waiting is None or self._closed or len(waiting) >= self._per_step_max:
            return False
        waiting.append(ring.loaded)
        self._some[ring.step].set()
        return True

    async def ack(self, rungs: Sequence[Rung]) -> None:
        await self._bell.ack(rungs)

    async def read(self, step: str, count: int, block_ms: int) -> list[Rung]:
        return await self._bell.read(step, count, block_ms)

    def take(self, step: str, count: int) -> list[Loaded]:
        """Up to `count` kept deliveries of a step, the most urgent first."""
        waiting = self._waiting[step]
        taken = [waiting.popleft() for _ in range(min(count, len(waiting)))]
        if not waiting:
            self._some[step].clear()
        taken.sort(key=lambda loaded: (loaded.delivery.urgency, loaded.delivery.deadline))
        return taken

    async def wait(self, step: str) -> None:
        """Until something of the step is kept."""
        await self._some[step].wait()

    def close(self) -> list[int]:
        """Keep nothing more; the deliveries that were kept and never taken."""
        self._closed = True
        return [loaded.delivery.id for waiting in self._waiting.values() for loaded in waiting]
