"""Orders posted by a channel account's own system, and its question where one stands.

A post is kept in the inbox before it is answered, under its Idempotency-Key (IETF draft
idempotency-key-header-07): the same key with the same body gets the same answer again, with another body 422.
What can't be read is kept all the same, so that somebody sees it, and answered 422 with the exact place.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from kept.api.intake import Intake, Source
from kept.api.problems import Problem, json_response
from kept.api.standing import standing_of
from kept.api.webhooks import incoming
from kept.observe.correlation import correlation_id, new_correlation_id
from kept.ports import BadMessage, Incoming
from kept.store.inbox import Receipt

router = APIRouter(prefix="/v1/channels", tags=["orders of a channel account"])

_JSON = {"", "application/json", "application/cloudevents+json"}
_NDJSON = {"application/x-ndjson", "application/ndjson", "application/jsonl"}
_KEY_CHARS_MAX = 200
# Orders of a batch: each is a message and a delivery; a thousand are five group commits.
BATCH_MAX = 1000
_NAME_CHARS_MAX = 200

_ANSWERS: dict[int | str, dict[str, Any]] = {
    202: {"description": "Kept. `Idempotent-Replayed: true` tells that it was kept before under this key."},
    207: {"description": "Kept; not every line of the batch was taken as an order. Each line has its own status."},
    400: {"description": "Without a usable `Idempotency-Key`; nothing was kept."},
    401: {"description": "Not authentic; nothing was kept."},
    404: {"description": "No such account."},
    413: {"description": "Too large."},
    415: {"description": "Neither JSON nor NDJSON."},
    422: {"description": "The key was used with another body, or the order can't be read; `where` is the place."},
    503: {"description": "The ledger can't be reached; send it again."},
}


@dataclass(frozen=True, slots=True)
class Post:
    """One authentic post."""

    intake: Intake
    source: Source
    key: str
    now: datetime

    async def order(self, message: Incoming, external_key: str) -> tuple[Receipt, str]:
        """The receipt, and the sender's id of the order. Raises Problem 422 once the message is kept."""
        receipt = await self.intake.keep(self.source, message, external_key, self.now)
        if receipt.differs:
            detail = "This Idempotency-Key was used with another body; a changed order needs a new key."
            raise Problem(422, "Key used before", detail, members={"code": "key_reused"})
        assert self.source.normalise is not None, "an account that takes orders can read them"
        try:
            content = self.source.normalise(self.source.name, message, self.now)
        except BadMessage as error:
            detail = f"{error}. It was kept for a person to see; send it put right, under a new key."
            members = {"code": "unreadable", "where": error.where, "receipt": receipt.message_id}
            raise Problem(422, "Not an order", detail, members=members) from error
        return receipt, content.external_id if content is not None else ""


@router.post("/{account}/orders", status_code=202, responses=_ANSWERS, response_class=Response)
async def post_orders(account: str, request: Request) -> Response:
    """Take an order as JSON (bare, or in a CloudEvents envelope), or up to 1,000 as NDJSON, one a line.

    By one of the account's bearer tokens, or signed by Standard Webhooks with the `webhook-id` as key.
    """
    services = request.app.state.services
    message = await incoming(services, request.scope, request.receive)
    signed = "webhook-signature" in message.headers
    now = services.clock()
    source = await services.intake.admitted(account, message, now, signed=signed)
    post = Post(services.intake, source, _key_of(message, signed=signed), now)
    media_type = message.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in _NDJSON:
        return await _post_batch(post, message.body)
    if media_type not in _JSON:
        raise Problem(415, "Not JSON", "Send application/json, application/cloudevents+json or application/x-ndjson.")
    receipt, order = await post.order(message, f"rest:{post.key}")
    headers = {"Location": f"/v1/channels/{quote(account, safe='')}/orders/{quote(order, safe='')}"} if order else {}
    if receipt.duplicate:
        headers["Idempotent-Replayed"] = "true"
    body = {"receipt": receipt.message_id, "correlation_id": receipt.correlation_id, "order": order}
    return Response(orjson.dumps(body), 202, headers, "application/json")


def _key_of(message: Incoming, *, signed: bool) -> str:
    """The post's Idempotency-Key, bare or as the quoted string that the draft has. Raises Problem 400."""
    key = message.headers.get("idempotency-key", "").strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not 1 <= len(key) <= _KEY_CHARS_MAX or not key.isascii() or not key.isprintable():
        detail = f"Send an Idempotency-Key of 1 to {_KEY_CHARS_MAX} ASCII characters: a new one for each order."
        raise Problem(400, "No Idempotency-Key", detail)
    if signed and key != message.headers.get("webhook-id"):
        # The signature covers the id and not the key: whoever replays the post must not give it another key.
        raise Problem(400, "Key not signed", "The Idempotency-Key of a signed post must be its webhook-id.")
    return key


# ------------------------------------------------------------------ batches


async def _post_batch(post: Post, body: bytes) -> Response:
    """Each line is an order of its own, under the key and its number; results are in the order of the lines."""
    lines = [(number, line) for number, line in enumerate(body.split(b"\n"), start=1) if line.strip()]
    if not 1 <= len(lines) <= BATCH_MAX:
        detail = f"A batch has 1 to {BATCH_MAX} orders, one a line; this one has {len(lines)}. Nothing was kept."
        raise Problem(422, "Not a batch", detail, members={"code": "batch_size"})
    results = await asyncio.gather(*(_post_line(post, number, line.strip()) for number, line in lines))
    status = 202 if all(result["status"] == 202 for result in results) else 207
    return Response(b"".join(orjson.dumps(result) + b"\n" for result in results), status, None, "application/x-ndjson")


async def _post_line(post: Post, number: int, line: bytes) -> dict[str, Any]:
    correlation_id.set(new_correlation_id())  # gather gave this line a context of its own
    message = Incoming({"content-type": "application/json"}, line)
    try:
        receipt, order = await post.order(message, f"batch:{post.key}#{number}")
    except Problem as problem:
        return {"line": number, **problem.document()}
    return {
        "line": number,
        "status": 202,
        "receipt": receipt.message_id,
        "correlation_id": receipt.correlation_id,
        "order": order,
        "replayed": receipt.duplicate,
    }


# ------------------------------------------------------------------ where an order stands


@router.get("/{account}/orders/{external_id:path}", response_class=Response)
async def order_standing(
    account: str, request: Request, external_id: Annotated[str, Path(description="The sender's id of the order")]
) -> Response:
    """Where one of the account's own orders stands. By bearer token only: there is no body to sign."""
    services = request.app.state.services
    headers = {name.lower(): value for name, value in request.headers.items()}
    await services.intake.admitted(account, Incoming(headers, b""), services.clock(), signed=False)
    usable = 1 <= len(external_id) <= _NAME_CHARS_MAX and "\x00" not in external_id
    found = await services.orders.by_external([(account, external_id)]) if usable else {}
    order = found.get((account, external_id))
    if order is None:
        detail = "The account has no order of that id; one that was posted a moment ago may still be on its way."
        raise Problem(404, "Unknown order", detail)
    return json_response(standing_of(order, await services.queries.concern(order.id)))
