"""An in-house system that subscribed: a real HTTP server that notes what it hears and answers as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import uvicorn
from starlette.types import Receive, Scope, Send

from tests.servers import until

SECRET = "whsec_c3Vic2NyaWJlcnMtc2VjcmV0LW9mLXRlc3Rz"
OLD_SECRET = "whsec_dGhlLXNlY3JldC1iZWZvcmUtdGhhdC1vbmU="


@dataclass(frozen=True)
class Heard:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = orjson.loads(self.body)
        return event

    @property
    def subject(self) -> str:
        return str(self.event["subject"])

    @property
    def sequence(self) -> int:
        return int(self.event["sequence"])


Answer = int | tuple[int, dict[str, str]]


def refuse(*subjects: str, status: int = 500) -> Callable[[Heard], Answer]:
    """Answers `status` to events of these orders, and takes all others."""
    return lambda heard: status if heard.subject in subjects else 204


@dataclass
class Listener:
    """Notes each request, then answers with what `answer` says; it waits before while `gate` is closed."""

    heard: list[Heard] = field(default_factory=list)
    answer: Callable[[Heard], Answer] = lambda _: 204
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    at_once: int = 0
    at_once_max: int = 0

    def __post_init__(self) -> None:
        self.gate.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events"

    def sequences(self, subject: str) -> list[int]:
        """What was heard of one order."""
        return [each.sequence for each in self.heard if each.subject == subject]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        heard = Heard(scope["path"], headers, body)
        self.heard.append(heard)
        self.at_once += 1
        self.at_once_max = max(self.at_once, self.at_once_max)
        try:
            await self.gate.wait()
        finally:
            self.at_once -= 1
        answer = self.answer(heard)
        status, extra = answer if isinstance(answer, tuple) else (answer, {})
        raw = [(name.encode(), value.encode()) for name, value in extra.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": b""})


class _Server(uvicorn.Server):
    """Leaves the test process' signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    """A listener on a free port of the loopback."""
    listener = Listener()
    opened = socket.create_server(("127.0.0.1", 0))
    listener.port = opened.getsockname()[1]
    config = uvicorn.Config(
        listener,
        loop="none",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=5,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[opened]))
    try:
        await until(lambda: server.started or task.done())
        yield listener
    finally:
        listener.gate.set()
        server.should_exit = True
        await task
        opened.close()
