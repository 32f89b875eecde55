"""Tells Walmart that we took an order, all its lines at once: what is not acknowledged can't be shipped."""

from __future__ import annotations

from kept.connectors.channels.walmart.client import Seller
from kept.connectors.channels.walmart.codes import Pieces
from kept.connectors.channels.walmart.quantities import Standing
from kept.ports import Acknowledged, Acknowledgement


class WalmartAcknowledge:
    """`kept.ports.AcknowledgeOrder`. Walmart knows no keys: a second try looks first."""

    honours_key = False

    def __init__(self, seller: Seller) -> None:
        self._seller = seller

    async def acknowledge(self, acknowledgement: Acknowledgement, key: str) -> Acknowledged:
        order_id = acknowledgement.channel_order_id
        if _is_new(await self._seller.known(order_id)):
            await self._seller.change(order_id, "acknowledge", "acknowledgeOrders", None, key)
        return Acknowledged(order_id)

    async def find_acknowledgement(self, acknowledgement: Acknowledgement) -> Acknowledged | None:
        """The order, if none of its pieces waits for an acknowledgement; what is cancelled waits for none."""
        standing = await self._seller.standing(acknowledgement.channel_order_id)
        return None if standing is None or _is_new(standing) else Acknowledged(standing.order_id)


def _is_new(standing: Standing) -> bool:
    return any(line.pieces[Pieces.NEW] for line in standing.lines.values())
