"""What the simulated HTTP parties share: the bearer token, the record of every call, and the faults.

A call is one transaction in the party's book: it is counted, its fault is drawn, and the work is done
if the fault lets it. What is sent back (or not) comes after.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from kept.settings import Secret
from kept.simulator.books import Book
from kept.simulator.faults import APPLIED, FaultKind, FaultPlan

T = TypeVar("T")
Clock = Callable[[], float]

_RETRY_AFTER_S = 1
_BODY_BYTES_MAX = 4_194_304  # far above any order; a party that is sent more has met a bug


@dataclass(frozen=True, slots=True)
class Answer:
    """What a party would say if nothing went wrong."""

    status: int
    body: Mapping[str, Any]
    media_type: str = "application/json"


class Refused(Exception):
    """A call that a party refuses before it does anything."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def problem(status: int, code: str, detail: str) -> Answer:
    """An RFC 9457 problem document; `code` is for programs."""
    body = {"type": "about:blank", "title": code.replace("_", " "), "status": status, "code": code}
    return Answer(status, body | {"detail": detail}, "application/problem+json")


def content_sha256(body: object) -> str:
    """A hash that is the same for the same JSON, whatever the order of its keys."""
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


async def read_json(request: Request, kind: type[T]) -> tuple[T, str]:
    """The request's body as `kind`, and its content hash. Raises Refused (400, 413 or 422)."""
    raw = await request.body()
    if len(raw) > _BODY_BYTES_MAX:
        raise Refused(problem(413, "too_large", f"{len(raw)} bytes; at most {_BODY_BYTES_MAX} are read"))
    try:
        return msgspec.json.decode(raw, type=kind), content_sha256(orjson.loads(raw or b"{}"))
    except msgspec.ValidationError as error:
        raise Refused(problem(422, "invalid", str(error))) from error
    except (msgspec.DecodeError, orjson.JSONDecodeError) as error:
        raise Refused(problem(400, "not_json", str(error))) from error


def key_of(request: Request) -> str:
    """The call's Idempotency-Key. Raises Refused (400) without one."""
    key = request.headers.get("idempotency-key", "")
    if not key:
        raise Refused(problem(400, "key_missing", "this call needs an Idempotency-Key header"))
    return key


