"""Orders API v0: Amazon's shapes, with only the fields that we use; unknown ones are let pass.

`| None` stands where Amazon leaves a field out or sends null. Source: Amazon's model ordersV0.json.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from kept.connectors.wire import LINES_MAX, QUANTITY_MAX, Moment

AmazonId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Pieces = Annotated[int, msgspec.Meta(ge=0, le=QUANTITY_MAX)]
# The model says string; the notification of the same fact says boolean.
Flag = Literal["true", "false"] | bool


class Money(msgspec.Struct):
    """Both fields are optional by the model; an amount without its currency is refused where it is read."""

    amount: str | None = msgspec.field(default=None, name="Amount")
    currency_code: str | None = msgspec.field(default=None, name="CurrencyCode")


class ExtendedFields(msgspec.Struct, rename="pascal"):
    neighborhood: str | None = None  # Brazil's bairro, without which a parcel there is not delivered


class Address(msgspec.Struct, rename="pascal"):
    """A shipping address. Without a restricted data token only town, region, code and country are there."""

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


class BuyerInfo(msgspec.Struct, rename="pascal"):
    buyer_email: str | None = None


class ItemBuyerInfo(msgspec.Struct, rename="pascal"):
    """What the buyer asked for with an item; amounts are for the item's whole quantity."""

    gift_wrap_price: Money | None = None
    gift_wrap_tax: Money | None = None
    gift_message_text: str | None = None
    gift_wrap_level: str | None = None


class BuyerRequestedCancel(msgspec.Struct, rename="pascal"):
    is_buyer_requested_cancel: Flag | None = None


class Item(msgspec.Struct):
    """One order item. `ItemPrice` is the price of the *whole quantity*; there are no prices while pending."""

    order_item_id: AmazonId = msgspec.field(name="OrderItemId")
    quantity_ordered: Pieces = msgspec.field(name="QuantityOrdered")
    seller_sku: str | None = msgspec.field(default=None, name="SellerSKU")
    title: str | None = msgspec.field(default=None, name="Title")
    item_price: Money | None = msgspec.field(default=None, name="ItemPrice")
    item_tax: Money | None = msgspec.field(default=None, name="ItemTax")
    shipping_price: Money | None = msgspec.field(default=None, name="ShippingPrice")
    shipping_tax: Money | None = msgspec.field(default=None, name="ShippingTax")
    shipping_discount: Money | None = msgspec.field(default=None, name="ShippingDiscount")
    shipping_discount_tax: Money | None = msgspec.field(default=None, name="ShippingDiscountTax")
    promotion_discount: Money | None = msgspec.field(default=None, name="PromotionDiscount")
    promotion_discount_tax: Money | None = msgspec.field(default=None, name="PromotionDiscountTax")
    cod_fee: Money | None = msgspec.field(default=None, name="CODFee")
    cod_fee_discount: Money | None = msgspec.field(default=None, name="CODFeeDiscount")
    is_gift: Flag | None = msgspec.field(default=None, name="IsGift")
    scheduled_delivery_end: Moment | None = msgspec.field(default=None, name="ScheduledDeliveryEndDate")
    buyer_info: ItemBuyerInfo | None = msgspec.field(default=None, name="BuyerInfo")
    buyer_requested_cancel: BuyerRequestedCancel | None = msgspec.field(default=None, name="BuyerRequestedCancel")
    shipping_constraints: dict[str, Any] | None = msgspec.field(default=None, name="ShippingConstraints")


Items = Annotated[list[Item], msgspec.Meta(max_length=LINES_MAX)]


class Order(msgspec.Struct, rename="pascal"):
    """The order, as getOrder and getOrders tell of it: without its items."""

    amazon_order_id: AmazonId
    purchase_date: Moment
    last_update_date: Moment
    order_status: str
    fulfillment_channel: str | None = None
    marketplace_id: str | None = None
    order_total: Money | None = None
    payment_method: str | None = None
    ship_service_level: str | None = None
    shipment_service_level_category: str | None = None
    latest_ship_date: Moment | None = None
    latest_delivery_date: Moment | None = None
    is_replacement_order: Flag | None = None
    has_regulated_items: bool | None = None
    easy_ship_shipment_status: str | None = None
    shipping_address: Address | None = None
    buyer_info: BuyerInfo | None = None
    is_ispu: bool | None = msgspec.field(default=None, name="IsISPU")


class OrderItems(msgspec.Struct, rename="pascal"):
    """One page of getOrderItems."""

    order_items: Items
    amazon_order_id: AmazonId
    next_token: str | None = None


class OrderAddress(msgspec.Struct, rename="pascal"):
    """The answer of getOrderAddress."""

    amazon_order_id: AmazonId
    shipping_address: Address | None = None


class OrderBuyerInfo(BuyerInfo, rename="pascal", kw_only=True):
    """The answer of getOrderBuyerInfo."""

    amazon_order_id: AmazonId


class BuyerInfoOfItem(ItemBuyerInfo, rename="pascal", kw_only=True):
    order_item_id: AmazonId


class OrderItemsBuyerInfo(msgspec.Struct, rename="pascal"):
    """One page of getOrderItemsBuyerInfo."""

    amazon_order_id: AmazonId
    order_items: list[BuyerInfoOfItem]
    next_token: str | None = None
