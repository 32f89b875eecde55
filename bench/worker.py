"""One worker process of the pipeline benchmark: `python -m bench.worker DSN REDIS`. Prints its memory at the end."""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import timedelta

import psutil
import uvloop

from bench.instant_world import instant_ports
from kept.engine.relay import Relay
from kept.engine.runner import Runner
from kept.engine.streams import Streams, connect
from kept.flow import FLOW
from kept.observe.logs import configure_logs
from kept.processes.assembly import utc_now
from kept.processes.worker import collect_garbage_seldom, consumer_name, stop_on_signal
from kept.store.database import Database
from kept.store.effects import IntentWriter
from kept.store.loading import Orders
from kept.store.postgres import PostgresStore


async def work(dsn: str, redis_url: str, *, with_relay: bool) -> None:
    """Run steps until SIGTERM."""
    database = Database(dsn, connections_max=8)
    bell = Streams(connect(redis_url), consumer_name())
    orders = Orders(database)
    store = PostgresStore(database, orders, utc_now)
    async with instant_ports(database, orders, bell) as ports:
        runner = Runner(FLOW, ports, store, IntentWriter(database), bell, utc_now)
        relay = Relay(store, Streams(connect(redis_url), consumer_name()), list(FLOW)) if with_relay else None
        relaying = asyncio.create_task(relay.run()) if relay else None

        def stop() -> None:
            runner.stop()
            if relay:
                relay.stop()

        stop_on_signal(stop)
        await store.unring(timedelta(days=1))  # connections are open and statements prepared before the clock runs
        collect_garbage_seldom()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)  # the clock's owner says go
        reporting = asyncio.create_task(_report_memory())
        await runner.run()
        reporting.cancel()
        if relaying:
            await relaying
    await bell.aclose()
    await database.close()


async def _report_memory() -> None:
    """One line a second: resident memory in MiB."""
    process = psutil.Process()
    while True:
        print(f"rss_mib {process.memory_info().rss / 2**20:.1f}", flush=True)
        await asyncio.sleep(1)


if __name__ == "__main__":
    configure_logs("bench-worker", logging.WARNING)
    uvloop.run(work(sys.argv[1], sys.argv[2], with_relay="--relay" in sys.argv))
