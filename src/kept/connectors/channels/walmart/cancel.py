"""Cancels pieces at Walmart, line by line, as far as they are still open there.

A second try cancels only what is open; a cancel of fewer pieces than are open leaves nothing to be found by.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kept.connectors.channels.walmart.client import Seller
from kept.connectors.channels.walmart.codes import CANCEL_REASONS, CANCELLED
from kept.connectors.channels.walmart.quantities import Standing
from kept.ports import ChannelCancel, ChannelCancelled, PermanentFault


class WalmartCancel:
    """`kept.ports.CancelAtChannel`. Raises the faults of `HttpTarget.call`.

    Walmart takes the buyer's wish as a reason only where it knows of it, and refuses it otherwise: then a person
    has to say what the reason is.
    """

    honours_key = False
    write_horizon = timedelta(0)  # a second cancel finds nothing open

    def __init__(self, seller: Seller) -> None:
        self._seller = seller

    async def cancel(self, cancel: ChannelCancel, key: str) -> ChannelCancelled:
        """Cancel what of the pieces is open; what is cancelled already, by whomever, is not told again."""
        order_id = cancel.channel_order_id
        body = cancel_body(cancel, await self._seller.known(order_id))
        if body is not None:
            await self._seller.change(order_id, "cancel", "cancelOrderLines", body, key)
        return ChannelCancelled(order_id)

    async def find_cancel(self, cancel: ChannelCancel) -> ChannelCancelled | None:
        """The order, if nothing of the lines is open any more."""
        standing = await self._seller.standing(cancel.channel_order_id)
        if standing is None or cancel_body(cancel, standing) is not None:
            return None
        return ChannelCancelled(cancel.channel_order_id)


def cancel_body(cancel: ChannelCancel, standing: Standing) -> dict[str, Any] | None:
    """The request of cancelOrderLines; None if nothing of it is open. Raises PermanentFault for an unknown line."""
    lines: list[dict[str, Any]] = []
    for line_no, quantity in sorted(cancel.quantities.items()):
        number = cancel.line_ids.get(line_no, "")
        line = standing.lines.get(number)
        if line is None:
            raise PermanentFault(
                f"{cancel.order_ref}: line {line_no} is not in Walmart's order {cancel.channel_order_id}",
                code="line_unknown",
            )
        pieces = min(quantity, line.open)
        if pieces > 0:
            status = {
                "status": CANCELLED,
                "cancellationReason": CANCEL_REASONS[cancel.reason],
                "statusQuantity": {"unitOfMeasurement": "EACH", "amount": str(pieces)},
            }
            lines.append({"lineNumber": number, "orderLineStatuses": {"orderLineStatus": [status]}})
    return {"orderCancellation": {"orderLines": {"orderLine": lines}}} if lines else None
