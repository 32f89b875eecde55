"""Booking and withdrawing sales orders.

`client_order_ref` is not unique in Odoo, but an external id is, by a constraint of its table: every order is made by
`load` under "kept.<reference>", together with its lines, so that of any number of callers one makes it, the others are
told that somebody else was at it (status 200, no ids) and find it. A request that was given up and still arrives makes
nothing. From then on each step is chosen by the order's state.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from kept.connectors.erp_amounts import untied
from kept.connectors.erp_roles import belongs_to, goods_role, line_no_of
from kept.connectors.erps.odoo import mapping
from kept.connectors.erps.odoo.codes import status_of
from kept.connectors.erps.odoo.mapping import Wanted
from kept.connectors.erps.odoo.rpc import load, whatever
from kept.connectors.erps.odoo.sales import Sales
from kept.connectors.erps.odoo.schemas import Line, Order
from kept.ports import (
    BookedOrder,
    ErpOrderStatus,
    PermanentFault,
    SalesOrder,
    TemporaryFault,
    UnknownResult,
    Withdrawal,
)


class OdooBooking:
    """See the module's text. Raises the faults of `HttpTarget.call`."""

    honours_key = True  # the reference is the key, and Odoo keeps its external id unique
    # Sending again needs no wait, but "it was never booked" does. Source: Odoo's command line, --limit-time-real: a
    # request is ended after 120 s.
    write_horizon = timedelta(minutes=3)

    def __init__(self, sales: Sales) -> None:
        self._sales = sales

    async def book(self, order: SalesOrder, key: str) -> BookedOrder:
        """Raises PermanentFault "reference_conflict" for other content under the reference, "total_differs" if the
        sums are not the channel's: a quotation of ours is deleted again then."""
        wanted = mapping.wanted_lines(order, self._sales.options)
        standing = await self._sales.order(order.reference)
        if standing is None:
            await self._make(order, wanted, key)
            standing = await self._seen(order.reference)
        lines = await self._sales.lines_of(standing)
        _raise_unless_same(standing, lines, order, wanted)
        difference = untied(order, mapping.total_minor(standing), mapping.tax_minor(standing, lines))
        if difference:
            await self._take_back(standing, key)
            raise PermanentFault(
                f"Odoo has other sums for {standing.name} ({order.reference}): {difference}", code="total_differs"
            )
        if status_of(standing.state) is ErpOrderStatus.DRAFT:
            await self._confirm(standing, key)
        return booked(standing)

    async def find_order(self, reference: str) -> BookedOrder | None:
        """The order if it is booked. A quotation is not yet, and is brought to its end by booking it again."""
        standing = await self._sales.order(reference)
        if standing is None or status_of(standing.state) is ErpOrderStatus.DRAFT:
            return None
        return booked(standing)

    async def withdraw(self, reference: str, key: str) -> Withdrawal:
        """Cancel the order, or, where something was delivered, order no more than that."""
        standing = await self._sales.order(reference)
        if standing is None:
            return Withdrawal(reference)
        if status_of(standing.state) is ErpOrderStatus.CANCELLED:
            return Withdrawal(standing.name)
        async with self._sales.writers.alone(reference):
            lines = await self._sales.lines_of(standing)
            if any(line.qty_delivered for role, line in lines.items() if line_no_of(role)):
                changes = [[1, line.id, {"product_uom_qty": left}] for line, left in _no_more(lines)]
                if changes:
                    await self._act(standing, "write", key, {"vals": {"order_line": changes}})
            else:
                await self._act(standing, "action_cancel", key)
        return Withdrawal(standing.name)

    async def _make(self, order: SalesOrder, wanted: Mapping[str, Wanted], key: str) -> None:
        options = self._sales.options
        pricelist = options.pricelists.get(order.currency)
        if pricelist is None:
            text = f"order {order.reference} is in {order.currency}, for which the options name no pricelist"
            raise PermanentFault(text, code="currency_unmapped")
        if not order.customer_id.isdigit():
            raise PermanentFault(f"{order.customer_id!r} is no partner's id of Odoo's", code="customer_unknown")
        products = await self._sales.product_ids(mapping.skus_of(wanted))
        address = await self._sales.make("res.partner", mapping.ADDRESS_FIELDS, mapping.address_row(order.ship_to), key)
        head = mapping.order_row(order, int(order.customer_id), address, pricelist)
        rows = [
            [*(head if number == 0 else [""] * len(head)), *mapping.line_row(line, order.reference, products[line.sku])]
            for number, line in enumerate(wanted.values())
        ]
        fields = [*mapping.ORDER_FIELDS, *mapping.line_fields(self._sales.taxes_field, "order_line/")]
        await load(self._sales.rpc, "sale.order", fields, rows, key)

    async def _seen(self, reference: str) -> Order:
        try:
            standing = await self._sales.order(reference)
        except TemporaryFault as fault:
            raise UnknownResult(f"order {reference} was made, and not seen again: {fault}") from fault
        if standing is None:
            raise PermanentFault(
                f"an external id kept.{reference} is there, and no order has {reference} as its customer reference: "
                "somebody changed it",
                code="reference_conflict",
            )
        return standing

    async def _confirm(self, standing: Order, key: str) -> None:
        try:
            await self._act(standing, "action_confirm", key)
        except PermanentFault:
            # Confirming twice is an error in Odoo: somebody may have been faster.
            now = await self._sales.order(standing.client_order_ref or "")
            if now is None or status_of(now.state) is not ErpOrderStatus.OPEN:
                raise

    async def _take_back(self, standing: Order, key: str) -> None:
        """Delete a quotation, so that booking again makes it anew. What is confirmed stays."""
        if status_of(standing.state) is ErpOrderStatus.DRAFT:
            await self._act(standing, "unlink", key)

    async def _act(self, order: Order, method: str, key: str, arguments: Mapping[str, object] | None = None) -> None:
        await self._sales.rpc.call("sale.order", method, whatever, arguments or {}, ids=[order.id], key=key)


def booked(order: Order) -> BookedOrder:
    return BookedOrder(order.name, mapping.total_minor(order), order.currency_id[1])


def _raise_unless_same(
    standing: Order, lines: Mapping[str, Line], order: SalesOrder, wanted: Mapping[str, Wanted]
) -> None:
    if status_of(standing.state) is ErpOrderStatus.CANCELLED:
        raise PermanentFault(
            f"order {standing.name} ({order.reference}) was cancelled in Odoo: set it back to quotation, or cancel "
            "the order here",
            code="cancelled_there",
        )
    with_pieces = {role: line for role, line in lines.items() if line.product_uom_qty}
    found = mapping.differences(standing, with_pieces, order, wanted)
    if found:
        raise PermanentFault(
            f"order {standing.name} is there under {order.reference} with other content: {'; '.join(found[:5])}",
            code="reference_conflict",
        )


def _no_more(lines: Mapping[str, Line]) -> list[tuple[Line, float]]:
    """Lines that have more on order than was delivered, and what is left of them; a discount or a tax goes with
    goods of which nothing was delivered."""
    found = []
    for role, line in lines.items():
        of = belongs_to(role)
        goods = lines.get(goods_role(of)) if of else line
        if goods is None or not (of or line_no_of(role)):
            continue
        left = line.product_uom_qty if of and goods.qty_delivered else goods.qty_delivered
        if left != line.product_uom_qty:
            found.append((line, float(left)))
    return found
