"""What an in-house system is told, as JSON in its own ids, and how its answers are read. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from kept.connectors.answers import given
from kept.connectors.channels.inhouse.schemas import ShipmentBody
from kept.connectors.wire import packages_json, rfc3339
from kept.ports import ChannelShipment, Confirmation, PermanentFault


def shipment_json(confirmation: Confirmation) -> dict[str, Any]:
    """What the in-house system is told; lines carry its own ids. Raises PermanentFault for one it never had."""
    packages = packages_json(confirmation.packages)
    for package in packages:
        for line in package["lines"]:
            line_id = confirmation.line_ids.get(line["line_no"])
            if line_id is None:
                raise PermanentFault(
                    f"{confirmation.fulfilment_ref}: line {line['line_no']} is not in the order", code="line_unknown"
                )
            line["id"] = line_id
    return {
        "reference": confirmation.fulfilment_ref,
        "shipped_at": rfc3339(confirmation.shipped_at),
        "packages": packages,
    }


def shipment(answer: Any) -> ChannelShipment:
    return ChannelShipment(given("shipment_id", msgspec.convert(answer, ShipmentBody).shipment_id))
