"""Posting shipments: a sales order is transformed into an item fulfilment, under the shipment's reference."""

from __future__ import annotations

from datetime import timedelta

from kept.connectors.erp_amounts import pieces_of, seen_again
from kept.connectors.erps.netsuite import mapping
from kept.connectors.erps.netsuite.booking import SuiteBooking
from kept.connectors.erps.netsuite.codes import EXISTS
from kept.connectors.erps.netsuite.records import Records
from kept.connectors.erps.netsuite.schemas import Fulfilment, Order
from kept.ports import (
    ErpOrderStatus,
    PermanentFault,
    PostedShipment,
    ShipmentPosting,
)


class SuiteShipments:
    """Posted once per reference, which is the fulfilment's external id; made and shipped in one request."""

    honours_key = True
    write_horizon: timedelta = SuiteBooking.write_horizon

    def __init__(self, records: Records) -> None:
        self._records = records

    async def find_shipment(self, posting: ShipmentPosting) -> PostedShipment | None:
        """Raises PermanentFault "shipment_differs" for other pieces under the reference."""
        found = await self._records.find(Fulfilment, "itemFulfillment", posting.reference)
        if found is None:
            return None
        order = await self._records.order(posting.order_reference)
        pieces = mapping.fulfilled(found, order) if order is not None else {}
        asked = dict(pieces_of(posting))
        if pieces != asked:
            raise PermanentFault(
                f"fulfilment {found.tran_id or found.id} ({posting.reference}) has {pieces} by line, asked {asked}",
                code="shipment_differs",
            )
        return PostedShipment(found.tran_id or found.id)

    async def post_shipment(self, posting: ShipmentPosting, key: str) -> PostedShipment:
        """Raises PermanentFault "not_found" for no open order, "not_open" for more pieces than a line has left."""
        found = await self.find_shipment(posting)
        if found is not None:
            return found
        async with self._records.writers.alone(posting.order_reference):
            order = await self._order(posting)
            try:
                body = mapping.fulfilment_json(order, posting, self._records.options)
                await self._records.transform("salesOrder", order.id, "itemFulfillment", body, key)
            except PermanentFault as fault:
                found = await self.find_shipment(posting)
                if found is None:  # else somebody else has posted it meanwhile
                    raise _meant(fault, posting) from fault
                return found
            return await seen_again(f"shipment {posting.reference}", lambda: self.find_shipment(posting))

    async def _order(self, posting: ShipmentPosting) -> Order:
        order = await self._records.order(posting.order_reference)
        if order is None or mapping.state_of(order) is not ErpOrderStatus.OPEN:
            raise PermanentFault(
                f"NetSuite has no open order {posting.order_reference} to ship {posting.reference} of", code="not_found"
            )
        return order


def _meant(fault: PermanentFault, posting: ShipmentPosting) -> PermanentFault:
    """A taken external id without a fulfilment under it is none of ours to explain."""
    if fault.code != EXISTS:
        return fault
    return PermanentFault(f"{posting.reference} is taken in NetSuite, and by no fulfilment", code="reference_conflict")
