"""Posting shipments: a delivery note that is made and submitted in one call, under a unique reference."""

from __future__ import annotations

from kept.connectors.erp_amounts import pieces_of
from kept.connectors.erps.erpnext import mapping
from kept.connectors.erps.erpnext.codes import TAKEN
from kept.connectors.erps.erpnext.schemas import Delivery, Named
from kept.connectors.erps.erpnext.site import Site
from kept.ports import PermanentFault, PostedShipment, ShipmentPosting, UnknownResult

_SUBMITTED = 1


class NextShipments:
    """Posted once per reference: the field `kept_reference` of delivery notes is unique in the database."""

    honours_key = True

    def __init__(self, site: Site) -> None:
        self._site = site

    async def find_shipment(self, posting: ShipmentPosting) -> PostedShipment | None:
        """Raises PermanentFault "shipment_differs" for one with other pieces."""
        found = await self._site.find(Named, "Delivery Note", ["name"], ["kept_reference", "=", posting.reference])
        delivery = await self._site.get(Delivery, "Delivery Note", found[0].name) if found else None
        if delivery is None:
            return None
        if delivery.docstatus != _SUBMITTED:
            raise PermanentFault(
                f"delivery note {delivery.name} ({posting.reference}) is not submitted: somebody made or cancelled it "
                "by hand",
                code="cancelled_there",
            )
        order = await self._site.open_order(posting.order_reference)
        pieces = mapping.delivered(delivery, order)
        if pieces != dict(pieces_of(posting)):
            raise PermanentFault(
                f"delivery note {delivery.name} ({posting.reference}) has {pieces} by line, "
                f"asked {dict(pieces_of(posting))}",
                code="shipment_differs",
            )
        return PostedShipment(delivery.name)

    async def post_shipment(self, posting: ShipmentPosting, key: str) -> PostedShipment:
        """Raises PermanentFault "not_found" for no booked order, "not_open" for more pieces than a line has left."""
        found = await self.find_shipment(posting)
        if found is not None:
            return found
        order = await self._site.open_order(posting.order_reference)
        try:
            body = mapping.delivery_json(order, posting, self._site.options)
            return PostedShipment(await self._site.create("Delivery Note", body, key))
        except PermanentFault as fault:
            if fault.code not in TAKEN and fault.code != "not_open":
                raise
            # Somebody else was posting it while we looked.
            found = await self.find_shipment(posting)
            if found is None and fault.code == "not_open":
                raise
        if found is None:
            raise UnknownResult(f"shipment {posting.reference} is taken, and is not found yet")
        return found
