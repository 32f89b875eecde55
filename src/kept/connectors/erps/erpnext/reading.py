"""Orders read back, and what a warehouse has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from kept.connectors.erps.erpnext import mapping
from kept.connectors.erps.erpnext.codes import status_of
from kept.connectors.erps.erpnext.schemas import Bin, Named, Order
from kept.connectors.erps.erpnext.site import Site
from kept.ports import ErpLine, ErpOrder, PermanentFault, StockLevel, StockSnapshot


class NextOrders:
    """Orders as they stand: one call for their names, one for each order, since a list has no rows."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def read_orders(self, references: Sequence[str]) -> Sequence[ErpOrder]:
        read = []
        for found in await self._site.find_any(Named, "Sales Order", ["name"], "kept_reference", references):
            order = await self._site.get(Order, "Sales Order", found.name)
            if order is not None:
                read.append(_read(order))
        return read


class NextWarehouses:
    """Pieces on hand (`actual_qty` of its bins) of one warehouse that is no group, by its full name."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def warehouse_stock(self, warehouse: str) -> StockSnapshot:
        as_of = datetime.now(UTC)
        if not await self._site.find(Named, "Warehouse", ["name"], ["name", "=", warehouse], ["is_group", "=", 0]):
            text = f"ERPNext has no warehouse {warehouse!r} that is no group"
            raise PermanentFault(text, code="warehouse_unmapped")
        bins = await self._site.find(Bin, "Bin", ["item_code", "actual_qty"], ["warehouse", "=", warehouse])
        levels = sorted((each.item_code, max(0, int(each.actual_qty))) for each in bins)
        return StockSnapshot(as_of, tuple(StockLevel(sku, pieces) for sku, pieces in levels))


def _read(order: Order) -> ErpOrder:
    return ErpOrder(
        order.name,
        order.kept_reference,
        status_of(order),
        order.currency,
        mapping.total_minor(order),
        mapping.tax_minor(order),
        tuple(_line(order, index) for index in range(len(order.items))),
    )


def _line(order: Order, index: int) -> ErpLine:
    line = order.items[index]
    off, tax = mapping.charges_of(order, line.kept_line)
    net = mapping.minor(line.amount, order.currency) + off
    return ErpLine(line.kept_line, line.item_code, int(line.qty), int(line.delivered_qty), net, tax)
