"""What speaks against an order, found by the same look-ups that booking uses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from kept.connectors.erps.tryton.lookups import Lookups
from kept.connectors.erps.tryton.pricing import priced_lines
from kept.ports import Objection, PermanentFault, SalesOrder

# Refusals of the look-ups and of pricing, in the port's words for holds. Any other is Tryton's, and a fault.
_HOLDS = {
    "ambiguous": "ambiguous",
    "currency_unknown": "currency_unmapped",
    "country_unknown": "country_unmapped",
    "shipping_sku_missing": "shipping_sku_missing",
    "shop_unknown": "shop_unknown",
    "sku_unknown": "sku_unknown",
    "tax_differs": "tax_unmapped",
}


class TrytonCheck:
    """Asks for what an order names, and prices it; books nothing."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups

    async def object_to(self, order: SalesOrder) -> Sequence[Objection]:
        async def price() -> None:
            priced_lines(order, await self._lookups.products(order))

        asked: tuple[Callable[[], Awaitable[object]], ...] = (
            self._lookups.shop,
            lambda: self._lookups.currency(order.currency),
            lambda: self._lookups.country(order.ship_to.country),
            price,
        )
        objections = []
        for ask in asked:
            try:
                await ask()
            except PermanentFault as fault:
                if fault.code not in _HOLDS:
                    raise
                objections.append(Objection(_HOLDS[fault.code], str(fault)))
        return objections
