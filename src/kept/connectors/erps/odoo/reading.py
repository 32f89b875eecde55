"""Orders read back, and what a warehouse has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from kept.connectors.erp_roles import belongs_to, is_tax, line_no_of
from kept.connectors.erps.odoo import mapping
from kept.connectors.erps.odoo.codes import status_of
from kept.connectors.erps.odoo.rpc import search
from kept.connectors.erps.odoo.sales import Sales
from kept.connectors.erps.odoo.schemas import Line, OldQuantity, Order, Product, Quantity, Warehouse, fields_of
from kept.ports import ErpLine, ErpOrder, ErpOrderStatus, PermanentFault, StockLevel, StockSnapshot

_JSON2 = 19
_PRODUCTS_AT_ONCE = 500


class OdooOrders:
    """Orders as they stand, in three calls for any number of them."""

    def __init__(self, sales: Sales) -> None:
        self._sales = sales

    async def read_orders(self, references: Sequence[str]) -> Sequence[ErpOrder]:
        orders = await self._sales.orders(references)
        lines = await self._sales.lines(orders) if orders else {}
        return [_read(order, lines[order.id]) for order in orders]


class OdooWarehouses:
    """Pieces in the stock location of a warehouse and all below it, by the warehouse's short name."""

    def __init__(self, sales: Sales) -> None:
        self._sales = sales

    async def warehouse_stock(self, warehouse: str) -> StockSnapshot:
        rpc, as_of = self._sales.rpc, datetime.now(UTC)
        found = await search(rpc, "stock.warehouse", [["code", "=", warehouse]], fields_of(Warehouse), Warehouse)
        if len(found) != 1:
            text = f"Odoo has {len(found)} warehouses with the short name {warehouse!r}"
            raise PermanentFault(text, code="warehouse_unmapped")
        domain = [["location_id", "child_of", found[0].lot_stock_id[0]]]
        if self._sales.options.version >= _JSON2:
            arguments = {"domain": domain, "groupby": ["product_id"], "aggregates": ["quantity:sum"]}
            quantities: Sequence[Quantity | OldQuantity] = await rpc.call(
                "stock.quant", "formatted_read_group", _quantities, arguments, reads_only=True
            )
        else:
            arguments = {"domain": domain, "groupby": ["product_id"], "fields": ["quantity:sum"]}
            quantities = await rpc.call("stock.quant", "read_group", _old_quantities, arguments, reads_only=True)
        pieces = {each.product_id[0]: each.pieces for each in quantities if each.product_id}
        skus = await self._skus(sorted(pieces))
        totals: dict[str, int] = {}
        for product, sku in skus.items():
            totals[sku] = totals.get(sku, 0) + int(pieces[product])
        return StockSnapshot(as_of, tuple(StockLevel(sku, max(0, number)) for sku, number in sorted(totals.items())))

    async def _skus(self, ids: Sequence[int]) -> dict[int, str]:
        skus: dict[int, str] = {}
        for start in range(0, len(ids), _PRODUCTS_AT_ONCE):
            domain = [["id", "in", list(ids[start : start + _PRODUCTS_AT_ONCE])], ["default_code", "!=", False]]
            found = await search(self._sales.rpc, "product.product", domain, fields_of(Product), Product)
            skus |= {product.id: product.default_code for product in found if product.default_code}
        return skus


def _quantities(answer: Any) -> list[Quantity]:
    return msgspec.convert(answer, list[Quantity])


def _old_quantities(answer: Any) -> list[OldQuantity]:
    return msgspec.convert(answer, list[OldQuantity])


def _read(order: Order, lines: Mapping[str, Line]) -> ErpOrder:
    goods = {role: line for role, line in lines.items() if line_no_of(role) and line.product_uom_qty}
    status = status_of(order.state)
    delivered = all(line.qty_delivered >= line.product_uom_qty for line in goods.values())
    if status is ErpOrderStatus.OPEN and goods and delivered:
        status = ErpOrderStatus.CLOSED
    return ErpOrder(
        order.name,
        order.client_order_ref or "",
        status,
        order.currency_id[1],
        mapping.total_minor(order),
        mapping.tax_minor(order, lines),
        tuple(_line(role, line, lines, order.currency_id[1]) for role, line in goods.items()),
    )


def _line(role: str, line: Line, lines: Mapping[str, Line], currency: str) -> ErpLine:
    """One line, with what was taken off it and its tax, which stand on lines of their own."""
    line_no = line_no_of(role)
    net, tax = line.price_subtotal, line.price_tax
    for other_role, other in lines.items():
        if belongs_to(other_role) == line_no:
            if is_tax(other_role):
                tax += other.price_subtotal
            else:
                net, tax = net + other.price_subtotal, tax + other.price_tax
    return ErpLine(
        line_no,
        _sku(line),
        int(line.product_uom_qty),
        int(line.qty_delivered),
        mapping.minor(net, currency),
        mapping.minor(tax, currency),
    )


def _sku(line: Line) -> str:
    """A line of goods is named by its SKU: we made it so."""
    return line.name
