"""Items, customers, their blocks, and what speaks against an order."""

from __future__ import annotations

from collections.abc import Sequence

from kept.connectors.erps.business_central import mapping
from kept.connectors.erps.business_central.client import Company
from kept.connectors.erps.business_central.codes import BLANK, SAME_KEY
from kept.connectors.erps.business_central.schemas import Coded, Customer, Item
from kept.domain.order import Address
from kept.ports import ItemCheck, Objection, PermanentFault, SalesOrder

_PER_CALL = 40  # SKUs in one filter: below the 2,048 characters of an address that every proxy lets pass


class CentralMasters:
    """Items and customers, by number. Raises the faults of `HttpTarget.call`."""

    def __init__(self, company: Company) -> None:
        self._company = company

    async def check_items(self, skus: Sequence[str]) -> Sequence[ItemCheck]:
        """An item is our SKU by its number, in capitals as Business Central keeps it. A blocked one is not for sale."""
        items = await self._items(skus)
        return [ItemCheck(sku, sku in items, sku in items and not items[sku].blocked) for sku in skus]

    async def resolve_customer(self, account: str, email: str, address: Address) -> str:
        """A number made of account and e-mail: the key of the customers' table, so that asking twice makes one."""
        if self._company.options.customer:
            return self._company.options.customer
        number = mapping.customer_number(account, email)
        if await self._customer(number) is None:
            try:
                await self._company.create("customers", mapping.customer_json(number, email, address), number)
            except PermanentFault as fault:
                if fault.code != SAME_KEY:  # made by somebody else meanwhile
                    raise
        return number

    async def credit_hold(self, customer_id: str) -> str:
        """Its block, "Ship", "Invoice" or "All": none of them lets `shipAndInvoice` through. Credit limits are not
        among the fields of this API's customers."""
        customer = await self._customer(customer_id)
        if customer is None:
            return f"customer {customer_id} is not there"
        return "" if customer.blocked in BLANK else f"customer {customer_id} is blocked: {customer.blocked}"

    async def object_to(self, order: SalesOrder) -> Sequence[Objection]:
        options = self._company.options
        objections = [Objection("tax_unmapped", text) for text in mapping.unmapped_taxes(order, options)]
        if order.currency != options.currency:
            known = await self._company.find(Coded, "currencies", mapping.any_of("code", [order.currency]))
            if not known:
                objections.append(Objection("currency_unmapped", order.currency))
        items = await self._items([line.sku for line in order.lines])
        for sku, item in items.items():
            if item.base_unit_of_measure_code != options.unit:
                text = f"{sku} is counted in {item.base_unit_of_measure_code or 'nothing'}, not in {options.unit}"
                objections.append(Objection("unit_unmapped", text))
        try:
            await self._company.location_id()
        except PermanentFault as fault:
            if fault.code != "warehouse_unmapped":
                raise
            objections.append(Objection("warehouse_unmapped", options.location))
        held = await self.credit_hold(order.customer_id) if order.customer_id else ""
        if held:
            objections.append(Objection("credit_hold", held))
        return objections

    async def _items(self, skus: Sequence[str]) -> dict[str, Item]:
        found: dict[str, Item] = {}
        distinct = list(dict.fromkeys(skus))
        for start in range(0, len(distinct), _PER_CALL):
            filter_ = mapping.any_of("number", distinct[start : start + _PER_CALL])
            found |= {item.number: item for item in await self._company.find(Item, "items", filter_)}
        return {sku: found[sku] for sku in distinct if sku in found}

    async def _customer(self, number: str) -> Customer | None:
        found = await self._company.find(Customer, "customers", mapping.any_of("number", [number]))
        return found[0] if found else None
