"""A fake Kept that takes webhooks, and worlds on free ports of the loopback."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kept.settings import resolve_secret
from kept.simulator.config import Delays, WorldConfig
from kept.simulator.demo import demo_config
from kept.simulator.faults import Behaviour
from kept.simulator.server import serving

DEADLINE_S = 10.0
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # reads no certificates, which takes long: all is plain HTTP
QUICK = Delays(
    accept_s=0.0,
    ship_s=0.05,
    paid_after_s=0.1,
    edit_after_s=0.05,
    cancel_soon_s=0.05,
    cancel_late_s=0.1,
    cancel_job_s=0.0,
    late_s=0.2,
    stale_after_s=0.2,
    retry_base_s=0.02,
    retry_max_s=0.1,
)


@dataclass
class Hook:
    """A webhook as it came."""

    account: str
    headers: dict[str, str]
    body: bytes


@dataclass
class FakeKept:
    """Answers what `answer` says (202 unless told), and remembers everything."""

    url: str = ""
    hooks: list[Hook] = field(default_factory=list)
    answer: Callable[[Hook], int] = lambda hook: 202
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: Request) -> Response:
        hook = Hook(request.path_params["account"], dict(request.headers), await request.body())
        status = self.answer(hook)
        async with self.changed:
            self.hooks.append(hook)
            self.changed.notify_all()
        return Response(status_code=status, headers={"x-correlation-id": f"c-{len(self.hooks)}"})

    async def until(self, enough: Callable[[list[Hook]], bool]) -> None:
        """Wait for hooks that satisfy `enough`; TimeoutError at the deadline."""
        async with asyncio.timeout(DEADLINE_S), self.changed:
            await self.changed.wait_for(lambda: enough(self.hooks))


@pytest.fixture
async def kept() -> AsyncIterator[FakeKept]:
    fake = FakeKept()
    app = Starlette(routes=[Route("/webhooks/{account}", fake.take, methods=["POST"])])
    async with serving(app, "127.0.0.1", 0) as port:
        fake.url = f"http://127.0.0.1:{port}"
        yield fake


WorldMaker = Callable[..., WorldConfig]


@pytest.fixture
def make_world(tmp_path: Path) -> WorldMaker:
    """A demonstration world on free ports, quick and calm unless told otherwise."""

    def make(**changes: Any) -> WorldConfig:
        config = demo_config(tmp_path, behaviour=Behaviour.calm(), delays=QUICK).config
        return replace(
            config,
            erp=replace(config.erp, port=0),
            centres={name: replace(each, port=0) for name, each in config.centres.items()},
            channels={name: replace(each, port=0) for name, each in config.channels.items()},
            **changes,
        )

    return make


def bearer(reference: str) -> dict[str, str]:
    return {"authorization": f"Bearer {resolve_secret(reference).reveal()}"}


ClientMaker = Callable[[int, dict[str, str]], httpx2.AsyncClient]


@pytest.fixture
async def client() -> AsyncIterator[ClientMaker]:
    """Makes clients of a port with headers; closes them at the end."""
    made: list[httpx2.AsyncClient] = []

    def make(port: int, headers: dict[str, str]) -> httpx2.AsyncClient:
        made.append(
            httpx2.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=DEADLINE_S, trust_env=False, verify=NO_TLS
            )
        )
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


def signed_as_standard_webhooks(hook: Hook, secret: str) -> bool:
    """Checks the signature by hand, from the specification and not from the simulator's code."""
    content = b".".join((hook.headers["webhook-id"].encode(), hook.headers["webhook-timestamp"].encode(), hook.body))
    digest = hmac.digest(base64.b64decode(secret[len("whsec_") :]), content, "sha256")
    return hook.headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


def signed_as_shopify(hook: Hook, secret: str) -> bool:
    """Checks X-Shopify-Hmac-Sha256 by hand."""
    mac = hmac.HMAC(secret.encode(), hook.body, hashlib.sha256)
    return base64.b64decode(hook.headers["x-shopify-hmac-sha256"]) == mac.digest()


@pytest.fixture
def genuine(make_world: WorldMaker) -> Callable[[Hook], bool]:
    """Whether a hook bears the signature that its account's type demands."""
    config = make_world()
    secrets = {name: each.webhook_secret for name, each in config.channels.items()}
    secrets |= {name: each.webhook_secret for name, each in config.centres.items()}

    def check(hook: Hook) -> bool:
        secret = resolve_secret(secrets[hook.account]).reveal()
        check_as = signed_as_shopify if hook.account == "shop" else signed_as_standard_webhooks
        return check_as(hook, secret)

    return check


ADDRESS = {
    "name": "Maya Ellison",
    "company": "",
    "line1": "418 Juniper Row",
    "line2": "",
    "city": "Albany",
    "region": "NY",
    "postal_code": "12207",
    "country": "US",
    "phone": "",
}


@pytest.fixture
def order_body() -> dict[str, Any]:
    line = {"line_no": 1, "sku": "SKU-0001", "quantity": 2, "unit_price_minor": 1900}
    return {
        "reference": "R-1",
        "channel": "shop",
        "channel_number": "#1",
        "customer_id": "C-1",
        "currency": "USD",
        "placed_at": "2026-03-02T09:15:00Z",
        "ship_to": ADDRESS,
        "lines": [line | {"discount_minor": 300, "tax_minor": 280, "free": False}],
        "shipping_minor": 570,
        "shipping_tax_minor": 0,
        "total_minor": 4350,
        "tax_included": False,
        "version": 1,
    }


@pytest.fixture
def request_body() -> dict[str, Any]:
    return {
        "order_reference": "R-1",
        "service": "ground",
        "ship_by": "2026-03-04T22:00:00Z",
        "ship_to": ADDRESS,
        "sscc": "006141411234567890",
        "label_sha256": "0" * 64,
        "lines": [
            {"line_no": 1, "sku": "SKU-0001", "quantity": 2},
            {"line_no": 2, "sku": "SKU-0002", "quantity": 1},
        ],
    }


@pytest.fixture
def authorise() -> Callable[[str], dict[str, str]]:
    """The headers that let a caller in, from the reference of a token."""
    return bearer
