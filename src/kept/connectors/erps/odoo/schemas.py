"""Odoo's records, as far as they are read. A field without a value is `false`, whatever its type.

Source: the models of Odoo 19.0 (addons sale, sale_stock, stock, product, base); every shape was read from a running
Odoo 19.0.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

import msgspec

T = TypeVar("T")
Link = tuple[int, str] | Literal[False]  # id and name of another record
Text = str | Literal[False]
Id = Annotated[int, msgspec.Meta(gt=0)]


class Order(msgspec.Struct, frozen=True):
    id: Id
    name: str
    state: str
    client_order_ref: Text
    origin: Text
    currency_id: tuple[int, str]
    partner_id: tuple[int, str]
    partner_shipping_id: tuple[int, str]
    amount_total: Decimal
    amount_tax: Decimal


class Line(msgspec.Struct, frozen=True):
    id: Id
    order_id: tuple[int, str]
    product_id: Link
    name: str
    product_uom_qty: Decimal
    price_unit: Decimal
    price_subtotal: Decimal
    price_tax: Decimal
    qty_delivered: Decimal
    taxes: list[int] = msgspec.field(default_factory=list)


class Product(msgspec.Struct, frozen=True):
    id: Id
    default_code: Text
    sale_ok: bool
    active: bool
    uom_id: tuple[int, str]
    list_price: Decimal
    currency_id: tuple[int, str]


class Picking(msgspec.Struct, frozen=True):
    id: Id
    name: str
    state: str
    origin: Text


class Move(msgspec.Struct, frozen=True):
    """Goods of one line that move. `quantity` is what is set to go, or went."""

    id: Id
    state: str
    product_uom_qty: Decimal
    quantity: Decimal
    picked: bool
    sale_line_id: Link
    picking_id: Link


class Named(msgspec.Struct, frozen=True):
    id: Id


class Warehouse(msgspec.Struct, frozen=True):
    id: Id
    lot_stock_id: tuple[int, str]


class Quantity(msgspec.Struct, frozen=True):
    """What one product comes to, of a group."""

    product_id: Link
    pieces: Decimal = msgspec.field(name="quantity:sum")


class OldQuantity(msgspec.Struct, frozen=True):
    """As `Quantity`, before version 19."""

    product_id: Link
    pieces: Decimal = msgspec.field(name="quantity")


class LoadMessage(msgspec.Struct, frozen=True):
    message: Any = ""


class Loaded(msgspec.Struct, frozen=True):
    """What `load` answers: ids, or none and why."""

    ids: list[int] | Literal[False]
    messages: list[LoadMessage]


def fields_of(kind: type[msgspec.Struct]) -> list[str]:
    """The fields to ask for. A line's taxes are called otherwise in older versions, and are added by the caller."""
    return [field.encode_name for field in msgspec.structs.fields(kind) if field.name not in ("id", "taxes")]
