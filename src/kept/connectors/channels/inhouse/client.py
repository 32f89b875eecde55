"""Tells an in-house system what became of its orders, and what it may sell. It honours keys: nothing is done twice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from kept.connectors.channels.inhouse import telling
from kept.connectors.http import HttpTarget, Request
from kept.connectors.wire import segment
from kept.ports import (
    Acknowledged,
    Acknowledgement,
    ChannelCancel,
    ChannelCancelled,
    ChannelShipment,
    Confirmation,
    StockOffer,
    StockRefused,
)


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


class InhouseAcknowledge:
    """`kept.ports.AcknowledgeOrder` for one in-house system. Raises the faults of `HttpTarget.call`."""

    honours_key = True

    def __init__(self, target: HttpTarget) -> None:
        self._target = target

    async def acknowledge(self, acknowledgement: Acknowledgement, key: str) -> Acknowledged:
        path = f"/orders/{segment(acknowledgement.channel_order_id)}/acknowledgement"
        request = Request("POST", path, json=telling.acknowledgement_json(acknowledgement), key=key)
        return await self._target.call(request, telling.acknowledged(acknowledgement))

    async def find_acknowledgement(self, acknowledgement: Acknowledgement) -> Acknowledged | None:
        request = Request("GET", f"/orders/{segment(acknowledgement.channel_order_id)}/acknowledgement")
        return await self._target.look_up(request, telling.acknowledged(acknowledgement))


class InhouseCancel:
    """`kept.ports.CancelAtChannel` for one in-house system. Raises the faults of `HttpTarget.call`."""

    honours_key = True
    write_horizon = timedelta(0)  # with a key, a lost request may apply late without harm

    def __init__(self, target: HttpTarget) -> None:
        self._target = target

    async def cancel(self, cancel: ChannelCancel, key: str) -> ChannelCancelled:
        path = f"/orders/{segment(cancel.channel_order_id)}/cancellations"
        request = Request("POST", path, json=telling.cancel_json(cancel), key=key)
        return await self._target.call(request, telling.cancelled)

    async def find_cancel(self, cancel: ChannelCancel) -> ChannelCancelled | None:
        """A cancel of the whole order, of which there is one.

        Two cancels of some pieces can look alike, so that none is taken for another: their key alone tells them
        apart, and sending one again under it is harmless.
        """
        if not cancel.whole:
            return None
        request = Request("GET", f"/orders/{segment(cancel.channel_order_id)}/cancellation")
        return await self._target.look_up(request, telling.cancelled)


class InhouseStock:
    """`kept.ports.PushStock` for one in-house system. Raises the faults of `HttpTarget.call`."""

    batch_max = 500  # about 30 kB

    def __init__(self, target: HttpTarget, location: str) -> None:
        self._target = target
        self._location = location

    async def push(self, offers: Sequence[StockOffer], key: str) -> Sequence[StockRefused]:
        request = Request("POST", "/stock", json=telling.stock_json(offers, self._location), key=key)
        return await self._target.call(request, telling.refused(offers))
