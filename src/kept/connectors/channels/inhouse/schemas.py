"""Our own order format, for systems that have none. One JSON object is one revision of one order:

    {
      "id": "A-1001",                       the sender's id of the order; unique in its account, never reused
      "number": "1001",                     what people call it
      "revision": "2026-11-03T09:30:00Z",   RFC 3339 with an offset: when this revision was made; the newest wins
      "currency": "EUR",                    ISO 4217
      "placed_at": "2026-11-03T09:29:00Z",
      "payment": "paid",                    pending | authorised | paid | free | refunded | voided
      "cancelled": false,                   true withdraws the whole order
      "test": false,                        true is recorded and never shipped
      "tax_included": false,                whether prices contain the tax
      "lines": [                            1 to 500, each still wanted
        {
          "id": "1",                        the sender's id of the line, unique in the order
          "sku": "MUG-RED",                 may be "": the order is then held for a person
          "title": "Mug, red",
          "quantity": 2,                    1 to 1,000,000
          "unit_price": "12.50",            amounts are decimal strings, no more digits than the currency has
          "discount": "0.00",               of the whole quantity
          "tax": "1.00",                    of the whole quantity
          "requires_shipping": true,
          "weight_g": 350                   of one piece
        }
      ],
      "shipping": "5.00",                   less its discounts
      "shipping_tax": "0.00",
      "total": "31.00",                     held if it is not what the parts come to
      "ship_to": {                          or null: the order is then held for a person
        "name": "...", "company": "", "line1": "...", "line2": "", "city": "...", "region": "",
        "postal_code": "...", "country": "DE", "phone": ""
      },
      "email": "...",
      "promise": {"ship_by": "2026-11-04T16:00:00Z", "deliver_by": "2026-11-06T22:00:00Z", "service": "standard"}
    }

Everything not marked as such must be there; what is not named here is refused; nothing is cast: "2" and
true are no quantities. `company`, `line2`, `region` and `phone` may be left out, as may `requires_shipping`
(true), `weight_g` (0), `discount` and `tax` ("0"), `cancelled`, `test` and `tax_included` (false).
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from kept.connectors.wire import LINES_MAX, WEIGHT_G_MAX, AddressBody, Id, Moment, Quantity, Text

# Nothing that is charged or taken off is below nothing.
Charge = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,15}(\.[0-9]{1,6})?$")]


class LineBody(msgspec.Struct, forbid_unknown_fields=True):
    id: Id
    sku: Text
    title: Text
    quantity: Quantity
    unit_price: Charge
    discount: Charge = "0"
    tax: Charge = "0"
    requires_shipping: bool = True
    weight_g: Annotated[int, msgspec.Meta(ge=0, le=WEIGHT_G_MAX)] = 0


class PromiseBody(msgspec.Struct, forbid_unknown_fields=True):
    ship_by: Moment
    deliver_by: Moment
    service: Text


class OrderBody(msgspec.Struct, forbid_unknown_fields=True):
    id: Id
    number: Id
    revision: Moment
    currency: str
    placed_at: Moment
    payment: str
    lines: Annotated[list[LineBody], msgspec.Meta(min_length=1, max_length=LINES_MAX)]
    shipping: Charge
    shipping_tax: Charge
    total: Charge
    ship_to: AddressBody | None
    email: Text
    promise: PromiseBody
    cancelled: bool = False
    test: bool = False
    tax_included: bool = False


class ShipmentBody(msgspec.Struct):
    """The in-house system's answer to being told of a shipment."""

    shipment_id: str
