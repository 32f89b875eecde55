"""How each kind of channel names, writes and signs what it sells. A new kind is one entry of DIALECTS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson

from kept.simulator.amazon_payloads import amazon_item_id, amazon_order_id, order_change
from kept.simulator.orders import Sale
from kept.simulator.payloads import (
    Version,
    inhouse_line_id,
    inhouse_order,
    inhouse_order_id,
    shopify_line_id,
    shopify_order,
    shopify_order_id,
)
from kept.simulator.signing import shopify_signature, standard_headers
from kept.simulator.walmart_payloads import order_update, walmart_line_id, walmart_order_id

_SHOPIFY_VERSION = "2026-10"


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message that a channel has to send. Times are RFC 3339."""

    id: int
    account: str
    topic: str
    webhook_id: str
    event_id: str
    triggered_at: str
    flavour: str
    body: bytes
    attempts: int


@dataclass(frozen=True, slots=True)
class Dialect:
    """One kind of channel. `seq` is the world's number of a sale.

    `headers(secret, row, now_s)` are a webhook's, signed now over the unchanged body; None for a kind that posts
    nothing, whose messages somebody fetches from the book (a queue) and marks as answered. `listed`: there is a call
    that lists its orders, so that one is found even if no message tells of it.
    """

    order_id: Callable[[int], str]
    line_id: Callable[[int, int], str]  # (seq, line_no)
    number: Callable[[int], str]
    body: Callable[[Sale, Version], bytes]
    headers: Callable[[str, MessageRow, float], Mapping[str, str]] | None
    listed: bool
    message_id: Callable[[bytes], str] | None = None  # where the body itself bears the message's id
    acknowledge_within_s: float | None = None  # after the sale; None where nobody waits for it


def _shopify_headers(secret: str, row: MessageRow, _now_s: float) -> Mapping[str, str]:
    return {
        "content-type": "application/json",
        "x-shopify-topic": row.topic,
        "x-shopify-hmac-sha256": shopify_signature(secret, row.body),
        "x-shopify-webhook-id": row.webhook_id,
        "x-shopify-event-id": row.event_id,
        "x-shopify-triggered-at": row.triggered_at,
        "x-shopify-shop-domain": f"{row.account}.myshopify.com",
        "x-shopify-api-version": _SHOPIFY_VERSION,
    }


def _walmart_headers(secret: str, row: MessageRow, _now_s: float) -> Mapping[str, str]:
    """As of a subscription whose method is HMAC; Shopify writes an HMAC of the body in the same letters."""
    return {"content-type": "application/json", "authorization": shopify_signature(secret, row.body)}


DIALECTS: Mapping[str, Dialect] = {
    "amazon": Dialect(
        order_id=amazon_order_id,
        line_id=amazon_item_id,
        number=amazon_order_id,
        body=lambda sale, version: orjson.dumps(order_change(sale, version)),
        headers=None,
        listed=True,
    ),
    "inhouse": Dialect(
        order_id=inhouse_order_id,
        line_id=lambda _seq, line_no: inhouse_line_id(line_no),
        number=lambda seq: f"IH{seq:07d}",
        body=lambda sale, version: orjson.dumps(inhouse_order(sale, version)),
        headers=lambda secret, row, now_s: standard_headers(secret, row.webhook_id, row.body, now_s),
        listed=False,
    ),
    "shopify": Dialect(
        order_id=lambda seq: str(shopify_order_id(seq)),
        line_id=lambda seq, line_no: str(shopify_line_id(seq, line_no)),
        number=lambda seq: f"#{1000 + seq}",
        body=lambda sale, version: orjson.dumps(shopify_order(sale, version)),
        headers=_shopify_headers,
        listed=True,
    ),
    "walmart": Dialect(
        order_id=walmart_order_id,
        line_id=lambda _seq, line_no: walmart_line_id(line_no),
        number=walmart_order_id,
        body=lambda sale, version: orjson.dumps(order_update(sale, version)),
        headers=_walmart_headers,
        listed=True,
        message_id=lambda body: str(orjson.loads(body)["source"]["eventId"]),
        acknowledge_within_s=4 * 3600.0,
    ),
}
