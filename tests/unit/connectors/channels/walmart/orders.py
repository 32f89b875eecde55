"""Purchase orders as Walmart's US market writes them, made for the tests."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from kept.connectors.channels.walmart.mapping import normalise
from kept.domain.order import OrderContent
from kept.ports import Incoming

Json = dict[str, Any]
NOW = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
PLACED = 1_793_696_400_000  # 2026-11-03T09:00:00Z
DAY_MS = 86_400_000


def money(amount: str | float, currency: str = "USD") -> Json:
    return {"currency": currency, "amount": amount}


def charge(amount: str | float, tax: str | float | None = None, kind: str = "PRODUCT", name: str = "ItemPrice") -> Json:
    found: Json = {"chargeType": kind, "chargeName": name, "chargeAmount": money(amount)}
    if tax is not None:
        found["tax"] = {"taxName": "Tax1", "taxAmount": money(tax)}
    return found


def line(number: str = "1", quantity: int = 1, *charges: Json, **other: Any) -> Json:
    """A line; `statuses` is {"Created": 2, "Cancelled": 1}, by default the whole quantity Acknowledged."""
    statuses = other.pop("statuses", {"Acknowledged": quantity})
    return {
        "lineNumber": number,
        "item": {"productName": f"Lamp {number}", "sku": f"S{number}"},
        "charges": {"charge": list(charges or (charge(10, 1),))},
        "orderLineQuantity": {"unitOfMeasurement": "EACH", "amount": str(quantity)},
        "statusDate": PLACED,
        "orderLineStatuses": {
            "orderLineStatus": [
                {"status": status, "statusQuantity": {"unitOfMeasurement": "EACH", "amount": str(pieces)}}
                for status, pieces in statuses.items()
            ]
        },
    } | other


def order(*lines: Json, **other: Any) -> Json:
    return {
        "purchaseOrderId": "1796277083022",
        "customerOrderId": "5281956426648",
        "customerEmailId": "0FE1@relay.walmart.com",
        "orderDate": PLACED,
        "shippingInfo": {
            "phone": "4155550100",
            "estimatedShipDate": PLACED + DAY_MS,
            "estimatedDeliveryDate": PLACED + 5 * DAY_MS,
            "methodCode": "Standard",
            "postalAddress": {
                "name": "Ada Hopper",
                "address1": "1 Market St",
                "city": "San Francisco",
                "state": "CA",
                "postalCode": "94105",
                "country": "USA",
                "addressType": "RESIDENTIAL",
            },
        },
        "orderLines": {"orderLine": list(lines or (line(),))},
    } | other


def message(body: object) -> Incoming:
    return Incoming({}, json.dumps(body).encode())


def read(body: object) -> OrderContent:
    content = normalise("market", message(body), NOW)
    assert content is not None
    return content
