"""ERPNext's documents, as far as they are read.

Source: the DocTypes of ERPNext 15 (erpnext/selling/doctype/sales_order, sales_order_item; erpnext/stock/doctype/
delivery_note, bin; erpnext/accounts/doctype/sales_taxes_and_charges). Fields that begin with `kept_` are custom fields
that docs/guides/erpnext.md says how to make.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, TypeVar

import msgspec

T = TypeVar("T")
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Line(msgspec.Struct, frozen=True):
    """A row of a sales order's items. `kept_line` is our number of the line."""

    name: Key
    item_code: str
    qty: Decimal
    rate: Decimal
    amount: Decimal
    delivered_qty: Decimal
    kept_line: int = 0


class Charge(msgspec.Struct, frozen=True):
    """A row of taxes and charges. `description` is the role that it has for us."""

    charge_type: str
    account_head: str
    tax_amount: Decimal
    description: str | None = None


class Order(msgspec.Struct, frozen=True):
    """A sales order. `docstatus`: 0 is a draft, 1 submitted, 2 cancelled."""

    name: Key
    docstatus: int
    status: str
    kept_reference: str
    customer: str
    currency: str
    grand_total: Decimal
    per_delivered: Decimal
    items: list[Line]
    taxes: list[Charge]


class DeliveryLine(msgspec.Struct, frozen=True):
    item_code: str
    qty: Decimal
    so_detail: str | None = None


class Delivery(msgspec.Struct, frozen=True):
    """A delivery note."""

    name: Key
    docstatus: int
    kept_reference: str
    items: list[DeliveryLine]


class Named(msgspec.Struct, frozen=True):
    name: Key


class Item(msgspec.Struct, frozen=True):
    name: Key
    disabled: int
    is_sales_item: int
    stock_uom: str


class Customer(msgspec.Struct, frozen=True):
    name: Key
    disabled: int
    is_frozen: int


class Bin(msgspec.Struct, frozen=True):
    item_code: str
    actual_qty: Decimal


class _Data(msgspec.Struct):
    data: Any


def one(kind: type[T], answer: Any) -> T:
    """A document as a resource's call gives it."""
    return msgspec.convert(msgspec.convert(answer, _Data).data, kind)


def several(kind: type[T], answer: Any) -> list[T]:
    """What a list's call gives."""
    return msgspec.convert(msgspec.convert(answer, _Data).data, list[kind])  # type: ignore[valid-type]  # the caller's
