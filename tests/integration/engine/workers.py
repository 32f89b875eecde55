"""Workers and a relay in the test's own process, on the real servers, with limits that suit a test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from kept.engine.relay import Relay, RelayLimits
from kept.engine.runner import Limits, Runner
from kept.engine.step import Step
from kept.engine.streams import Streams, connect
from kept.flow import FLOW
from kept.processes.assembly import utc_now
from kept.processes.worker import consumer_name
from kept.store.database import Database
from kept.store.effects import IntentWriter
from kept.store.loading import Orders
from kept.store.postgres import PostgresStore

# As in production, only quicker: an idle loop is woken by its message, not by these.
QUICK = Limits(block_ms=100, idle_ms=2000, keep_every_s=0.2, reclaim_every_s=0.2, backoff_max_s=0.2, drain_s=3.0)
QUICK_RELAY = RelayLimits(every_s=0.02, lost_after=timedelta(seconds=1), sweep_every_s=0.2)


@dataclass
class Worker:
    """A running worker."""

    runner: Runner
    task: asyncio.Task[None]

    async def stop(self) -> None:
        """As SIGTERM would; raises what broke it."""
        self.runner.stop()
        await self.task


@dataclass
class Workshop:
    """What workers of one test share, and those that are running."""

    database: Database
    redis_url: str
    orders: Orders
    store: PostgresStore
    workers: list[Worker] = field(default_factory=list)

    def begin(
        self,
        ports: Callable[[Any], Any],
        flow: Mapping[str, Step[Any]] = FLOW,
        limits: Limits = QUICK,
        redis_url: str = "",
    ) -> Worker:
        """Start a worker."""
        bell = Streams(connect(redis_url or self.redis_url), consumer_name())
        runner = Runner(flow, ports, self.store, IntentWriter(self.database), bell, utc_now, limits)

        async def work() -> None:
            try:
                await runner.run()
            finally:
                await bell.aclose()

        worker = Worker(runner, asyncio.create_task(work()))
        self.workers.append(worker)
        return worker

    @contextlib.asynccontextmanager
    async def relaying(self, limits: RelayLimits = QUICK_RELAY) -> AsyncIterator[None]:
        """A relay beside the block."""
        bell = Streams(connect(self.redis_url), consumer_name())
        relay = Relay(self.store, bell, list(FLOW), limits)
        task = asyncio.create_task(relay.run())
        try:
            yield
        finally:
            relay.stop()
            await task
            await bell.aclose()


@contextlib.asynccontextmanager
async def workshop(database_url: str, redis_url: str) -> AsyncIterator[Workshop]:
    """A workshop; its workers are stopped at the end."""
    database = Database(database_url, connections_max=8)
    orders = Orders(database)
    opened = Workshop(database, redis_url, orders, PostgresStore(database, orders, utc_now))
    try:
        yield opened
    finally:
        for worker in opened.workers:
            worker.runner.stop()
        results = await asyncio.gather(*(worker.task for worker in opened.workers), return_exceptions=True)
        await database.close()
        for result in results:
            if isinstance(result, Exception):
                raise result
