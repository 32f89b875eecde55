"""Writes a sale down as Walmart does: a purchase order of its API of version 3, and the notification of it.

A line's charges are for its whole quantity, its state is told by pieces. Prices that contain their tax are written
without it and the tax beside them, as in the US.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from kept.simulator.orders import Sale, SaleAddress, SaleLine
from kept.simulator.payloads import Version, decimal_string, iso

Json = dict[str, Any]
_ORDER_IDS_FROM = 1_796_000_000_000  # as long as real ones
_CUSTOMER_ORDER_IDS_FROM = 5_281_000_000_000
_METHODS = {"standard": "Standard", "express": "Express"}


@dataclass(frozen=True, slots=True)
class Shipped:
    """Pieces that were marked as shipped under one tracking number, by line number."""

    tracking: str
    carrier: str
    pieces: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Told:
    """What the seller said of an order; `at` is when it last said something."""

    acknowledged: bool = False
    shipped: Sequence[Shipped] = ()
    cancelled: Mapping[str, int] = field(default_factory=dict)  # line number -> pieces
    at: datetime | None = None


def walmart_order_id(seq: int) -> str:
    return str(_ORDER_IDS_FROM + seq)


def walmart_line_id(line_no: int) -> str:
    return str(line_no)


def modified_at(sale: Sale, version: Version, told: Told) -> datetime:
    """When an order last changed; the buyer's doings have times of before the sale was made."""
    changed_at = sale.placed_at + timedelta(seconds=version.age_s)
    return max(changed_at, told.at or changed_at)


def walmart_order(sale: Sale, version: Version, told: Told | None = None) -> Json:
    """The order as getAnOrder and getAllOrders show it."""
    told = told or Told()
    at_ms = _milliseconds(modified_at(sale, version, told))
    return {
        "purchaseOrderId": walmart_order_id(sale.seq),
        "customerOrderId": str(_CUSTOMER_ORDER_IDS_FROM + sale.seq),
        "customerEmailId": sale.email,
        "orderType": "REGULAR",
        "orderDate": _milliseconds(sale.placed_at),
        "shippingInfo": {
            "phone": sale.ship_to.phone,
            "estimatedDeliveryDate": _milliseconds(sale.deliver_by),
            "estimatedShipDate": _milliseconds(sale.ship_by),
            "methodCode": _METHODS[sale.service],
            "postalAddress": _address(sale.ship_to, corrected=version.corrected),
        },
        "orderLines": {"orderLine": [_line(sale, line, version, told, at_ms) for line in sale.lines]},
        "orderSummary": {
            "totalAmount": {
                "currencyAmount": _number(sale.total_minor, sale.currency),
                "currencyUnit": sale.currency,
            },
        },
        "shipNode": {"type": "SellerFulfilled", "name": "Main"},
    }


def order_update(sale: Sale, version: Version) -> Json:
    """ORDER_UPDATES: which order and which lines, without prices and address. One revision has one id."""
    order_id = walmart_order_id(sale.seq)
    at = iso(sale.placed_at + timedelta(seconds=version.age_s))
    status = "CANCELLED" if version.cancelled else "CREATED"
    lines = [
        {
            "lineNumber": walmart_line_id(line.line_no),
            "sku": line.item.sku,
            "productName": line.item.title,
            "quantity": {"unitOfMeasure": "EACH", "measurementValue": str(line.wanted)},
            "status": status,
            "statusDate": at,
        }
        for line in sale.lines
    ]
    return {
        "source": {
            "eventType": "ORDER_UPDATES",
            "eventVersion": "V1",
            "eventTime": at,
            "eventId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"walmart/{order_id}/{at}/{status}")),
        },
        "payload": {
            "subEventType": "PO_LINE_AUTOCANCELLED" if version.cancelled else "PO_CREATED",
            "order": {"purchaseOrderId": order_id, "orderDate": iso(sale.placed_at), "orderLines": lines},
        },
    }


