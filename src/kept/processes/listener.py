"""Listening: takes channels' notifications from queues into the inbox, and off the queue only after that.

A crash between the two delivers them again, and the inbox knows them by their keys.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol

import structlog

from kept.engine.interfaces import BellUnavailable, StoreUnavailable
from kept.observe.correlation import correlation_id, new_correlation_id
from kept.ports import Fault, Polled, ReceiveNotifications, TemporaryFault

log = structlog.get_logger("kept.listener")

_IDLE_S = 1.0  # a queue that does not wait for messages itself is not asked without end
_RETRY_S = 10.0  # after a fault, unless the channel says how long


class TakeIn(Protocol):
    """Puts orders into the inbox, those that it has not yet."""

    def __call__(self, account: str, orders: Sequence[Polled], way: str) -> Awaitable[object]: ...


class Listener:
    """Listens to every account's queue until stopped."""

    def __init__(self, queues: Mapping[str, ReceiveNotifications], take_in: TakeIn) -> None:
        self._queues = queues
        self.accounts = sorted(queues)
        self._take_in = take_in

    async def run(self) -> None:
        """Take from each queue what comes, until cancelled."""
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*(self._keep_listening(account) for account in self._queues))

    async def _keep_listening(self, account: str) -> None:
        while True:
            await asyncio.sleep(await self.listen(account))

    async def listen(self, account: str) -> float:
        """Take one batch; the seconds until it is time again."""
        correlation_id.set(new_correlation_id())
        queue = self._queues[account]
        try:
            received = await queue.receive()
            await self._take_in(account, [each.order for each in received if each.order is not None], "notification")
            if received:
                await queue.acknowledge([each.receipt for each in received])
        except (StoreUnavailable, BellUnavailable, Fault) as fault:
            log.warning("listener.failed", account=account, reason=str(fault))
            wait_s = fault.retry_after_s if isinstance(fault, TemporaryFault) else None
            return wait_s or _RETRY_S
        return 0.0 if received else _IDLE_S
