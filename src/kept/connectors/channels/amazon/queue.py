"""ORDER_CHANGE from the seller's SQS queue: each names an order, which is fetched as it is now (2026-01-01).

What can't be read, or names an order that Amazon refuses to show, goes into the inbox as it came and becomes a dead
letter there: a queue that can't get rid of a message delivers it for days.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

from kept.connectors.channels.amazon.client import Json, Seller
from kept.connectors.channels.amazon.mapping import FORMAT_HEADER, NOTIFICATION, ORDER_2026, REFUSAL_HEADER
from kept.connectors.channels.amazon.notifications import OrderChange, order_change
from kept.connectors.channels.amazon.poll import polled_order
from kept.connectors.sqs import SqsMessage, SqsQueue
from kept.ports import AccessRefused, BadMessage, PermanentFault, Polled, Received, TemporaryFault

# An order may be told of before it can be read: a delivery or two later it can.
_DELIVERIES_WITHOUT_ORDER_MAX = 3
_OURS_SHARE = 0.8  # of the time that messages are hidden; the rest is for the inbox and for taking them off


class AmazonQueue:
    """`kept.ports.ReceiveNotifications` for one seller. `clock` gives monotonic seconds."""

    def __init__(self, queue: SqsQueue, seller: Seller, clock: Callable[[], float] = time.monotonic) -> None:
        self._queue = queue
        self._seller = seller
        self._clock = clock
        # Received, and not read for want of a turn at getOrder: ours until its time is over.
        self._held: deque[SqsMessage] = deque()
        self._held_until = 0.0

    async def receive(self) -> Sequence[Received]:
        """Notifications with their orders, each order fetched once a batch.

        getOrder gives one order in two seconds: at the first that can't be had now, the rest is kept for the next
        call. Raises the fault if not even the first could be had.
        """
        if self._clock() >= self._held_until:
            self._held.clear()  # these come again
        if not self._held:
            self._held_until = self._clock() + self._queue.visible_after_s * _OURS_SHARE
            self._held.extend(await self._queue.receive())
        received: list[Received] = []
        fetched: dict[str, Json | None] = {}
        while self._held:
            try:
                order = await self._read(self._held[0], fetched)
            except (TemporaryFault, AccessRefused):
                if not received:
                    raise
                break
            message = self._held.popleft()
            if order is not _LATER:
                received.append(Received(message.receipt, order))
        return received

    async def acknowledge(self, receipts: Sequence[str]) -> None:
        await self._queue.delete(receipts)

    async def _read(self, message: SqsMessage, fetched: dict[str, Json | None]) -> Polled | None:
        body = message.body.encode("utf-8", "surrogatepass")
        try:
            change = order_change(body)
        except BadMessage:
            return Polled(message.message_id, {FORMAT_HEADER: NOTIFICATION}, body)
        if change is None:
            return None
        try:
            if change.order_id not in fetched:
                fetched[change.order_id] = await self._seller.raw_order(change.order_id)
        except AccessRefused:
            raise
        except PermanentFault as fault:
            return _refused(change, body, str(fault))
        order = fetched[change.order_id]
        if order is not None:
            whole = polled_order(order)
            return Polled(change.notification_id, {FORMAT_HEADER: ORDER_2026}, whole.body)
        if message.deliveries < _DELIVERIES_WITHOUT_ORDER_MAX:
            return _LATER
        return _refused(change, body, f"{self._seller.target.name} has no order {change.order_id}")


_LATER = Polled("", {}, b"")  # not to be had yet: it comes again


def _refused(change: OrderChange, body: bytes, why: str) -> Polled:
    return Polled(change.notification_id, {FORMAT_HEADER: NOTIFICATION, REFUSAL_HEADER: why}, body)
