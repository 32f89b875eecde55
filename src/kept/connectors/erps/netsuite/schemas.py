"""NetSuite's records, as far as they are read.

Source: Oracle NetSuite, REST API Browser (salesOrder, itemFulfillment, customer) and the help's "Executing SuiteQL
Queries Through REST Web Services": a query's columns are strings, and one without a value is left out.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

import msgspec

T = TypeVar("T")
Id = Annotated[str, msgspec.Meta(pattern="^[0-9]{1,18}$")]


class Ref(msgspec.Struct, rename="camel", frozen=True):
    """Another record."""

    id: str
    ref_name: str = ""


class Rows(msgspec.Struct, Generic[T], rename="camel", frozen=True):
    """A sublist, or a page of a query's result."""

    items: list[T]
    has_more: bool = False


class Line(msgspec.Struct, rename="camel", frozen=True):
    """A line of an order. `role` is what our own column field says, "" for a line that is not ours."""

    line: int
    item: Ref
    amount: Decimal
    quantity: Decimal = Decimal(1)
    rate: Decimal = Decimal(0)
    quantity_fulfilled: Decimal = Decimal(0)
    is_closed: bool = False
    role: str = ""


class Order(msgspec.Struct, rename="camel", frozen=True):
    id: Id
    entity: Ref
    currency: Ref
    order_status: Ref
    total: Decimal
    item: Rows[Line]
    tran_id: str = ""
    tax_total: Decimal = Decimal(0)
    memo: str = ""


class FulfilledLine(msgspec.Struct, rename="camel", frozen=True):
    order_line: int
    quantity: Decimal = Decimal(0)


class Fulfilment(msgspec.Struct, rename="camel", frozen=True):
    id: Id
    item: Rows[FulfilledLine]
    tran_id: str = ""


class Customer(msgspec.Struct, rename="camel", frozen=True):
    id: Id
    is_inactive: bool = False
    credit_hold_override: Ref = Ref("AUTO")
    credit_limit: Decimal | None = None
    balance: Decimal = Decimal(0)


class Item(msgspec.Struct, rename="lower", frozen=True):
    """A row of the query for items. Booleans are "T" and "F"."""

    id: Id
    itemid: str
    isinactive: str
    saleunit: str = ""


class Stock(msgspec.Struct, rename="lower", frozen=True):
    itemid: str
    quantityonhand: Decimal = Decimal(0)


class _Cells(msgspec.Struct):
    item: Rows[dict[str, Any]]


def order_of(answer: Any, line_field: str) -> Order:
    """An order whose lines have their roles out of our own column field. Raises msgspec.ValidationError."""
    rows = msgspec.convert(answer, _Cells).item.items
    lines = [{**cells, "role": cells.get(line_field) or ""} for cells in rows]
    return msgspec.convert({**answer, "item": {"items": lines}}, Order)
