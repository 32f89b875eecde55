"""Walmart's codes: line states, charges, ship nodes, services, carriers, reasons, errors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from kept.connectors.meanings import Meaning
from kept.ports import CancelReason


class Pieces(Enum):
    """Where pieces of a line are."""

    NEW = "new"  # we have to acknowledge them
    OPEN = "open"  # acknowledged: ours to ship
    GONE = "gone"  # shipped, whatever came afterwards
    CANCELLED = "cancelled"


# Status of a quantity of a line. Source: us_orders.json, OrderLineStatusType; "OnHold" is Mexico's.
# Only what was shipped can be refunded (us_orders.json, refundOrderLines), so pieces under "Refund" are gone.
STATUSES = {
    "Created": Pieces.NEW,
    "Acknowledged": Pieces.OPEN,
    "OnHold": Pieces.OPEN,
    "Shipped": Pieces.GONE,
    "Delivered": Pieces.GONE,
    "Refund": Pieces.GONE,
    "Cancelled": Pieces.CANCELLED,
}
CREATED, CANCELLED, SHIPPED, ON_HOLD = "Created", "Cancelled", "Shipped", "OnHold"


class Charge(Enum):
    """What a charge is for."""

    PRODUCT = "product"
    SHIPPING = "shipping"  # and all that stands on no line of ours
    DISCOUNT = "discount"  # on the goods or the shipping, as its name says


# Charge types. Source: developer.walmart.com, "Order management API overview" (PRODUCT, SHIPPING); Mexico's
# orders have DISCOUNT, and recycling fees come as FEE.
CHARGES = {
    "PRODUCT": Charge.PRODUCT,
    "SHIPPING": Charge.SHIPPING,
    "FEE": Charge.SHIPPING,
    "DISCOUNT": Charge.DISCOUNT,
}
SHIPPING_DISCOUNT = "SHIP"  # how the name of a discount on the shipping begins: SHIP_DISC

# Ship node types -> whether Walmart (or a centre that it commissions) ships from its own stock.
# Source: us_orders.json, parameter shipNodeType; PangaeaMarketplace is how Mexico writes the seller's own.
FULFILLED_BY_CHANNEL = {
    "SellerFulfilled": False,
    "PangaeaMarketplace": False,
    "WFSFulfilled": True,
    "3PLFulfilled": True,
}
SHIP_NODE_TYPES = ("SellerFulfilled", "WFSFulfilled", "3PLFulfilled")  # a list call gives one of them at a time

# Currencies of markets whose prices contain the tax: Mexico's IVA, Chile's. In the US and Canada it comes on top.
TAX_INCLUDED = frozenset({"MXN", "CLP"})

# How addresses write the countries of Walmart's markets, in capitals -> ISO 3166-1 alpha-2.
COUNTRIES = {
    "USA": "US",
    "UNITED STATES": "US",
    "CAN": "CA",
    "CANADA": "CA",
    "MEX": "MX",
    "MEXICO": "MX",
    "MÉXICO": "MX",
    "CHL": "CL",
    "CHILE": "CL",
    "PRI": "PR",
}
# What each market sells in.
CURRENCIES = {"US": "USD", "PR": "USD", "CA": "CAD", "MX": "MXN", "CL": "CLP"}


def country_of(name: str) -> str:
    """ISO 3166-1 alpha-2 of a country as an address names it; what is not in the table stays as it is."""
    return COUNTRIES.get(name.strip().upper(), name.strip().upper())


# Walmart cancels by itself what is not shipped so long after its ship date; an older page says eight days.
# Source: developer.walmart.com, "Purchase order (PO) line auto-canceled event".
AUTO_CANCEL = timedelta(days=4)
# By when an order has to be acknowledged: Walmart's .NET SDK and integrators' guides say four hours after it was
# made. Nobody documents what happens later, so this is our urgency, well before the automatic cancel.
ACKNOWLEDGE_WITHIN = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """What a shipping method comes to where Walmart gives no dates: Mexico gives no ship date."""

    ship_within: timedelta  # of the order
    deliver_days: int  # of the shipment: calendar days where the buyer is; the last one to its end


# Method codes in lower case. Source: us_orders.json, ShippingInfoType; delivery times by the shipping templates.
SERVICE_LEVELS = {
    "oneday": ServiceLevel(timedelta(days=1), 1),
    "express": ServiceLevel(timedelta(days=1), 3),
    "expedited": ServiceLevel(timedelta(days=1), 3),
    "standard": ServiceLevel(timedelta(days=1), 5),
    "value": ServiceLevel(timedelta(days=1), 7),
    "freight": ServiceLevel(timedelta(days=2), 14),
    "whiteglove": ServiceLevel(timedelta(days=2), 14),
}

# Carriers as centres name them, in capitals without blanks and hyphens -> Walmart's name for them.
# Source: us_orders.json, CarrierNameType.
CARRIERS = {
    "UPS": "UPS",
    "USPS": "USPS",
    "FEDEX": "FedEx",
    "FEDEXSMARTPOST": "FEDEXSP",
    "ONTRAC": "OnTrac",
    "DHL": "DHL",
    "DHLECOMMERCE": "DHL Ecommerce - US",
    "LASERSHIP": "LS",
    "LS": "LS",
    "UDS": "UDS",
    "UPSMAILINNOVATIONS": "UPSMI",
    "CANADAPOST": "Canada Post",
    "ROYALMAIL": "Royal Mail",
    "DEUTSCHEPOST": "Deutsche Post",
    "GLS": "GLS",
    "LSO": "LSO",
    "SENDLE": "Sendle",
    "ESTES": "ESTES",
    "SAIA": "SAIA",
    "XPO": "XPO Logistics",
    "CEVA": "CEVA",
}
METHOD_CODES = ("Standard", "Express", "OneDay", "Freight", "WhiteGlove", "Value")  # TrackingInfoType

# Source: us_orders.json, CancelLineStatusType. There is no code that only says "other": out of stock claims
# nothing about buyer, address or price; it empties the item's stock at Walmart until the next push.
CANCEL_REASONS = {
    CancelReason.BUYER: "CUSTOMER_REQUESTED_SELLER_TO_CANCEL",
    CancelReason.OUT_OF_STOCK: "SELLER_CANCEL_OUT_OF_STOCK",
    CancelReason.BAD_ADDRESS: "SELLER_CANCEL_ADDRESS_NOT_SERVICEABLE",
    CancelReason.PRICE_ERROR: "SELLER_CANCEL_PRICING_ERROR",
    CancelReason.FRAUD: "SELLER_CANCEL_FRAUD_STOP_SHIPMENT",
    CancelReason.OTHER: "SELLER_CANCEL_OUT_OF_STOCK",
}

# Error codes, without what follows the first full stop (which names the API), and what they mean to a call.
# Source: developer.walmart.com, "Troubleshoot error codes"; INVALID_TOKEN is what the gateway says of an old token.
ERRORS = {
    "INVALID_REQUEST": Meaning.PERMANENT,
    "INVALID_REQUEST_HEADER": Meaning.PERMANENT,
    "INVALID_REQUEST_PARAM": Meaning.PERMANENT,
    "INVALID_REQUEST_CONTENT": Meaning.PERMANENT,
    "MISSING_REQUEST_HEADER": Meaning.PERMANENT,
    "MISSING_REQUEST_PARAM": Meaning.PERMANENT,
    "MALFORMED_REQUEST_CONTENT": Meaning.PERMANENT,
    "UNAUTHORIZED": Meaning.AUTH,
    "INVALID_TOKEN": Meaning.AUTH,
    "FORBIDDEN": Meaning.RIGHTS,
    "CONTENT_NOT_FOUND": Meaning.PERMANENT,
    "URI_NOT_FOUND": Meaning.PERMANENT,
    "METHOD_NOT_ALLOWED": Meaning.PERMANENT,
    "INVALID_ACCEPT_TYPE": Meaning.PERMANENT,
    "UNSUPPORTED_MEDIA_TYPE": Meaning.PERMANENT,
    "RESOURCE_IS_LOCKED": Meaning.TEMPORARY,
    "REQUEST_THRESHOLD_VIOLATED": Meaning.TEMPORARY,
    "INVALID_SYSTEM_STATE": Meaning.UNKNOWN,
    "SYSTEM_ERROR": Meaning.UNKNOWN,
    "DOWNSTREAM_SYSTEM_TIME_OUT": Meaning.UNKNOWN,
}
# Those that blame a SKU or its quantity, and say nothing of the next one.
STOCK_REFUSALS = frozenset({"INVALID_REQUEST", "INVALID_REQUEST_PARAM", "INVALID_REQUEST_CONTENT"})
