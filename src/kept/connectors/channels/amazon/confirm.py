"""Tells Amazon of shipments: confirmShipment (v0, which stays), one call a package.

`packageReferenceId` is the key: a second confirmShipment with the same one edits the package, so repeating it is
harmless. Source: developer-docs.amazon.com, "Confirm the shipment status". Amazon charges the buyer by it.
"""

from __future__ import annotations

from typing import Any

from kept.connectors.channels.amazon.client import ORDERS_V0, Seller
from kept.connectors.channels.amazon.codes import CARRIERS, OTHER_CARRIER
from kept.connectors.channels.amazon.schemas_2026 import Order
from kept.connectors.http import Request
from kept.connectors.wire import rfc3339, segment
from kept.domain.events import Package
from kept.ports import AccessRefused, ChannelShipment, Confirmation, PermanentFault

_PACKAGES_OF_A_PART_MAX = 1000  # so that parts' references never meet; a shipment has 500 packages at most
_GONE = "CANCELLED"  # a package that no longer stands


class AmazonConfirm:
    """`kept.ports.ConfirmShipment` for one seller. Raises the faults of `HttpTarget.call`."""

    honours_key = True

    def __init__(self, seller: Seller) -> None:
        self._seller = seller

    async def confirm(self, confirmation: Confirmation, key: str) -> ChannelShipment:
        """Confirm every package that has pieces; with nothing shipped, nothing is sent."""
        details = package_details(confirmation)
        if not details:
            return ChannelShipment("")
        marketplace = await self._marketplace_of(confirmation)
        path = f"{ORDERS_V0}/{segment(confirmation.channel_order_id)}/shipmentConfirmation"
        try:
            for detail in details:
                body = {"marketplaceId": marketplace, "packageDetail": detail}
                request = Request("POST", path, json=body, key=key, name="confirmShipment")
                await self._seller.target.call(request, lambda _: None)
        except AccessRefused:
            raise
        except PermanentFault:
            # "Order already fulfilled" comes for a package that an earlier try confirmed, too.
            found = await self.find(confirmation)
            if found is None:
                raise
            return found
        return _shipment(details)

    async def find(self, confirmation: Confirmation) -> ChannelShipment | None:
        """The packages with our references and tracking numbers, if Amazon has them all."""
        details = package_details(confirmation)
        order = await self._seller.order(confirmation.channel_order_id) if details else None
        return _shipment(details) if order is not None and _has_all(order, details) else None

    async def _marketplace_of(self, confirmation: Confirmation) -> str:
        if len(self._seller.marketplaces) == 1:
            return self._seller.marketplaces[0]
        order = await self._seller.order(confirmation.channel_order_id)
        marketplace = order.sales_channel.marketplace_id if order else None
        if not marketplace:
            raise PermanentFault(
                f"{self._seller.target.name} does not say in which marketplace order "
                f"{confirmation.channel_order_id} was placed",
                code="order_unknown" if order is None else "marketplace_unknown",
            )
        return marketplace


def package_details(confirmation: Confirmation) -> list[dict[str, Any]]:
    """PackageDetail of each package that has pieces. Raises PermanentFault for what Amazon would not take."""
    part = part_number(confirmation)
    return [
        _detail(confirmation, package, str(part * _PACKAGES_OF_A_PART_MAX + number))
        for number, package in enumerate(confirmation.packages, start=1)
        if package.lines
    ]


def part_number(confirmation: Confirmation) -> int:
    """The number of the part within its order, 1 or more."""
    number = confirmation.fulfilment_ref.removeprefix(confirmation.order_ref + "-")
    if not (number.isascii() and number.isdigit() and int(number) > 0):
        raise PermanentFault(
            f"{confirmation.fulfilment_ref} is no part of {confirmation.order_ref}", code="reference_unknown"
        )
    return int(number)


def _detail(confirmation: Confirmation, package: Package, reference: str) -> dict[str, Any]:
    if not package.carrier or not package.tracking:
        missing = "tracking number" if package.carrier else "carrier"
        raise PermanentFault(
            f"{confirmation.fulfilment_ref}: carton {package.sscc} has no {missing}, and Amazon takes none without: "
            f"confirm it there with both, then discard this",
            code="tracking_missing" if package.carrier else "carrier_missing",
        )
    carrier = CARRIERS.get(package.carrier.lower())
    named = {"carrierCode": carrier} if carrier else {"carrierCode": OTHER_CARRIER, "carrierName": package.carrier}
    pieces: dict[str, int] = {}
    for line in package.lines:
        item_id = confirmation.line_ids.get(line.line_no)
        if item_id is None:
            raise PermanentFault(
                f"{confirmation.fulfilment_ref}: line {line.line_no} is not in Amazon's order "
                f"{confirmation.channel_order_id}",
                code="line_unknown",
            )
        pieces[item_id] = pieces.get(item_id, 0) + line.quantity
    return {
        "packageReferenceId": reference,
        **named,
        "trackingNumber": package.tracking,
        "shipDate": rfc3339(confirmation.shipped_at),
        "orderItems": [{"orderItemId": item_id, "quantity": quantity} for item_id, quantity in pieces.items()],
    }


def _has_all(order: Order, details: list[dict[str, Any]]) -> bool:
    """Whether Amazon has each of these packages. Where it shows no packages at all, the items must all be shipped:
    then there is nothing left that could be confirmed.
    """
    if order.packages is None:
        shipped = {
            item.order_item_id: item.fulfillment.quantity_fulfilled or 0
            for item in order.order_items
            if item.fulfillment and not item.fulfillment.quantity_unfulfilled
        }
        return all(
            shipped.get(item["orderItemId"], 0) >= item["quantity"] for each in details for item in each["orderItems"]
        )
    standing = {
        (package.package_reference_id, package.tracking_number)
        for package in order.packages
        if package.package_status is None or package.package_status.status != _GONE
    }
    return all((each["packageReferenceId"], each["trackingNumber"]) in standing for each in details)


def _shipment(details: list[dict[str, Any]]) -> ChannelShipment:
    return ChannelShipment(",".join(each["packageReferenceId"] for each in details))
