"""Booking and withdrawing sales orders.

Business Central has no unique key on a sales order and honours no idempotency key. What makes booking safe:
- one writer per reference: the engine's lease on the order, and a lock in this process;
- the reference is looked for before anything is made, among orders and, since an order that is posted whole is
  deleted there, among posted invoices;
- header and lines are one request (a deep insert), and what is found is compared line by line;
- after a lost answer nothing is made before `write_horizon`, by when the server has ended or undone every request.
What remains possible: two processes that both hold a lease (one frozen for longer than it lasts, then waking between
look-up and create) make two orders. The next look finds both and is a PermanentFault "ambiguous".
"""

from __future__ import annotations

from datetime import timedelta

from kept.connectors import erp_amounts
from kept.connectors.erps.business_central import mapping
from kept.connectors.erps.business_central.client import Company
from kept.connectors.erps.business_central.mapping import Wanted
from kept.connectors.erps.business_central.schemas import Order
from kept.ports import BookedOrder, PermanentFault, SalesOrder, TemporaryFault, UnknownResult, Withdrawal


class CentralBooking:
    """See the module's text. Raises the faults of `HttpTarget.call`."""

    honours_key = False
    # Microsoft Learn, "Operational Limits for Business Central Online": a request is cancelled after 8 minutes, and
    # the gateway gives it up after 10 ("Current API Limits").
    write_horizon = timedelta(minutes=10)

    def __init__(self, company: Company) -> None:
        self._company = company

    async def book(self, order: SalesOrder, key: str) -> BookedOrder:
        """Raises PermanentFault "reference_conflict" for other content under the reference, "total_differs" if the
        sums are not the channel's; an order just made is deleted again then."""
        wanted = mapping.wanted_lines(order, self._company.options)
        header = mapping.header_json(order, self._company.options)
        standing = await self._company.order(order.reference)
        if standing is not None and len(standing.sales_order_lines) >= len(wanted):
            return self._same(standing, order, wanted)
        if standing is None:
            posted = await self._posted(order.reference)
            if posted is not None:
                return _tied(posted, order)
        async with self._company.alone(order.reference):
            standing = await self._company.order(order.reference)
            made = standing is None
            if standing is None:
                place = await self._company.location_id()
                lines = [line.json(place) for _, line in sorted(wanted.items())]
                await self._company.create("salesOrders", {**header, "salesOrderLines": lines}, key)
            else:
                self._raise_for_differences(standing, order, wanted)
                await self._complete(standing, wanted, key)
            return await self._look_back(order, wanted, key, made=made)

    async def find_order(self, reference: str) -> BookedOrder | None:
        """The order as it stands, or what was invoiced of one that was posted whole."""
        standing = await self._company.order(reference)
        return booked(standing) if standing is not None else await self._posted(reference)

    async def withdraw(self, reference: str, key: str) -> Withdrawal:
        """Delete the order. What was shipped of it was invoiced in the same posting, and stays as posted documents.

        A deleted order leaves no number behind, and its absence is all that a second call can see: where nothing was
        posted, the answer names our reference, both times.
        """
        standing = await self._company.order(reference)
        if standing is not None:
            async with self._company.alone(reference):
                await self._company.delete(f"salesOrders({standing.id})", key)
            shipped = any(line.shipped_quantity for line in standing.sales_order_lines)
            return Withdrawal(standing.number if shipped else reference)
        posted = await self._posted(reference)
        return Withdrawal(posted.erp_order_id if posted is not None else reference)

    async def _look_back(self, order: SalesOrder, wanted: dict[int, Wanted], key: str, *, made: bool) -> BookedOrder:
        """The order as it is now that it was written; the answers of writes have no lines."""
        try:
            standing = await self._company.order(order.reference)
            if standing is None:
                raise UnknownResult(f"order {order.reference} was made, and is not found yet")
            difference = mapping.untied(standing, order)
            if made and difference:
                await self._company.delete(f"salesOrders({standing.id})", key)
                raise PermanentFault(
                    f"Business Central has other sums for {order.reference}, and it was deleted again: {difference}",
                    code="total_differs",
                )
        except TemporaryFault as fault:
            raise UnknownResult(f"order {order.reference} was written, and not seen again: {fault}") from fault
        return self._same(standing, order, wanted)

    async def _complete(self, standing: Order, wanted: dict[int, Wanted], key: str) -> None:
        """Add the lines that an earlier try did not come to."""
        place = await self._company.location_id()
        there = mapping.lines_by_sequence(standing)
        for sequence in sorted(set(wanted) - set(there)):
            body = wanted[sequence].json(place)
            await self._company.create(f"salesOrders({standing.id})/salesOrderLines", body, key)

    def _same(self, standing: Order, order: SalesOrder, wanted: dict[int, Wanted]) -> BookedOrder:
        """Raises PermanentFault unless the standing order is the one that was asked for."""
        self._raise_for_differences(standing, order, wanted)
        missing = sorted(set(wanted) - set(mapping.lines_by_sequence(standing)))
        if missing:
            raise PermanentFault(
                f"order {standing.number} ({order.reference}) has no line {missing[0]}", code="reference_conflict"
            )
        difference = mapping.untied(standing, order)
        if difference:
            raise PermanentFault(
                f"order {standing.number} ({order.reference}) has other sums: {difference}", code="total_differs"
            )
        return booked(standing)

    def _raise_for_differences(self, standing: Order, order: SalesOrder, wanted: dict[int, Wanted]) -> None:
        found = mapping.differences(standing, order, wanted, self._company.options)
        if found:
            raise PermanentFault(
                f"order {standing.number} is there under {order.reference} with other content: {'; '.join(found[:5])}",
                code="reference_conflict",
            )

    async def _posted(self, reference: str) -> BookedOrder | None:
        """An order of which only its invoices remain."""
        invoices = await self._company.invoices(reference)
        numbers = sorted({invoice.order_number for invoice in invoices})
        if not invoices:
            return None
        if len(numbers) > 1:
            raise PermanentFault(
                f"Business Central has invoices of {len(numbers)} orders under {reference} ({', '.join(numbers[:10])})",
                code="ambiguous",
            )
        currency = invoices[0].currency_code
        total = sum(erp_amounts.minor(invoice.total_amount_including_tax, currency) for invoice in invoices)
        return BookedOrder(numbers[0], total, currency)


def booked(order: Order) -> BookedOrder:
    return BookedOrder(order.number, mapping.total_minor(order), order.currency_code)


def _tied(posted: BookedOrder, order: SalesOrder) -> BookedOrder:
    if (posted.total_minor, posted.currency) != (order.total_minor, order.currency):
        raise PermanentFault(
            f"order {posted.erp_order_id} is posted under {order.reference} with {posted.total_minor} "
            f"{posted.currency}, asked {order.total_minor} {order.currency} (minor units)",
            code="reference_conflict",
        )
    return posted
