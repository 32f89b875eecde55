"""A worker process: runs steps until it is asked to stop."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Callable

import structlog

from kept.connectors.registry import Connectors
from kept.engine.runner import Limits, Runner
from kept.engine.streams import Streams, connect
from kept.flow import FLOW
from kept.processes.assembly import assemble_ports, opened_connectors, utc_now
from kept.settings import Settings
from kept.store.database import Database
from kept.store.effects import IntentWriter
from kept.store.loading import Orders
from kept.store.migrate import installation_prefix
from kept.store.postgres import PostgresStore
from kept.store.routing import RoutingRecords

log = structlog.get_logger("kept.worker")


async def run_worker(settings: Settings, limits: Limits | None = None) -> None:
    """Work until SIGTERM or SIGINT, then finish or hand back what is in flight."""
    async with opened_connectors(settings) as connectors:
        await _work(settings, connectors, limits)


async def _work(settings: Settings, connectors: Connectors, limits: Limits | None) -> None:
    database = Database(settings.database_url)
    bell = Streams(connect(settings.redis_url), consumer_name())
    orders = Orders(database)
    try:
        prefix = await installation_prefix(database)
        ports = assemble_ports(database, orders, connectors, settings.business, prefix)
        await RoutingRecords(database).keep_policy(ports.base.routing, utc_now())
        store = PostgresStore(database, orders, utc_now)
        runner = Runner(FLOW, ports, store, IntentWriter(database), bell, utc_now, limits)
        stop_on_signal(runner.stop)
        collect_garbage_seldom()
        log.info("worker.started", pid=os.getpid())
        await runner.run()
        log.info("worker.stopped", settled=runner.counters.settled, faults=runner.counters.faults)
    finally:
        await bell.aclose()
        await database.close()


def collect_garbage_seldom() -> None:
    """Values of a batch die by reference count; looking for cycles among them costs a tenth of the throughput.

    What is there after start-up is never looked at again; the rest after 50,000 new containers, the old
    generations a hundred times more seldom than by default.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def consumer_name() -> str:
    """Unique per process: a dead one's messages are found under its name."""
    return f"{socket.gethostname()}:{os.getpid()}:{os.urandom(3).hex()}"


def stop_on_signal(stop: Callable[[], None]) -> None:
    """Call `stop` once on SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
