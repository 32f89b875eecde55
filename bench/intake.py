"""Intake: webhooks durably accepted a second, against a bare FastAPI route; and webhook to release."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.instant_world import ACCOUNT, stock_up
from bench.pipeline import payloads, wait_until_done
from bench.servers import Servers
from kept.embedded.ports import free_port
from kept.simulator.orders import SKU_COUNT
from kept.store.database import Database
from kept.store.migrate import migrate

_SECRET = "bench-secret"
_CONNECTIONS = 64
_UP_WITHIN_S = 30
_RELEASED = """
SELECT extract(epoch FROM l.at - i.received_at) * 1000 FROM ledger l
JOIN orders o ON o.id = l.order_id JOIN inbox i ON i.id = o.message_id
WHERE l.type = 'PartReleased' ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class IntakeResult:
    """Rates and latencies of both, as the sender saw them."""

    per_s: float
    bare_per_s: float
    p50_ms: float
    p99_ms: float


def write_requests(path: Path, bodies: Sequence[bytes], prefix: str) -> Path:
    """Signed Shopify webhooks as the load generator reads them."""
    with path.open("w") as file:
        for number, body in enumerate(bodies):
            signature = base64.b64encode(hmac.new(_SECRET.encode(), body, hashlib.sha256).digest()).decode()
            headers = {
                "content-type": "application/json",
                "x-shopify-topic": "orders/create",
                "x-shopify-hmac-sha256": signature,
                "x-shopify-webhook-id": f"{prefix}-{number}",
                "x-shopify-shop-domain": "bench.example",
            }
            file.write(json.dumps({"headers": headers, "body": body.decode()}) + "\n")
    return path


def _config(folder: Path) -> Path:
    (folder / "secret").write_text(_SECRET)
    path = folder / "kept.toml"
    path.write_text(
        f"[channels.{ACCOUNT}]\ntype = 'shopify'\nbase_url = 'http://127.0.0.1:9'\n"
        f"webhook_secrets = ['file:{folder / 'secret'}']\ntoken = 'file:{folder / 'secret'}'\n"
    )
    return path


@contextlib.contextmanager
def serving(command: Sequence[str], port: int, environment: dict[str, str]) -> Iterator[None]:
    """A server process that answers on its port."""
    process = subprocess.Popen(command, env={**os.environ, **environment})
    try:
        deadline = time.monotonic() + _UP_WITHIN_S
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).close()
                break
            except (urllib.error.URLError, OSError):
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError(f"{command} does not answer on port {port}") from None
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=15)


def _load(port: int, path: str, requests: Path, connections: int, rate: float = 0) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.load", "127.0.0.1", str(port), path, str(requests), str(connections)]
    output = subprocess.run([*command, str(rate)], check=True, capture_output=True, text=True).stdout
    result: dict[str, float] = json.loads(output)
    if result["failed"]:
        raise RuntimeError(f"{result['failed']} of {result['requests']} requests failed")
    return result


def run(servers: Servers, folder: Path, requests: int) -> IntakeResult:
    """Both routes in turn, one API process each, twice; the better run of each counts."""
    asyncio.run(_prepare(servers.dsn))
    bodies = payloads(requests)
    api_port, bare_port = free_port(), free_port()
    environment = {
        "KEPT_DATABASE_URL": servers.dsn,
        "KEPT_REDIS_URL": servers.redis_url,
        "KEPT_CONFIG": str(_config(folder)),
        "KEPT_PORT": str(api_port),
    }
    kept: list[dict[str, float]] = []
    bare: list[dict[str, float]] = []
    with (
        serving([sys.executable, "-m", "kept", "api"], api_port, environment),
        serving([sys.executable, "-m", "bench.bare_route", str(bare_port)], bare_port, {}),
    ):
        for turn in range(2):
            file = write_requests(folder / f"requests-{turn}.jsonl", bodies, f"turn{turn}")
            bare.append(_load(bare_port, "/bare", file, _CONNECTIONS))
            kept.append(_load(api_port, f"/webhooks/{ACCOUNT}", file, _CONNECTIONS))
    best = max(kept, key=lambda result: result["per_s"])
    return IntakeResult(best["per_s"], max(r["per_s"] for r in bare), best["p50_ms"], best["p99_ms"])


def release_latency_ms(servers: Servers, folder: Path, orders: int, rate: float) -> tuple[float, float]:
    """Median and 99th percentile from a webhook's receipt to its release to the centre, at `rate` orders a second."""
    asyncio.run(_prepare(servers.dsn))
    port = free_port()
    environment = {
        "KEPT_DATABASE_URL": servers.dsn,
        "KEPT_REDIS_URL": servers.redis_url,
        "KEPT_CONFIG": str(_config(folder)),
        "KEPT_PORT": str(port),
    }
    file = write_requests(folder / "paced.jsonl", payloads(orders), "paced")
    worker = subprocess.Popen(
        [sys.executable, "-m", "bench.worker", servers.dsn, servers.redis_url, "--relay"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
        with serving([sys.executable, "-m", "kept", "api"], port, environment):
            _load(port, f"/webhooks/{ACCOUNT}", file, 8, rate)
            asyncio.run(wait_until_done(servers.dsn, orders, 60))
    finally:
        worker.terminate()
        worker.wait(timeout=15)
    latencies = asyncio.run(_latencies(servers.dsn))
    return latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)]


async def _prepare(dsn: str) -> None:
    database = Database(dsn)
    await migrate(database)
    await stock_up(database, SKU_COUNT)
    await database.close()


async def _latencies(dsn: str) -> list[float]:
    database = Database(dsn)
    async with database.connection() as connection:
        rows = await connection.fetch(_RELEASED)
    await database.close()
    return [float(row[0]) for row in rows]
