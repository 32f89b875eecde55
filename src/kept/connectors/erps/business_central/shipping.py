"""Posting shipments.

The API has one action, `shipAndInvoice`, and none that only ships (page "APIV2 - Sales Orders"): a shipment and its
invoice are posted together, in one transaction. How much of each line goes is `shipQuantity` and `invoiceQuantity` of
the line; under which reference, the order's `externalDocumentNumber`, which the posted documents take over: it is the
shipment's from then on, `<order's reference>-<n>`, and that is how a shipment is found again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

from kept.connectors.erp_amounts import pieces_of, seen_again
from kept.connectors.erps.business_central import mapping
from kept.connectors.erps.business_central.booking import CentralBooking
from kept.connectors.erps.business_central.client import Company
from kept.connectors.erps.business_central.mapping import SHIPPING_SEQUENCE, STEP
from kept.connectors.erps.business_central.schemas import Line, Order, Shipment
from kept.ports import PermanentFault, PostedShipment, ShipmentPosting, TemporaryFault


class CentralShipments:
    """Posted once per reference: looked for before, and staged and checked by one writer of the order at a time.

    What remains possible: another process stages another shipment of the same order between our last look and the
    posting. What was posted is compared afterwards, and a difference is a PermanentFault "shipment_differs".
    """

    honours_key = False
    write_horizon: timedelta = CentralBooking.write_horizon

    def __init__(self, company: Company) -> None:
        self._company = company

    async def find_shipment(self, posting: ShipmentPosting) -> PostedShipment | None:
        found = await self._company.shipments(posting.reference)
        if len(found) > 1:
            numbers = ", ".join(shipment.number for shipment in found[:10])
            raise PermanentFault(f"there are several shipments {posting.reference} ({numbers})", code="ambiguous")
        return _checked(found[0], posting) if found else None

    async def post_shipment(self, posting: ShipmentPosting, key: str) -> PostedShipment:
        """Raises PermanentFault "not_found" for no open order, "not_open" for more pieces than a line has left."""
        if not posting.reference.startswith(f"{posting.order_reference}-"):
            raise PermanentFault(
                f"shipment {posting.reference} is not named after its order {posting.order_reference}", code="reference"
            )
        found = await self.find_shipment(posting)
        if found is not None:
            return found
        async with self._company.alone(posting.order_reference):
            found = await self.find_shipment(posting)
            if found is not None:
                return found
            order = await self._stage(posting, key)
            await self._company.act(f"salesOrders({order.id})", "shipAndInvoice", key)
            return await seen_again(f"shipment {posting.reference}", lambda: self.find_shipment(posting))

    async def _stage(self, posting: ShipmentPosting, key: str) -> Order:
        """Say on the order what goes now, and see that it is so."""
        order = await self._standing(posting)
        going = _going(order, posting)
        for line in order.sales_order_lines:
            if not _is_staged(line, going):
                quantity = going.get(line.sequence, 0)
                await self._company.change_line(line, {"shipQuantity": quantity, "invoiceQuantity": quantity}, key)
        header = {
            "externalDocumentNumber": posting.reference,
            "postingDate": posting.shipped_at.date().isoformat(),
        }
        await self._company.change(f"salesOrders({order.id})", header, "*", key)
        staged = await self._standing(posting)
        as_asked = all(_is_staged(line, going) for line in staged.sales_order_lines)
        if staged.external_document_number != posting.reference or not as_asked:
            raise TemporaryFault(f"somebody else is changing order {order.number}; nothing was posted")
        return staged

    async def _standing(self, posting: ShipmentPosting) -> Order:
        order = await self._company.order(posting.order_reference)
        if order is None:
            raise PermanentFault(
                f"Business Central has no open order {posting.order_reference} to ship {posting.reference} of",
                code="not_found",
            )
        return order


def _going(order: Order, posting: ShipmentPosting) -> dict[int, int]:
    """Pieces by their line: the goods, the tax that is of them, and the shipping with the first parcel."""
    there = mapping.lines_by_sequence(order)
    going: dict[int, int] = {}
    for line_no, pieces in pieces_of(posting).items():
        sequence = line_no * STEP
        line = there.get(sequence)
        left = _left(line)
        if line is None or pieces > left:
            raise PermanentFault(
                f"order {order.number} has {left} left of line {line_no}, and {pieces} shipped", code="not_open"
            )
        going[sequence] = pieces
        if sequence + 1 in there:
            going[sequence + 1] = pieces
    for sequence in (SHIPPING_SEQUENCE, SHIPPING_SEQUENCE + 1):
        left = _left(there.get(sequence))
        if left:
            going[sequence] = left
    return going


def _is_staged(line: Line, going: Mapping[int, int]) -> bool:
    quantity = Decimal(going.get(line.sequence, 0))
    return line.line_type == "Comment" or (line.ship_quantity, line.invoice_quantity) == (quantity, quantity)


def _left(line: Line | None) -> int:
    return int(line.quantity - line.shipped_quantity) if line is not None else 0


def _checked(shipment: Shipment, posting: ShipmentPosting) -> PostedShipment:
    """Raises PermanentFault "shipment_differs" unless it holds the pieces of the posting."""
    posted = {
        mapping.line_no_of(line.sequence): int(line.quantity)
        for line in shipment.sales_shipment_lines
        if mapping.line_no_of(line.sequence) and line.quantity
    }
    asked = dict(pieces_of(posting))
    if posted != asked:
        raise PermanentFault(
            f"shipment {shipment.number} ({posting.reference}) has pieces by line {posted}, shipped were {asked}: "
            "undo it there, then replay",
            code="shipment_differs",
        )
    return PostedShipment(shipment.number)
