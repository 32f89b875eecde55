"""HTTP to one target: the one place where httpx2 is used.

Each call has a deadline, a place in the target's bulkhead, the circuit's leave, a bounded answer, our
idempotency key and the correlation id; each failure of the wire becomes one of `kept.ports`' faults here.

What a failure means for a call that changes something (POST, PUT, PATCH, DELETE):
- surely not done: no connection, 429, 503, a refusal (4xx)      -> TemporaryFault or PermanentFault
- surely not done, and neither would another call: 401, 403      -> AccessRefused
- no telling: timeout or cut after sending, unreadable 2xx, 5xx  -> UnknownResult
For a call that changes nothing, "no telling" is a TemporaryFault.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Protocol, TypeVar
from urllib.parse import urlencode

import httpx2
import msgspec
import orjson

from kept.connectors import strict_json
from kept.connectors.answers import UnexpectedAnswer
from kept.connectors.circuit import Circuit
from kept.connectors.packing import unpacked
from kept.connectors.refusals import WHO_ARE_YOU, phrase, refusal, says_it_is_broken
from kept.connectors.traffic import Rates, Shared, Traffic
from kept.domain.keys import traceparent
from kept.engine.places import Places
from kept.engine.quotas import Quotas
from kept.observe.correlation import Call, correlation_id, new_correlation_id, record_call
from kept.ports import (
    AccessRefused,
    BadMessage,
    CircuitOpen,
    Fault,
    NotAsked,
    PermanentFault,
    TemporaryFault,
    UnknownResult,
)

T = TypeVar("T")

ANSWER_BYTES_MAX = 2 * 1024 * 1024  # a stock snapshot of 20,000 SKUs is about 1 MB; orders are 60 kB at most
_CONNECT_MAX_S = 3.0  # a healthy host answers a SYN within one retransmission (1 s)
_KEEPALIVE_S = 4.0  # below the 5 s after which common servers close: a request on a dying connection is a cut
_BULKHEAD_RETRY_S = 1.0  # a bulkhead that stayed full for a whole timeout needs a moment
_ERROR_CHARS_MAX = 200

# No answer, or only that of what stands before the target. A 500 may be about what was asked.
_NOBODY_THERE = (None, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)

# The connection was never made, so nothing was sent.
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)


@dataclass(frozen=True, slots=True)
class Request:
    """One call to make, with one body at most: `json`, `form` or `content` (whose type `headers` give).

    `name` stands for it in logs where the path does not say it (GraphQL, long ids).
    """

    method: str
    path: str
    json: object = None
    form: Mapping[str, str] | None = None
    content: bytes | None = None
    params: Mapping[str, str] | None = None
    key: str | None = None  # our idempotency key
    name: str = ""
    reads_only: bool = False  # a POST that changes nothing: a query
    headers: Mapping[str, str] | None = None  # of this call alone
    cost: float = 1.0  # of the vendor's quota
    bodiless: bool = False  # a 2xx says all there is to say; what comes with it is not read

    @property
    def operation(self) -> str:
        return self.name or f"{self.method} {self.path}"

    @property
    def changes(self) -> bool:
        """Whether the target may be different afterwards."""
        return self.method != "GET" and not self.reads_only

    def body(self) -> tuple[bytes | None, str]:
        """What is sent, and its media type; "" where `headers` give it or nothing is sent."""
        if self.json is not None:
            return orjson.dumps(self.json), "application/json"
        if self.form is not None:
            return urlencode(self.form).encode(), "application/x-www-form-urlencoded"
        return self.content, ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A status other than 2xx, and what came with it. Header names are case-insensitive."""

    target: str
    request: Request
    status: int
    headers: Mapping[str, str]
    body: bytes


# A vendor's own reading of its refusals: the fault, or None for the rule at the top of this file.
ReadRefusal = Callable[[Refused], Fault | None]


