"""Ours <-> the REST centre's JSON. Pure."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Any

import msgspec

from kept.connectors import strict_json
from kept.connectors.answers import UnexpectedAnswer, given, unique
from kept.connectors.centres.rest.codes import EVENT_KINDS
from kept.connectors.wire import (
    PACKAGES_MAX,
    QUANTITY_MAX,
    Id,
    Moment,
    PackageBody,
    Text,
    address_json,
    convert,
    packages_of,
    rfc3339,
    utc,
)
from kept.ports import (
    BadMessage,
    CentreEvent,
    CentreEventKind,
    FulfilmentRequest,
    Incoming,
    Intercept,
    InterceptAnswer,
    RequestReceipt,
    StockLevel,
    StockSnapshot,
)


class ReceiptBody(msgspec.Struct):
    request_id: str


class CancelBody(msgspec.Struct):
    answer: str


class LevelBody(msgspec.Struct):
    sku: Id
    # Below zero when a count was wrong: nothing is there then. Far beyond any shelf at the upper end.
    on_hand: Annotated[int, msgspec.Meta(ge=-QUANTITY_MAX, le=1000 * QUANTITY_MAX)]


class StockBody(msgspec.Struct):
    as_of: Moment
    levels: list[LevelBody]


class EventBody(msgspec.Struct):
    """A centre's message. Members that we don't know are let pass: the contract may grow."""

    type: str
    reference: Id
    occurred_at: Moment
    reason: Text = ""
    packages: Annotated[list[PackageBody], msgspec.Meta(max_length=PACKAGES_MAX)] = []


# ------------------------------------------------------------------ ours to theirs


def request_json(request: FulfilmentRequest) -> dict[str, Any]:
    return {
        "order_reference": request.order_reference,
        "service": request.service,
        "ship_by": rfc3339(request.ship_by),
        "ship_to": address_json(request.ship_to),
        "sscc": request.sscc,
        "label_sha256": request.label_sha256,
        "lines": [{"line_no": line.line_no, "sku": line.sku, "quantity": line.quantity} for line in request.lines],
    }


# ------------------------------------------------------------------ theirs to ours


def receipt(answer: Any) -> RequestReceipt:
    return RequestReceipt(given("request_id", msgspec.convert(answer, ReceiptBody).request_id))


def intercept(answer: Any) -> Intercept:
    """Raises UnexpectedAnswer for a word that the contract does not have."""
    word = msgspec.convert(answer, CancelBody).answer
    try:
        return Intercept(InterceptAnswer(word))
    except ValueError as error:
        raise UnexpectedAnswer(f"{word[:40]!r} is no answer to a cancel") from error


def stock(answer: Any) -> StockSnapshot:
    """Raises UnexpectedAnswer for one SKU counted twice."""
    body = msgspec.convert(answer, StockBody)
    if not unique([level.sku for level in body.levels]):
        raise UnexpectedAnswer("one SKU is counted twice")
    levels = tuple(StockLevel(level.sku, max(0, level.on_hand)) for level in body.levels)
    return StockSnapshot(body.as_of.astimezone(UTC), levels)


def read_event(message: Incoming) -> CentreEvent:
    """A centre's message. Raises BadMessage with the type for one that the contract does not have."""
    body = convert(strict_json.parse(message.body), EventBody)
    kind = EVENT_KINDS.get(body.type)
    if kind is None:
        raise BadMessage(f"unknown event type {body.type[:60]!r}; known are {', '.join(EVENT_KINDS)}", where="$.type")
    if kind is not CentreEventKind.SHIPPED and body.packages:
        raise BadMessage(f"{body.type} has packages; only a shipment does", where="$.packages")
    return CentreEvent(
        kind=kind,
        reference=body.reference,
        occurred_at=utc(body.occurred_at, "$.occurred_at"),
        reason=body.reason,
        packages=packages_of(body.packages),
    )
