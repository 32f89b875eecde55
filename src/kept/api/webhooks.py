"""Routes of the intake. The body is read raw; FastAPI parses nothing of it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from kept.api.middleware import read_body
from kept.api.problems import json_response
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


async def incoming(request: Request) -> Incoming:
    """The message as it came, with lower-case header names."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}
    body = await read_body(request.receive, headers, request.app.state.services.settings.body_bytes_max)
    return Incoming(headers, body)


@router.post("/webhooks/{account}", status_code=202, responses=_RECEIPT, response_class=Response)
async def webhook(account: str, request: Request) -> Response:
    """A channel's or centre's message, verified as its type demands and kept before it is answered."""
    services = request.app.state.services
    receipt = await services.intake.accept(account, await incoming(request), services.clock())
    return _answer(receipt)


@router.post("/v1/orders", status_code=202, responses=_RECEIPT, response_class=Response)
async def submit_order(request: Request, account: str = "inhouse") -> Response:
    """An in-house order: signed by Standard Webhooks, or with the API key and an `Idempotency-Key`."""
    services = request.app.state.services
    message = await incoming(request)
    if "webhook-signature" in message.headers:
        receipt = await services.intake.accept(account, message, services.clock())
    else:
        key = services.settings.api_key.reveal()
        receipt = await services.intake.accept_with_key(account, key, message, services.clock())
    return _answer(receipt)


def _answer(receipt: Receipt) -> Response:
    body = {
        "receipt": receipt.message_id,
        "correlation_id": receipt.correlation_id,
        "duplicate": receipt.duplicate,
    }
    return json_response(body, 202)
