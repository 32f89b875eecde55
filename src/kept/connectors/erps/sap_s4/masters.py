"""Products, customers, their blocks, and what speaks against an order."""

from __future__ import annotations

from collections.abc import Sequence

from kept.connectors.erps.sap_s4 import mapping
from kept.connectors.erps.sap_s4.codes import PARTNER_EXISTS
from kept.connectors.erps.sap_s4.schemas import Product, SalesArea
from kept.connectors.erps.sap_s4.services import PARTNERS, PRODUCTS, Services, quoted
from kept.domain.order import Address
from kept.ports import ItemCheck, Objection, PermanentFault, SalesOrder


class S4Masters:
    """Raises the faults of `HttpTarget.call`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def check_items(self, skus: Sequence[str]) -> Sequence[ItemCheck]:
        """A product with a sales status (of all distribution chains) or a deletion flag is not for sale."""
        products = await self._products(skus)
        return [ItemCheck(sku, sku in products, sku in products and _saleable(products[sku])) for sku in skus]

    async def resolve_customer(self, account: str, email: str, address: Address) -> str:
        """A business partner under a number made of account and e-mail: the key of its table."""
        options = self._services.options
        if options.customer:
            return options.customer
        number = mapping.partner_number(account, email)
        if await self._area(number) is None:
            body = mapping.partner_json(number, address, options)
            try:
                await self._services.create(f"{PARTNERS}/A_BusinessPartner", body, "BusinessPartner", number)
            except PermanentFault as fault:
                # Made by somebody else meanwhile; which message says so depends on the release.
                if fault.code != PARTNER_EXISTS and await self._area(number) is None:
                    raise
        return number

    async def credit_hold(self, customer_id: str) -> str:
        """The order or delivery block of its sales area. A credit limit that is reached blocks the order itself."""
        area = await self._area(customer_id)
        if area is None:
            return f"customer {customer_id} has no such sales area"
        blocks = [
            f"{what} block {code}"
            for what, code in (
                ("order", area.order_is_blocked_for_customer),
                ("delivery", area.delivery_is_blocked_for_customer),
            )
            if code
        ]
        return f"customer {customer_id}: {', '.join(blocks)}" if blocks else ""

    async def object_to(self, order: SalesOrder) -> Sequence[Objection]:
        options, objections = self._services.options, []
        if order.currency not in options.currencies:
            objections.append(Objection("currency_unmapped", order.currency))
        for sku, product in (await self._products([line.sku for line in order.lines])).items():
            if product.base_unit != options.unit:
                text = f"{sku} is counted in {product.base_unit}, not in {options.unit}"
                objections.append(Objection("unit_unmapped", text))
        held = await self.credit_hold(order.customer_id) if order.customer_id else ""
        if held:
            objections.append(Objection("credit_hold", held))
        return objections

    async def _products(self, skus: Sequence[str]) -> dict[str, Product]:
        found = await self._services.find_any(Product, f"{PRODUCTS}/A_Product", "Product", skus)
        return {product.product: product for product in found}

    async def _area(self, customer: str) -> SalesArea | None:
        options = self._services.options
        filter_ = (
            f"Customer eq {quoted(customer)} and SalesOrganization eq {quoted(options.sales_organization)}"
            f" and DistributionChannel eq {quoted(options.distribution_channel)}"
            f" and Division eq {quoted(options.division)}"
        )
        found = await self._services.find(SalesArea, f"{PARTNERS}/A_CustomerSalesArea", filter_)
        return found[0] if found else None


def _saleable(product: Product) -> bool:
    return not product.is_marked_for_deletion and not product.sales_status
