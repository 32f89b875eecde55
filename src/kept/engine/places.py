"""Places: how many calls to a target may be open at once, and who is next when one ends."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count

from kept.engine.quotas import due_by, urgency


class Places:
    """A semaphore whose queue is by urgency, then by deadline, then by arrival.

    A target that comes back after an outage meets a queue of everything that waited for it: in a first come, first
    served queue what must leave in an hour would stand behind what leaves next week.
    """

    def __init__(self, number: int) -> None:
        self._free = number
        self._queue: list[tuple[int, float, int, asyncio.Future[None]]] = []
        self._arrivals = count()

    def taken_at_once(self) -> bool:
        """Take a place if one is free and nobody waits for it."""
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    async def take(self) -> None:
        """Take a place, waiting for one as long as it takes. A cancelled wait takes none."""
        if self.taken_at_once():
            return
        given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, (int(urgency.get()), due_by.get(), next(self._arrivals), given))
        try:
            await given
        except asyncio.CancelledError:
            if given.done() and not given.cancelled():
                self.leave()  # given and cancelled in the same turn of the loop
            raise

    def leave(self) -> None:
        """Give a place back: to the most urgent who waits, so that nobody who comes in between takes it."""
        while self._queue:
            given = heapq.heappop(self._queue)[3]
            if not given.done():
                given.set_result(None)
                return
        self._free += 1
