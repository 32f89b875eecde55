"""The relay: rings for whatever the deliveries table says is due and nobody has rung for.

It makes Redis expendable. Retries and waits come due here; a ring that was lost, one or all, is rung
again. Any number of relays may run: rows are taken with SKIP LOCKED.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from kept.engine.interfaces import BellUnavailable, Store
from kept.engine.streams import Streams

log = structlog.get_logger("kept.engine.relay")


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """The relay's tempo, and why."""

    every_s: float = 0.2  # adds at most this to a retry's delay
    batch_max: int = 2000
    # A single lost ring is found after this long: well above the moment between a commit and its ring.
    # What waits in a backlog is not taken for lost, because its stream still holds something older.
    lost_after: timedelta = timedelta(seconds=10)
    sweep_every_s: float = 5.0


class Relay:
    """Rings until asked to stop."""

    def __init__(self, store: Store, bell: Streams, steps: Sequence[str], limits: RelayLimits | None = None) -> None:
        self._store = store
        self._steps = steps
        self._bell = bell
        self._limits = limits or RelayLimits()
        self._stopping = asyncio.Event()
        self._beat = 0

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Ring until `stop`; outages of either server only delay it."""
        swept = 0.0
        while not self._stopping.is_set():
            try:
                await self._check_memory()
                if time.monotonic() - swept >= self._limits.sweep_every_s:
                    swept = time.monotonic()
                    oldest = await self._bell.oldest(self._steps)
                    lost = await self._store.unring(self._limits.lost_after, oldest)
                    if lost:
                        log.info("relay.lost_rings", deliveries=lost)
                await self._ring_due()
            except (OSError, TimeoutError) as error:
                log.warning("relay.backoff", error=type(error).__name__)
                if isinstance(error, BellUnavailable):
                    self._beat = 0  # what Redis knows after an outage is asked anew
                await self._pause(1.0)
            await self._pause(self._limits.every_s)

    async def _check_memory(self) -> None:
        """If Redis forgot our last beat, it lost its streams too, or old ones came back: ring for everything."""
        self._beat += 1
        if await self._bell.beat(self._beat):
            return
        lost = await self._store.unring(timedelta(0))
        self._beat = int(time.time())  # ahead of anything that an older copy of Redis could hold
        await self._bell.set_beat(self._beat)
        log.warning("relay.redis_forgot", deliveries=lost)

    async def _ring_due(self) -> None:
        while not self._stopping.is_set():
            rings = await self._store.due(self._limits.batch_max)
            await self._bell.ring(rings)
            if len(rings) < self._limits.batch_max:
                return

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
