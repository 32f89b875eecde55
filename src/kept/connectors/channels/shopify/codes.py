"""Shopify's codes: topics, payment states, gifts, services, errors and what they mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from kept.connectors.meanings import Meaning
from kept.domain.order import Payment
from kept.ports import CancelReason

TOPIC_HEADER = "x-shopify-topic"

# Topics whose body is an order as it now stands. orders/edited carries an `order_edit` instead, and an
# orders/updated with the whole order follows it; it is here for shops that forward the order under it.
ORDER_TOPICS = frozenset({"orders/create", "orders/updated", "orders/paid", "orders/cancelled", "orders/edited"})

# What we subscribe to, as the Admin API names topics (WebhookSubscriptionTopic). Of fulfilment orders: what moves a
# hold, or the order, without an order's own message.
SUBSCRIBED_TOPICS = (
    "ORDERS_CREATE",
    "ORDERS_UPDATED",
    "ORDERS_PAID",
    "ORDERS_CANCELLED",
    "ORDERS_EDITED",
    "FULFILLMENT_ORDERS_PLACED_ON_HOLD",
    "FULFILLMENT_ORDERS_HOLD_RELEASED",
    "FULFILLMENT_ORDERS_MOVED",
    "FULFILLMENT_ORDERS_SPLIT",
    "FULFILLMENT_ORDERS_CANCELLED",
)

# REST `financial_status`. Source: shopify.dev, Order resource; `expired` from OrderDisplayFinancialStatus.
PAYMENTS = {
    "pending": Payment.PENDING,
    "authorized": Payment.AUTHORISED,
    "partially_paid": Payment.PENDING,  # the rest is still to come
    "paid": Payment.PAID,
    "partially_refunded": Payment.PAID,  # what was refunded is already out of the current quantities
    "refunded": Payment.REFUNDED,
    "voided": Payment.VOIDED,
    "expired": Payment.VOIDED,  # the authorisation ran out: there is no money to ship against
}

# What other resources of Shopify's come under, in answers and files; none of them is an order.
OTHER_RESOURCES = frozenset(
    {
        "draft_order",
        "draft_orders",
        "fulfillment",
        "fulfillments",
        "fulfillment_event",
        "fulfillment_events",
        "fulfillment_order",
        "fulfillment_orders",
        "original_fulfillment_order",
        "refund",
        "refunds",
        "transaction",
        "transactions",
        "checkout",
        "checkouts",
    }
)

# Shopify has no field for a gift. Shops ask in the cart, and the answer becomes a line's property or an
# attribute of the order's note; these are the names in use, in lower case. A gift's message counts as a yes.
GIFT_NAMES = frozenset(
    {
        "gift",
        "_gift",
        "is_gift",
        "gift wrap",
        "gift_wrap",
        "gift-wrap",
        "gift wrapping",
        "gift_wrapping",
        "gift message",
        "gift_message",
        "gift note",
        "gift_note",
    }
)
NOT_GIFTED = frozenset({"", "no", "n", "false", "0", "off", "none"})  # what says no under such a name


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """What a shipping method promises, counted from when the order was placed."""

    ship_within: timedelta
    deliver_days: int  # calendar days where the buyer is; the last one to its end


STANDARD = ServiceLevel(timedelta(days=1), 5)
EXPRESS = ServiceLevel(timedelta(days=1), 2)
OVERNIGHT = ServiceLevel(timedelta(hours=12), 1)

# A shop names its shipping methods freely and Shopify hands on no date, so the name is all there is: the
# first row that fits decides. A name that fits none is STANDARD, the slowest: this table has that one default,
# since holding each order of a shop that calls its shipping "DHL Paket" would help nobody.
_LEVELS = (
    (re.compile(r"overnight|next[ -]?(business )?day|same[ -]?day|one[ -]?day|\b1[ -]?day", re.IGNORECASE), OVERNIGHT),
    (re.compile(r"express|expedited|priority|two[ -]?day|2nd[ -]?day|\b2[ -]?(business )?day", re.IGNORECASE), EXPRESS),
)


def service_level(name: str) -> ServiceLevel:
    """The level that a shipping method's title or code promises; STANDARD for a name of the shop's own."""
    return next((level for pattern, level in _LEVELS if pattern.search(name)), STANDARD)


# Fulfilments that no longer stand: their pieces are open again.
DEAD_FULFILMENTS = frozenset({"CANCELLED", "ERROR", "FAILURE"})
CREATE_FULFILMENT = "CREATE_FULFILLMENT"  # FulfillmentOrderAction: this fulfilment order is ours to ship

ON_HOLD = "ON_HOLD"  # FulfillmentOrderStatus and OrderDisplayFulfillmentStatus

# WeightUnit. A pound is 453.59237 g and an ounce a sixteenth of it, both exactly (the agreement of 1959).
GRAMS = {
    "GRAMS": Decimal(1),
    "KILOGRAMS": Decimal(1000),
    "POUNDS": Decimal("453.59237"),
    "OUNCES": Decimal("28.349523125"),
}

# `errors[].extensions.code`. A code that is not here is PERMANENT, with the code in the fault.
# Source: shopify.dev, "GraphQL Admin API: status and error codes"; TIMEOUT from answers seen.
GRAPHQL_ERRORS = {
    "THROTTLED": Meaning.TEMPORARY,
    "ACCESS_DENIED": Meaning.RIGHTS,  # the token lacks a scope, or its user a permission
    "SHOP_INACTIVE": Meaning.AUTH,  # closed, or stopped for its debts or for fraud
    "INTERNAL_SERVER_ERROR": Meaning.UNKNOWN,
    "TIMEOUT": Meaning.UNKNOWN,
    "MAX_COST_EXCEEDED": Meaning.PERMANENT,  # one query above 1,000 points
}

# Statuses that blame the account beside 401 and 403; `HttpTarget` tells the rest.
# Source: shopify.dev, "API response status and error codes".
HTTP_ERRORS = {
    402: Meaning.AUTH,  # the shop is frozen until its bill is paid
    423: Meaning.AUTH,  # the shop is locked for too many requests or for fraud
    430: Meaning.AUTH,  # Shopify's security takes us for an attacker
}

# OrderCancelUserErrorCode. Source: schema 2026-10.
CANCEL_ERRORS = {
    "INTERNAL_ERROR": Meaning.UNKNOWN,
    "INVALID": Meaning.PERMANENT,  # fulfilled, in return, or cancelled already
    "NOT_FOUND": Meaning.PERMANENT,
    "NO_REFUND_PERMISSION": Meaning.RIGHTS,
    "NO_REFUND_TO_STORE_CREDIT_PERMISSION": Meaning.RIGHTS,
    "STORE_CREDIT_REFUND_B2B_NOT_SUPPORTED": Meaning.PERMANENT,
    "STORE_CREDIT_REFUND_EXPIRATION_IN_PAST": Meaning.PERMANENT,
    "STORE_CREDIT_REFUND_MISSING_CUSTOMER": Meaning.PERMANENT,
}

# OrderCancelStatus. Source: schema 2026-10.
CANCEL_UNDER_WAY = "STARTED"
CANCEL_DONE = "SUCCEEDED"
CANCEL_ENDS = frozenset({CANCEL_DONE, "FAILED"})

# InventorySetQuantitiesUserErrorCode, where it blames one row: our word for it. Source: schema 2026-10.
AVAILABLE = "available"  # the quantity's name: what may be sold
STALE = "stale"
STOCK_REFUSALS = {
    "CHANGE_FROM_QUANTITY_STALE": STALE,
    "COMPARE_QUANTITY_STALE": STALE,
    "INVALID_INVENTORY_ITEM": "unknown_item",
    "NON_MUTABLE_INVENTORY_ITEM": "not_settable",  # a bundle's parent: its stock is its components'
    "INVALID_QUANTITY_NEGATIVE": "quantity",
    "INVALID_QUANTITY_TOO_HIGH": "quantity",
    "INVALID_QUANTITY_TOO_LOW": "quantity",
    "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR": "ambiguous",
}
# ... and where it blames the whole call.
KEY_BURNT = "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"  # this key failed before: the same again needs a new one
STOCK_ERRORS = {
    KEY_BURNT: Meaning.TEMPORARY,
    "IDEMPOTENCY_CONCURRENT_REQUEST": Meaning.TEMPORARY,  # the same call is still under way
    "IDEMPOTENCY_KEY_PARAMETER_MISMATCH": Meaning.PERMANENT,
    "COMPARE_QUANTITY_REQUIRED": Meaning.PERMANENT,
    "INVALID_LOCATION": Meaning.PERMANENT,
    "INVALID_NAME": Meaning.PERMANENT,
    "INVALID_REASON": Meaning.PERMANENT,
    "INVALID_REFERENCE_DOCUMENT": Meaning.PERMANENT,
}

# OrderCancelReason for our reasons. Source: schema 2026-10.
CANCEL_REASONS = {
    CancelReason.BUYER: "CUSTOMER",
    CancelReason.OUT_OF_STOCK: "INVENTORY",
    CancelReason.FRAUD: "FRAUD",
    CancelReason.PRICE_ERROR: "STAFF",  # "staff errors"
    CancelReason.BAD_ADDRESS: "OTHER",
    CancelReason.OTHER: "OTHER",
}
