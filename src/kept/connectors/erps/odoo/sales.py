"""One database of Odoo: its orders, lines and products, as every part of the connector reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from kept.connectors.erp_amounts import Writers
from kept.connectors.erps.odoo import mapping
from kept.connectors.erps.odoo.codes import status_of
from kept.connectors.erps.odoo.options import Options
from kept.connectors.erps.odoo.rpc import Rpc, load, search
from kept.connectors.erps.odoo.schemas import Line, Order, Product, fields_of
from kept.ports import ErpOrderStatus, PermanentFault

_JSON2 = 19


class Sales:
    """Reads of orders and products. Raises the faults of `HttpTarget.call`."""

    def __init__(self, rpc: Rpc, options: Options) -> None:
        self.rpc = rpc
        self.options = options
        self.writers = Writers()
        self.taxes_field = "tax_ids" if options.version >= _JSON2 else "tax_id"

    async def orders(self, references: Sequence[str]) -> list[Order]:
        """All orders under our references, cancelled ones too."""
        domain = [["client_order_ref", "in", list(references)]]
        return await search(self.rpc, "sale.order", domain, fields_of(Order), Order)

    async def order(self, reference: str) -> Order | None:
        """The order under our reference, a cancelled one if there is no other. Raises PermanentFault "ambiguous"."""
        found = await self.orders([reference])
        live = [order for order in found if status_of(order.state) is not ErpOrderStatus.CANCELLED]
        if len(live) > 1:
            names = ", ".join(order.name for order in live[:10])
            raise PermanentFault(
                f"Odoo has {len(live)} orders under {reference} ({names}): cancel all but one there", code="ambiguous"
            )
        return next(iter(live or found), None)

    async def lines(self, orders: Sequence[Order]) -> dict[int, dict[str, Line]]:
        """The lines of orders, by the order's id and by role; a line that is not ours has "#id" for a role."""
        references = {order.id: order.client_order_ref or "" for order in orders}
        domain = [["order_id", "in", list(references)], ["display_type", "=", False]]
        fields = [*fields_of(Line), self.taxes_field]
        found = await search(self.rpc, "sale.order.line", domain, fields, dict[str, Any])
        lines = [msgspec.convert(row | {"taxes": row.pop(self.taxes_field, [])}, Line) for row in found]
        names = await self._external_ids([line.id for line in lines])
        by_order: dict[int, dict[str, Line]] = {order_id: {} for order_id in references}
        for line in lines:
            order_id = line.order_id[0]
            role = mapping.role_of(names.get(str(line.id), ""), references[order_id])
            by_order[order_id][role or f"#{line.id}"] = line
        return by_order

    async def lines_of(self, order: Order) -> dict[str, Line]:
        return (await self.lines([order]))[order.id]

    async def products(self, skus: Sequence[str]) -> dict[str, list[Product]]:
        """Products by SKU (`default_code`, which is not unique in Odoo), archived ones too."""
        found: dict[str, list[Product]] = {sku: [] for sku in skus}
        domain = [["default_code", "in", list(found)]]
        for product in await search(self.rpc, "product.product", domain, fields_of(Product), Product, archived=True):
            found[product.default_code or ""].append(product)
        return found

    async def product_ids(self, skus: Sequence[str]) -> dict[str, int]:
        """Raises PermanentFault "sku_unknown" or "ambiguous" for a SKU that is not exactly one active product."""
        ids = {}
        for sku, products in (await self.products(skus)).items():
            active = [product for product in products if product.active]
            if len(active) != 1:
                text = f"Odoo has {len(active)} active products with the internal reference {sku}: it must be one"
                raise PermanentFault(text, code="ambiguous" if active else "sku_unknown")
            ids[sku] = active[0].id
        return ids

    async def make(self, model: str, fields: Sequence[str], row: Sequence[str], key: str) -> int:
        """One record under its external id."""
        return (await load(self.rpc, model, fields, [row], key))[0]

    async def _external_ids(self, ids: Sequence[int]) -> dict[str, str]:
        if not ids:
            return {}
        return await self.rpc.call("sale.order.line", "get_external_id", _names, {}, ids=ids, reads_only=True)


def _names(answer: Any) -> dict[str, str]:
    return msgspec.convert(answer, dict[str, str])
