"""Tells Walmart of shipments, which charges the buyer: never for pieces that have not left.

Walmart knows no keys, and a line's statuses name the tracking number of what shipped: what stands under our numbers
is not told again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from kept.connectors.channels.walmart.client import Seller
from kept.connectors.channels.walmart.codes import CARRIERS, METHOD_CODES, SHIPPED
from kept.connectors.channels.walmart.quantities import Standing
from kept.domain.events import Package
from kept.ports import ChannelShipment, Confirmation, PermanentFault

_SELLER_ORDER_ID_CHARS_MAX = 30  # us_orders.json, ShippingLineType

# Pieces by line number and tracking number.
Shipped = dict[tuple[str, str], int]


class WalmartConfirm:
    """`kept.ports.ConfirmShipment`. Raises the faults of `HttpTarget.call`.

    `tracking_url` is where parcels of carriers that Walmart does not list are tracked, with {tracking} for the
    number; empty: they can't be told.
    """

    honours_key = False

    def __init__(self, seller: Seller, tracking_url: str = "") -> None:
        self._seller = seller
        self._tracking_url = tracking_url

    async def confirm(self, confirmation: Confirmation, key: str) -> ChannelShipment:
        """Ship what is not yet marked so; with nothing left, nothing is sent."""
        wanted = shipped_pieces(confirmation)
        if not wanted:
            return ChannelShipment("")
        standing = await self._seller.known(confirmation.channel_order_id)
        left = left_pieces(wanted, standing)
        if left:
            body = shipment_body(confirmation, left, standing, self._tracking_url)
            await self._seller.change(confirmation.channel_order_id, "shipping", "shippingUpdates", body, key)
        return _shipment(wanted)

    async def find(self, confirmation: Confirmation) -> ChannelShipment | None:
        """The shipment, if all its pieces stand under its tracking numbers."""
        wanted = shipped_pieces(confirmation)
        standing = await self._seller.standing(confirmation.channel_order_id) if wanted else None
        if standing is None or left_pieces(wanted, standing):
            return None
        return _shipment(wanted)


def shipped_pieces(confirmation: Confirmation) -> Shipped:
    """What we shipped. Raises PermanentFault for a line that Walmart never had, and for a package without tracking."""
    found: Shipped = {}
    for package in confirmation.packages:
        if not package.tracking:
            raise PermanentFault(
                f"{confirmation.fulfilment_ref}: Walmart takes no shipment without a tracking number, and carton "
                f"{package.sscc} has none. Mark it as shipped in Seller Center",
                code="tracking_missing",
            )
        for line in package.lines:
            number = confirmation.line_ids.get(line.line_no)
            if number is None:
                raise PermanentFault(
                    f"{confirmation.fulfilment_ref}: line {line.line_no} is not in Walmart's order "
                    f"{confirmation.channel_order_id}",
                    code="line_unknown",
                )
            found[number, package.tracking] = found.get((number, package.tracking), 0) + line.quantity
    return found


def left_pieces(wanted: Shipped, standing: Standing) -> Shipped:
    """What is not yet marked as shipped under our numbers."""
    left: Shipped = {}
    for (number, tracking), quantity in wanted.items():
        line = standing.lines.get(number)
        missing = quantity - (line.tracked.get(tracking, 0) if line else 0)
        if missing > 0:
            left[number, tracking] = missing
    return left


def shipment_body(
    confirmation: Confirmation, left: Shipped, standing: Standing, tracking_url: str = ""
) -> dict[str, Any]:
    """The request of shippingUpdates: one status a line and package. Raises PermanentFault for a carrier that Walmart
    does not list, without a `tracking_url`."""
    carriers = {package.tracking: _carrier(confirmation, package, tracking_url) for package in confirmation.packages}
    method = standing.method_code if standing.method_code in METHOD_CODES else METHOD_CODES[0]
    statuses: dict[str, list[dict[str, Any]]] = {}
    for (number, tracking), quantity in left.items():
        statuses.setdefault(number, []).append(
            {
                "status": SHIPPED,
                "statusQuantity": {"unitOfMeasurement": "EACH", "amount": str(quantity)},
                "trackingInfo": {
                    "shipDateTime": _milliseconds(confirmation.shipped_at),
                    "methodCode": method,
                    "trackingNumber": tracking,
                    **carriers[tracking],
                },
            }
        )
    lines = [_line(confirmation, number, each, standing) for number, each in statuses.items()]
    return {"orderShipment": {"orderLines": {"orderLine": lines}}}


def _line(
    confirmation: Confirmation, number: str, statuses: list[dict[str, Any]], standing: Standing
) -> Mapping[str, Any]:
    line = standing.lines.get(number)
    return {
        "lineNumber": number,
        # It left all the same: Walmart refuses to hear that of a line whose buyer asked to cancel, unless we say so.
        "intentToCancelOverride": line is not None and line.asks_to_cancel,
        "sellerOrderId": confirmation.order_ref[:_SELLER_ORDER_ID_CHARS_MAX],
        "orderLineStatuses": {"orderLineStatus": statuses},
    }


def _carrier(confirmation: Confirmation, package: Package, tracking_url: str) -> dict[str, Any]:
    """Who carries a package, as TrackingInfoType says it: of a carrier that is not listed the address is demanded."""
    name = CARRIERS.get("".join(package.carrier.upper().replace("-", "").split()))
    if name is not None:
        return {"carrierName": {"carrier": name}}
    if package.carrier and tracking_url:
        url = tracking_url.replace("{tracking}", quote(package.tracking, safe=""))
        return {"carrierName": {"otherCarrier": package.carrier}, "trackingURL": url}
    raise PermanentFault(
        f"{confirmation.fulfilment_ref}: Walmart does not list the carrier {package.carrier[:40]!r}, and demands a "
        "tracking address for it: set the account's tracking_url, then replay",
        code="carrier_unknown",
    )


def _shipment(wanted: Shipped) -> ChannelShipment:
    """Walmart numbers no shipments; their tracking numbers stand for them."""
    return ChannelShipment(",".join(sorted({tracking for _, tracking in wanted})))


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000
