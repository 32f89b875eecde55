"""One seller's account, and one of its orders as it stands at Amazon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from kept.connectors.answers import same
from kept.connectors.channels.amazon.schemas_2026 import Order
from kept.connectors.http import HttpTarget, Request
from kept.connectors.wire import convert, segment

T = TypeVar("T")
Json = dict[str, Any]

ORDERS_2026 = "/orders/2026-01-01/orders"
ORDERS_V0 = "/orders/v0/orders"
# What normalisation reads. Each dataset more makes an answer larger; BUYER and RECIPIENT need their roles.
INCLUDED = ("BUYER", "RECIPIENT", "PROCEEDS", "PAYMENT", "CANCELLATION", "FULFILLMENT", "PACKAGES")
_STANDING = ("FULFILLMENT", "PACKAGES", "CANCELLATION")  # what was done to an order, without personal data


@dataclass(frozen=True, slots=True)
class Seller:
    """One seller's account: where to call, its id, and the marketplaces that it sells in, at least one."""

    target: HttpTarget
    seller_id: str
    marketplaces: tuple[str, ...]

    async def raw_order(self, order_id: str) -> Json | None:
        """getOrder (2026-01-01) as it came, without its wrapper; None if Amazon has no such order."""
        return await self._get_order(order_id, INCLUDED, lambda order: order)

    async def order(self, order_id: str) -> Order | None:
        """What was done to an order so far; None if Amazon has no such order."""
        return await self._get_order(order_id, _STANDING, lambda order: convert(order, Order))

    async def _get_order(self, order_id: str, included: Sequence[str], read: Callable[[Json], T]) -> T | None:
        def expected(answer: Any) -> T:
            order = convert(answer, dict[str, Json]).get("order", {})
            same("the order", order_id, order.get("orderId"))
            return read(order)

        params = {"includedData": ",".join(included)}
        request = Request("GET", f"{ORDERS_2026}/{segment(order_id)}", params=params, name="getOrder")
        return await self.target.look_up(request, expected)
