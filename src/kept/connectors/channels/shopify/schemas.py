"""Shopify's shapes, with only the fields that we use; unknown ones are let pass.

`| None` stands where Shopify sends null (seen in the recorded payloads) or where older payloads lack it.
Source: shopify.dev, REST Order resource 2026-07; GraphQL Admin schema 2026-10.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

import msgspec

from kept.connectors.wire import QUANTITY_MAX, WEIGHT_G_MAX, Moment

# Shopify's own limit is 500 lines at checkout; orders made by an app may have more.
LINES_MAX = 1000

Identity = Annotated[int, msgspec.Meta(ge=1)] | Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
# A decimal string; a number in refunds. All plain amounts are in the shop's currency.
Amount = Annotated[str, msgspec.Meta(max_length=32)] | int | float
Pieces = Annotated[int, msgspec.Meta(ge=0, le=QUANTITY_MAX)]


class Money(msgspec.Struct):
    amount: Amount


class MoneySet(msgspec.Struct):
    """An amount in the shop's currency; the presentment money beside it is not ours to book."""

    shop_money: Money


class TaxLine(msgspec.Struct):
    price: Amount


class Allocation(msgspec.Struct):
    """A line's share of a discount."""

    amount: Amount


class LineItem(msgspec.Struct):
    id: Identity
    quantity: Pieces
    price: Amount
    current_quantity: Pieces | None = None
    sku: str | None = None
    title: str | None = None
    grams: Annotated[int, msgspec.Meta(ge=0, le=WEIGHT_G_MAX)] | None = None
    requires_shipping: bool | None = None
    total_discount: Amount | None = None
    tax_lines: list[TaxLine] | None = None
    discount_allocations: list[Allocation] | None = None
    properties: Any = None  # a list of names with values of any kind; the shop's own, so of any shape
    tip: Any = None
    tip_payment_gateway: str | None = None


class ShippingLine(msgspec.Struct):
    price: Amount
    title: str | None = None
    code: str | None = None
    is_removed: bool | None = None
    discounted_price: Amount | None = None
    current_discounted_price_set: MoneySet | None = None
    tax_lines: list[TaxLine] | None = None
    discount_allocations: list[Allocation] | None = None


class RefundLineItem(msgspec.Struct):
    line_item_id: Identity
    quantity: Pieces
    subtotal: Amount | None = None
    total_tax: Amount | None = None


class OrderAdjustment(msgspec.Struct):
    """Money given back that belongs to no line; amounts are negative."""

    kind: str | None = None
    amount: Amount | None = None
    tax_amount: Amount | None = None


class RefundShippingLine(msgspec.Struct):
    """What went back of the shipping; payloads from before it have an order adjustment instead."""

    subtotal_amount_set: MoneySet | None = None
    tax_amount_set: MoneySet | None = None


class Transaction(msgspec.Struct):
    """A movement of money. `amount` is in `currency`, which may be the buyer's."""

    kind: str
    status: str
    amount: Amount | None = None
    currency: str | None = None


class Refund(msgspec.Struct):
    refund_line_items: list[RefundLineItem] | None = None
    refund_shipping_lines: list[RefundShippingLine] | None = None
    order_adjustments: list[OrderAdjustment] | None = None
    transactions: list[Transaction] | None = None


class ShippingAddress(msgspec.Struct):
    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    province: str | None = None
    province_code: str | None = None
    zip: str | None = None
    country_code: str | None = None
    phone: str | None = None


class OrderBody(msgspec.Struct):
    """The order resource, as webhooks carry it."""

    id: Identity
    currency: str
    created_at: Moment
    updated_at: Moment
    total_price: Amount
    line_items: Annotated[list[LineItem], msgspec.Meta(max_length=LINES_MAX)]
    name: str | None = None
    order_number: int | None = None
    financial_status: str | None = None
    fulfillment_status: str | None = None
    cancelled_at: Moment | None = None
    test: bool | None = None
    taxes_included: bool | None = None
    duties_included: bool | None = None
    current_total_price: Amount | None = None
    total_discounts: Amount | None = None
    total_tip_received: Amount | None = None
    current_total_duties_set: MoneySet | None = None
    current_total_additional_fees_set: MoneySet | None = None
    shipping_lines: list[ShippingLine] | None = None
    refunds: list[Refund] | None = None
    shipping_address: ShippingAddress | None = None
    note_attributes: Any = None  # as a line's properties
    email: str | None = None
    contact_email: str | None = None
    phone: str | None = None


# ------------------------------------------------------------------ GraphQL answers