class Authorise(Protocol):
    """Gives each call what proves who we are, where that is more than a header that never changes."""

    async def headers(self, request: Request) -> Mapping[str, str]:
        """Raises the faults of a read: nothing was sent of the call itself."""
        ...

    def is_over(self, refused: Refused, given: Mapping[str, str]) -> bool:
        """Whether a call was refused because what `headers` had `given` is no longer good; then it is not given
        again, and the call is sent once more."""
        ...


@dataclass(slots=True)
class _Reply:
    """What came back: no status until there was a status line."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def is_final(self) -> bool:
        """Whether the status says all by itself, though the body behind it was cut: any but a 2xx."""
        return self.status is not None and not 200 <= self.status < 300

    def clear(self) -> None:
        self.status, self.headers, self.body = None, {}, b""


class HttpTarget:
    """One system outside, from one process: `name` is "erp:main", "centre:east", "channel:shop".

    `timeout_s` bounds a call from its place in the bulkhead to the last byte of its answer;
    `requests_at_once` is the bulkhead. `read_refusal` knows the vendor's own error codes, `authorise` its access
    tokens, `rates` what it allows; `shared` is what other processes use up of that. `clock` gives monotonic seconds,
    `now` the time of day; `transport` stands in for the network in tests.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        timeout_s: float,
        requests_at_once: int,
        headers: Mapping[str, str],
        read_refusal: ReadRefusal | None = None,
        authorise: Authorise | None = None,
        rates: Rates | None = None,
        shared: Shared | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = name
        self.circuit = Circuit(name, clock)
        self.traffic = Traffic(name, self.circuit, rates, shared or Shared(Quotas(None, clock)))
        self._base_url = base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._requests_at_once = requests_at_once
        self._headers = {"accept": "application/json", "accept-encoding": "identity", **headers}
        self._read_refusal = read_refusal
        self._authorise = authorise
        self._clock = clock
        self._now = now
        self._transport = transport
        self._client: httpx2.AsyncClient | None = None
        self._places = Places(requests_at_once)

    async def call(self, request: Request, expected: Callable[[Any], T]) -> T:
        """The answer to a request. `expected` makes it of the JSON of a 2xx, and raises UnexpectedAnswer,
        msgspec.ValidationError or a Fault for what is no answer. Raises the faults of `kept.ports`.
        """
        return await self._perform(request, lambda reply: self._read(request, reply, expected))

    async def look_up(self, request: Request, expected: Callable[[Any], T]) -> T | None:
        """As `call`, and None for a 404: the target has no such thing."""

        def read(reply: _Reply) -> T | None:
            return None if reply.status == HTTPStatus.NOT_FOUND else self._read(request, reply, expected)

        return await self._perform(request, read)

    async def headers_of(self, request: Request) -> Mapping[str, str]:
        """The headers of a 2xx, where they are the answer: a token, a session. Several of one name have commas between.
        Raises as `call`."""

        def read(reply: _Reply) -> Mapping[str, str]:
            self._read(replace(request, bodiless=True), reply, lambda nothing: nothing)
            return reply.headers

        return await self._perform(request, read)

    async def aclose(self) -> None:
        """Close the connections. A later call would open new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _perform(self, request: Request, read: Callable[[_Reply], T]) -> T:
        """One call from its place in the bulkhead to its answer, with its line in the timeline."""
        reply = _Reply()
        begun, at = self._clock(), self._now()
        error, asked = "", True
        before = self.circuit.state
        try:
            await self.traffic.admit(request.operation, request.cost)
            await self._take_place()
            try:
                await self._ask_as_ourselves(request, reply)
            finally:
                self._places.leave()
                if reply.status is not None:
                    await self.traffic.answered(request.operation, reply.status, reply.headers, self._now())
            answer = read(reply)
            await self.traffic.settled(before)
            return answer
        except (Fault, asyncio.CancelledError) as fault:
            error = str(fault)[:_ERROR_CHARS_MAX] or "cancelled by us"
            asked = not isinstance(fault, NotAsked)
            # What the others are told waits for the answer's meaning: a refused probe must not look like success.
            if isinstance(fault, AccessRefused):
                await self.traffic.access_refused(error, whole_account=fault.whole_account)
            elif asked:
                await self.traffic.settled(before)
                if isinstance(fault, Fault) and reply.status in _NOBODY_THERE:
                    fault.down_for_s = self._left_alone_for_s(fault)
            raise
        finally:
            if asked:  # what was never sent is no call; in an outage there are thousands of them
                took_ms = int((self._clock() - begun) * 1000)
                record_call(Call(at, self.name, request.operation, reply.status, took_ms, error))

    def _left_alone_for_s(self, fault: Fault) -> float | None:
        """How long nobody asks after this fault: the circuit's time, or the target's own wish if that is longer."""
        left_s = self.circuit.left_alone_for_s
        wish_s = fault.retry_after_s if isinstance(fault, TemporaryFault) else None
        return None if left_s is None else max(left_s, wish_s or 0.0)

    # -------------------------------------------------------------- before the wire

    async def _take_place(self) -> None:
        """A place in the bulkhead. Waiting for one ends with the timeout: nothing was asked by then."""
        if self._places.taken_at_once():
            return  # no wait, and so no timer
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._places.take()
        except TimeoutError as exc:
            raise CircuitOpen(
                f"{self.name} has {self._requests_at_once} calls open and none ended in {self._timeout_s:g} s",
                retry_after_s=_BULKHEAD_RETRY_S,
            ) from exc

    def _opened(self) -> httpx2.AsyncClient:
        """The pooled client, made in the running loop at the first call."""
        if self._client is None:
            # Half of the deadline at most, so that a call which never got a connection ends as just that.
            connect_s = min(_CONNECT_MAX_S, self._timeout_s / 2)
            places = self._requests_at_once
            self._client = httpx2.AsyncClient(
                headers=self._headers,
                timeout=httpx2.Timeout(self._timeout_s, connect=connect_s, pool=connect_s),
                limits=httpx2.Limits(
                    max_connections=places, max_keepalive_connections=places, keepalive_expiry=_KEEPALIVE_S
                ),
                follow_redirects=False,  # a POST that a redirect turns into a GET is lost
                trust_env=False,  # a proxy must be chosen, not picked up from the environment
                transport=self._transport,
            )
        return self._client

    def _headers_of(self, request: Request, media_type: str) -> dict[str, str]:
        correlation = correlation_id.get() or new_correlation_id()
        headers = {
            "x-correlation-id": correlation,
            "traceparent": traceparent(correlation, f"{self.name}:{request.operation}:{request.key}"),
        }
        if request.key is not None:
            headers["idempotency-key"] = request.key
        if media_type:
            headers["content-type"] = media_type
        return headers | dict(request.headers or {})

    # -------------------------------------------------------------- on the wire

    async def _ask_as_ourselves(self, request: Request, reply: _Reply) -> None:
        """Ask; if the target says that our access token is over, once more with a new one."""
        if self._authorise is None:
            await self._ask(request, reply, {})
            return
        given = await self._authorise.headers(request)
        await self._ask(request, reply, given)
        if reply.status in WHO_ARE_YOU:
            refused = Refused(self.name, request, reply.status, reply.headers, reply.body)
            if self._authorise.is_over(refused, given):
                given = await self._authorise.headers(request)
                reply.clear()
                await self._ask(request, reply, given)

    async def _ask(self, request: Request, reply: _Reply, given: Mapping[str, str]) -> None:
        """Send and receive, within circuit and deadline. Raises for what left us without a usable status."""
        permit = self.circuit.admit()
        down: bool | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._exchange(request, reply, given)
            down = reply.status is None or reply.status >= 500
        except _NOT_SENT as exc:
            down = True
            raise TemporaryFault(f"{self.name} can't be reached: {type(exc).__name__}") from exc
        except (TimeoutError, httpx2.TimeoutException) as exc:
            down = True
            if not reply.is_final:
                raise self._no_telling(request, f"no whole answer within {self._timeout_s:g} s") from exc
        except httpx2.TransportError as exc:
            down = True
            if not reply.is_final:
                raise self._no_telling(request, f"the connection broke ({type(exc).__name__})") from exc
        except httpx2.InvalidURL as exc:
            down = False
            raise PermanentFault(f"{self.name}: {request.path!r} makes no valid address", code="bad_url") from exc
        finally:
            if down is None:
                self.circuit.abandon(permit)
            else:
                self.circuit.settle(permit, down=down)

    async def _exchange(self, request: Request, reply: _Reply, given: Mapping[str, str]) -> None:
        client = self._opened()
        content, media_type = request.body()
        outgoing = client.build_request(
            request.method,
            self._base_url + request.path,
            params=request.params,
            headers=self._headers_of(request, media_type) | dict(given),
            content=content,
        )
        response = await client.send(outgoing, stream=True)
        try:
            reply.status, reply.headers = response.status_code, response.headers
            chunks, size = [], 0
            async for chunk in response.aiter_raw():
                size += len(chunk)
                if size > ANSWER_BYTES_MAX:
                    return  # what we cut off stays without a body, and a 2xx without a body is unreadable
                chunks.append(chunk)
            reply.body = b"".join(chunks)
        finally:
            await response.aclose()

    # -------------------------------------------------------------- after the wire

    def _read(self, request: Request, reply: _Reply, expected: Callable[[Any], T]) -> T:
        """The answer of a 2xx. A write whose answer can't be read was probably done: a search will tell."""
        status = reply.status
        assert status is not None, "_ask raises where there was no status"
        if not 200 <= status < 300:
            raise self._refusal(request, reply, status)
        if request.bodiless:
            return expected(None)
        try:
            encoding = reply.headers.get("content-encoding", "identity")
            body = unpacked(reply.body, encoding, self._headers["accept-encoding"], bytes_max=ANSWER_BYTES_MAX)
            # A 204 has no body by definition (RFC 9110, 15.3.5): it says that it was done, and no more.
            return expected(None if status == HTTPStatus.NO_CONTENT else strict_json.parse(body))
        except (BadMessage, UnexpectedAnswer, msgspec.ValidationError) as exc:
            text = f"the answer can't be used: {str(exc)[:_ERROR_CHARS_MAX]}"
            raise self._no_telling(request, text) from exc

    def _refusal(self, request: Request, reply: _Reply, status: int) -> Fault:
        """The fault that a status other than 2xx means."""
        if self._read_refusal is not None:
            fault = self._read_refusal(Refused(self.name, request, status, reply.headers, reply.body))
            if fault is not None:
                return fault
        if says_it_is_broken(status):
            return self._no_telling(request, f"it answered {phrase(status)}")
        return refusal(self.name, request.operation, status, reply.headers, reply.body, self._now())

    def _no_telling(self, request: Request, text: str) -> Fault:
        """The fault for a call that may or may not have been done."""
        if request.changes:
            return UnknownResult(f"{self.name}: {request.operation} may have been done: {text}")
        return TemporaryFault(f"{self.name}: {request.operation} gave nothing: {text}")


class HttpTargets:
    """The targets of one process, opened by the connectors' builders and closed together.

    `transport` and `clock` stand in for the network and the monotonic clock in tests.
    """

    def __init__(
        self,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        shared: Shared | None = None,
    ) -> None:
        self._transport = transport
        self._shared = shared or Shared(Quotas(None, clock))
        self._clock = clock
        self._opened: list[HttpTarget] = []

    def open(
        self,
        name: str,
        base_url: str,
        *,
        timeout_s: float,
        requests_at_once: int,
        headers: Mapping[str, str],
        read_refusal: ReadRefusal | None = None,
        authorise: Authorise | None = None,
        rates: Rates | None = None,
    ) -> HttpTarget:
        """A target; no connection is made before its first call."""
        target = HttpTarget(
            name,
            base_url,
            timeout_s=timeout_s,
            requests_at_once=requests_at_once,
            headers=headers,
            read_refusal=read_refusal,
            authorise=authorise,
            rates=rates,
            shared=self._shared,
            clock=self._clock,
            transport=self._transport,
        )
        self._opened.append(target)
        return target

    async def aclose(self) -> None:
        await asyncio.gather(*(target.aclose() for target in self._opened))
