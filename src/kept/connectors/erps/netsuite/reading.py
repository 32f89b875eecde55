"""Orders read back, and what a location has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from kept.connectors.erp_amounts import minor
from kept.connectors.erp_roles import belongs_to, is_tax, line_no_of
from kept.connectors.erps.netsuite import mapping
from kept.connectors.erps.netsuite.options import Options
from kept.connectors.erps.netsuite.records import Records
from kept.connectors.erps.netsuite.schemas import Line, Order, Stock
from kept.ports import ErpLine, ErpOrder, PermanentFault, StockLevel, StockSnapshot

_ON_HAND = (
    "SELECT i.itemid AS itemid, a.quantityonhand AS quantityonhand "
    "FROM aggregateItemLocation a INNER JOIN item i ON i.id = a.item"
)


class SuiteOrders:
    """Orders as they stand, each by its external id."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def read_orders(self, references: Sequence[str]) -> Sequence[ErpOrder]:
        found = []
        for reference in references:
            order = await self._records.order(reference)
            if order is not None:
                found.append(_read(reference, order, self._records.options))
        return found


class SuiteLocations:
    """Pieces on hand at a location, by its internal id."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def warehouse_stock(self, warehouse: str) -> StockSnapshot:
        """Raises PermanentFault "warehouse_unmapped"; a location without stock has none."""
        if not (warehouse.isascii() and warehouse.isdigit()):
            text = f"{warehouse!r} is not the internal id of a location"
            raise PermanentFault(text, code="warehouse_unmapped")
        as_of = datetime.now(UTC)
        rows = await self._records.query(Stock, f"{_ON_HAND} WHERE a.location = {warehouse} ORDER BY a.item")
        levels = (StockLevel(row.itemid, max(0, int(row.quantityonhand))) for row in rows)
        return StockSnapshot(as_of, tuple(sorted(levels, key=lambda level: level.sku)))


def _read(reference: str, order: Order, options: Options) -> ErpOrder:
    lines, currency = mapping.lines_of(order), mapping.currency_of(order, options)
    return ErpOrder(
        order.tran_id or order.id,
        reference,
        mapping.state_of(order),
        currency,
        mapping.total_minor(order, options),
        mapping.tax_minor(order, options),
        tuple(_line(role, line, lines, currency) for role, line in lines.items() if line_no_of(role)),
    )


def _line(role: str, line: Line, lines: Mapping[str, Line], currency: str) -> ErpLine:
    """One line, with what was taken off it and its tax, which stand on lines of their own."""
    number, net, tax = line_no_of(role), line.amount, 0
    for other_role, other in lines.items():
        if belongs_to(other_role) == number:
            if is_tax(other_role):
                tax += minor(other.amount, currency)
            else:
                net += other.amount
    return ErpLine(
        number,
        line.item.ref_name,
        int(line.quantity),
        int(line.quantity_fulfilled),
        minor(net, currency),
        tax,
    )
