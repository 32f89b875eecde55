"""Items, customers, their credit, and what speaks against an order."""

from __future__ import annotations

from collections.abc import Sequence

from kept.connectors.erps.netsuite import mapping
from kept.connectors.erps.netsuite.booking import skus_of
from kept.connectors.erps.netsuite.codes import EXISTS
from kept.connectors.erps.netsuite.records import Records
from kept.connectors.erps.netsuite.schemas import Customer
from kept.domain.order import Address
from kept.ports import ItemCheck, Objection, PermanentFault, SalesOrder

_CREDIT = "isInactive,creditHoldOverride,creditLimit,balance"


class SuiteMasters:
    """Raises the faults of `HttpTarget.call`."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def check_items(self, skus: Sequence[str]) -> Sequence[ItemCheck]:
        items = await self._records.items(skus)
        return [ItemCheck(sku, sku in items, sku in items and items[sku].isinactive == "F") for sku in skus]

    async def resolve_customer(self, account: str, email: str, address: Address) -> str:
        """A customer under an external id made of account and e-mail: asking twice makes one."""
        options = self._records.options
        if options.customer:
            return options.customer
        external_id = mapping.customer_id(account, email)
        found = await self._customer(external_id)
        if found is None:
            body = mapping.customer_json(external_id, email, address, options)
            try:
                await self._records.create("customer", body, external_id)
            except PermanentFault as fault:
                found = await self._customer(external_id) if fault.code == EXISTS else None
                if found is None:
                    raise
            found = found or await self._customer(external_id)
            if found is None:
                raise PermanentFault(
                    f"customer {external_id} was made, and is not there: somebody changed its external id",
                    code="customer_unknown",
                )
        return found.id

    async def credit_hold(self, customer_id: str) -> str:
        """NetSuite's own rule: a hold that is set by hand, or, left to it, a balance above the limit."""
        customer = await self._records.get(Customer, "customer", customer_id, _CREDIT)
        if customer is None or customer.is_inactive:
            return f"customer {customer_id} is {'inactive' if customer else 'not there'}"
        match customer.credit_hold_override.id.upper():
            case "ON":
                return f"customer {customer_id}: credit hold is on"
            case "AUTO" if customer.credit_limit is not None and customer.balance > customer.credit_limit:
                return f"customer {customer_id} owes {customer.balance}, its credit limit is {customer.credit_limit}"
        return ""

    async def object_to(self, order: SalesOrder) -> Sequence[Objection]:
        options, objections = self._records.options, []
        if order.currency not in options.currencies:
            objections.append(Objection("currency_unmapped", order.currency))
        items = await self._records.items([*skus_of(order, options), *options.own_items])
        for sku in (*dict.fromkeys(line.sku for line in order.lines), *options.own_items):
            if sku not in items or items[sku].isinactive != "F":
                objections.append(Objection("sku_unknown", f"{sku}: no active item"))
        for sku in dict.fromkeys(line.sku for line in order.lines):
            if sku in items and items[sku].saleunit != options.unit:
                text = f"{sku} is sold in the unit {items[sku].saleunit or 'none'}, not in {options.unit}"
                objections.append(Objection("unit_unmapped", text))
        held = await self.credit_hold(order.customer_id) if order.customer_id else ""
        if held:
            objections.append(Objection("credit_hold", held))
        return objections

    async def _customer(self, external_id: str) -> Customer | None:
        return await self._records.find(Customer, "customer", external_id)
