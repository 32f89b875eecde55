"""S/4HANA's entities, as far as they are read. Decimals travel as strings (OData V2, JSON format).

Source: the services' metadata ($metadata of API_SALES_ORDER_SRV, API_OUTBOUND_DELIVERY_SRV;v=0002,
API_BUSINESS_PARTNER, API_PRODUCT_SRV, API_MATERIAL_STOCK_SRV).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

import msgspec

T = TypeVar("T")
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]


class Rows(msgspec.Struct, Generic[T], frozen=True):
    results: list[T]


class Element(msgspec.Struct, rename="pascal", frozen=True):
    """A condition of an item's price."""

    condition_type: str
    condition_rate_value: Decimal


class Item(msgspec.Struct, rename="pascal", frozen=True):
    sales_order_item: str
    material: str
    requested_quantity: Decimal
    net_amount: Decimal
    tax_amount: Decimal
    delivery_status: str
    sales_document_rjcn_reason: str
    to_pricing_element: Rows[Element] = msgspec.field(name="to_PricingElement")


class Order(msgspec.Struct, rename="pascal", frozen=True):
    sales_order: Key
    purchase_order_by_customer: str
    sold_to_party: str
    transaction_currency: str
    total_net_amount: Decimal
    overall_s_d_process_status: str = msgspec.field(name="OverallSDProcessStatus")
    overall_rejection: str = msgspec.field(name="OverallSDDocumentRejectionSts")
    total_credit_check_status: str
    to_item: Rows[Item] = msgspec.field(name="to_Item")


class DeliveryItem(msgspec.Struct, rename="pascal", frozen=True):
    reference_s_d_document: str = msgspec.field(name="ReferenceSDDocument")
    reference_s_d_document_item: str = msgspec.field(name="ReferenceSDDocumentItem")
    actual_delivery_quantity: Decimal


class Delivery(msgspec.Struct, rename="pascal", frozen=True):
    """An outbound delivery. `overall_goods_movement_status` "C": goods issue was posted."""

    delivery_document: Key
    bill_of_lading: str
    overall_goods_movement_status: str
    to_items: Rows[DeliveryItem] = msgspec.field(name="to_DeliveryDocumentItem")


class DeliveryRow(msgspec.Struct, rename="pascal", frozen=True):
    """An item of a delivery, as found by the order that it refers to."""

    delivery_document: Key
    reference_s_d_document_item: str = msgspec.field(name="ReferenceSDDocumentItem")
    actual_delivery_quantity: Decimal
    goods_movement_status: str


class Product(msgspec.Struct, rename="pascal", frozen=True):
    product: Key
    base_unit: str
    is_marked_for_deletion: bool
    sales_status: str = ""


class SalesArea(msgspec.Struct, rename="pascal", frozen=True):
    customer: Key
    order_is_blocked_for_customer: str
    delivery_is_blocked_for_customer: str


class Stock(msgspec.Struct, rename="pascal", frozen=True):
    material: str
    matl_wrhs_stk_qty_in_matl_base_unit: Decimal


class _Data(msgspec.Struct):
    d: Any


def one(kind: type[T], answer: Any) -> T:
    """One entity."""
    return msgspec.convert(msgspec.convert(answer, _Data).d, kind, strict=False)


def several(kind: type[T], answer: Any) -> list[T]:
    """A set of entities."""
    return msgspec.convert(msgspec.convert(answer, _Data).d, Rows[kind], strict=False).results  # type: ignore[valid-type]  # the caller's
