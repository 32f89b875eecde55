"""One clock for every peer: start its workers, warm them up, enqueue, wait for the last order, check the rows."""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

from bench.peers import minimal
from bench.pipeline import payloads

REPOSITORY = Path(__file__).parents[2]
TIMEOUT_S = 60.0  # 500 orders at 12 orders/s, the slowest peer ever seen, take 42 s
POLL_S = 0.05  # 20 Hz: rounds a run of 5 s up by 1 % at most, and costs the database next to nothing
WARM_UP_ORDERS = 64  # enough for every worker process to take some: imports, connections, prepared statements
READY = "peer worker ready"
STOP_S = 5.0  # a worker without work stops within a second or two


class PeerFailed(Exception):
    """The peer didn't take every order through every step in time."""


@dataclass(frozen=True)
class PeerResult:
    """What one peer did. `seconds` runs from the first enqueue to the last order's last step."""

    name: str
    orders: int
    seconds: float
    orders_per_s: float
    detail: str


@dataclass(frozen=True)
class Peer:
    """What is to be measured: how to start its workers, and how to hand it orders.

    A worker process says that it takes orders by printing READY.
    """

    name: str
    schema: str
    detail: str
    worker_commands: Sequence[Sequence[str]]
    worker_environment: Mapping[str, str]
    enqueue: Callable[[range], None]


def measure(peer: Peer, dsn: str, orders: int, timeout_s: float = TIMEOUT_S) -> PeerResult:
    """Run the peer over `orders` orders on the database `dsn`, in its own schema, which is dropped afterwards.

    Raises PeerFailed if a worker dies, if `timeout_s` passes, or if an order hasn't exactly its eight events.
    """
    warm_up = range(1, WARM_UP_ORDERS + 1)
    measured = range(warm_up.stop, warm_up.stop + orders)
    with minimal.connect(dsn, peer.schema) as connection:
        minimal.create_tables(connection, peer.schema)
        bodies = payloads(WARM_UP_ORDERS + orders)
        minimal.place_orders(connection, warm_up, bodies[:WARM_UP_ORDERS])
        minimal.place_orders(connection, measured, bodies[WARM_UP_ORDERS:])
        connection.execute("ANALYZE")  # else the first plans are made for empty tables
        with _workers(peer) as workers:
            _wait(peer, workers, "workers are not ready", workers.starting, timeout_s)
            peer.enqueue(warm_up)
            _wait(peer, workers, "warm-up orders unfinished", _unfinished(connection, warm_up), timeout_s)
            started_s = time.monotonic()
            peer.enqueue(measured)
            _wait(peer, workers, "orders unfinished", _unfinished(connection, measured), timeout_s)
            seconds = time.monotonic() - started_s
        if wrong := minimal.without_exact_events(connection, measured):
            raise PeerFailed(f"{peer.name}: {wrong} of {orders} orders don't have exactly {minimal.STEPS} events")
        minimal.drop_tables(connection, peer.schema)
    return PeerResult(peer.name, orders, round(seconds, 3), round(orders / seconds, 1), peer.detail)


def main(run: Callable[[str, str, int, float], PeerResult]) -> None:
    """Run one peer from the command line and print its result as JSON."""
    parser = argparse.ArgumentParser(description=sys.modules[run.__module__].__doc__)
    parser.add_argument("--dsn", required=True, help="PostgreSQL URL of a database made for this")
    parser.add_argument("--redis", default="", help="Redis URL (celery only)")
    parser.add_argument("--orders", type=int, default=500)
    parser.add_argument("--timeout-s", type=float, default=TIMEOUT_S)
    given = parser.parse_args()
    print(json.dumps(asdict(run(given.dsn, given.redis, given.orders, given.timeout_s))))


@dataclass(frozen=True)
class _Workers:
    processes: Sequence[subprocess.Popen[bytes]]
    logs: Sequence[Path]

    def starting(self) -> int:
        """How many haven't printed READY yet."""
        return sum(READY not in log.read_text(errors="replace") for log in self.logs)

    def exited(self) -> bool:
        return any(process.poll() is not None for process in self.processes)

    def last_words(self) -> str:
        return "\n".join(log.read_text(errors="replace")[-2000:] for log in self.logs)


def _unfinished(connection: psycopg.Connection, ids: range) -> Callable[[], int]:
    return lambda: minimal.unfinished(connection, ids)


def _wait(peer: Peer, workers: _Workers, what: str, outstanding: Callable[[], int], timeout_s: float) -> None:
    """Return as soon as nothing is outstanding; raise PeerFailed when a worker dies or time is up."""
    deadline_s = time.monotonic() + timeout_s
    while count := outstanding():
        if workers.exited():
            raise PeerFailed(f"{peer.name}: a worker exited, {count} {what}. Its output:\n{workers.last_words()}")
        if time.monotonic() > deadline_s:
            raise PeerFailed(f"{peer.name}: {count} {what} after {timeout_s:g} s. Output:\n{workers.last_words()}")
        time.sleep(POLL_S)


@contextmanager
def _workers(peer: Peer) -> Iterator[_Workers]:
    """The peer's worker processes, each in its own session, so that forked children can be stopped along."""
    environment = {**os.environ, **peer.worker_environment, "PYTHONUNBUFFERED": "1"}
    processes: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix=f"{peer.schema}-") as folder:
        logs = [Path(folder, f"worker-{number}.log") for number in range(len(peer.worker_commands))]
        try:
            for command, log in zip(peer.worker_commands, logs, strict=True):
                with log.open("wb") as output:
                    processes.append(
                        subprocess.Popen(
                            command,
                            cwd=REPOSITORY,
                            env=environment,
                            stdout=output,
                            stderr=subprocess.STDOUT,
                            start_new_session=True,
                        )
                    )
            yield _Workers(processes, logs)
        finally:
            _stop(processes)


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Terminate, wait, kill; the session a process leads is killed with it, or its forked children would stay."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