class Node(msgspec.Struct):
    id: str


class PageInfo(msgspec.Struct, rename="camel"):
    has_next_page: bool
    end_cursor: str | None = None


Line = TypeVar("Line")


class Lines(msgspec.Struct, Generic[Line], rename="camel"):
    """One page of a connection, or several put together."""

    nodes: list[Line]
    page_info: PageInfo


class OpenLine(msgspec.Struct, rename="camel"):
    id: str
    remaining_quantity: int
    line_item: Node


class SupportedAction(msgspec.Struct):
    action: str


class AssignedLocation(msgspec.Struct):
    location: Node | None = None


class FulfilmentOrder(msgspec.Struct, rename="camel"):
    id: str
    status: str
    supported_actions: list[SupportedAction]
    assigned_location: AssignedLocation
    line_items: Lines[OpenLine]


class FulfilmentOrders(msgspec.Struct, rename="camel"):
    nodes: list[FulfilmentOrder]
    page_info: PageInfo


class Tracking(msgspec.Struct):
    number: str | None = None


class ShippedItem(msgspec.Struct, rename="camel"):
    line_item: Node
    quantity: int | None = None


class Fulfilment(msgspec.Struct, rename="camel"):
    id: str
    status: str
    tracking_info: list[Tracking]
    fulfillment_line_items: Lines[ShippedItem]


class OrderNode(msgspec.Struct, rename="camel"):
    id: str
    fulfillments: list[Fulfilment]
    fulfillment_orders: FulfilmentOrders


class OrderData(msgspec.Struct):
    order: OrderNode | None


class FulfilmentNode(msgspec.Struct, rename="camel"):
    fulfillment_line_items: Lines[ShippedItem]


class FulfilmentLinesData(msgspec.Struct):
    fulfillment: FulfilmentNode | None


class FulfilmentOrderNode(msgspec.Struct, rename="camel"):
    line_items: Lines[OpenLine]


class FulfilmentOrderLinesData(msgspec.Struct, rename="camel"):
    fulfillment_order: FulfilmentOrderNode | None


class UserError(msgspec.Struct):
    message: str
    field: list[str] | None = None


class Created(msgspec.Struct, rename="camel"):
    user_errors: list[UserError]
    fulfillment: Node | None = None


class CreatedData(msgspec.Struct, rename="camel"):
    fulfillment_create: Created | None


class CodedError(msgspec.Struct):
    """A user error with a code: `field` is the way to what it blames, indices included."""

    message: str
    code: str | None = None
    field: list[str] | None = None


class CancellationNode(msgspec.Struct, rename="camel"):
    id: str
    cancelled_at: str | None = None


class CancellationData(msgspec.Struct):
    order: CancellationNode | None


class CancelJob(msgspec.Struct):
    """The job that cancels: Shopify does it a moment later. What is done has a status and the errors it ended in,
    where Shopify tells its result.
    """

    done: bool
    id: str = ""
    status: str | None = None
    errors: list[CodedError] = []
    order: CancellationNode | None = None


class Cancelled(msgspec.Struct, rename="camel"):
    order_cancel_user_errors: list[CodedError]
    job: CancelJob | None = None
    job_result: CancelJob | None = None


class CancelledData(msgspec.Struct, rename="camel"):
    order_cancel: Cancelled | None


class CancelJobData(msgspec.Struct):
    """`node` is the job's result, `job` the job itself: one of them is asked for."""

    order: CancellationNode | None
    node: CancelJob | None = None
    job: CancelJob | None = None


class NodeList(msgspec.Struct):
    nodes: list[Node]


class LocationsData(msgspec.Struct):
    locations: NodeList


class Item(msgspec.Struct):
    id: str
    sku: str | None = None


class Items(msgspec.Struct, rename="camel"):
    nodes: list[Item]
    page_info: PageInfo


class ItemsData(msgspec.Struct, rename="camel"):
    inventory_items: Items


class Quantity(msgspec.Struct):
    name: str
    quantity: int


class StockLevel(msgspec.Struct):
    """What of an item is at one location; Shopify has no level where it was never stocked."""

    quantities: list[Quantity]


class StockedItem(msgspec.Struct, rename="camel"):
    id: str
    inventory_level: StockLevel | None = None


class StockLevelsData(msgspec.Struct):
    nodes: list[StockedItem | None]


class QuantitiesSet(msgspec.Struct, rename="camel"):
    user_errors: list[CodedError]


class QuantitiesSetData(msgspec.Struct, rename="camel"):
    inventory_set_quantities: QuantitiesSet | None
