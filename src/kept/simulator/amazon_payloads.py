"""Writes a sale down as Amazon does: an order of the Orders API 2026-01-01, and the notification that it changed.

An item's proceeds are broken down by type, each for the wanted quantity; their sum is its part of the grand total, so
that prices which contain their tax are written without it and the tax beside them.
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
MARKETPLACE = "ATVPDKIKX0DER"
SELLER_ID = "A1SIMULATED"
_ITEM_IDS_FROM = 70_000_000_000_000  # as long as real ones
_SERVICES = {"standard": "STANDARD", "express": "EXPEDITED"}


@dataclass(frozen=True, slots=True)
class Done:
    """What happened to an order after it was sold, by item id; `at` is when something last did."""

    shipped: Mapping[str, int] = field(default_factory=dict)
    cancelled: frozenset[str] = frozenset()
    packages: Sequence[Json] = ()
    at: datetime | None = None


def amazon_order_id(seq: int) -> str:
    """In Amazon's form, 3-7-7 digits."""
    return f"111-{seq // 10_000_000:07d}-{seq % 10_000_000:07d}"


def amazon_item_id(seq: int, line_no: int) -> str:
    return str(_ITEM_IDS_FROM + seq * 100 + line_no)


def amazon_order(sale: Sale, version: Version, done: Done | None = None) -> Json:
    """The order as getOrder and searchOrders show it. Without the payment there are neither proceeds nor address."""
    done = done or Done()
    items = [_item(sale, line, version, done) for line in sale.lines]
    changed_at = sale.placed_at + timedelta(seconds=version.age_s)
    order: Json = {
        "orderId": amazon_order_id(sale.seq),
        "createdTime": iso(sale.placed_at),
        "lastUpdatedTime": iso(max(changed_at, done.at or changed_at)),
        "programs": [],
        "salesChannel": {"channelName": "AMAZON", "marketplaceId": MARKETPLACE, "marketplaceName": "Amazon.com"},
        "fulfillment": {
            "fulfillmentStatus": _status(version, items),
            "fulfilledBy": "MERCHANT",
            "fulfillmentServiceLevel": _SERVICES[sale.service],
            "shipByWindow": {"earliestDateTime": iso(sale.placed_at), "latestDateTime": iso(sale.ship_by)},
            "deliverByWindow": {"earliestDateTime": iso(sale.ship_by), "latestDateTime": iso(sale.deliver_by)},
        },
        "orderItems": items,
        "packages": list(done.packages),
    }
    if not version.pending:
        order["buyer"] = {"buyerEmail": sale.email}
        order["recipient"] = {"deliveryAddress": _address(sale.ship_to, corrected=version.corrected)}
        order["proceeds"] = {"grandTotal": _money(sale.total_minor, sale.currency)}
    return order


def order_change(sale: Sale, version: Version) -> Json:
    """ORDER_CHANGE: which order changed, and nothing of what is in it. One revision has one id."""
    order_id = amazon_order_id(sale.seq)
    changed_at = iso(sale.placed_at + timedelta(seconds=version.age_s))
    cancelled, pending = version.cancelled, version.pending
    return {
        "NotificationVersion": "1.0",
        "NotificationType": "ORDER_CHANGE",
        "PayloadVersion": "1.0",
        "EventTime": changed_at,
        "Payload": {
            "OrderChangeNotification": {
                "NotificationLevel": "OrderLevel",
                "SellerId": SELLER_ID,
                "AmazonOrderId": order_id,
                "OrderChangeType": "OrderStatusChange",
                "OrderChangeTrigger": {"TimeOfOrderChange": changed_at, "ChangeReason": "OrderStatusChange"},
                "Summary": {
                    "MarketplaceId": MARKETPLACE,
                    "OrderStatus": "Canceled" if cancelled else "Pending" if pending else "Unshipped",
                    "PurchaseDate": iso(sale.placed_at),
                    "DestinationPostalCode": sale.ship_to.postal_code,
                    "FulfillmentType": "MFN",
                    "OrderType": "StandardOrder",
                    "NumberOfItemsShipped": 0,
                    "NumberOfItemsUnshipped": sum(line.wanted for line in sale.lines),
                    "EarliestDeliveryDate": iso(sale.ship_by),
                    "LatestDeliveryDate": iso(sale.deliver_by),
                    "EarliestShipDate": iso(sale.placed_at),
                    "LatestShipDate": iso(sale.ship_by),
                    "CancelNotifyDate": iso(sale.deliver_by),
                    "OrderItems": [],
                },
            }
        },
        "NotificationMetadata": {
            "ApplicationId": "app-simulated",
            "SubscriptionId": "subscription-simulated",
            "PublishTime": changed_at,
            "NotificationId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{order_id}/{changed_at}")),
        },
    }


