"""Business Central's answers, as far as they are used.

Source: the pages "APIV2 - Sales Orders", "... Sales Order Lines", "... Sales Shipments", "... Sales Shipment Lines",
"... Sales Invoices", "... Customers", "... Items" of github.com/microsoft/ALAppExtensions (Apps/W1/APIV2).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, TypeVar

import msgspec

from kept.connectors.answers import UnexpectedAnswer

Key = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
T = TypeVar("T")


class Line(msgspec.Struct, rename="camel", frozen=True):
    """A line of a sales order. `sequence` is the line's number there, which we choose."""

    id: Key
    sequence: int
    line_type: str
    line_object_number: str
    quantity: Decimal
    unit_price: Decimal
    discount_amount: Decimal
    net_amount: Decimal
    net_tax_amount: Decimal
    shipped_quantity: Decimal
    ship_quantity: Decimal
    invoice_quantity: Decimal
    unit_of_measure_code: str = ""
    description: str = ""
    etag: str = msgspec.field(name="@odata.etag", default="*")


class Order(msgspec.Struct, rename="camel", frozen=True):
    """A sales order that is not posted whole: then it is gone, and its invoices remain."""

    id: Key
    number: Key
    external_document_number: str
    customer_number: str
    currency_code: str
    prices_include_tax: bool
    status: str
    total_amount_including_tax: Decimal
    total_tax_amount: Decimal
    ship_to_name: str
    ship_to_address_line1: str
    ship_to_address_line2: str
    ship_to_city: str
    ship_to_state: str
    ship_to_post_code: str
    ship_to_country: str
    sales_order_lines: list[Line]
    etag: str = msgspec.field(name="@odata.etag", default="*")


class InvoiceLine(msgspec.Struct, rename="camel", frozen=True):
    sequence: int
    line_object_number: str
    quantity: Decimal
    net_amount: Decimal
    net_tax_amount: Decimal


class Invoice(msgspec.Struct, rename="camel", frozen=True):
    id: Key
    number: str
    external_document_number: str
    order_number: str
    currency_code: str
    status: str
    total_amount_including_tax: Decimal
    total_tax_amount: Decimal
    sales_invoice_lines: list[InvoiceLine]


class ShipmentLine(msgspec.Struct, rename="camel", frozen=True):
    sequence: int
    line_object_number: str
    quantity: Decimal


class Shipment(msgspec.Struct, rename="camel", frozen=True):
    id: Key
    number: Key
    external_document_number: str
    order_number: str
    sales_shipment_lines: list[ShipmentLine]


class Customer(msgspec.Struct, rename="camel", frozen=True):
    number: Key
    blocked: str


class Item(msgspec.Struct, rename="camel", frozen=True):
    number: Key
    blocked: bool
    base_unit_of_measure_code: str


class Coded(msgspec.Struct, frozen=True):
    """A currency, a location."""

    id: Key
    code: str


class _Page(msgspec.Struct):
    value: list[Any]
    next: str = msgspec.field(name="@odata.nextLink", default="")


def several(kind: type[T], answer: Any) -> list[T]:
    """What a list call gave. Raises UnexpectedAnswer for a second page: what we ask for fits on one of 20,000."""
    page = msgspec.convert(answer, _Page)
    if page.next:
        raise UnexpectedAnswer("the answer has another page, which no question of ours can need")
    return msgspec.convert(page.value, list[kind])  # type: ignore[valid-type]  # a type of the caller's
