"""The API on a real socket of the loopback, with the demonstration world's accounts, and senders that sign."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import orjson
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from kept.api.app import create_app
from kept.connectors.registry import build_connectors
from kept.engine.streams import Streams, connect
from kept.processes.assembly import utc_now
from kept.settings import Secret, Settings, load_business, resolve_secret
from kept.simulator.demo import demo_config
from kept.simulator.orders import make_sale
from kept.simulator.payloads import Version, inhouse_order, shopify_order
from kept.simulator.signing import shopify_signature, standard_headers
from tests.servers import DEADLINE_S, until

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # all is plain HTTP; reading certificates takes long
Reply = httpx2.Response


def settings_for(
    folder: Path,
    database_url: str,
    redis_url: str,
    *,
    api_key: str = "",
    body_bytes_max: int = 1_048_576,
    first_port: int = 8101,
) -> Settings:
    """Settings of an API that knows the demonstration world's accounts; its secrets lie under `folder`.

    The world's parties are expected from `first_port` on; most tests run none of them.
    """
    world = demo_config(folder / "world", first_port=first_port)
    config = folder / "kept.toml"
    config.write_text(world.kept_toml, encoding="utf-8")
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        home=folder,
        host="127.0.0.1",
        port=0,
        workers=0,
        api_key=Secret(api_key),
        body_bytes_max=body_bytes_max,
        business=load_business(config),
    )


class Counted:
    """Counts calls that the application has finished with, so that a test can wait for one that has no answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.finished = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        finally:
            self.finished += scope["type"] == "http"


class _Server(uvicorn.Server):
    """Leaves the test process' signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass
class Api:
    """A running API and a client for it."""

    app: FastAPI
    settings: Settings
    port: int
    client: httpx2.AsyncClient
    counted: Counted
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def webhook(self, account: str, headers: Mapping[str, Any], body: bytes) -> Reply:
        return await self.client.post(f"/webhooks/{account}", headers=dict(headers), content=body)

    async def sell(self, body: bytes, webhook_id: str | None = None, topic: str = "orders/create") -> Reply:
        """An authentic webhook of the shop."""
        return await self.webhook("shop", self.shop_headers(body, webhook_id, topic), body)

    def shop_headers(self, body: bytes, webhook_id: str | None = None, topic: str = "orders/create") -> dict[str, str]:
        secret = resolve_secret(self.settings.business.channels["shop"].webhook_secrets[0]).reveal()
        return {
            "content-type": "application/json",
            "x-shopify-topic": topic,
            "x-shopify-webhook-id": webhook_id or f"auto-{next(self._numbers)}",
            "x-shopify-hmac-sha256": shopify_signature(secret, body),
        }

    def signed(self, name: str, body: bytes, webhook_id: str | None = None) -> dict[str, str]:
        """Standard Webhooks headers of the in-house channel or of a centre."""
        business = self.settings.business
        party = business.channels.get(name) or business.centres[name]
        secret = resolve_secret(party.webhook_secrets[0]).reveal()
        now_s = self.app.state.services.clock().timestamp()
        return dict(standard_headers(secret, webhook_id or f"auto-{next(self._numbers)}", body, now_s))

    @contextlib.asynccontextmanager
    async def raw(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A bare connection, for what no HTTP client would send."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of the next answer on a bare connection. Raises IncompleteReadError if there is none."""
    async with asyncio.timeout(DEADLINE_S):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(head.split()[1])
        length = next((int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length:")), 0)
        return status, await reader.readexactly(length)


def head_of(path: str, headers: Mapping[str, str]) -> bytes:
    """The head of a POST, as bytes."""
    lines = [f"POST {path} HTTP/1.1", "host: kept", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@contextlib.asynccontextmanager
async def serving_api(settings: Settings, clock: Callable[[], datetime] = utc_now) -> AsyncIterator[Api]:
    """The API as `kept.processes.api` serves it, on a free port."""
    app = create_app(settings, build_connectors(settings.business), Streams(connect(settings.redis_url), "api"), clock)
    counted = Counted(app)
    listener = socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    config = uvicorn.Config(
        counted,
        loop="none",
        ws="none",
        log_config=None,
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=5,
        server_header=False,
        lifespan="on",
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    client = httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_S, trust_env=False, verify=_NO_TLS
    )
    try:
        await until(lambda: server.started or task.done())
        yield Api(app, settings, port, client, counted)
    finally:
        await client.aclose()
        server.should_exit = True
        await task
        listener.close()


def shop_order(seq: int = 1) -> bytes:
    """A good order as Shopify writes it."""
    return orjson.dumps(shopify_order(make_sale(seed=5, seq=seq, now=utc_now()), Version(age_s=20)))


def own_order(seq: int = 1) -> bytes:
    """A good order in our own format."""
    return orjson.dumps(inhouse_order(make_sale(seed=5, seq=seq, now=utc_now()), Version(age_s=20)))
