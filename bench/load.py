"""A load generator in its own process: raw HTTP/1.1 over keep-alive connections, cheap to run.

`python -m bench.load HOST PORT PATH BODIES CONNECTIONS [RATE]` reads requests as JSON lines from BODIES and
prints one JSON line: how many, how long, latencies.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import uvloop


class Client(asyncio.Protocol):
    """One connection: sends a request, waits for its whole answer."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._answer: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, gap, rest = self._buffer.partition(b"\r\n\r\n")
        if not gap or self._answer is None:
            return
        length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(rest) >= length:
            self._buffer = rest[length:]
            self._answer.set_result(int(head[9:12]))

    async def send(self, request: bytes) -> int:
        """The status answered."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer


def request_bytes(path: str, headers: dict[str, str], body: str) -> bytes:
    """An HTTP/1.1 request."""
    encoded = body.encode()
    lines = [f"POST {path} HTTP/1.1", "host: bench", f"content-length: {len(encoded)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + encoded


async def run(host: str, port: int, requests: Iterator[bytes], connections: int, rate: float) -> dict[str, float]:
    """Send all requests; as fast as the connections allow, or at `rate` a second."""
    loop = asyncio.get_running_loop()
    latencies_ms: list[float] = []
    failed = 0
    begun = time.perf_counter()
    next_at = begun

    async def send_all() -> None:
        nonlocal failed, next_at
        _, client = await loop.create_connection(Client, host, port)
        for request in requests:
            if rate:
                next_at += 1 / rate
                await asyncio.sleep(max(0.0, next_at - time.perf_counter()))
            sent = time.perf_counter()
            status = await client.send(request)
            latencies_ms.append((time.perf_counter() - sent) * 1000)
            failed += not 200 <= status < 300

    await asyncio.gather(*(send_all() for _ in range(connections)))
    seconds = time.perf_counter() - begun
    latencies_ms.sort()
    return {
        "requests": len(latencies_ms),
        "failed": failed,
        "seconds": seconds,
        "per_s": len(latencies_ms) / seconds,
        "p50_ms": latencies_ms[len(latencies_ms) // 2],
        "p99_ms": latencies_ms[int(len(latencies_ms) * 0.99)],
    }


def main() -> None:
    host, port, path, bodies, connections, *rest = sys.argv[1:]
    lines = [json.loads(line) for line in Path(bodies).read_text().splitlines()]
    requests = [request_bytes(path, line["headers"], line["body"]) for line in lines]
    result = uvloop.run(run(host, int(port), iter(requests), int(connections), float(rest[0]) if rest else 0.0))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
