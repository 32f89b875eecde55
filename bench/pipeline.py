"""The pipeline: all steps from a raw Shopify order to its posted shipment, orders a second; and a worker's memory."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from bench.instant_world import ACCOUNT, stock_up
from bench.servers import Servers
from kept.engine.streams import Streams, connect
from kept.observe.correlation import new_correlation_id
from kept.processes.assembly import utc_now
from kept.simulator.orders import SKU_COUNT, make_sale
from kept.simulator.payloads import Version, shopify_order
from kept.store.database import Database
from kept.store.inbox import Arrival, Inbox
from kept.store.invariants import breaches
from kept.store.migrate import migrate

_DIFFERENT_ORDERS = 500  # made once; ids are replaced, as making them costs more than working on them
_ORDERS_PER_COMMIT = 200


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """`rss_mib` is each worker's resident memory over time, one sample a second."""

    orders: int
    seconds: float
    orders_per_s: float
    rss_mib: tuple[tuple[float, ...], ...]


def payloads(count: int) -> list[bytes]:
    """Raw Shopify orders, each with ids of its own."""
    now = datetime.now(UTC)
    shapes = []
    for seq in range(_DIFFERENT_ORDERS):
        sale = make_sale(seed=7, seq=seq, now=now)
        shapes.append(shopify_order(sale, Version(age_s=20)))
    made = []
    for number in range(count):
        shape = shapes[number % _DIFFERENT_ORDERS]
        shape["id"] = 1_000_000_000 + number
        made.append(orjson.dumps(shape))
    return made


async def fill_inbox(dsn: str, redis_url: str, bodies: list[bytes]) -> None:
    """Put raw orders into the inbox, as the API would."""
    database = Database(dsn)
    bell = Streams(connect(redis_url), "filler")
    await migrate(database)
    await stock_up(database, SKU_COUNT)
    inbox = Inbox(database)
    headers = {"x-shopify-topic": "orders/create"}
    for start in range(0, len(bodies), _ORDERS_PER_COMMIT):
        arrivals = [
            Arrival(ACCOUNT, "channel", f"w{start + i}", headers, body, new_correlation_id(), utc_now())
            for i, body in enumerate(bodies[start : start + _ORDERS_PER_COMMIT])
        ]
        _, rings = await inbox.accept(arrivals)
        await bell.ring(rings)
    await bell.aclose()
    await database.close()


async def wait_until_done(dsn: str, count: int, within_s: float) -> float:
    """When the last order was complete (monotonic clock). Raises TimeoutError with where orders stand."""
    database = Database(dsn, connections_max=1)
    deadline = time.monotonic() + within_s
    try:
        while True:
            async with database.connection() as connection:
                rows = await connection.fetch("SELECT state, count(*) AS n FROM orders GROUP BY state")
            states = {row["state"]: row["n"] for row in rows}
            ended = states.get("complete", 0) + states.get("recorded", 0) + states.get("held", 0)
            if ended >= count:
                if ended != states.get("complete", 0):
                    raise RuntimeError(f"not every order was complete: {states}")
                return time.monotonic()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{states} after {within_s} s, wanted {count} complete")
            await asyncio.sleep(0.1)
    finally:
        await database.close()


async def check(dsn: str) -> None:
    """The invariants hold after the run, or the figure is worth nothing."""
    database = Database(dsn, connections_max=1)
    found = await breaches(database)
    await database.close()
    if found:
        raise RuntimeError(f"invariants broken: {found}")


def run(servers: Servers, orders: int, workers: int = 2, within_s: float = 600) -> PipelineResult:
    """Work off a backlog of `orders`; the clock runs from the workers' start to the last order's end."""
    asyncio.run(fill_inbox(servers.dsn, servers.redis_url, payloads(orders)))
    command = [sys.executable, "-m", "bench.worker", servers.dsn, servers.redis_url]
    processes = [
        subprocess.Popen(
            [*command, "--relay"] if number == 0 else command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(workers)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("a worker did not start; its error stands above")
        started = time.monotonic()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        ended = asyncio.run(wait_until_done(servers.dsn, orders, within_s))
    finally:
        for process in processes:
            process.terminate()
        outputs = [process.communicate(timeout=30)[0] for process in processes]
    asyncio.run(check(servers.dsn))
    seconds = ended - started
    return PipelineResult(orders, seconds, orders / seconds, tuple(_memory(output) for output in outputs))


def _memory(output: str) -> tuple[float, ...]:
    return tuple(float(line.split()[1]) for line in output.splitlines() if line.startswith("rss_mib"))
