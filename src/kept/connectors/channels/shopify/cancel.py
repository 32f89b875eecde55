"""Cancels whole orders at Shopify, by its Admin GraphQL API. Needs the access scope write_orders.

Shopify cancels an order in a job a moment later, and an order can be cancelled once: a second try looks first,
and a refusal of what has been cancelled meanwhile is none.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from kept.connectors.channels.shopify import answers, queries, schemas
from kept.connectors.channels.shopify.codes import CANCEL_REASONS
from kept.connectors.channels.shopify.fulfilling import order_gid
from kept.connectors.channels.shopify.graphql import execute
from kept.connectors.http import HttpTarget
from kept.ports import CancelReason, ChannelCancel, ChannelCancelled, PermanentFault

# Kept moves no money: what was captured is given back by whoever keeps the books. An authorisation that was
# never captured, Shopify voids by itself.
_REFUND = {"originalPaymentMethodsRefund": False}
_NOTIFY_CUSTOMER = True  # the buyer learns of it from the shop, as of a cancel that was made by hand
_STAFF_NOTE_CHARS_MAX = 255  # Shopify's own limit


class ShopifyCancel:
    """`kept.ports.CancelAtChannel` for one shop. Raises the faults of `HttpTarget.call`."""

    honours_key = False

    def __init__(self, target: HttpTarget) -> None:
        self._target = target

    async def cancel(self, cancel: ChannelCancel, key: str) -> ChannelCancelled:
        """Cancel an order as a whole. Raises PermanentFault "partial_cancel" for less than that."""
        if not cancel.whole:
            raise _partial(cancel)
        order = await self._order(cancel)
        if order is None:
            raise PermanentFault(f"{self._target.name} has no order {cancel.channel_order_id}", code="order_unknown")
        if order.cancelled_at is None:
            try:
                await self._begin(cancel, key)
            except PermanentFault:
                if await self.find_cancel(cancel) is None:
                    raise
        return ChannelCancelled(cancel.channel_order_id)

    async def find_cancel(self, cancel: ChannelCancel) -> ChannelCancelled | None:
        """The order, if it is cancelled. A cancel of some pieces leaves nothing to be found by."""
        order = await self._order(cancel)
        if order is None or order.cancelled_at is None:
            return None
        return ChannelCancelled(cancel.channel_order_id)

    async def _begin(self, cancel: ChannelCancel, key: str) -> None:
        read = partial(answers.cancel_begun, reference=cancel.order_ref)
        await execute(self._target, queries.CANCEL, cancel_input(cancel), read, key=key)

    async def _order(self, cancel: ChannelCancel) -> schemas.CancellationNode | None:
        gid = order_gid(cancel.channel_order_id)
        return await execute(self._target, queries.CANCELLATION, {"id": gid}, partial(answers.cancellation, gid=gid))


def cancel_input(cancel: ChannelCancel) -> dict[str, Any]:
    """The variables of orderCancel."""
    note = f"Cancelled by Kept, order {cancel.order_ref}: {cancel.reason.value.replace('_', ' ')}"
    return {
        "orderId": order_gid(cancel.channel_order_id),
        "reason": CANCEL_REASONS[cancel.reason],
        "refundMethod": _REFUND,
        # Pieces that we have not are not put back on sale.
        "restock": cancel.reason is not CancelReason.OUT_OF_STOCK,
        "notifyCustomer": _NOTIFY_CUSTOMER,
        "staffNote": note[:_STAFF_NOTE_CHARS_MAX],
    }


def _partial(cancel: ChannelCancel) -> PermanentFault:
    """Shopify takes single pieces off only by editing the order or by refunding them: both move money."""
    pieces = ", ".join(
        f"{quantity} of line {cancel.line_ids.get(line_no, f'{line_no} (unknown to Shopify)')}"
        for line_no, quantity in sorted(cancel.quantities.items())
    )
    return PermanentFault(
        f"Shopify cancels an order only as a whole; of {cancel.order_ref} (Shopify's {cancel.channel_order_id}), "
        f"{pieces} must be refunded or taken off there by a person, since that moves money",
        code="partial_cancel",
    )
