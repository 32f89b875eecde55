"""Posting shipments: an outbound delivery with reference to the order, then its picking and its goods issue.

A delivery has no unique field for a reference of ours; its bill of lading is one that we may write, and by which it is
found again. It can't be written with the creation, so a delivery of ours that has none yet is found among the order's
deliveries that nobody has posted.
"""

from __future__ import annotations

from datetime import timedelta

from kept.connectors.erp_amounts import pieces_of, seen_again
from kept.connectors.erps.sap_s4 import mapping
from kept.connectors.erps.sap_s4.booking import S4Booking
from kept.connectors.erps.sap_s4.codes import is_done, status_of
from kept.connectors.erps.sap_s4.schemas import Delivery, DeliveryRow, Order
from kept.connectors.erps.sap_s4.services import DELIVERIES, Services, quoted
from kept.ports import (
    ErpOrderStatus,
    PermanentFault,
    PostedShipment,
    ShipmentPosting,
)

_ITEMS = "to_DeliveryDocumentItem"


class S4Deliveries:
    """Posted once per reference: looked for before, and made by one writer of the order at a time; each step is chosen
    by what is there. What remains possible is what `S4Booking` says; goods issue is posted once per delivery."""

    honours_key = False
    write_horizon: timedelta = S4Booking.write_horizon

    def __init__(self, services: Services) -> None:
        self._services = services

    async def find_shipment(self, posting: ShipmentPosting) -> PostedShipment | None:
        delivery = await self._delivery(posting)
        if delivery is None or not is_done(delivery.overall_goods_movement_status):
            return None
        pieces = mapping.delivered(delivery, await self._order(posting))
        if pieces != dict(pieces_of(posting)):
            raise PermanentFault(
                f"delivery {delivery.delivery_document} ({posting.reference}) has {pieces} by line, "
                f"asked {dict(pieces_of(posting))}",
                code="shipment_differs",
            )
        return PostedShipment(delivery.delivery_document)

    async def post_shipment(self, posting: ShipmentPosting, key: str) -> PostedShipment:
        """Raises PermanentFault "not_found" for no open order."""
        found = await self.find_shipment(posting)
        if found is not None:
            return found
        async with self._services.writers.alone(posting.order_reference):
            found = await self.find_shipment(posting)
            if found is not None:
                return found
            order = await self._order(posting)
            number = await self._made(order, posting, key)
            await self._services.act(f"{DELIVERIES}/PickAllItems", {"DeliveryDocument": number}, key)
            await self._services.act(f"{DELIVERIES}/PostGoodsIssue", {"DeliveryDocument": number}, key)
            return await seen_again(f"shipment {posting.reference}", lambda: self.find_shipment(posting))

    async def _made(self, order: Order, posting: ShipmentPosting, key: str) -> str:
        """The delivery under our reference: the one that an earlier try came to, or a new one."""
        delivery = await self._delivery(posting) or await self._nameless(order, posting)
        if delivery is not None:
            number, named = delivery.delivery_document, delivery.bill_of_lading == posting.reference
        else:
            body = mapping.delivery_json(order, posting, self._services.options)
            entities = f"{DELIVERIES}/A_OutbDeliveryHeader"
            number, named = await self._services.create(entities, body, "DeliveryDocument", key), False
        if not named:
            entity = f"{DELIVERIES}/A_OutbDeliveryHeader({quoted(number)})"
            await self._services.change(entity, {"BillOfLading": posting.reference}, key)
        return number

    async def _delivery(self, posting: ShipmentPosting) -> Delivery | None:
        filter_ = f"BillOfLading eq {quoted(posting.reference)}"
        found = await self._services.find(Delivery, f"{DELIVERIES}/A_OutbDeliveryHeader", filter_, _ITEMS)
        if len(found) > 1:
            numbers = ", ".join(each.delivery_document for each in found[:10])
            raise PermanentFault(f"there are several deliveries {posting.reference} ({numbers})", code="ambiguous")
        return found[0] if found else None

    async def _nameless(self, order: Order, posting: ShipmentPosting) -> Delivery | None:
        """A delivery of just these pieces that was made, and not named yet."""
        rows = await self._services.find(
            DeliveryRow, f"{DELIVERIES}/A_OutbDeliveryItem", f"ReferenceSDDocument eq {quoted(order.sales_order)}"
        )
        for number in sorted({row.delivery_document for row in rows}):
            filter_ = f"DeliveryDocument eq {quoted(number)}"
            (each,) = await self._services.find(Delivery, f"{DELIVERIES}/A_OutbDeliveryHeader", filter_, _ITEMS)
            ours = not each.bill_of_lading and not is_done(each.overall_goods_movement_status)
            if ours and mapping.delivered(each, order) == dict(pieces_of(posting)):
                return each
        return None

    async def _order(self, posting: ShipmentPosting) -> Order:
        order = await self._services.order(posting.order_reference)
        if order is None or status_of(order) is ErpOrderStatus.CANCELLED:
            raise PermanentFault(
                f"S/4HANA has no open order {posting.order_reference} to ship {posting.reference} of", code="not_found"
            )
        return order
