"""Tryton's calls for items, customers and sales.

How booking is made safe: `reference` is not unique in Tryton, but the pair of a web shop and its `web_id` is, by an
exclusion constraint in the database (module web_shop). Every sale is made in the configured shop with our reference as
its web id, so of any number of callers one makes the sale and the others are refused, and find it. A request that was
given up and still arrives is refused in the same way. From then on each step is chosen by the sale's state.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from kept.connectors.erps.tryton import mapping
from kept.connectors.erps.tryton.lookups import Lookups
from kept.connectors.erps.tryton.pricing import PricedLine, priced_lines
from kept.connectors.erps.tryton.rpc import Overtaken, Refusal, Rpc
from kept.connectors.erps.tryton.schemas import ITEM_FIELDS, PARTY_FIELDS, SALE_FIELDS, Item, Named, Party, Sale
from kept.domain.order import Address
from kept.ports import BookedOrder, ItemCheck, PermanentFault, SalesOrder, TemporaryFault

_SKUS_PER_CHECK = 400  # so that there is room below RECORDS_MAX for inactive products with the same code
# A sale takes two steps and an address one; the rest is for others who take them at the same time.
_ROUNDS_MAX = 10


class TrytonSales:
    """Items, customers and booking, over one Tryton."""

    honours_key = True  # the reference is the key, and Tryton keeps it unique
    # A request that was given up may still wait for a thread, a lock or a retry of Tryton's own; its usual proxies
    # give up after a minute. Sending again needs no wait, but "it was never booked" does.
    write_horizon = timedelta(minutes=2)

    def __init__(self, rpc: Rpc, lookups: Lookups) -> None:
        self._rpc = rpc
        self._lookups = lookups

    # -------------------------------------------------------------- items and customers

    async def check_items(self, skus: Sequence[str]) -> Sequence[ItemCheck]:
        """What Tryton says of each SKU (a product's code), in the order asked."""
        checks: list[ItemCheck] = []
        for start in range(0, len(skus), _SKUS_PER_CHECK):
            asked = list(skus[start : start + _SKUS_PER_CHECK])
            items = await self._rpc.search(
                "product.product", [["code", "in", asked]], ITEM_FIELDS, Item, active_test=False
            )
            checks += mapping.item_checks(items, asked)
        return checks

    async def resolve_customer(self, account: str, email: str, address: Address) -> str:
        """The party's id. Its code is ours and unique, so asking twice, or two at once, makes one."""
        code = mapping.customer_code(account, email, address)
        known = await self._party(code)
        if known is not None:
            return str(known)
        try:
            return str(await self._rpc.create("party.party", mapping.party_values(code, email, address), None))
        except Refusal:
            known = await self._party(code)  # another caller was first
            if known is None:
                raise
            return str(known)

    async def _party(self, code: str) -> int | None:
        found = await self._rpc.search("party.party", [["code", "=", code]], [], Named)
        return found[0].id if found else None

    # -------------------------------------------------------------- sales

    async def book(self, order: SalesOrder, key: str) -> BookedOrder:
        """The sale, confirmed. One that is there already is brought on from where it stands, if it is the same."""
        sale = await self.sale(order.reference)
        if sale is None:
            products = await self._lookups.products(order)
            sale = await self._made(order, priced_lines(order, products), key)
        for _ in range(_ROUNDS_MAX):
            mapping.check_same(order, sale)
            button = mapping.booking_step(sale)
            if not button:
                return mapping.booked(sale)
            sale = await self._pushed(sale, button, key)
        raise TemporaryFault(f"{self._rpc.name}: sale {sale.id} changes faster than it can be booked")

    async def find_order(self, reference: str) -> BookedOrder | None:
        """The sale if it is booked; one that was begun and not confirmed is None, and booking again goes on with it."""
        sale = await self.sale(reference)
        return mapping.booked(sale) if sale is not None and mapping.is_booked(sale) else None

    async def sale(self, reference: str) -> Sale | None:
        """The sale under our reference in our shop, in whatever state."""
        shop = await self._lookups.shop()
        domain = [["web_shop", "=", shop.id], ["web_id", "=", reference]]
        return mapping.only_sale(await self._rpc.search("sale.sale", domain, SALE_FIELDS, Sale), reference)

    async def _made(self, order: SalesOrder, lines: Sequence[PricedLine], key: str) -> Sale:
        if not order.customer_id.isdecimal():
            raise PermanentFault(f"{order.customer_id!r} is no party's id of Tryton's", code="customer_unknown")
        party = int(order.customer_id)
        values = mapping.sale_values(
            order,
            lines,
            await self._lookups.shop(),
            currency=await self._lookups.currency(order.currency),
            party=party,
            address=await self._address(party, order.ship_to, key),
        )
        try:
            await self._rpc.create("sale.sale", values, key)
        except Refusal:
            sale = await self.sale(order.reference)  # another caller was first
            if sale is None:
                raise
            return sale
        sale = await self.sale(order.reference)
        if sale is None:
            raise TemporaryFault(f"{self._rpc.name}: the sale {order.reference} that was just made is not there")
        return sale

    async def _pushed(self, sale: Sale, button: str, key: str) -> Sale:
        """The sale after its button was pushed, by us or by somebody who was faster."""
        try:
            await self._rpc.push("sale.sale", button, [sale.id], key)
        except (Overtaken, Refusal):
            now = await self._rpc.read("sale.sale", sale.id, SALE_FIELDS, Sale)
            if now.state == sale.state:
                raise
            return now
        return await self._rpc.read("sale.sale", sale.id, SALE_FIELDS, Sale)

    async def _address(self, party: int, address: Address, key: str) -> int:
        """The party's address, added where it lacks it; only to a party that has not changed since we looked."""
        country = await self._lookups.country(address.country)
        values = mapping.address_values(address, country, await self._lookups.subdivision(address))
        for _ in range(_ROUNDS_MAX):
            known = await self._rpc.read("party.party", party, PARTY_FIELDS, Party)
            for each in known.addresses:
                if mapping.same_address(values, each):
                    return each.id
            try:
                await self._rpc.write(
                    "party.party",
                    [[party], {"addresses": [["create", [values]]]}],
                    key,
                    seen={f"party.party,{party}": known.timestamp},
                )
            except Overtaken:
                continue
        raise TemporaryFault(f"{self._rpc.name}: party {party} changes faster than its address can be added")