def open_pieces(sale: Sale, version: Version, told: Told) -> dict[str, int]:
    """Pieces that are neither shipped nor cancelled, by line number."""
    return {walmart_line_id(line.line_no): _open(line, version, told) for line in sale.lines}


def _line(sale: Sale, line: SaleLine, version: Version, told: Told, at_ms: int) -> Json:
    number = walmart_line_id(line.line_no)
    left = _open(line, version, told)
    shipped = [each for each in told.shipped if each.pieces.get(number)]
    statuses = [_status("Shipped", each.pieces[number]) | {"trackingInfo": _tracking(each)} for each in shipped]
    if left:
        statuses.append(_status("Acknowledged" if told.acknowledged else "Created", left))
    gone = line.quantity - left - sum(each.pieces[number] for each in shipped)
    if gone:
        statuses.append(_status("Cancelled", gone) | {"cancellationReason": "CANCEL_FROM_BUYER_OR_SELLER"})
    nothing = _charge("PRODUCT", "ItemPrice", 0, 0, sale.currency)
    return {
        "lineNumber": number,
        "item": {"productName": line.item.title, "sku": line.item.sku},
        "charges": {"charge": _charges(sale, line, line.quantity - gone) if gone < line.quantity else [nothing]},
        "orderLineQuantity": {"unitOfMeasurement": "EACH", "amount": str(line.quantity)},
        "statusDate": at_ms,
        "orderLineStatuses": {"orderLineStatus": statuses},
    }


def _open(line: SaleLine, version: Version, told: Told) -> int:
    number = walmart_line_id(line.line_no)
    shipped = sum(each.pieces.get(number, 0) for each in told.shipped)
    return 0 if version.cancelled else line.wanted - shipped - told.cancelled.get(number, 0)


def _charges(sale: Sale, line: SaleLine, pieces: int) -> list[Json]:
    """What is charged for `pieces`, those not cancelled; the first line has the shipping."""
    tax, discount = (minor * pieces // line.wanted for minor in (line.tax_minor, line.discount_minor))
    contained, shipping_contained = (tax, sale.shipping_tax_minor) if sale.tax_included else (0, 0)
    charges = [_charge("PRODUCT", "ItemPrice", line.unit_price_minor * pieces - contained, tax, sale.currency)]
    if discount:
        charges.append(_charge("PRODUCT", "SubscriptionDiscount", -discount, 0, sale.currency))
    shipping = sale.shipping_minor - sale.shipping_discount_minor - shipping_contained
    if line.line_no == sale.lines[0].line_no and (shipping or sale.shipping_tax_minor):
        charges.append(_charge("SHIPPING", "Shipping", shipping, sale.shipping_tax_minor, sale.currency))
    return charges


def _charge(kind: str, name: str, minor: int, tax_minor: int, currency: str) -> Json:
    charge: Json = {"chargeType": kind, "chargeName": name, "chargeAmount": _money(minor, currency)}
    if tax_minor:
        charge["tax"] = {"taxName": "Tax1", "taxAmount": _money(tax_minor, currency)}
    return charge


def _status(status: str, pieces: int) -> Json:
    return {"status": status, "statusQuantity": {"unitOfMeasurement": "EACH", "amount": str(pieces)}}


def _tracking(shipped: Shipped) -> Json:
    return {"carrierName": {"carrier": shipped.carrier}, "trackingNumber": shipped.tracking}


def _address(address: SaleAddress, *, corrected: bool) -> Json:
    return {
        "name": address.name,
        "address1": address.line1,
        "address2": "Door 2" if corrected else address.line2,
        "city": address.city,
        "state": address.region,
        "postalCode": address.postal_code,
        "country": "USA" if address.country == "US" else address.country,
        "addressType": "RESIDENTIAL",
    }


def _money(minor: int, currency: str) -> Json:
    return {"currency": currency, "amount": _number(minor, currency)}


def _number(minor: int, currency: str) -> float:
    """An amount as Walmart's JSON has it: a number, whose shortest writing is the decimal string."""
    return float(decimal_string(minor, currency))


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
