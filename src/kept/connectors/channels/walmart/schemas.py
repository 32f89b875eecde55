"""Walmart's order as JSON, as far as it is read: the US resource, Mexico's, and XML brought to the same form.

Mexico writes lists where the US write an object around a list; amounts and quantities come as numbers or as
text; times as milliseconds since 1970 or as RFC 3339. Source: us_orders.json and the recorded answers.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from kept.connectors.wire import LINES_MAX, Id, Text

CHARGES_MAX = 100  # of one line; real ones have two to four
Number = str | int | float
Moment = int | str


class Money(msgspec.Struct):
    currency: str
    amount: Number


class SummaryMoney(msgspec.Struct, rename="camel"):
    """MoneyType, which names its parts otherwise than MoneyTypeV2."""

    currency_amount: Number
    currency_unit: str


class Tax(msgspec.Struct, rename="camel"):
    tax_amount: Money


class ChargeBody(msgspec.Struct, rename="camel"):
    """A charge; Mexico's item price has no amount, which stands in `item.unitPrice` instead."""

    charge_type: str
    charge_name: str = ""
    charge_amount: Money | None = None
    tax: Tax | list[Tax] | None = None


ChargeList = Annotated[list[ChargeBody], msgspec.Meta(max_length=CHARGES_MAX)]


class ChargesBody(msgspec.Struct):
    charge: ChargeList = []


class Quantity(msgspec.Struct):
    amount: Number


class TrackingBody(msgspec.Struct, rename="camel"):
    tracking_number: str | None = None


class StatusBody(msgspec.Struct, rename="camel"):
    status: str
    status_quantity: Quantity
    status_date: Moment | None = None  # Mexico's
    tracking_info: TrackingBody | None = None


class StatusesBody(msgspec.Struct, rename="camel"):
    order_line_status: list[StatusBody] = []


class RefundChargeBody(msgspec.Struct):
    charge: ChargeBody


class RefundChargesBody(msgspec.Struct, rename="camel"):
    refund_charge: list[RefundChargeBody] = []


class RefundBody(msgspec.Struct, rename="camel"):
    refund_charges: RefundChargesBody | None = None


class ItemBody(msgspec.Struct, rename="camel"):
    sku: Text = ""
    product_name: str = ""
    unit_price: Money | None = None


class SellerBody(msgspec.Struct, rename="camel"):
    ship_node_type: str | None = None


class LineBody(msgspec.Struct, rename="camel"):
    """One line. `primeLineNumber` and `orderLineStatus` are Mexico's names."""

    item: ItemBody
    order_line_quantity: Quantity
    line_number: Id | None = None
    prime_line_number: Id | None = None
    charges: ChargesBody | ChargeList | None = None
    order_line_statuses: StatusesBody | None = None
    order_line_status: list[StatusBody] | None = None
    status_date: Moment | None = None
    intent_to_cancel: str | bool | None = None
    refund: RefundBody | None = None
    shipping_method: str | None = None
    seller: SellerBody | None = None


LineList = Annotated[list[LineBody], msgspec.Meta(max_length=LINES_MAX)]


class LinesBody(msgspec.Struct, rename="camel"):
    order_line: LineList


class PostalAddressBody(msgspec.Struct):
    name: str | None = None
    address1: str | None = None
    address2: str | None = None
    address3: str | None = None
    address4: str | None = None
    address5: str | None = None
    address6: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = msgspec.field(default=None, name="postalCode")
    country: str | None = None


class ShippingInfoBody(msgspec.Struct, rename="camel"):
    phone: str | None = None
    estimated_delivery_date: Moment | None = None
    estimated_ship_date: Moment | None = None
    method_code: str | None = None
    postal_address: PostalAddressBody | None = None


class ShipNodeBody(msgspec.Struct):
    type: str | None = None


class SummaryBody(msgspec.Struct, rename="camel"):
    total_amount: SummaryMoney | None = None


class OrderBody(msgspec.Struct, rename="camel"):
    """A purchase order."""

    purchase_order_id: Id
    order_date: Moment
    order_lines: LinesBody | LineList
    shipping_info: ShippingInfoBody
    customer_order_id: str = ""
    customer_email_id: str = ""
    ship_node: ShipNodeBody | None = None
    order_summary: SummaryBody | None = None
    order_total: Money | None = None  # Mexico's


def lines_of(order: OrderBody) -> list[LineBody]:
    return order.order_lines.order_line if isinstance(order.order_lines, LinesBody) else order.order_lines


def charges_of(line: LineBody) -> list[ChargeBody]:
    if line.charges is None:
        return []
    return line.charges.charge if isinstance(line.charges, ChargesBody) else line.charges


def statuses_of(line: LineBody) -> list[StatusBody]:
    if line.order_line_statuses is not None:
        return line.order_line_statuses.order_line_status
    return line.order_line_status or []


def taxes_of(charge: ChargeBody) -> list[Tax]:
    if charge.tax is None:
        return []
    return charge.tax if isinstance(charge.tax, list) else [charge.tax]


def refund_charges_of(line: LineBody) -> list[RefundChargeBody]:
    charges = line.refund.refund_charges if line.refund else None
    return charges.refund_charge if charges else []


def number_of(line: LineBody) -> str:
    """The line's number, which all calls name it by; "" without one."""
    return line.line_number or line.prime_line_number or ""


def asks_to_cancel(line: LineBody) -> bool:
    """Whether the buyer asked Walmart to cancel the line: the field is text, "true" or when it was asked."""
    asked = line.intent_to_cancel
    return str(asked).strip().lower() not in {"", "none", "false", "no", "n"}
