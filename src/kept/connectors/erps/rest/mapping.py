"""Ours <-> the REST ERP's JSON. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from kept.connectors.answers import UnexpectedAnswer, given, same, unique
from kept.connectors.wire import address_json, packages_json, rfc3339
from kept.domain.order import Address
from kept.ports import (
    BookedOrder,
    ItemCheck,
    PermanentFault,
    PostedShipment,
    SalesOrder,
    ShipmentPosting,
    Withdrawal,
)


class ItemBody(msgspec.Struct):
    """What the ERP says of one SKU."""

    sku: str
    known: bool
    saleable: bool


class ItemsBody(msgspec.Struct):
    items: list[ItemBody]


class CustomerBody(msgspec.Struct):
    customer_id: str


class OrderBody(msgspec.Struct):
    """A sales order as the ERP has it."""

    order_id: str
    reference: str
    total_minor: int
    currency: str


class OrdersBody(msgspec.Struct):
    orders: list[OrderBody]


class ShipmentBody(msgspec.Struct):
    shipment_id: str


class WithdrawalBody(msgspec.Struct):
    order_id: str


# ------------------------------------------------------------------ ours to theirs


def customer_key(account: str, email: str) -> str:
    """The customer's key in the ERP, 32 hex digits: the same buyer at the same account is one customer.

    Buyers without an e-mail address share one customer per account; the address is with each order.
    """
    return hashlib.sha256(f"{account}|{email.strip().lower()}".encode()).hexdigest()[:32]


def customer_json(email: str, address: Address) -> dict[str, Any]:
    return {"name": address.name, "email": email, "address": address_json(address)}


def order_json(order: SalesOrder) -> dict[str, Any]:
    return {
        "reference": order.reference,
        "channel": order.channel,
        "channel_number": order.channel_number,
        "customer_id": order.customer_id,
        "currency": order.currency,
        "placed_at": rfc3339(order.placed_at),
        "ship_to": address_json(order.ship_to),
        "lines": [
            {
                "line_no": line.line_no,
                "sku": line.sku,
                "quantity": line.quantity,
                "unit_price_minor": line.unit_price_minor,
                "discount_minor": line.discount_minor,
                "tax_minor": line.tax_minor,
                "free": line.free,
            }
            for line in order.lines
        ],
        "shipping_minor": order.shipping_minor,
        "shipping_tax_minor": order.shipping_tax_minor,
        "total_minor": order.total_minor,
        "tax_included": order.tax_included,
        "version": order.version,
    }


def posting_json(posting: ShipmentPosting) -> dict[str, Any]:
    return {
        "reference": posting.reference,
        "shipped_at": rfc3339(posting.shipped_at),
        "packages": packages_json(posting.packages),
    }


# ------------------------------------------------------------------ theirs to ours


def item_checks(answer: Any, skus: Sequence[str]) -> list[ItemCheck]:
    """One check for each SKU asked about, in that order. Raises UnexpectedAnswer for one left out or doubled."""
    items = msgspec.convert(answer, ItemsBody).items
    if not unique([item.sku for item in items]):
        raise UnexpectedAnswer("one SKU is there twice")
    found = {item.sku: ItemCheck(item.sku, item.known, item.saleable) for item in items}
    missing = [sku for sku in skus if sku not in found]
    if missing:
        raise UnexpectedAnswer(f"nothing is said about {missing[0]!r} and {len(missing) - 1} more")
    return [found[sku] for sku in skus]


def customer_id(answer: Any) -> str:
    return given("customer_id", msgspec.convert(answer, CustomerBody).customer_id)


def booked(answer: Any, reference: str) -> BookedOrder:
    """The order as booked; whether its total is ours is the booking step's to judge."""
    return _booked_under(msgspec.convert(answer, OrderBody), reference)


def found_order(answer: Any, reference: str) -> BookedOrder | None:
    """The one order under `reference`. Raises PermanentFault "ambiguous" when there are more."""
    orders = msgspec.convert(answer, OrdersBody).orders
    if len(orders) > 1:
        ids = ", ".join(order.order_id for order in orders[:10])
        raise PermanentFault(
            f"the ERP has {len(orders)} orders under {reference} ({ids}): cancel all but one there, then replay",
            code="ambiguous",
        )
    return _booked_under(orders[0], reference) if orders else None


def posted(answer: Any) -> PostedShipment:
    return PostedShipment(given("shipment_id", msgspec.convert(answer, ShipmentBody).shipment_id))


def withdrawn(answer: Any) -> Withdrawal:
    return Withdrawal(given("order_id", msgspec.convert(answer, WithdrawalBody).order_id))


def _booked_under(body: OrderBody, reference: str) -> BookedOrder:
    same("reference", reference, body.reference)
    return BookedOrder(given("order_id", body.order_id), body.total_minor, body.currency)
