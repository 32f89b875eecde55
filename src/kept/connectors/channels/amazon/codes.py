"""Amazon's codes: states, marketplaces, programmes, services, carriers, reasons to cancel, errors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from kept.domain.order import Payment
from kept.engine.quotas import Rate
from kept.ports import CancelReason


@dataclass(frozen=True, slots=True)
class Standing:
    """What a state of an order means to us."""

    payment: Payment
    cancelled: bool = False
    shipped: bool = False
    hold: str = ""


_PENDING = Standing(Payment.PENDING)  # the payment is not authorised
_OPEN = Standing(Payment.AUTHORISED)  # Amazon charges the buyer when we confirm the shipment
# Whoever shipped the first part, the order as told does not say which pieces are left to us. Our own part
# shipments make this state as well: the validate step, which holds, has long been passed by then.
_PART = Standing(Payment.AUTHORISED, hold="a part of it has been shipped before it came to us")
_SHIPPED = Standing(Payment.PAID, shipped=True)
_CANCELLED = Standing(Payment.VOIDED, cancelled=True)
_STUCK = Standing(Payment.AUTHORISED, hold="Amazon says that it can't be fulfilled")

# Source: model orders_2026-01-01, FulfillmentStatus; INVOICE_UNCONFIRMED from Amazon's map of v0 to 2026-01-01.
STANDINGS_2026 = {
    "PENDING_AVAILABILITY": _PENDING,  # a pre-order
    "PENDING": _PENDING,
    "UNSHIPPED": _OPEN,
    "PARTIALLY_SHIPPED": _PART,
    "SHIPPED": _SHIPPED,
    "INVOICE_UNCONFIRMED": _SHIPPED,  # all shipped, and the invoice's sending not yet confirmed
    "CANCELLED": _CANCELLED,
    "UNFULFILLABLE": _STUCK,
}
# Source: model ordersV0, Order.OrderStatus.
STANDINGS_V0 = {
    "PendingAvailability": _PENDING,
    "Pending": _PENDING,
    "Unshipped": _OPEN,
    "PartiallyShipped": _PART,
    "Shipped": _SHIPPED,
    "InvoiceUnconfirmed": _SHIPPED,
    "Canceled": _CANCELLED,
    "Unfulfillable": _STUCK,
}

# Whether Amazon ships the order. Without the field nobody can say whose it is to ship.
FULFILLED_BY_AMAZON_2026 = {"AMAZON": True, "MERCHANT": False}
FULFILLED_BY_AMAZON_V0 = {"AFN": True, "MFN": False}

# Programmes that change who carries a parcel, or whether there is one, and what to do instead. All others
# (PRIME, AMAZON_BUSINESS, PREMIUM, ...) change nothing that the dates don't say already.
PROGRAMS_THAT_HOLD = {
    "AMAZON_EASY_SHIP": "Amazon's carrier collects it (Easy Ship): schedule the pick-up and use Amazon's label",
    "DELIVERY_BY_AMAZON": "Amazon's carrier collects it (Delivery by Amazon): use Amazon's label",
    "IN_STORE_PICK_UP": "the buyer picks it up in the store: there is nothing to send",
}

REPLACEMENTS = frozenset({"REPLACEMENT_ORIGINAL_ID", "EXCHANGE_ORIGINAL_ID"})  # AssociatedOrder.associationType


@dataclass(frozen=True, slots=True)
class Marketplace:
    """A marketplace: its country, its currency, and whether the prices shown there contain the tax."""

    country: str
    currency: str
    tax_included: bool


# Source: developer-docs.amazon.com, "Marketplace IDs". In North America tax is added on top, elsewhere prices
# contain it; that an ItemPrice of v0 does so too: amzn/selling-partner-api-models, issue 4858.
MARKETPLACES = {
    "ATVPDKIKX0DER": Marketplace("US", "USD", False),
    "A2EUQ1WTGCTBG2": Marketplace("CA", "CAD", False),
    "A1AM78C64UM0Y8": Marketplace("MX", "MXN", True),
    "A2Q3Y263D00KWC": Marketplace("BR", "BRL", True),
    "A28R8C7NBKEWEA": Marketplace("IE", "EUR", True),
    "A1RKKUPIHCS9HS": Marketplace("ES", "EUR", True),
    "A1F83G8C2ARO7P": Marketplace("GB", "GBP", True),
    "A13V1IB3VIYZZH": Marketplace("FR", "EUR", True),
    "AMEN7PMS3EDWL": Marketplace("BE", "EUR", True),
    "A1805IZSGTT6HS": Marketplace("NL", "EUR", True),
    "A1PA6795UKMFR9": Marketplace("DE", "EUR", True),
    "APJ6JRA9NG5V4": Marketplace("IT", "EUR", True),
    "A2NODRKZP88ZB9": Marketplace("SE", "SEK", True),
    "AE08WJ6YKNBMC": Marketplace("ZA", "ZAR", True),
    "A1C3SOZRARQ6R3": Marketplace("PL", "PLN", True),
    "ARBP9OOSHTCHU": Marketplace("EG", "EGP", True),
    "A33AVAJ2PDY3EV": Marketplace("TR", "TRY", True),
    "A17E79C6D8DWNP": Marketplace("SA", "SAR", True),
    "A2VIGQ35RCS4UG": Marketplace("AE", "AED", True),
    "A21TJRUUN4KGV": Marketplace("IN", "INR", True),
    "A19VAU5U5O7RUS": Marketplace("SG", "SGD", True),
    "A39IBJ37TRP1C6": Marketplace("AU", "AUD", True),
    "A1VC38T7YXB528": Marketplace("JP", "JPY", True),
}


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """What a service promises where Amazon gave no dates: counted from the order, and from the shipment."""

    ship_within: timedelta
    deliver_days: int  # calendar days where the buyer is; the last one to its end


_DAY = timedelta(days=1)
# Keys are Amazon's categories in lower case without underscores, so that v0's "SecondDay" and "SECOND_DAY" are
# one. Two working days of handling is Amazon's own default; the transit times are its upper ones.
SERVICE_LEVELS = {
    "standard": ServiceLevel(2 * _DAY, 8),
    "freeeconomy": ServiceLevel(2 * _DAY, 10),
    "scheduled": ServiceLevel(2 * _DAY, 8),
    "expedited": ServiceLevel(2 * _DAY, 3),
    "priority": ServiceLevel(1 * _DAY, 2),
    "secondday": ServiceLevel(1 * _DAY, 2),
    "nextday": ServiceLevel(1 * _DAY, 1),
    "sameday": ServiceLevel(_DAY / 4, 0),
}

# ConfirmShipment's carrierCode, by the name in lower case; any other carrier goes as "Other" with its name, which
# is how Amazon asks for carriers that its list has not (model ordersV0, PackageDetail.carrierName).
OTHER_CARRIER = "Other"
CARRIERS = {
    name.lower(): name
    for name in (
        "UPS",
        "USPS",
        "FedEx",
        "DHL",
        "DHL eCommerce",
        "OnTrac",
        "Canada Post",
        "Purolator",
        "Royal Mail",
        "DPD",
        "GLS",
        "Yodel",
        "Parcelforce",
        "Deutsche Post",
        "La Poste",
        "Colissimo",
        "Chronopost",
        "Correos",
        "SEUR",
        "MRW",
        "Poste Italiane",
        "BRT",
        "PostNL",
        "PostNord",
        "InPost",
        "Correios",
        "Estafeta",
        "Australia Post",
        "Japan Post",
        "Blue Dart",
        "Delhivery",
    )
}


# OrderAcknowledgement's CancelReason. Source: Amazon's feed schema OrderAcknowledgement.xsd; it has no reason for a
# wrong price. All but NoInventory give the pieces back to Amazon's count.
CANCEL_REASONS = {
    CancelReason.BUYER: "BuyerCanceled",
    CancelReason.OUT_OF_STOCK: "NoInventory",
    CancelReason.BAD_ADDRESS: "ShippingAddressUndeliverable",
    CancelReason.PRICE_ERROR: "GeneralAdjustment",
    CancelReason.FRAUD: "RiskAssessmentInformationNotValid",
    CancelReason.OTHER: "GeneralAdjustment",
}


class Meaning(Enum):
    """What an error leaves us with."""

    TEMPORARY = "temporary"  # nothing was done, and it may be later
    PERMANENT = "permanent"  # nothing was done, and it would not be later either
    AUTH = "auth"  # the account is at fault, and every other call of it is refused too
    UNKNOWN = "unknown"  # it may have been done


# `errors[].code`, without spaces: Amazon's own examples have both "InvalidInput" and "Invalid Input". A code that is
# not here means what its status says. Source: developer-docs.amazon.com, "SP-API Errors FAQ", and the models' answers.
ERRORS = {
    "InvalidInput": Meaning.PERMANENT,
    "InvalidParameterValue": Meaning.PERMANENT,
    "MissingParameter": Meaning.PERMANENT,
    "BadRequest": Meaning.PERMANENT,
    "NotFound": Meaning.PERMANENT,
    "ResourceNotFound": Meaning.PERMANENT,
    "RequestTooLarge": Meaning.PERMANENT,
    "UnsupportedMediaType": Meaning.PERMANENT,
    "PackageToUpdateNotFound": Meaning.PERMANENT,
    "Unauthorized": Meaning.AUTH,
    "AccessDenied": Meaning.AUTH,
    "Forbidden": Meaning.AUTH,
    "ExpiredToken": Meaning.AUTH,
    "InvalidSignature": Meaning.AUTH,
    "MissingAuthenticationToken": Meaning.AUTH,
    "QuotaExceeded": Meaning.TEMPORARY,
    "TooManyRequests": Meaning.TEMPORARY,
    "ServiceUnavailable": Meaning.TEMPORARY,
    "InternalFailure": Meaning.UNKNOWN,
    "InternalError": Meaning.UNKNOWN,
    "InternalServerError": Meaning.UNKNOWN,
}

# `error` of the token endpoint. Source: developer.amazon.com, "Login with Amazon: access token errors".
TOKEN_ERRORS = {
    "invalid_request": Meaning.PERMANENT,
    "unsupported_grant_type": Meaning.PERMANENT,
    "invalid_scope": Meaning.PERMANENT,
    "invalid_client": Meaning.AUTH,  # the client's id or secret is wrong, or the secret was rotated
    "invalid_grant": Meaning.AUTH,  # the seller took the authorisation back, or it ended after a year
    "unauthorized_client": Meaning.AUTH,
    "access_denied": Meaning.AUTH,
    "ServerError": Meaning.UNKNOWN,
    "server_error": Meaning.UNKNOWN,
    "temporarily_unavailable": Meaning.TEMPORARY,
}

# What Amazon allows a seller and an application, of each operation by its name. A seller may have more; then
# x-amzn-RateLimit-Limit says so. Source: the usage plans in Amazon's models.
RATES = {
    "searchOrders": Rate(0.0056, 20),
    "getOrder": Rate(0.5, 30),
    "getOrders": Rate(0.0167, 20),
    "getOrderItems": Rate(0.5, 30),
    "confirmShipment": Rate(2, 10),
    "createFeedDocument": Rate(0.5, 15),
    "createFeed": Rate(0.0083, 15),
    "getFeed": Rate(2, 15),
    "patchListingsItem": Rate(5, 5),
    "createRestrictedDataToken": Rate(1, 10),
}
