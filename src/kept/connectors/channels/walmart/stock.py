"""Tells Walmart what may be sold, SKU by SKU. Quantities are absolute, and the newest counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from kept.connectors.answers import same
from kept.connectors.channels.walmart.codes import STOCK_REFUSALS
from kept.connectors.http import HttpTarget, Request
from kept.ports import PermanentFault, StockOffer, StockRefused


class _Quantity(msgspec.Struct):
    amount: float


class _Inventory(msgspec.Struct):
    sku: str
    quantity: _Quantity


class WalmartStock:
    """`kept.ports.PushStock` for one ship node of a seller; without a node, for the seller's default one.

    One SKU a call (200 a minute): a batch that is one call is taken as a whole or not at all.
    """

    batch_max = 1

    def __init__(self, target: HttpTarget, ship_node: str) -> None:
        self._target = target
        self._ship_node = ship_node

    async def push(self, offers: Sequence[StockOffer], key: str) -> Sequence[StockRefused]:
        """See `kept.ports.PushStock`."""
        newest = {offer.sku: offer for offer in offers}
        refused = [await self._set(offer, key) for offer in newest.values()]
        return [each for each in refused if each is not None]

    async def _set(self, offer: StockOffer, key: str) -> StockRefused | None:
        params = {"sku": offer.sku} | ({"shipNode": self._ship_node} if self._ship_node else {})
        body = {"sku": offer.sku, "quantity": {"unit": "EACH", "amount": offer.quantity}}
        request = Request("PUT", "/v3/inventory", json=body, params=params, key=key, name="updateInventory")
        try:
            taken = await self._target.look_up(request, lambda answer: _taken(answer, offer))
        except PermanentFault as fault:
            if fault.code.partition(".")[0] not in STOCK_REFUSALS:
                raise
            return StockRefused(offer.sku, fault.code, str(fault))
        if taken is None:
            return StockRefused(offer.sku, "CONTENT_NOT_FOUND", f"Walmart has no item {offer.sku!r} of this seller")
        return None


def _taken(answer: Any, offer: StockOffer) -> _Inventory:
    inventory = msgspec.convert(answer, _Inventory)
    same("sku", offer.sku, inventory.sku)
    same("quantity", offer.quantity, inventory.quantity.amount)
    return inventory
