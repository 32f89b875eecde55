"""The network between a connector and a vendor: it records what passes, and breaks when told to."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from enum import Enum

import httpx2
import orjson

from kept.connectors.traffic import Shared
from kept.engine.quotas import Bucket, Quotas


class Trouble(Enum):
    """What can go wrong with one request. The vendor has done its work only where it says so."""

    NO_CONNECTION = "no_connection"
    TIMEOUT_BEFORE = "timeout_before"  # nothing done
    TIMEOUT_AFTER = "timeout_after"  # done
    CUT_AFTER = "cut_after"  # done
    TRUNCATED_AFTER = "truncated_after"  # done
    HTTP_500_BEFORE = "http_500_before"  # nothing done
    HTTP_500_AFTER = "http_500_after"  # done
    HTTP_503 = "http_503"  # nothing done
    HTTP_429 = "http_429"  # nothing done
    HTTP_422 = "http_422"  # nothing done
    HANG = "hang"  # nothing done, and no answer ever


_STATUSES = {
    Trouble.HTTP_500_BEFORE: 500,
    Trouble.HTTP_500_AFTER: 500,
    Trouble.HTTP_503: 503,
    Trouble.HTTP_429: 429,
    Trouble.HTTP_422: 422,
}
_DONE = {Trouble.TIMEOUT_AFTER, Trouble.CUT_AFTER, Trouble.TRUNCATED_AFTER, Trouble.HTTP_500_AFTER}


def answer(status: int, body: object) -> httpx2.Response:
    """A JSON answer whose body is still to be read, as one from a network."""
    media = "application/problem+json" if status >= 400 else "application/json"
    return httpx2.Response(status, headers={"content-type": media}, stream=httpx2.ByteStream(orjson.dumps(body)))


class _Cut(httpx2.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'{"'
        raise httpx2.ReadError("connection reset")


class Wire(httpx2.AsyncBaseTransport):
    """A vendor's transport with troubles in front of it. `hits` says which requests a trouble may befall."""

    def __init__(self, vendor: httpx2.AsyncBaseTransport, hits: Callable[[httpx2.Request], bool]) -> None:
        self.requests: list[httpx2.Request] = []
        self.beside: list[httpx2.Request] = []  # what was led past it
        self.troubles: deque[Trouble | None] = deque()  # one for each request that they hit; None lets it pass
        self.open_now = self.open_most = 0
        self.gate: asyncio.Event | None = None  # while it is there, requests wait for it
        self.crowd = 0  # so many requests open at once set `crowded`
        self.crowded = asyncio.Event()
        self._vendor = vendor
        self.hits = hits

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        self.open_now += 1
        self.open_most = max(self.open_most, self.open_now)
        if self.open_now == self.crowd:
            self.crowded.set()
        try:
            if self.gate is not None:
                await self.gate.wait()
            trouble = self.troubles.popleft() if self.troubles and self.hits(request) else None
            return await self._pass_on(request, trouble)
        finally:
            self.open_now -= 1

    async def _pass_on(self, request: httpx2.Request, trouble: Trouble | None) -> httpx2.Response:
        if trouble is None:
            return await self._vendor.handle_async_request(request)
        if trouble in _DONE:
            await self._vendor.handle_async_request(request)
        match trouble:
            case Trouble.NO_CONNECTION:
                raise httpx2.ConnectError("connection refused")
            case Trouble.TIMEOUT_BEFORE | Trouble.TIMEOUT_AFTER:
                raise httpx2.ReadTimeout("no answer")
            case Trouble.CUT_AFTER:
                return httpx2.Response(200, stream=_Cut())
            case Trouble.TRUNCATED_AFTER:
                return httpx2.Response(200, stream=httpx2.ByteStream(b'{"order'))
            case Trouble.HANG:
                await asyncio.Event().wait()
        return answer(_STATUSES[trouble], {"code": "invalid", "title": "trouble"})


class Beside(httpx2.AsyncBaseTransport):
    """Leads what goes to `host` over the wire, but for one path, and everything else past it."""

    def __init__(self, wire: Wire, past: httpx2.AsyncBaseTransport, host: str, but: str = "") -> None:
        self._wire = wire
        self._past = past
        self._host = host
        self._but = but

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.host == self._host and request.url.path != self._but:
            return await self._wire.handle_async_request(request)
        self._wire.beside.append(request)
        return await self._past.handle_async_request(request)


class _Unlimited(Quotas):
    """For tests of something else than rates."""

    async def take(self, buckets: Sequence[Bucket], cost: float = 1.0) -> float:
        return 0.0


NO_LIMITS = Shared(_Unlimited(None))
