"""Tryton's calls for shipments and withdrawals: read the state, take the next step, until there is none.

How posting is made safe: a shipment's reference is not unique in Tryton, so ours is written into a shipment only if
that has not changed since we read it (Tryton's own check of time stamps). Of two callers one succeeds, and the other
one reads again and finds the reference there.
"""

from __future__ import annotations

from kept.connectors.erps.tryton import mapping, shipping, withdrawing
from kept.connectors.erps.tryton.client import TrytonSales
from kept.connectors.erps.tryton.rpc import Overtaken, Refusal, Rpc
from kept.connectors.erps.tryton.schemas import SHIPMENT_FIELDS, Sale, Shipment
from kept.ports import PermanentFault, PostedShipment, ShipmentPosting, TemporaryFault, Withdrawal

# A posting takes nine steps, a withdrawal six; the rest is for others who change the same records.
_ROUNDS_MAX = 20


class TrytonFulfilment:
    """Posting shipments and withdrawing orders, over one Tryton."""

    honours_key = True  # each step is chosen by the state, so doing it again does what is left to do

    def __init__(self, rpc: Rpc, sales: TrytonSales) -> None:
        self._rpc = rpc
        self._sales = sales

    # -------------------------------------------------------------- shipments

    async def post_shipment(self, posting: ShipmentPosting, key: str) -> PostedShipment:
        """The shipment, done, with the pieces that were packed. What is left is planned anew by Tryton."""
        sale = await self._booked(posting.order_reference)
        line_nos = shipping.lines_of(sale)
        shipments = await self._shipments(sale)
        last: shipping.Step | None = None
        for _ in range(_ROUNDS_MAX):
            step = shipping.next_step(posting, shipments, line_nos, last=last)
            if isinstance(step, PostedShipment):
                return step
            try:
                await self._take(step, sale, posting, key)
            except (Overtaken, Refusal):
                now = await self._shipments(sale)
                if now == shipments:
                    raise  # nobody was faster: it is refused as it stands
                shipments = now
            else:
                shipments = await self._shipments(sale)
            last = step
        raise TemporaryFault(f"{self._rpc.name}: {posting.reference} changes faster than it can be posted")

    async def find_shipment(self, posting: ShipmentPosting) -> PostedShipment | None:
        """The shipment if it is done; one that was begun is None, and posting again goes on with it."""
        sale = await self._sales.sale(posting.order_reference)
        return None if sale is None else shipping.found(posting, await self._shipments(sale))

    async def _booked(self, reference: str) -> Sale:
        sale = await self._sales.sale(reference)
        if sale is None:
            raise PermanentFault(f"{self._rpc.name} has no order {reference}", code="not_found")
        if not mapping.is_booked(sale):
            text = f"{self._rpc.name} has {reference} as a {sale.state}: nothing can be shipped of it"
            raise PermanentFault(text, code="not_booked")
        return sale

    async def _shipments(self, sale: Sale) -> list[Shipment]:
        lines = [line.id for line in sale.lines]
        domain = [["moves.origin.id", "in", lines, "sale.line"]]
        return await self._rpc.search("stock.shipment.out", domain, SHIPMENT_FIELDS, Shipment)

    async def _take(self, step: shipping.Step, sale: Sale, posting: ShipmentPosting, key: str) -> None:
        match step:
            case shipping.Plan():
                await self._rpc.push("sale.sale", "process", [sale.id], key)
            case shipping.Claim(shipment):
                values = {"reference": posting.reference, "effective_date": mapping.date_json(posting.shipped_at)}
                seen = {f"stock.shipment.out,{shipment.id}": shipment.timestamp}
                await self._rpc.write("stock.shipment.out", [[shipment.id], values], key, seen=seen)
            case shipping.SetQuantities(quantities):
                pairs: list[object] = []
                for move, quantity in quantities.items():
                    pairs += [[move], {"quantity": quantity}]
                await self._rpc.write("stock.move", pairs, key)
            case shipping.Button(shipment_id, name):
                await self._rpc.push("stock.shipment.out", name, [shipment_id], key)

    # -------------------------------------------------------------- withdrawals

    async def withdraw(self, reference: str, key: str) -> Withdrawal:
        """Cancels what is open; what has been posted stays. Raises PermanentFault "not_found"."""
        sale = await self._to_withdraw(reference)
        for _ in range(_ROUNDS_MAX):
            step = withdrawing.next_step(sale)
            if isinstance(step, Withdrawal):
                return step
            try:
                await self._withdraw(sale, step, key)
            except (Overtaken, Refusal):
                now = await self._to_withdraw(reference)
                if now == sale:
                    raise
                sale = now
            else:
                sale = await self._to_withdraw(reference)
        raise TemporaryFault(f"{self._rpc.name}: {reference} changes faster than it can be withdrawn")

    async def _to_withdraw(self, reference: str) -> Sale:
        sale = await self._sales.sale(reference)
        if sale is None:
            raise PermanentFault(f"{self._rpc.name} has no order {reference} to withdraw", code="not_found")
        return sale

    async def _withdraw(self, sale: Sale, step: withdrawing.Push | withdrawing.Ignore, key: str) -> None:
        match step:
            case withdrawing.Push(model, button, records):
                await self._rpc.push(model, button, records, key)
            case withdrawing.Ignore(wizard, what, records):
                answers = {f"domain_{what}": records, f"ignore_{what}": records, f"recreate_{what}": []}
                await self._rpc.answer_wizard(wizard, "sale.sale", sale.id, {"ask": answers}, "handle", key)
