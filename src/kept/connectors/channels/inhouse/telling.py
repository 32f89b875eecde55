"""What an in-house system is told, as JSON in its own ids, and how its answers are read. Pure.

The contract is docs/contracts/inhouse.openapi.yaml.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from kept.connectors.answers import UnexpectedAnswer, given, same
from kept.connectors.wire import packages_json, rfc3339
from kept.ports import (
    Acknowledged,
    Acknowledgement,
    ChannelCancel,
    ChannelCancelled,
    ChannelShipment,
    Confirmation,
    PermanentFault,
    StockOffer,
    StockRefused,
)


class _ShipmentAnswer(msgspec.Struct):
    shipment_id: str


class _AcknowledgementAnswer(msgspec.Struct):
    order_id: str
    reference: str


class _CancellationAnswer(msgspec.Struct):
    cancellation_id: str


class _RefusedLevel(msgspec.Struct):
    sku: str
    code: str
    reason: str = ""


class _StockAnswer(msgspec.Struct):
    refused: list[_RefusedLevel]


def shipment_json(confirmation: Confirmation) -> dict[str, Any]:
    """Lines carry the sender's own ids. Raises PermanentFault for one that it never had."""
    packages = packages_json(confirmation.packages)
    for package in packages:
        for line in package["lines"]:
            line["id"] = _line_id(confirmation.fulfilment_ref, confirmation.line_ids, line["line_no"])
    return {
        "reference": confirmation.fulfilment_ref,
        "shipped_at": rfc3339(confirmation.shipped_at),
        "packages": packages,
    }


def shipment(answer: Any) -> ChannelShipment:
    return ChannelShipment(given("shipment_id", msgspec.convert(answer, _ShipmentAnswer).shipment_id))


def acknowledgement_json(acknowledgement: Acknowledgement) -> dict[str, Any]:
    """Raises PermanentFault for a line that the sender never had."""
    reference = acknowledgement.order_ref
    return {
        "reference": reference,
        "lines": _pieces(reference, acknowledgement.line_ids, acknowledgement.quantities),
    }


def acknowledged(asked: Acknowledgement) -> Callable[[Any], Acknowledged]:
    """Reads the answer; another order or another's reference is none to this question."""

    def read(answer: Any) -> Acknowledged:
        body = msgspec.convert(answer, _AcknowledgementAnswer)
        same("order_id", asked.channel_order_id, body.order_id)
        same("reference", asked.order_ref, body.reference)
        return Acknowledged(body.order_id)

    return read


def cancel_json(cancel: ChannelCancel) -> dict[str, Any]:
    """Raises PermanentFault for a line that the sender never had."""
    return {
        "reference": cancel.order_ref,
        "reason": cancel.reason.value,
        "whole": cancel.whole,
        "lines": _pieces(cancel.order_ref, cancel.line_ids, cancel.quantities),
    }


def cancelled(answer: Any) -> ChannelCancelled:
    return ChannelCancelled(given("cancellation_id", msgspec.convert(answer, _CancellationAnswer).cancellation_id))


def stock_json(offers: Sequence[StockOffer], location: str) -> dict[str, Any]:
    """`location` is left out where the system has only one, and `believed` where nothing is compared."""
    levels = []
    for offer in offers:
        level: dict[str, Any] = {"sku": offer.sku, "quantity": offer.quantity}
        if offer.believed is not None:
            level["believed"] = offer.believed
        levels.append(level)
    return {"location": location, "levels": levels} if location else {"levels": levels}


def refused(offers: Sequence[StockOffer]) -> Callable[[Any], list[StockRefused]]:
    """Reads what was not taken of `offers`."""
    asked = {offer.sku for offer in offers}

    def read(answer: Any) -> list[StockRefused]:
        body = msgspec.convert(answer, _StockAnswer)
        if any(level.sku not in asked for level in body.refused):
            raise UnexpectedAnswer("it refuses a SKU that it was not told of")
        return [StockRefused(level.sku, given("code", level.code), level.reason) for level in body.refused]

    return read


def _pieces(reference: str, line_ids: Mapping[int, str], quantities: Mapping[int, int]) -> list[dict[str, Any]]:
    return [
        {"id": _line_id(reference, line_ids, line_no), "quantity": quantity} for line_no, quantity in quantities.items()
    ]


def _line_id(reference: str, line_ids: Mapping[int, str], line_no: int) -> str:
    line_id = line_ids.get(line_no)
    if line_id is None:
        raise PermanentFault(f"{reference}: line {line_no} is not in the order", code="line_unknown")
    return line_id
