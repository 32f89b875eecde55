"""Small orders in our own format."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
_ADDRESS = {"name": "Zoë", "line1": "Quai 1", "city": "Lyon", "postal_code": "69002", "country": "FR"}


def line(**changes: Any) -> Json:
    """Two mugs at 1.00."""
    return {"id": "1", "sku": "MUG", "title": "Mug", "quantity": 2, "unit_price": "1.00", **changes}


def order(*lines: Json, **changes: Any) -> Json:
    """A paid order of these lines, for 2.00 unless told otherwise."""
    return {
        "id": "A-1001",
        "number": "1001",
        "revision": "2026-11-03T09:30:00Z",
        "currency": "EUR",
        "placed_at": "2026-11-03T09:29:00Z",
        "payment": "paid",
        "lines": list(lines),
        "shipping": "0.00",
        "shipping_tax": "0.00",
        "total": "2.00",
        "ship_to": dict(_ADDRESS),
        "email": "zoe@example.com",
        "promise": {"ship_by": "2026-11-04T16:00:00Z", "deliver_by": "2026-11-06T22:00:00Z", "service": "standard"},
        **changes,
    }
