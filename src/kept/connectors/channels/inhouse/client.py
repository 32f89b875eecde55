"""Tells an in-house system of shipments. It honours keys, so nothing is noted twice."""

from __future__ import annotations

from kept.connectors.channels.inhouse import telling
from kept.connectors.http import HttpTarget, Request
from kept.connectors.wire import segment
from kept.ports import ChannelShipment, Confirmation


class InhouseConfirm:
    """`kept.ports.ConfirmShipment` for one in-house system. Raises the faults of `HttpTarget.call`."""

    honours_key = True

    def __init__(self, target: HttpTarget) -> None:
        self._target = target

    async def confirm(self, confirmation: Confirmation, key: str) -> ChannelShipment:
        """Tell of a shipment; with nothing shipped, nothing is sent."""
        if not any(package.lines for package in confirmation.packages):
            return ChannelShipment("")
        path = f"/orders/{segment(confirmation.channel_order_id)}/shipments"
        request = Request("POST", path, json=telling.shipment_json(confirmation), key=key)
        return await self._target.call(request, telling.shipment)

    async def find(self, confirmation: Confirmation) -> ChannelShipment | None:
        order, reference = segment(confirmation.channel_order_id), segment(confirmation.fulfilment_ref)
        request = Request("GET", f"/orders/{order}/shipments/{reference}")
        return await self._target.look_up(request, telling.shipment)
