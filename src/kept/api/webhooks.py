"""Routes of the intake. The body is read raw; FastAPI parses nothing of it."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from kept.api.middleware import read_body
from kept.ports import Incoming
from kept.store.inbox import Receipt

router = APIRouter(tags=["intake"])

_RECEIPT: dict[int | str, dict[str, Any]] = {
    202: {"description": "Kept. `duplicate` tells that it was kept before; ids are those of the first one."},
    401: {"description": "Not authentic; nothing was kept."},
    404: {"description": "No such account."},
    413: {"description": "Too large."},
    503: {"description": "The ledger can't be reached; send it again."},
}


class WebhookDoor:
    """`POST /webhooks/{account}` without FastAPI's routing, which would cost as much as keeping the message.

    The route below is the same door; it is there for the API's description.
    """

    def __init__(self, app: ASGIApp, services: Any) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        account = _account_of(scope)
        if account is None:
            await self._app(scope, receive, send)
            return
        receipt = await _accept(self._services, account, scope, receive)
        body = _receipt_body(receipt)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 202, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _account_of(scope: Scope) -> str | None:
    """The account whose webhook this is; None for any other request."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    before, found, account = scope["path"].partition("/webhooks/")
    return account if found and not before and account and "/" not in account else None


async def _accept(services: Any, account: str, scope: Scope, receive: Receive) -> Receipt:
    message = await incoming(services, scope, receive)
    receipt: Receipt = await services.intake.accept(account, message, services.clock())
    return receipt


async def incoming(services: Any, scope: Scope, receive: Receive) -> Incoming:
    """The message as it came, with lower-case header names."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Incoming(headers, await read_body(receive, headers, services.settings.body_bytes_max))


def _receipt_body(receipt: Receipt) -> bytes:
    return orjson.dumps(
        {
            "receipt": receipt.message_id,
            "correlation_id": receipt.correlation_id,
            "duplicate": receipt.duplicate,
        }
    )


@router.post("/webhooks/{account}", status_code=202, responses=_RECEIPT, response_class=Response)
async def webhook(account: str, request: Request) -> Response:
    """A channel's or centre's message, verified as its type demands and kept before it is answered."""
    receipt = await _accept(request.app.state.services, account, request.scope, request.receive)
    return _answer(receipt)


@router.post("/v1/orders", status_code=202, responses=_RECEIPT, response_class=Response)
async def submit_order(request: Request, account: str = "inhouse") -> Response:
    """An in-house order: signed by Standard Webhooks, or with the API key and an `Idempotency-Key`."""
    services = request.app.state.services
    message = await incoming(services, request.scope, request.receive)
    if "webhook-signature" in message.headers:
        receipt = await services.intake.accept(account, message, services.clock())
    else:
        key = services.settings.api_key.reveal()
        receipt = await services.intake.accept_with_key(account, key, message, services.clock())
    return _answer(receipt)


def _answer(receipt: Receipt) -> Response:
    return Response(_receipt_body(receipt), 202, media_type="application/json")
