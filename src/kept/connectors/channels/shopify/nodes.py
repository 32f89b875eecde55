"""An order as the Admin GraphQL API lists it -> the order resource that webhooks carry. Pure.

Both go the same way from there, so that a sale is the same order however it came. A node is what the query
`orders` selects, with the pages of its lines put together and each refund as the query `refund` gives it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from kept.connectors.channels.shopify.codes import GRAMS, ON_HOLD
from kept.connectors.channels.shopify.fulfilling import number_of
from kept.connectors.channels.shopify.schemas import (
    LINES_MAX,
    Allocation,
    LineItem,
    Money,
    MoneySet,
    OrderBody,
    Pieces,
    Refund,
    RefundLineItem,
    RefundShippingLine,
    ShippingAddress,
    ShippingLine,
    TaxLine,
    Transaction,
)
from kept.connectors.wire import WEIGHT_G_MAX, Moment, convert
from kept.ports import BadMessage

T = TypeVar("T")
Gid = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class Decimals(msgspec.Struct):
    amount: Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]{1,15}(\.[0-9]{1,6})?$")]


class Bag(msgspec.Struct, rename="camel"):
    """A MoneyBag, of which only the shop's money is asked for."""

    shop_money: Decimals


class Nodes(msgspec.Struct, Generic[T]):
    """A connection's nodes."""

    nodes: list[T]


class Attribute(msgspec.Struct):
    key: str
    value: str | None = None


class WeightNode(msgspec.Struct):
    value: Annotated[float, msgspec.Meta(ge=0, le=WEIGHT_G_MAX)]
    unit: str


class TaxNode(msgspec.Struct, rename="camel"):
    price_set: Bag


class AllocationNode(msgspec.Struct, rename="camel"):
    allocated_amount_set: Bag


class LineNode(msgspec.Struct, rename="camel"):
    id: Gid
    title: str
    quantity: Pieces
    current_quantity: Pieces
    requires_shipping: bool
    original_unit_price_set: Bag
    custom_attributes: list[Attribute]
    discount_allocations: list[AllocationNode]
    tax_lines: list[TaxNode]
    sku: str | None = None
    weight: WeightNode | None = None


class MorePages(msgspec.Struct, rename="camel"):
    has_next_page: bool


class ShippingNode(msgspec.Struct, rename="camel"):
    title: str
    is_removed: bool
    original_price_set: Bag
    current_discounted_price_set: Bag
    tax_lines: list[TaxNode]
    code: str | None = None


class ShippingNodes(msgspec.Struct, rename="camel"):
    nodes: list[ShippingNode]
    page_info: MorePages


class LineReference(msgspec.Struct):
    id: Gid


class RefundedLineNode(msgspec.Struct, rename="camel"):
    quantity: Pieces
    line_item: LineReference
    subtotal_set: Bag
    total_tax_set: Bag


class RefundedShippingNode(msgspec.Struct, rename="camel"):
    subtotal_amount_set: Bag
    tax_amount_set: Bag


class RefundNode(msgspec.Struct, rename="camel"):
    total_refunded_set: Bag
    refund_line_items: Nodes[RefundedLineNode]
    refund_shipping_lines: Nodes[RefundedShippingNode]


class HoldNode(msgspec.Struct):
    reason: str


class FulfilmentOrderNode(msgspec.Struct, rename="camel"):
    status: str
    fulfillment_holds: list[HoldNode]


class AddressNode(msgspec.Struct, rename="camel"):
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
    country_code_v2: str | None = msgspec.field(default=None, name="countryCodeV2")
    phone: str | None = None


class LineNodes(msgspec.Struct):
    nodes: Annotated[list[LineNode], msgspec.Meta(max_length=LINES_MAX)]


class ListedOrder(msgspec.Struct, rename="camel"):
    """One order of the query `orders`."""

    id: Gid
    name: str
    currency_code: str
    created_at: Moment
    updated_at: Moment
    test: bool
    taxes_included: bool
    duties_included: bool
    display_fulfillment_status: str
    custom_attributes: list[Attribute]
    total_price_set: Bag
    current_total_price_set: Bag
    total_tip_received_set: Bag
    shipping_lines: ShippingNodes
    line_items: LineNodes
    refunds: list[RefundNode]
    fulfillment_orders: Nodes[FulfilmentOrderNode]
    number: int | None = None
    cancelled_at: Moment | None = None
    display_financial_status: str | None = None
    email: str | None = None
    phone: str | None = None
    current_total_duties_set: Bag | None = None
    current_total_additional_fees_set: Bag | None = None
    shipping_address: AddressNode | None = None


def listed_order(parsed: Any) -> ListedOrder:
    """Raises BadMessage for what is no such node, and for one whose shipping lines are not all there."""
    node = convert(parsed, ListedOrder)
    if node.shipping_lines.page_info.has_next_page:
        raise BadMessage(
            f"more than {len(node.shipping_lines.nodes)} shipping lines, and the rest was not asked for",
            where="$.shippingLines.pageInfo.hasNextPage",
        )
    return node


