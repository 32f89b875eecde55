"""What changes rarely in Tryton and is needed for every order: the shop, currencies, countries, taxes.

Each is asked for once and believed for five minutes: who corrects one of them there does not want to wait longer.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import TypeVar

from kept.connectors.erps.tryton.pricing import Products, Sold, TaxRate
from kept.connectors.erps.tryton.rpc import Rpc
from kept.connectors.erps.tryton.schemas import PRODUCT_FIELDS, SHOP_FIELDS, TAX_FIELDS, Named, Product, Shop, Tax
from kept.domain.order import Address
from kept.ports import PermanentFault, SalesOrder

T = TypeVar("T")

STALE_S = 300.0


class Lookups:
    """Tryton's ids for what our orders name. Raises PermanentFault with the name that Tryton does not know."""

    def __init__(
        self, rpc: Rpc, shop: str, shipping_sku: str, tax_sku: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rpc = rpc
        self._shop = shop
        self._shipping_sku = shipping_sku
        self._tax_sku = tax_sku
        self._clock = clock
        self._known: dict[str, tuple[float, object]] = {}

    async def shop(self) -> Shop:
        """The web shop that orders are booked in, of our user's company, with the warehouse that they leave from."""

        async def ask() -> Shop:
            domain = [["name", "=", self._shop], ["company", "=", await self._rpc.company()]]
            found = await self._rpc.search("web.shop", domain, SHOP_FIELDS, Shop)
            if len(found) != 1 or not found[0].warehouses:
                text = f"{self._rpc.name} has no web shop {self._shop!r} with a warehouse: make it there"
                raise PermanentFault(text, code="shop_unknown")
            return found[0]

        return await self._once("shop", ask)

    async def currency(self, code: str) -> int:
        return await self._once(f"currency {code}", lambda: self._named("currency.currency", "currency", code))

    async def country(self, code: str) -> int:
        return await self._once(f"country {code}", lambda: self._named("country.country", "country", code))

    async def subdivision(self, address: Address) -> int | None:
        """By its code or its name; None where Tryton does not know it."""

        async def ask() -> int | None:
            region = address.region.strip()
            either = ["OR", ["code", "=", f"{address.country}-{region.upper()}"], ["name", "=", region]]
            domain = [["country.code", "=", address.country], either]
            found = await self._rpc.search("country.subdivision", domain, [], Named)
            return found[0].id if len(found) == 1 else None

        if not address.region.strip():
            return None
        return await self._once(f"region {address.country} {address.region}", ask)

    async def products(self, order: SalesOrder) -> Products:
        """What the order's lines are sold as, with the taxes of each. Asked anew for every order."""
        skus = sorted({line.sku for line in order.lines} | {self._shipping_sku, self._tax_sku} - {""})
        found = await self._rpc.search("product.product", [["code", "in", skus]], PRODUCT_FIELDS, Product)
        codes = [product.code for product in found]
        doubled = sorted({code for code in codes if codes.count(code) > 1})
        if doubled:
            text = f"{self._rpc.name} has several products with the code {doubled[0]!r}"
            raise PermanentFault(text, code="ambiguous")
        rates = await self.rates()
        sold = {product.code: _sold(product, rates) for product in found}
        return Products(sold, self._shipping_sku, self._tax_sku)

    async def rates(self) -> dict[int, Decimal | None]:
        """The share of the price that each tax is; None for one that is computed in another way."""

        async def ask() -> dict[int, Decimal | None]:
            taxes = await self._rpc.search("account.tax", [["parent", "=", None]], TAX_FIELDS, Tax)
            return {tax.id: _rate(tax) for tax in taxes}

        return await self._once("taxes", ask)

    async def _named(self, model: str, what: str, code: str) -> int:
        found = await self._rpc.search(model, [["code", "=", code]], [], Named)
        if len(found) != 1:
            text = f"{self._rpc.name} has no {what} {code!r}: make it there"
            raise PermanentFault(text, code=f"{what}_unknown")
        return found[0].id

    async def _once(self, name: str, ask: Callable[[], Awaitable[T]]) -> T:
        known = self._known.get(name)
        if known is not None and self._clock() < known[0]:
            return known[1]  # type: ignore[return-value]  # what the same `ask` has given
        value = await ask()
        self._known[name] = (self._clock() + STALE_S, value)
        return value


def _sold(product: Product, rates: dict[int, Decimal | None]) -> Sold:
    used: Sequence[int] = product.category.customer_taxes_used if product.category else ()
    return Sold(product.id, product.sale_uom, tuple(TaxRate(tax, rates.get(tax)) for tax in used))


def _rate(tax: Tax) -> Decimal | None:
    return Decimal(tax.rate.decimal) if tax.type == "percentage" and tax.rate is not None else None