def _item(sale: Sale, line: SaleLine, version: Version, done: Done) -> Json:
    item_id = amazon_item_id(sale.seq, line.line_no)
    shipped = done.shipped.get(item_id, 0)
    gone = version.cancelled or item_id in done.cancelled
    item: Json = {
        "orderItemId": item_id,
        "quantityOrdered": line.quantity,
        "product": {
            "asin": f"B0{line.item.sku[-4:]:0>8}",
            "title": line.item.title,
            "sellerSku": line.item.sku,
            "price": {"unitPrice": _money(line.unit_price_minor, sale.currency)},
        },
        "fulfillment": {
            "quantityFulfilled": shipped,
            "quantityUnfulfilled": 0 if gone else max(0, line.wanted - shipped),
        },
    }
    if gone:
        by = "BUYER" if version.cancelled else "MERCHANT"
        item["cancellation"] = {"cancellationExecution": {"cancelledBy": by}}
    if not version.pending:
        item["proceeds"] = _proceeds(sale, line)
    return item


def _proceeds(sale: Sale, line: SaleLine) -> Json:
    """The item's part of the grand total; the first item has the shipping."""
    first = line.line_no == sale.lines[0].line_no
    shipping, shipping_discount, shipping_tax = (
        (sale.shipping_minor, sale.shipping_discount_minor, sale.shipping_tax_minor) if first else (0, 0, 0)
    )
    contained, shipping_contained = (line.tax_minor, shipping_tax) if sale.tax_included else (0, 0)
    discount, tax = line.discount_minor + shipping_discount, line.tax_minor + shipping_tax
    amounts = {
        "ITEM": line.unit_price_minor * line.wanted - contained,
        "SHIPPING": shipping - shipping_contained,
        "DISCOUNT": -discount,
        "TAX": tax,
    }
    beside = {"DISCOUNT": -shipping_discount, "TAX": shipping_tax}
    breakdowns = []
    for kind, amount in amounts.items():
        if kind != "ITEM" and amount == 0:
            continue
        breakdown: Json = {"type": kind, "subtotal": _money(amount, sale.currency)}
        if beside.get(kind):
            value = _money(beside[kind], sale.currency)
            breakdown["detailedBreakdowns"] = [{"subtype": "SHIPPING", "value": value}]
        breakdowns.append(breakdown)
    return {"proceedsTotal": _money(sum(amounts.values()), sale.currency), "breakdowns": breakdowns}


def _status(version: Version, items: Sequence[Json]) -> str:
    shipped = sum(item["fulfillment"]["quantityFulfilled"] for item in items)
    left = sum(item["fulfillment"]["quantityUnfulfilled"] for item in items)
    if version.pending and not version.cancelled:
        return "PENDING"
    if not left:
        return "SHIPPED" if shipped else "CANCELLED"
    return "PARTIALLY_SHIPPED" if shipped else "UNSHIPPED"


def _address(address: SaleAddress, *, corrected: bool) -> Json:
    return {
        "name": address.name,
        "companyName": address.company,
        "addressLine1": address.line1,
        "addressLine2": "Door 2" if corrected else address.line2,
        "city": address.city,
        "stateOrRegion": address.region,
        "postalCode": address.postal_code,
        "countryCode": address.country,
        "phone": address.phone,
    }


def _money(minor: int, currency: str) -> Json:
    return {"amount": decimal_string(minor, currency), "currencyCode": currency}
