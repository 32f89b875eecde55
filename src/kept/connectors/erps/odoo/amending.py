"""Amending booked orders: all changes of lines are one write, so that it is done or not."""

from __future__ import annotations

from typing import Any

from kept.connectors.erp_amounts import untied
from kept.connectors.erp_roles import line_no_of
from kept.connectors.erps.odoo import mapping
from kept.connectors.erps.odoo.booking import booked
from kept.connectors.erps.odoo.codes import status_of
from kept.connectors.erps.odoo.mapping import Wanted
from kept.connectors.erps.odoo.rpc import load, whatever
from kept.connectors.erps.odoo.sales import Sales
from kept.connectors.erps.odoo.schemas import Line, Order
from kept.ports import BookedOrder, ErpOrderStatus, PermanentFault, SalesOrder


class OdooAmendment:
    """Makes a standing order say what a newer version of ours says; the version is in its source document."""

    def __init__(self, sales: Sales) -> None:
        self._sales = sales

    async def amend(self, order: SalesOrder, key: str) -> BookedOrder:
        """Raises PermanentFault "not_found" for no open order, "shipped" for less than what has shipped,
        "total_differs" if the sums are not the channel's afterwards."""
        wanted = mapping.wanted_lines(order, self._sales.options)
        await self._standing(order.reference)
        async with self._sales.writers.alone(order.reference):
            standing = await self._standing(order.reference)
            if mapping.version_of(standing) > order.version:
                return booked(standing)  # an older version that comes late
            lines = await self._sales.lines_of(standing)
            changes = _changes(lines, wanted, self._sales.taxes_field)
            await self._add(standing, lines, order, wanted, key)
            address = await self._sales.make(
                "res.partner", mapping.ADDRESS_FIELDS, mapping.address_row(order.ship_to), key
            )
            values: dict[str, Any] = {"origin": mapping.version_text(order), "partner_shipping_id": address}
            if changes:
                values["order_line"] = changes
            await self._sales.rpc.call("sale.order", "write", whatever, {"vals": values}, ids=[standing.id], key=key)
            amended = await self._standing(order.reference)
            sums = mapping.total_minor(amended), mapping.tax_minor(amended, await self._sales.lines_of(amended))
        difference = untied(order, *sums)
        if difference:
            raise PermanentFault(
                f"order {amended.name} ({order.reference}) is amended, and has other sums: {difference}",
                code="total_differs",
            )
        return booked(amended)

    async def _standing(self, reference: str) -> Order:
        standing = await self._sales.order(reference)
        if standing is None or status_of(standing.state) is ErpOrderStatus.CANCELLED:
            raise PermanentFault(f"Odoo has no open order {reference} to amend", code="not_found")
        return standing

    async def _add(
        self, standing: Order, lines: dict[str, Line], order: SalesOrder, wanted: dict[str, Wanted], key: str
    ) -> None:
        """Lines that are not there yet. Under their external ids, they are made once."""
        missing = [line for role, line in wanted.items() if role not in lines]
        if not missing:
            return
        products = await self._sales.product_ids(sorted({line.sku for line in missing}))
        fields = ["order_id/.id", *mapping.line_fields(self._sales.taxes_field)]
        rows = [[str(standing.id), *mapping.line_row(line, order.reference, products[line.sku])] for line in missing]
        await load(self._sales.rpc, "sale.order.line", fields, rows, key)


def _changes(lines: dict[str, Line], wanted: dict[str, Wanted], taxes: str) -> list[list[object]]:
    """Commands for lines that are there (odoo/fields: 1 is "update"). A line of a confirmed order can't be deleted."""
    commands: list[list[object]] = []
    for role, line in lines.items():
        want = wanted.get(role)
        quantity = want.quantity if want else 0
        if line_no_of(role) and line.qty_delivered > quantity:
            raise PermanentFault(
                f"{role} ({line.name}) has {line.qty_delivered} delivered, asked is {quantity}", code="shipped"
            )
        if want is None and line.product_uom_qty:
            commands.append([1, line.id, {"product_uom_qty": 0}])
        elif want is not None and not want.is_as(line):
            own = [int(want.tax)] if want.tax else []
            values = {"product_uom_qty": quantity, "price_unit": float(want.price), taxes: [[6, 0, own]]}
            commands.append([1, line.id, values])
    return commands
