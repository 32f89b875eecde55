"""Booking and withdrawing sales orders.

S/4HANA has no unique key on a sales order and honours no idempotency key. What makes booking safe:
- one writer per reference: the engine's lease on the order, and a lock in this process;
- the reference (`PurchaseOrderByCustomer`) is looked for before anything is made;
- header, partners, items and conditions are one request (a deep insert), and what is found is compared item by item;
- after a lost answer nothing is made before `write_horizon`.
What remains possible: two processes that both hold a lease (one frozen for longer than it lasts, then waking between
look-up and create) make two orders. The next look finds both and is a PermanentFault "ambiguous".
"""

from __future__ import annotations

from datetime import timedelta

from kept.connectors.erp_amounts import seen_again, untied
from kept.connectors.erps.sap_s4 import mapping
from kept.connectors.erps.sap_s4.codes import status_of
from kept.connectors.erps.sap_s4.schemas import Order
from kept.connectors.erps.sap_s4.services import SALES_ORDERS, Services, quoted
from kept.ports import (
    BookedOrder,
    ErpOrderStatus,
    PermanentFault,
    SalesOrder,
    Withdrawal,
)


class S4Booking:
    """See the module's text. Raises the faults of `HttpTarget.call`."""

    honours_key = False
    # Source: profile parameter rdisp/max_wprun_time, as delivered: a dialog step is ended after 600 s.
    write_horizon = timedelta(minutes=12)

    def __init__(self, services: Services) -> None:
        self._services = services

    async def book(self, order: SalesOrder, key: str) -> BookedOrder:
        """Raises PermanentFault "reference_conflict" for other content under the reference, "total_differs" if the
        sums are not the channel's: an order just made is deleted again then."""
        body = mapping.order_json(order, self._services.options)
        if order.currency not in self._services.options.currencies:
            text = f"order {order.reference} is in {order.currency}, which the options do not name"
            raise PermanentFault(text, code="currency_unmapped")
        standing = await self._services.order(order.reference)
        if standing is not None:
            return self._same(standing, order)
        async with self._services.writers.alone(order.reference):
            standing = await self._services.order(order.reference)
            made = standing is None
            if standing is None:
                await self._services.create(f"{SALES_ORDERS}/A_SalesOrder", body, "SalesOrder", key)
                standing = await self._seen(order.reference)
            difference = untied(order, mapping.total_minor(standing), mapping.tax_minor(standing))
            if made and difference:
                await self._services.delete(f"{SALES_ORDERS}/A_SalesOrder({quoted(standing.sales_order)})", key)
                raise PermanentFault(
                    f"S/4HANA has other sums for {order.reference}, and order {standing.sales_order} was deleted "
                    f"again: {difference}",
                    code="total_differs",
                )
        return self._same(standing, order)

    async def find_order(self, reference: str) -> BookedOrder | None:
        standing = await self._services.order(reference)
        return booked(standing) if standing is not None else None

    async def withdraw(self, reference: str, key: str) -> Withdrawal:
        """Reject all items: of those that were delivered in part, the rest."""
        standing = await self._services.order(reference)
        if standing is None:
            return Withdrawal(reference)
        async with self._services.writers.alone(reference):
            await self._reject(standing, key)
        return Withdrawal(standing.sales_order)

    async def _reject(self, standing: Order, key: str) -> None:
        reason = {"SalesDocumentRjcnReason": self._services.options.rejection_reason}
        for number, item in sorted(mapping.items_by_number(standing).items()):
            if not item.sales_document_rjcn_reason and item.delivery_status != "C":
                entity = (
                    f"{SALES_ORDERS}/A_SalesOrderItem(SalesOrder={quoted(standing.sales_order)},"
                    f"SalesOrderItem={quoted(str(number))})"
                )
                await self._services.change(entity, reason, key)

    async def _seen(self, reference: str) -> Order:
        return await seen_again(f"order {reference}", lambda: self._services.order(reference))

    def _same(self, standing: Order, order: SalesOrder) -> BookedOrder:
        """Raises PermanentFault unless the standing order is the one that was asked for."""
        if status_of(standing) is ErpOrderStatus.CANCELLED:
            raise PermanentFault(
                f"all items of order {standing.sales_order} ({order.reference}) are rejected in S/4HANA: take the "
                "reasons away there, or cancel the order here",
                code="cancelled_there",
            )
        found = mapping.differences(standing, order, self._services.options)
        if found:
            raise PermanentFault(
                f"order {standing.sales_order} is there under {order.reference} with other content: "
                f"{'; '.join(found[:5])}",
                code="reference_conflict",
            )
        difference = untied(order, mapping.total_minor(standing), mapping.tax_minor(standing))
        if difference:
            raise PermanentFault(
                f"order {standing.sales_order} ({order.reference}) has other sums: {difference}", code="total_differs"
            )
        return booked(standing)


def booked(order: Order) -> BookedOrder:
    return BookedOrder(order.sales_order, mapping.total_minor(order), order.transaction_currency)
