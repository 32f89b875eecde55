"""Tryton's records, as far as we read them. Each shape has the names of its fields beside it, as they are asked for.

A dotted name ("currency.code") comes back as an object under its first part with a dot ("currency."). Decimals come
as {"__class__": "Decimal", "decimal": "9.6667"}, to keep their digits.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Reply(msgspec.Struct):
    """JSON-RPC's envelope: a result, or an error with the exception's name first."""

    id: int
    result: Any = None
    error: list[Any] | None = None


class Amount(msgspec.Struct):
    decimal: str


class Preferences(msgspec.Struct):
    company: int | None


class Named(msgspec.Struct):
    """Whatever is only looked for."""

    id: int


class Coded(msgspec.Struct):
    """A currency, a country, a product where it is only referred to."""

    id: int
    code: str | None = None


SHOP_FIELDS = ["company", "warehouses"]


class Shop(msgspec.Struct):
    id: int
    company: int
    warehouses: list[int]


TAX_FIELDS = ["type", "rate"]


class Tax(msgspec.Struct):
    id: int
    type: str
    rate: Amount | None


ITEM_FIELDS = ["code", "active", "salable"]


class Item(msgspec.Struct):
    """A product, as far as it is checked."""

    code: str
    active: bool
    salable: bool


PRODUCT_FIELDS = ["code", "sale_uom", "account_category.customer_taxes_used"]


class AccountCategory(msgspec.Struct):
    customer_taxes_used: list[int]


class Product(msgspec.Struct):
    """A product, as far as it is sold."""

    id: int
    code: str
    sale_uom: int
    category: AccountCategory | None = msgspec.field(name="account_category.", default=None)


ADDRESS_FIELDS = ["party_name", "attn", "street", "postal_code", "city", "country", "subdivision"]
PARTY_FIELDS = ["_timestamp", *(f"addresses.{name}" for name in ADDRESS_FIELDS)]


class PartyAddress(msgspec.Struct):
    id: int
    party_name: str | None
    attn: str | None
    street: str | None
    postal_code: str | None
    city: str | None
    country: int | None
    subdivision: int | None


class Party(msgspec.Struct):
    id: int
    timestamp: str = msgspec.field(name="_timestamp")
    addresses: list[PartyAddress] = msgspec.field(name="addresses.")


SALE_FIELDS = [
    *("state", "reference", "web_id", "total_amount", "currency.code", "shipment_state", "invoice_state"),
    *("lines.sequence", "lines.quantity", "lines.product.code", "lines.moves_ignored", "lines.moves_recreated"),
    *("invoices_ignored", "invoices_recreated"),
    *("shipments.state", "shipments.reference", "invoices.state", "moves.state"),
]


class SaleLine(msgspec.Struct):
    id: int
    sequence: int | None
    quantity: float | None
    moves_ignored: list[int]
    moves_recreated: list[int]
    product: Coded | None = msgspec.field(name="product.", default=None)


class SaleShipment(msgspec.Struct):
    id: int
    state: str
    reference: str | None


class Stated(msgspec.Struct):
    """An invoice or a move, where only its state counts."""

    id: int
    state: str


class Sale(msgspec.Struct):
    id: int
    state: str
    reference: str | None
    web_id: str | None
    total_amount: Amount
    shipment_state: str
    invoice_state: str
    invoices_ignored: list[int]
    invoices_recreated: list[int]
    currency: Coded = msgspec.field(name="currency.")
    lines: list[SaleLine] = msgspec.field(name="lines.")
    shipments: list[SaleShipment] = msgspec.field(name="shipments.")
    invoices: list[Stated] = msgspec.field(name="invoices.")
    moves: list[Stated] = msgspec.field(name="moves.")


class Move(msgspec.Struct):
    id: int
    quantity: float
    origin: str | None  # "sale.line,7" of an outgoing move, "stock.move,9" of the picking for it
    state: str


READ_FIELDS = [
    *("state", "web_id", "total_amount", "tax_amount", "currency.code"),
    *("lines.sequence", "lines.quantity", "lines.amount", "lines.taxes", "lines.product.code"),
    *("moves.state", "moves.quantity", "moves.origin", "invoices.state", "invoices.total_amount"),
]


class ReadLine(msgspec.Struct):
    """A line with its worth: no quantity and no product for a comment or a subtotal."""

    id: int
    sequence: int | None
    quantity: float | None
    amount: Amount | None
    taxes: list[int]
    product: Coded | None = msgspec.field(name="product.", default=None)


class ReadInvoice(msgspec.Struct):
    state: str
    total_amount: Amount


class ReadSale(msgspec.Struct):
    """A sale, as it is compared."""

    id: int
    state: str
    web_id: str
    total_amount: Amount
    tax_amount: Amount
    currency: Coded = msgspec.field(name="currency.")
    lines: list[ReadLine] = msgspec.field(name="lines.")
    moves: list[Move] = msgspec.field(name="moves.")
    invoices: list[ReadInvoice] = msgspec.field(name="invoices.")


class OnHand(msgspec.Struct):
    """A product with what a warehouse has of it."""

    id: int
    code: str | None
    quantity: float


SHIPMENT_FIELDS = [
    *("state", "reference", "number", "_timestamp", "inventory_moves", "outgoing_moves"),
    *("moves.quantity", "moves.origin", "moves.state"),
]


class Shipment(msgspec.Struct):
    id: int
    state: str
    reference: str | None
    number: str | None
    inventory_moves: list[int]
    outgoing_moves: list[int]
    timestamp: str = msgspec.field(name="_timestamp")
    moves: list[Move] = msgspec.field(name="moves.")
