"""Items, customers, their addresses, and what speaks against an order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kept.connectors.erps.erpnext import mapping
from kept.connectors.erps.erpnext.codes import TAKEN
from kept.connectors.erps.erpnext.schemas import Customer, Item, Named
from kept.connectors.erps.erpnext.site import Site
from kept.domain.order import Address
from kept.ports import ItemCheck, Objection, PermanentFault, SalesOrder

_ITEM = ("name", "disabled", "is_sales_item", "stock_uom")


class NextMasters:
    """Items by their code; customers by a unique field. Raises the faults of `HttpTarget.call`."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def check_items(self, skus: Sequence[str]) -> Sequence[ItemCheck]:
        items = await self._items(skus)
        return [
            ItemCheck(sku, sku in items, sku in items and not items[sku].disabled and bool(items[sku].is_sales_item))
            for sku in skus
        ]

    async def resolve_customer(self, account: str, email: str, address: Address) -> str:
        """A customer under a unique digest of account and e-mail: asking twice makes one."""
        options = self._site.options
        if options.customer:
            return options.customer
        body = mapping.customer_json(account, email, address, options)
        return await made_once(self._site, "Customer", "kept_buyer", body)

    async def credit_hold(self, customer_id: str) -> str:
        """Disabled or frozen. What a credit limit would stop, ERPNext says when an order is submitted."""
        found = await self._site.find(
            Customer, "Customer", ["name", "disabled", "is_frozen"], ["name", "=", customer_id]
        )
        if not found:
            return f"customer {customer_id} is not there"
        blocks = [word for word, on in (("disabled", found[0].disabled), ("frozen", found[0].is_frozen)) if on]
        return f"customer {customer_id} is {' and '.join(blocks)}" if blocks else ""

    async def object_to(self, order: SalesOrder) -> Sequence[Objection]:
        options, objections = self._site.options, []
        if order.currency not in options.currencies:
            objections.append(Objection("currency_unmapped", order.currency))
        for sku, item in (await self._items([line.sku for line in order.lines])).items():
            if item.stock_uom != options.unit:
                text = f"{sku} is counted in {item.stock_uom}, not in {options.unit}"
                objections.append(Objection("unit_unmapped", text))
        if await country_of(self._site, order.ship_to) is None:
            objections.append(Objection("country_unmapped", order.ship_to.country))
        held = await self.credit_hold(order.customer_id) if order.customer_id else ""
        if held:
            objections.append(Objection("credit_hold", held))
        return objections

    async def _items(self, skus: Sequence[str]) -> dict[str, Item]:
        return {item.name: item for item in await self._site.find_any(Item, "Item", _ITEM, "name", skus)}


async def made_once(site: Site, doctype: str, field: str, body: Mapping[str, Any]) -> str:
    """The name of the document whose unique `field` is as in `body`, made if it is not there."""
    for _ in range(2):
        found = await site.find(Named, doctype, ["name"], [field, "=", body[field]])
        if found:
            return found[0].name
        try:
            return await site.create(doctype, body, str(body[field]))
        except PermanentFault as fault:
            if fault.code not in TAKEN:
                raise  # else somebody else has made it meanwhile
    raise PermanentFault(f"ERPNext refuses {doctype} {body[field]} as taken, and does not find it", code="ambiguous")


async def country_of(site: Site, address: Address) -> str | None:
    """ERPNext's name of a country, by its code."""
    found = await site.find(Named, "Country", ["name"], ["code", "=", address.country.lower()])
    return found[0].name if found else None


async def address_of(site: Site, address: Address, customer: str) -> str:
    """The name of the delivery address, made if it is not there. Raises PermanentFault "country_unmapped"."""
    country = await country_of(site, address)
    if country is None:
        raise PermanentFault(f"ERPNext has no country with the code {address.country!r}", code="country_unmapped")
    return await made_once(site, "Address", "kept_address", mapping.address_json(address, customer, country))
