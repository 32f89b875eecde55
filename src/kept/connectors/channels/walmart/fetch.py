"""Reads the order that a notification names. Notifications have neither prices nor the address."""

from __future__ import annotations

from typing import Any

import msgspec

from kept.connectors import strict_json
from kept.connectors.answers import UnexpectedAnswer
from kept.connectors.channels.walmart.poll import polled
from kept.connectors.http import HttpTarget, Request
from kept.connectors.wire import segment
from kept.ports import BadMessage, Incoming, Polled


class _Order(msgspec.Struct, rename="camel"):
    purchase_order_id: str


class WalmartFetch:
    """`kept.ports.FetchOrder` for one seller. Raises the faults of a read, as `HttpTarget.look_up` does."""

    def __init__(self, target: HttpTarget) -> None:
        self._target = target

    def names(self, message: Incoming) -> str:
        """The purchase order of ORDER_UPDATES, whatever its sub-event, and of the standalone events before it."""
        try:
            parsed = strict_json.parse(message.body)
        except BadMessage:
            return ""
        payload = parsed.get("payload") if isinstance(parsed, dict) else None
        if not isinstance(payload, dict):
            return ""
        order = payload.get("order")
        for place in (payload, order):
            number = place.get("purchaseOrderId") if isinstance(place, dict) else None
            if isinstance(number, str) and 0 < len(number) <= 100:
                return number
        return ""

    async def fetch(self, name: str) -> Polled | None:
        """See `kept.ports.FetchOrder`."""
        request = Request("GET", f"/v3/orders/{segment(name)}?replacementInfo=true", name="getAnOrder")
        return await self._target.look_up(request, lambda answer: _read(answer, name))


def _read(answer: Any, name: str) -> Polled:
    order = answer.get("order", answer) if isinstance(answer, dict) else answer
    if msgspec.convert(order, _Order).purchase_order_id != name:
        raise UnexpectedAnswer("it is another order than the one that was asked for")
    return polled(order)