@dataclass(slots=True)
class Party:
    """One simulated system: who it is, what it remembers, whom it lets in, and how it fails."""

    name: str
    book: Book
    token: Secret
    faults: FaultPlan
    clock: Clock
    header: str = "authorization"
    scheme: str = "Bearer "

    def guard(self, handle: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Let in only who has the token, and turn Refused into its answer."""

        async def guarded(request: Request) -> Response:
            expected = (self.scheme + self.token.reveal()).encode()
            given = request.headers.get(self.header, "").encode()
            if not hmac.compare_digest(given, expected):
                return to_response(problem(401, "not_authorised", "the token is missing or wrong"))
            try:
                return await handle(request)
            except Refused as refused:
                return to_response(refused.answer)

        return guarded

    async def answer(
        self,
        request: Request,
        operation: str,
        *,
        key: str,
        reference: str,
        apply: Callable[[sqlite3.Connection], Answer],
        before_response: Callable[[Answer], Awaitable[None]] | None = None,
    ) -> Response:
        """Count the call, draw its fault for (operation, key), do the work unless the fault forbids it."""
        correlation_id = request.headers.get("x-correlation-id", "")

        def work(db: sqlite3.Connection) -> tuple[FaultKind | None, Answer | None, int]:
            row = db.execute("SELECT count(*) FROM calls WHERE operation = ? AND key = ?", (operation, key))
            attempt: int = row.fetchone()[0]
            fault = self.faults.draw(self.name, operation, key, attempt)
            answer = apply(db) if fault is None or fault in APPLIED else None
            status = answer.status if answer else None
            db.execute(
                "INSERT INTO calls (at, operation, key, reference, attempt, fault, status, correlation_id)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (self.clock(), operation, key, reference, attempt, fault, status, correlation_id),
            )
            return fault, answer, attempt

        fault, answer, attempt = await self.book.write(work)
        if answer is not None and before_response is not None:
            await before_response(answer)
        good = to_response(answer) if answer else Response(status_code=204)
        if fault is None:
            return good
        return FaultyResponse(good, fault, self.faults, self.faults.slow_s(self.name, operation, key, attempt))

    def note_beyond(self, operation: str, db: sqlite3.Connection) -> None:
        """Put down a call that was refused as one too many: a 429 that is no fault of ours to inject."""
        db.execute(
            "INSERT INTO calls (at, operation, key, reference, attempt, status, correlation_id)"
            " VALUES (?, ?, '', '', 0, 429, '')",
            (self.clock(), operation),
        )

    async def fault_totals(self) -> dict[str, int]:
        """Faults injected so far by kind, over all runs of this book."""
        return await self.book.write(
            lambda db: dict(
                db.execute("SELECT fault, count(*) FROM calls WHERE fault IS NOT NULL GROUP BY fault").fetchall()
            )
        )


def to_response(answer: Answer) -> Response:
    """An answer as it goes over the wire; 204 has no body."""
    if answer.status == HTTPStatus.NO_CONTENT:
        return Response(status_code=answer.status)
    return Response(orjson.dumps(answer.body), answer.status, media_type=answer.media_type)


_HTTP_FAULTS = {
    FaultKind.HTTP_429: (429, {"retry-after": str(_RETRY_AFTER_S)}),
    FaultKind.HTTP_500_BEFORE: (500, {}),
    FaultKind.HTTP_500_AFTER: (500, {}),
    FaultKind.HTTP_503: (503, {}),
}


class FaultyResponse(Response):
    """A response that a fault spoils on its way out."""

    def __init__(self, good: Response, fault: FaultKind, plan: FaultPlan, slow_s: float) -> None:
        super().__init__()
        self.good = good
        self.fault = fault
        self.hold_s = plan.hold_s
        self.slow_s = slow_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match self.fault:
            case FaultKind.SLOW:
                await asyncio.sleep(self.slow_s)
                await self.good(scope, receive, send)
            case FaultKind.TRUNCATED_JSON:
                await self._half()(scope, receive, send)
            case FaultKind.CUT_MIDDLE:
                await self._cut_middle(scope, receive, send)
            case FaultKind.TIMEOUT_BEFORE | FaultKind.TIMEOUT_AFTER:
                await _hold(receive, self.hold_s)
                await _abort(scope, receive)
            case FaultKind.CUT_BEFORE | FaultKind.CUT_AFTER:
                await _abort(scope, receive)
            case FaultKind.RESET:
                await _abort(scope, receive, reset=True)
            case _:
                status, headers = _HTTP_FAULTS[self.fault]
                text = f"simulated fault {self.fault}"
                await Response(text, status, headers, "text/plain")(scope, receive, send)

    def _half(self) -> Response:
        body = bytes(self.good.body)
        return Response(body[: len(body) // 2], self.good.status_code, media_type=self.good.media_type)

    async def _cut_middle(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytes(self.good.body)
        start: Message = {
            "type": "http.response.start",
            "status": self.good.status_code,
            "headers": self.good.raw_headers,
        }
        await send(start)
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        await _abort(scope, receive)


async def _hold(receive: Receive, hold_s: float) -> None:
    """Wait until the client goes away, at most `hold_s` seconds."""
    try:
        async with asyncio.timeout(hold_s):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return


async def _abort(scope: Scope, receive: Receive, *, reset: bool = False) -> None:
    """Break the connection, and wait until the server has seen it: else it would answer 500 itself."""
    abort: Callable[[bool], None] = scope["state"]["abort"]
    abort(reset)
    while (await receive())["type"] != "http.disconnect":
        pass