def order_body(node: ListedOrder) -> OrderBody:
    """The same order as a webhook carries it. Raises BadMessage for an unknown unit of weight."""
    tip = node.total_tip_received_set
    return OrderBody(
        id=number_of(node.id),
        currency=node.currency_code,
        created_at=node.created_at,
        updated_at=node.updated_at,
        total_price=_amount(node.total_price_set),
        current_total_price=_amount(node.current_total_price_set),
        total_tip_received=_amount(tip),
        current_total_duties_set=_money(node.current_total_duties_set),
        current_total_additional_fees_set=_money(node.current_total_additional_fees_set),
        name=node.name,
        order_number=node.number,
        # The enums' values are the REST resource's words in capitals.
        financial_status=node.display_financial_status.lower() if node.display_financial_status else None,
        fulfillment_status=node.display_fulfillment_status.lower(),
        cancelled_at=node.cancelled_at,
        test=node.test,
        taxes_included=node.taxes_included,
        duties_included=node.duties_included,
        line_items=[_line(line, index, tip) for index, line in enumerate(node.line_items.nodes)],
        shipping_lines=[_shipping(line) for line in node.shipping_lines.nodes],
        refunds=[_refund(refund, node.currency_code) for refund in node.refunds],
        shipping_address=_address(node.shipping_address),
        note_attributes=_attributes(node.custom_attributes),
        email=node.email,
        phone=node.phone,
    )


def holds(node: ListedOrder) -> list[str]:
    """Why fulfilment orders are on hold, in small letters."""
    reasons = [
        hold.reason
        for order in node.fulfillment_orders.nodes
        if order.status == ON_HOLD
        for hold in order.fulfillment_holds
    ]
    if not reasons and node.display_fulfillment_status == ON_HOLD:
        return ["no reason given"]
    return [reason.lower().replace("_", " ") for reason in reasons]


def _line(line: LineNode, index: int, tip: Bag) -> LineItem:
    item = LineItem(
        id=number_of(line.id),
        quantity=line.quantity,
        current_quantity=line.current_quantity,
        price=_amount(line.original_unit_price_set),
        sku=line.sku,
        title=line.title,
        grams=_grams(line.weight, f"$.lineItems.nodes[{index}].weight.unit"),
        requires_shipping=line.requires_shipping,
        properties=_attributes(line.custom_attributes),
        tax_lines=_taxes(line.tax_lines),
        discount_allocations=[Allocation(_amount(each.allocated_amount_set)) for each in line.discount_allocations],
    )
    if _is_tip(line, tip):
        item.tip_payment_gateway = "unknown"
    return item


def _is_tip(line: LineNode, tip: Bag) -> bool:
    """A webhook names the gateway of a tip's line; a node has nothing but the tip's amount to know it by."""
    tipped = Decimal(_amount(tip))
    return (
        tipped > 0
        and not line.sku
        and not line.requires_shipping
        and Decimal(_amount(line.original_unit_price_set)) * line.quantity == tipped
    )


def _shipping(line: ShippingNode) -> ShippingLine:
    return ShippingLine(
        price=_amount(line.original_price_set),
        title=line.title,
        code=line.code,
        is_removed=line.is_removed,
        current_discounted_price_set=_money(line.current_discounted_price_set),
        tax_lines=_taxes(line.tax_lines),
    )


def _refund(refund: RefundNode, currency: str) -> Refund:
    return Refund(
        refund_line_items=[
            RefundLineItem(
                line_item_id=number_of(row.line_item.id),
                quantity=row.quantity,
                subtotal=_amount(row.subtotal_set),
                total_tax=_amount(row.total_tax_set),
            )
            for row in refund.refund_line_items.nodes
        ],
        refund_shipping_lines=[
            RefundShippingLine(_money(row.subtotal_amount_set), _money(row.tax_amount_set))
            for row in refund.refund_shipping_lines.nodes
        ],
        transactions=[Transaction("refund", "success", _amount(refund.total_refunded_set), currency)],
    )


def _address(address: AddressNode | None) -> ShippingAddress | None:
    if address is None:
        return None
    return ShippingAddress(
        name=address.name,
        first_name=address.first_name,
        last_name=address.last_name,
        company=address.company,
        address1=address.address1,
        address2=address.address2,
        city=address.city,
        province=address.province,
        province_code=address.province_code,
        zip=address.zip,
        country_code=address.country_code_v2,
        phone=address.phone,
    )


def _grams(weight: WeightNode | None, where: str) -> int | None:
    if weight is None:
        return None
    grams = GRAMS.get(weight.unit)
    if grams is None:
        raise BadMessage(f"unknown unit of weight {weight.unit[:40]!r}", where=where)
    return round(Decimal(str(weight.value)) * grams)


def _attributes(attributes: list[Attribute]) -> list[dict[str, str | None]]:
    return [{"name": each.key, "value": each.value} for each in attributes]


def _taxes(taxes: list[TaxNode]) -> list[TaxLine]:
    return [TaxLine(_amount(tax.price_set)) for tax in taxes]


def _money(bag: Bag | None) -> MoneySet | None:
    return None if bag is None else MoneySet(shop_money=Money(_amount(bag)))


def _amount(bag: Bag) -> str:
    return bag.shop_money.amount
