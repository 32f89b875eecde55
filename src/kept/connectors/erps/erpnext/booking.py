"""Booking and withdrawing sales orders.

The check of `po_no` is only a setting of Selling, and does not stop two who come at once. The custom field
`kept_reference` is unique in the database: of any number of callers one makes the order, the others are refused
(`UniqueValidationError`) and find it, and a request that was given up and still arrives makes nothing. An order is made
as a draft, its sums are compared, and only then is it submitted; each step is chosen by the state it is in.
"""

from __future__ import annotations

from datetime import timedelta

from kept.connectors.erp_amounts import seen_again, untied
from kept.connectors.erps.erpnext import mapping
from kept.connectors.erps.erpnext.codes import TAKEN, status_of
from kept.connectors.erps.erpnext.masters import address_of
from kept.connectors.erps.erpnext.schemas import Order
from kept.connectors.erps.erpnext.site import Site
from kept.ports import (
    BookedOrder,
    ErpOrderStatus,
    PermanentFault,
    SalesOrder,
    Withdrawal,
)

_SUBMITTED, _CANCELLED = 1, 2
_UPDATE_STATUS = "erpnext.selling.doctype.sales_order.sales_order.update_status"


class NextBooking:
    """See the module's text. Raises the faults of `HttpTarget.call`."""

    honours_key = True  # the reference is the key, and a unique field keeps it single
    # Sending again needs no wait, but "it was never booked" does. Source: Frappe's deployment guide, gunicorn's and
    # nginx's time limit of 120 s.
    write_horizon = timedelta(minutes=3)

    def __init__(self, site: Site) -> None:
        self._site = site

    async def book(self, order: SalesOrder, key: str) -> BookedOrder:
        """Raises PermanentFault "reference_conflict" for other content under the reference, "total_differs" if the
        sums are not the channel's: a draft is deleted again then."""
        standing = await self._site.order(order.reference)
        if standing is None:
            await self._make(order, key)
            standing = await self._seen(order.reference)
        if status_of(standing) is ErpOrderStatus.CANCELLED:
            raise PermanentFault(
                f"order {standing.name} ({order.reference}) was cancelled in ERPNext: cancel it here as well, or empty "
                "its kept_reference there",
                code="cancelled_there",
            )
        difference = untied(order, mapping.total_minor(standing), mapping.tax_minor(standing))
        found = mapping.differences(standing, order, self._site.options)
        if found and not (difference and status_of(standing) is ErpOrderStatus.DRAFT):
            raise PermanentFault(
                f"order {standing.name} is there under {order.reference} with other content: {'; '.join(found[:5])}",
                code="reference_conflict",
            )
        if difference:
            await self._site.delete("Sales Order", standing.name, key)
            raise PermanentFault(
                f"ERPNext has other sums for {order.reference}, and its draft was deleted: {difference}",
                code="total_differs",
            )
        if status_of(standing) is ErpOrderStatus.DRAFT:
            await self._site.change("Sales Order", standing.name, {"docstatus": _SUBMITTED}, key)
        return booked(standing)

    async def find_order(self, reference: str) -> BookedOrder | None:
        """The order if it is booked. A draft is not yet, and is brought to its end by booking it again."""
        standing = await self._site.order(reference)
        if standing is None or status_of(standing) is ErpOrderStatus.DRAFT:
            return None
        return booked(standing)

    async def withdraw(self, reference: str, key: str) -> Withdrawal:
        """Cancel the order; close it where something was delivered; delete it while it is a draft."""
        standing = await self._site.order(reference)
        if standing is None:
            return Withdrawal(reference)
        match status_of(standing):
            case ErpOrderStatus.DRAFT:
                await self._site.delete("Sales Order", standing.name, key)
                return Withdrawal(reference)
            case ErpOrderStatus.OPEN if any(line.delivered_qty for line in standing.items):
                await self._site.act(_UPDATE_STATUS, {"status": "Closed", "name": standing.name}, key)
            case ErpOrderStatus.OPEN:
                await self._site.change("Sales Order", standing.name, {"docstatus": _CANCELLED}, key)
        return Withdrawal(standing.name)

    async def _make(self, order: SalesOrder, key: str) -> None:
        if order.currency not in self._site.options.currencies:
            text = f"order {order.reference} is in {order.currency}, which the options do not name"
            raise PermanentFault(text, code="currency_unmapped")
        address = await address_of(self._site, order.ship_to, order.customer_id)
        try:
            await self._site.create("Sales Order", mapping.order_json(order, self._site.options, address), key)
        except PermanentFault as fault:
            if fault.code not in TAKEN:  # else somebody else has made it meanwhile
                raise

    async def _seen(self, reference: str) -> Order:
        return await seen_again(f"order {reference}", lambda: self._site.order(reference))


def booked(order: Order) -> BookedOrder:
    return BookedOrder(order.name, mapping.total_minor(order), order.currency)
