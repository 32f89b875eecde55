"""Orders API 2026-01-01: Amazon's shapes, with only the fields that we use; unknown ones are let pass.

`| None` stands where Amazon leaves a field out: what `includedData` did not ask for, and what an order has not.
Source: Amazon's model orders_2026-01-01.json.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from kept.connectors.wire import LINES_MAX, PACKAGES_MAX, QUANTITY_MAX, Moment

AmazonId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Pieces = Annotated[int, msgspec.Meta(ge=0, le=QUANTITY_MAX)]


class Money(msgspec.Struct, rename="camel"):
    amount: str
    currency_code: str


class Window(msgspec.Struct, rename="camel"):
    latest_date_time: Moment | None = None


class AssociatedOrder(msgspec.Struct, rename="camel"):
    association_type: str | None = None


class SalesChannel(msgspec.Struct, rename="camel"):
    marketplace_id: str | None = None


class Buyer(msgspec.Struct, rename="camel"):
    buyer_email: str | None = None


class ExtendedFields(msgspec.Struct, rename="camel"):
    neighborhood: str | None = None  # Brazil's bairro, without which a parcel there is not delivered


class Address(msgspec.Struct, rename="camel"):
    name: str | None = None
    company_name: str | None = None
    address_line1: str | None = None
    address_line2: str | None = None
    address_line3: str | None = None
    city: str | None = None
    municipality: str | None = None
    state_or_region: str | None = None
    postal_code: str | None = None
    country_code: str | None = None
    phone: str | None = None
    extended_fields: ExtendedFields | None = None


class Recipient(msgspec.Struct, rename="camel"):
    delivery_address: Address | None = None


class OrderBreakdown(msgspec.Struct, rename="camel"):
    """A part of the order's proceeds: sums over the items, and charges that stand on no item."""

    type: str
    subtotal: Money
    status: str | None = None


class OrderProceeds(msgspec.Struct, rename="camel"):
    grand_total: Money | None = None
    breakdowns: list[OrderBreakdown] | None = None


class PaymentExecution(msgspec.Struct, rename="camel"):
    payment_method: str | None = None


class Payment(msgspec.Struct, rename="camel"):
    payment_executions: list[PaymentExecution] | None = None


class OrderFulfilment(msgspec.Struct, rename="camel"):
    fulfillment_status: str
    fulfilled_by: str | None = None
    fulfillment_service_level: str | None = None
    ship_by_window: Window | None = None
    deliver_by_window: Window | None = None


class Price(msgspec.Struct, rename="camel"):
    unit_price: Money | None = None


class Product(msgspec.Struct, rename="camel"):
    seller_sku: str | None = None
    title: str | None = None
    price: Price | None = None


class Detail(msgspec.Struct, rename="camel"):
    """A share of a TAX or DISCOUNT breakdown: what it is the tax of, or the discount on."""

    subtype: str | None = None
    value: Money | None = None


class ItemBreakdown(msgspec.Struct, rename="camel"):
    """A part of an item's proceeds, for its whole quantity."""

    type: str
    subtotal: Money
    detailed_breakdowns: list[Detail] | None = None


class ItemProceeds(msgspec.Struct, rename="camel"):
    breakdowns: list[ItemBreakdown] | None = None


class CancellationRequest(msgspec.Struct, rename="camel"):
    requester: str | None = None


class Cancellation(msgspec.Struct, rename="camel"):
    cancellation_request: CancellationRequest | None = None
    cancellation_execution: dict[str, Any] | None = None


class Packing(msgspec.Struct, rename="camel"):
    gift_option: dict[str, Any] | None = None


class Shipping(msgspec.Struct, rename="camel"):
    scheduled_delivery_window: Window | None = None
    shipping_constraints: dict[str, Any] | None = None


class ItemFulfilment(msgspec.Struct, rename="camel"):
    quantity_fulfilled: Pieces | None = None
    quantity_unfulfilled: Pieces | None = None
    packing: Packing | None = None
    shipping: Shipping | None = None


class Item(msgspec.Struct, rename="camel"):
    """One order item. `product.price.unitPrice` is for one piece, as the shop showed it."""

    order_item_id: AmazonId
    quantity_ordered: Pieces
    product: Product
    proceeds: ItemProceeds | None = None
    cancellation: Cancellation | None = None
    fulfillment: ItemFulfilment | None = None


class PackageStatus(msgspec.Struct, rename="camel"):
    status: str


class Package(msgspec.Struct, rename="camel"):
    """A package that the seller confirmed."""

    package_reference_id: str
    package_status: PackageStatus | None = None
    tracking_number: str | None = None


class Order(msgspec.Struct, rename="camel"):
    order_id: AmazonId
    created_time: Moment
    last_updated_time: Moment
    sales_channel: SalesChannel
    order_items: Annotated[list[Item], msgspec.Meta(max_length=LINES_MAX)]
    programs: list[str] | None = None
    associated_orders: list[AssociatedOrder] | None = None
    buyer: Buyer | None = None
    recipient: Recipient | None = None
    proceeds: OrderProceeds | None = None
    payment: Payment | None = None
    fulfillment: OrderFulfilment | None = None
    packages: Annotated[list[Package], msgspec.Meta(max_length=PACKAGES_MAX)] | None = None
