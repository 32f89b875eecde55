"""Items, customers, and what speaks against an order."""

from __future__ import annotations

from collections.abc import Sequence

from kept.connectors.erp_amounts import buyer_digest, units
from kept.connectors.erps.odoo import mapping
from kept.connectors.erps.odoo.sales import Sales
from kept.connectors.erps.odoo.schemas import Product
from kept.domain.order import Address
from kept.ports import ItemCheck, Objection, SalesOrder


class OdooMasters:
    """Products by their internal reference, partners by an external id. Raises the faults of `HttpTarget.call`."""

    def __init__(self, sales: Sales) -> None:
        self._sales = sales

    async def check_items(self, skus: Sequence[str]) -> Sequence[ItemCheck]:
        """Several active products with one reference are as good as none for sale: which one is meant is not known."""
        products = await self._sales.products(skus)
        return [_checked(sku, products[sku]) for sku in skus]

    async def resolve_customer(self, account: str, email: str, address: Address) -> str:
        """A partner under an external id made of account and e-mail: asking twice makes one."""
        if self._sales.options.customer:
            return str(self._sales.options.customer)
        row = mapping.customer_row(buyer_digest(account, email), email, address)
        return str(await self._sales.make("res.partner", ("id", "name", "email"), row, row[0]))

    async def object_to(self, order: SalesOrder) -> Sequence[Objection]:
        options = self._sales.options
        objections = [Objection("tax_unmapped", text) for text in mapping.unmapped_taxes(order, options)]
        if order.currency not in options.pricelists:
            objections.append(Objection("currency_unmapped", order.currency))
        goods = [line.sku for line in order.lines]
        own = [options.shipping_sku, options.discount_sku, *filter(None, [options.tax_sku])]
        for sku, found in (await self._sales.products([*goods, *own])).items():
            active = [product for product in found if product.active]
            if len(active) != 1:
                objections.append(Objection("sku_unknown", f"{sku}: {len(active)} active products"))
            elif sku in goods and active[0].uom_id[1] != options.unit:
                objections.append(
                    Objection("unit_unmapped", f"{sku} is counted in {active[0].uom_id[1]}, not in {options.unit}")
                )
        return objections


def _checked(sku: str, found: Sequence[Product]) -> ItemCheck:
    active = [product for product in found if product.active]
    if len(active) != 1:
        return ItemCheck(sku, known=bool(found), saleable=False)
    product = active[0]
    currency = product.currency_id[1]
    price = mapping.minor(product.list_price.quantize(units(1, currency)), currency)
    return ItemCheck(sku, known=True, saleable=product.sale_ok, price_minor=price, currency=currency)
