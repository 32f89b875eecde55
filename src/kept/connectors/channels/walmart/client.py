"""The calls about one order that several of Walmart's capabilities share."""

from __future__ import annotations

from typing import Any

import msgspec

from kept.connectors.answers import same
from kept.connectors.channels.walmart.quantities import Standing, standing_of
from kept.connectors.channels.walmart.schemas import OrderBody
from kept.connectors.http import HttpTarget, Request
from kept.connectors.wire import segment
from kept.ports import PermanentFault


class _Envelope(msgspec.Struct):
    order: OrderBody


class Seller:
    """One seller's orders. Raises the faults of `HttpTarget.call`."""

    def __init__(self, target: HttpTarget) -> None:
        self.target = target

    async def standing(self, order_id: str) -> Standing | None:
        """How an order stands; None if Walmart has none of that number."""
        request = Request("GET", f"/v3/orders/{segment(order_id)}", name="getAnOrder")
        return await self.target.look_up(request, lambda answer: _standing(answer, order_id))

    async def known(self, order_id: str) -> Standing:
        """As `standing`. Raises PermanentFault "order_unknown" where Walmart has none of that number."""
        standing = await self.standing(order_id)
        if standing is None:
            raise PermanentFault(f"{self.target.name} has no order {order_id}", code="order_unknown")
        return standing

    async def change(self, order_id: str, what: str, name: str, body: object, key: str) -> Standing:
        """Acknowledge, ship or cancel (`what` is the path's last part); how the order stands then."""
        request = Request(
            "POST",
            f"/v3/orders/{segment(order_id)}/{what}",
            json=body,
            key=key,
            name=name,
            headers={"content-type": "application/json"},  # also of the acknowledgement, which has no body
        )
        return await self.target.call(request, lambda answer: _standing(answer, order_id))


def _standing(answer: Any, order_id: str) -> Standing:
    # Documented with and without the name around it (us_orders.json, getAnOrder and acknowledgeOrders).
    bare = isinstance(answer, dict) and "purchaseOrderId" in answer
    order = msgspec.convert(answer, OrderBody) if bare else msgspec.convert(answer, _Envelope).order
    same("purchaseOrderId", order_id, order.purchase_order_id)
    return standing_of(order)
