"""Booking and withdrawing sales orders.

NetSuite keeps `externalId` unique among the records of a type: of any number of callers one makes the order, the others
are refused and find it, and a request that was given up and still arrives makes nothing. Its own idempotency header is
for asynchronous requests only. Header and lines are one record; what is found is compared line by line.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from kept.connectors.erp_amounts import seen_again, untied
from kept.connectors.erps.netsuite import mapping
from kept.connectors.erps.netsuite.codes import EXISTS
from kept.connectors.erps.netsuite.options import Options
from kept.connectors.erps.netsuite.records import Records
from kept.connectors.erps.netsuite.schemas import Order
from kept.ports import (
    BookedOrder,
    ErpOrderStatus,
    PermanentFault,
    SalesOrder,
    Withdrawal,
)


class SuiteBooking:
    """See the module's text. Raises the faults of `HttpTarget.call`."""

    honours_key = True  # the reference is the key, and NetSuite keeps its external id unique
    # Sending again needs no wait, but "it was never booked" does. Source: Oracle NetSuite help, "Web Services
    # Governance Overview": a synchronous request is ended after 15 minutes.
    write_horizon = timedelta(minutes=17)

    def __init__(self, records: Records) -> None:
        self._records = records

    async def book(self, order: SalesOrder, key: str) -> BookedOrder:
        """Raises PermanentFault "reference_conflict" for other content under the reference, "total_differs" if the
        sums are not the channel's: an order just made is deleted again then."""
        items = await self._items(order)
        standing = await self._records.order(order.reference)
        if standing is None:
            await self._make(order, items, key)
            standing = await self._seen(order.reference)
            await self._delete_unless_tied(standing, order, key)
        options = self._records.options
        status = mapping.state_of(standing)
        if status is ErpOrderStatus.CANCELLED:
            raise PermanentFault(
                f"order {_name(standing)} ({order.reference}) was cancelled or closed in NetSuite: cancel it here as "
                "well, or change its external id there",
                code="cancelled_there",
            )
        found = mapping.differences(standing, order, options, items)
        if found:
            raise PermanentFault(
                f"order {_name(standing)} is there under {order.reference} with other content: {'; '.join(found[:5])}",
                code="reference_conflict",
            )
        difference = self._untied(standing, order)
        if difference:
            raise PermanentFault(
                f"order {_name(standing)} ({order.reference}) has other sums: {difference}", code="total_differs"
            )
        if status is ErpOrderStatus.DRAFT:
            await self._records.change("salesOrder", standing.id, mapping.approval_json(), key)
        return booked(standing, options)

    async def find_order(self, reference: str) -> BookedOrder | None:
        """The order if it is booked. One that waits for approval is not yet; booking it again approves it."""
        standing = await self._records.order(reference)
        if standing is None:
            return None
        status = mapping.state_of(standing)
        return None if status is ErpOrderStatus.DRAFT else booked(standing, self._records.options)

    async def withdraw(self, reference: str, key: str) -> Withdrawal:
        """Close the lines of which something is left: NetSuite closes an order with its last line."""
        standing = await self._records.order(reference)
        if standing is None:
            return Withdrawal(reference)
        async with self._records.writers.alone(reference):
            numbers = mapping.to_close(standing)
            if numbers:
                await self._records.change("salesOrder", standing.id, mapping.closing_json(numbers), key)
        return Withdrawal(_name(standing))

    async def _items(self, order: SalesOrder) -> dict[str, str]:
        if order.currency not in self._records.options.currencies:
            text = f"order {order.reference} is in {order.currency}, which the options do not name"
            raise PermanentFault(text, code="currency_unmapped")
        return await self._records.item_ids(skus_of(order, self._records.options))

    async def _make(self, order: SalesOrder, items: Mapping[str, str], key: str) -> None:
        if not order.customer_id.isdigit():
            raise PermanentFault(f"{order.customer_id!r} is no customer's id of NetSuite's", code="customer_unknown")
        try:
            await self._records.create("salesOrder", mapping.order_json(order, self._records.options, items), key)
        except PermanentFault as fault:
            if fault.code != EXISTS:  # else somebody else has made it meanwhile
                raise

    async def _delete_unless_tied(self, standing: Order, order: SalesOrder, key: str) -> None:
        difference = self._untied(standing, order)
        if difference and not mapping.gone(standing):
            await self._records.delete("salesOrder", standing.id, key)
            raise PermanentFault(
                f"NetSuite has other sums for {order.reference}, and order {_name(standing)} was deleted again: "
                f"{difference}",
                code="total_differs",
            )

    def _untied(self, standing: Order, order: SalesOrder) -> str:
        options = self._records.options
        return untied(order, mapping.total_minor(standing, options), mapping.tax_minor(standing, options))

    async def _seen(self, reference: str) -> Order:
        return await seen_again(f"order {reference}", lambda: self._records.order(reference))


def skus_of(order: SalesOrder, options: Options) -> list[str]:
    """All SKUs that the order's lines are of, our own items for charges among them."""
    return list(dict.fromkeys(sku for _, sku in mapping.charges_of(order, options)))


def booked(order: Order, options: Options) -> BookedOrder:
    return BookedOrder(_name(order), mapping.total_minor(order, options), mapping.currency_of(order, options))


def _name(order: Order) -> str:
    """The number that people know it by."""
    return order.tran_id or order.id
