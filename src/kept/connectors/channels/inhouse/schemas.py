"""Our own order format, for systems that have none. One JSON object is one revision of one order:

    {
      "id": "A-1001",                       the sender's id of the order; unique in its account, never reused
      "number": "1001",                     what people call it
      "revision": "2026-11-03T09:30:00Z",   RFC 3339 with an offset: when this revision was made; the newest wins
      "currency": "EUR",                    ISO 4217
      "placed_at": "2026-11-03T09:29:00Z",
      "payment": "paid",                    pending | authorised | paid | free | refunded | voided
      "cancelled": false,                   true withdraws the whole order
      "cancel_requested": false,            true: the buyer asks to cancel all of it; a person decides
      "hold": "",                           why to wait; lifted by a newer revision without it
      "test": false,                        true is recorded and never shipped
      "fulfilled_by_channel": false,        true: you ship it yourself; recorded and never routed
      "already_shipped": false,             true: it has shipped; recorded and never routed
      "acknowledge_by": null,               until when you want to hear that we took it; null: not at all
      "tax_included": false,                whether prices contain the tax
      "lines": [                            1 to 500
        {
          "id": "1",                        the sender's id of the line, unique in the order
          "sku": "MUG-RED",                 may be "": the order is then held for a person
          "title": "Mug, red",
          "quantity": 2,                    ordered: 1 to 1,000,000
          "cancelled_quantity": 0,          pieces of it that are no longer wanted
          "unit_price": "12.50",            amounts are decimal strings, no more digits than the currency has; "0": free
          "discount": "0.00",               of all pieces still wanted
          "tax": "1.00",                    of all pieces still wanted
          "requires_shipping": true,
          "weight_g": 350,                  of one piece
          "gift": false,                    packed as a gift, without prices
          "cancel_requested": false,        the buyer asks to cancel the line; a person decides
          "kit": []                         what one piece consists of: {"sku", "quantity": 1, "share": 1}, the first
        }                                   leads; `share` weighs its part of the price
      ],
      "shipping": "5.00",                   less its discounts, with every charge that stands on no line
      "shipping_tax": "0.00",
      "total": "31.00",                     of what is still wanted; held if it is not what the parts come to
      "refunded": "0.00",                   what was given back so far
      "ship_to": {                          or null: the order is then held for a person
        "name": "...", "company": "", "line1": "...", "line2": "", "city": "...", "region": "",
        "postal_code": "...", "country": "DE", "phone": ""
      },
      "email": "...",
      "phone": "",                          the buyer's, for an address that has none
      "promise": {"ship_by": "2026-11-04T16:00:00Z", "deliver_by": "2026-11-06T22:00:00Z", "service": "standard"}
    }

What has a default in the structs below may be left out; all else must be there; what is not named here is
refused; nothing is cast: "2" and true are no quantities.

The object may come in a CloudEvents envelope (see `envelope`). Files hold one order, a line of JSON for each of
many, or CSV (see `csv_orders`). The contract with examples is docs/contracts/inhouse.openapi.yaml.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from kept.connectors.wire import LINES_MAX, QUANTITY_MAX, WEIGHT_G_MAX, AddressBody, Id, Moment, Quantity, Text

# Nothing that is charged or taken off is below nothing.
Charge = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,15}(\.[0-9]{1,6})?$")]

COMPONENTS_MAX = 50  # different SKUs in one kit; the largest sets sold have about twenty
_SHARE_MAX = 1_000_000


class ComponentBody(msgspec.Struct, forbid_unknown_fields=True):
    """One SKU in a kit, `quantity` pieces of it in each."""

    sku: Id
    quantity: Quantity = 1
    share: Annotated[int, msgspec.Meta(ge=0, le=_SHARE_MAX)] = 1


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
    cancelled_quantity: Annotated[int, msgspec.Meta(ge=0, le=QUANTITY_MAX)] = 0
    gift: bool = False
    cancel_requested: bool = False
    kit: Annotated[list[ComponentBody], msgspec.Meta(max_length=COMPONENTS_MAX)] = []


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
    cancel_requested: bool = False
    hold: Text = ""
    fulfilled_by_channel: bool = False
    already_shipped: bool = False
    acknowledge_by: Moment | None = None
    refunded: Charge = "0"
    phone: Text = ""
