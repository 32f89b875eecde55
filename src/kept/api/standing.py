"""Where an order stands, as its channel's own system is told: in its ids and in its pieces. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from kept.domain.progress import Order
from kept.domain.skus import in_channel_pieces

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def standing_of(order: Order, concern: tuple[str, str] | None) -> dict[str, Any]:
    """The order's state, its lines' quantities and what has shipped of it.

    `concern` is why a person has to look at it. Without anything personal: the sender has that.
    """
    content = order.content
    return {
        "order": content.external_id,
        "number": content.number,
        "reference": order.reference,
        "correlation_id": order.correlation_id,
        "state": order.state.value,
        "revision": _EPOCH + timedelta(microseconds=content.revision),
        "concern": {"code": concern[0], "detail": concern[1]} if concern is not None else None,
        "lines": list(_lines(order)),
        "shipments": list(_shipments(order)),
    }


def _lines(order: Order) -> Iterator[dict[str, Any]]:
    """The sender's lines; a kit is counted by its leading part."""
    progress = {line.line_no: line for line in order.lines}
    for line in order.content.lines:
        if line.kit_pieces and not line.kit_lead:
            continue
        pieces, stands = line.kit_pieces or 1, progress.get(line.line_no)
        yield {
            "id": line.external_id,
            "sku": line.channel_sku or line.sku,
            "ordered": line.quantity // pieces,
            "cancelled": stands.cancelled // pieces if stands else 0,
            "shipped": stands.shipped // pieces if stands else 0,
        }


def _shipments(order: Order) -> Iterator[dict[str, Any]]:
    line_ids = {line.line_no: line.external_id for line in order.content.lines}
    for part in order.parts:
        if part.shipment is None:
            continue
        yield {
            "reference": order.part_reference(part.number),
            "shipped_at": part.shipment.shipped_at,
            "packages": [
                {
                    "sscc": package.sscc,
                    "carrier": package.carrier,
                    "tracking": package.tracking,
                    "lines": [{"id": line_ids[line.line_no], "quantity": line.quantity} for line in package.lines],
                }
                for package in in_channel_pieces(part.shipment.packages, order.content)
            ],
        }
