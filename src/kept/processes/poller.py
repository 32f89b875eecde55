"""Polling: asks each channel account what changed, in overlapping windows, for what its messages left out.

A polled order goes through the inbox like a message, so that everything behind it is the same. What a message
brought already is left out before; what slips through changes nothing, as its revision is known.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from kept.domain.urgency import Urgency
from kept.engine.interfaces import Bell, BellUnavailable, StoreUnavailable
from kept.engine.quotas import urgency
from kept.engine.streams import Streams, connect
from kept.observe.correlation import correlation_id, new_correlation_id
from kept.ports import BadMessage, Channel, Fault, Incoming, PermanentFault, Polled, PollOrders, TemporaryFault
from kept.processes.assembly import opened_connectors, utc_now
from kept.processes.file_drop import dropped_files
from kept.processes.listener import Listener
from kept.processes.stock_pusher import StockPusher
from kept.processes.subscriptions import SubscriptionKeeper
from kept.processes.worker import consumer_name, stop_on_signal
from kept.settings import Settings, SettingsError
from kept.store.database import Database
from kept.store.inbox import Arrival, Inbox
from kept.store.polling import PollWindows, Window
from kept.store.stock_offers import StockOffers

log = structlog.get_logger("kept.poller")


@dataclass(frozen=True, slots=True)
class Tempo:
    """How often an account is polled, and how far back the first time."""

    every_s: float
    first_look_back: timedelta = timedelta(days=1)
    retry_s: float = 10.0  # after a fault, unless the channel says how long


@dataclass(frozen=True, slots=True)
class Found:
    """What a window brought: orders listed, and those that no message had brought."""

    listed: int = 0
    missed: int = 0


class Poller:
    """Polls every account that can be polled until stopped."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        tempos: Mapping[str, Tempo],
        windows: PollWindows,
        inbox: Inbox,
        bell: Bell,
        clock: Callable[[], datetime],
    ) -> None:
        self._polls = {name: channel.poll for name, channel in channels.items() if channel.poll and name in tempos}
        self.accounts = sorted(self._polls)
        self.queues = {name: channel.notifications for name, channel in channels.items() if channel.notifications}
        self._channels = channels
        self._tempos = tempos
        self._windows = windows
        self._inbox = inbox
        self._bell = bell
        self._clock = clock

    async def run(self) -> None:
        """Poll each account at its own pace until cancelled; orders' own calls go before it."""
        urgency.set(Urgency.LATER)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*(self._keep_polling(account) for account in self._polls))

    async def _keep_polling(self, account: str) -> None:
        while True:
            await asyncio.sleep(await self.poll(account))

    async def poll(self, account: str) -> float:
        """Ask for one window, or go on with the one under way; the seconds until it is time again."""
        poll, tempo = self._polls[account], self._tempos[account]
        correlation_id.set(new_correlation_id())
        try:
            window = await self._windows.claim(
                account,
                self._clock(),
                first_look_back=tempo.first_look_back,
                overlap=poll.overlap,
                delay=poll.delay,
            )
            if window is not None:
                await self._work_off(poll, window)
        except (StoreUnavailable, BellUnavailable) as fault:
            log.warning("poll.failed", account=account, reason=str(fault))
            return tempo.retry_s
        except Fault as fault:
            wait_s = fault.retry_after_s if isinstance(fault, TemporaryFault) else None
            return wait_s or tempo.retry_s
        return tempo.every_s

    async def _work_off(self, poll: PollOrders, window: Window) -> None:
        """Every page of the window. Raises the fault that stopped it, after noting it."""
        cursor, total = window.cursor, Found()
        try:
            while True:
                page = await poll.changed(window.since, window.until, cursor)
                found = await self.take_in(window.account, page.orders)
                await self._windows.turn_page(window, page.next_cursor, found.listed, found.missed)
                total = Found(total.listed + found.listed, total.missed + found.missed)
                if not page.next_cursor:
                    break
                cursor = page.next_cursor
        except Fault as fault:
            log.warning("poll.failed", account=window.account, reason=str(fault))
            # A page's cursor does not live for ever; the window does.
            restart = bool(cursor) and isinstance(fault, PermanentFault)
            await self._windows.give_up(window, str(fault), restart=restart)
            raise
        log.info(
            "polled", account=window.account, until=window.until.isoformat(), listed=total.listed, new=total.missed
        )

    async def back_fill(self, account: str, since: datetime, until: datetime, told: Callable[[Found], None]) -> Found:
        """See `back_fill` below."""
        channel = self._channels.get(account)
        if channel is None or channel.poll is None:
            known = sorted(name for name, each in self._channels.items() if each.poll)
            raise SettingsError(
                f"{account!r} is no channel that can be polled; these can: {', '.join(known) or 'none'}"
            )
        total, cursor = Found(), ""
        while True:
            page = await channel.poll.changed(since, until, cursor)
            found = await self.take_in(account, page.orders)
            total = Found(total.listed + found.listed, total.missed + found.missed)
            told(total)
            if not page.next_cursor:
                return total
            cursor = page.next_cursor

    async def take_in(self, account: str, orders: Sequence[Polled], way: str = "poll") -> Found:
        """Put into the inbox what no message has brought yet; `way` says how it came, in its key there."""
        missing = await self._missing(account, orders)
        if missing:
            now = self._clock()
            arrivals = [
                Arrival(
                    account, "channel", f"{way}:{each.key}", dict(each.headers), each.body, new_correlation_id(), now
                )
                for each in missing
            ]
            receipts, rings = await self._inbox.accept(arrivals)
            with contextlib.suppress(BellUnavailable):  # the relay rings for it
                await self._bell.ring(rings)
            return Found(len(orders), sum(not receipt.duplicate for receipt in receipts))
        return Found(len(orders), 0)

    async def _missing(self, account: str, orders: Sequence[Polled]) -> list[Polled]:
        read = [(each, _revision_of(self._channels[account], account, each, self._clock())) for each in orders]
        revisions = [revision for _, revision in read if revision is not None]
        unknown = await self._windows.unknown(account, revisions) if revisions else set()
        # What can't be read goes on, to become a dead letter that somebody sees.
        return [each for each, revision in read if revision is None or revision in unknown]


def _revision_of(channel: Channel, account: str, order: Polled, now: datetime) -> tuple[str, int] | None:
    try:
        content = channel.normalise(account, Incoming(order.headers, order.body), now)
    except BadMessage:
        return None
    return (content.external_id, content.revision) if content is not None else None


async def run_poller(settings: Settings) -> None:
    """See to the channels until SIGTERM or SIGINT: poll, hear queues, take files, tell what they may sell."""
    stopping = asyncio.Event()
    stop_on_signal(stopping.set)
    async with _opened(settings) as opened, dropped_files(settings) as drops:
        poller = opened.poller()
        pusher = StockPusher(opened.channels, settings.business.channels, StockOffers(opened.database), utc_now)
        listener = Listener(poller.queues, poller.take_in)
        keeper = SubscriptionKeeper(opened.channels, settings.business.public_url)
        chores = [each.run() for each in (poller, listener, pusher, drops, keeper) if each.accounts]
        log.info(
            "poller.started",
            polled=poller.accounts,
            heard=listener.accounts,
            pushed=pusher.accounts,
            dropped=drops.accounts,
            subscribed=keeper.accounts,
        )
        await until_stopped(chores, stopping)


async def until_stopped(chores: Sequence[Coroutine[Any, Any, None]], stopping: asyncio.Event) -> None:
    """Run chores side by side until `stopping` is set, or one of them ends. What broke it is raised.

    Without a chore it waits all the same: a supervisor expects a process that stays.
    """
    stop = asyncio.create_task(stopping.wait())
    running = [asyncio.create_task(chore) for chore in chores]
    await asyncio.wait({stop, *running}, return_when=asyncio.FIRST_COMPLETED)
    for task in (stop, *running):
        task.cancel()
    for ended in await asyncio.gather(*running, return_exceptions=True):
        if isinstance(ended, BaseException) and not isinstance(ended, asyncio.CancelledError):
            raise ended


async def back_fill(
    settings: Settings, account: str, since: datetime, until: datetime, told: Callable[[Found], None]
) -> Found:
    """Ask one account for everything that changed in [since, until), whatever was polled before.

    `told` hears after each page what was found so far. Raises SettingsError for an account that can't be polled, and
    the channel's faults; run again, it changes nothing twice.
    """
    async with _opened(settings) as opened:
        return await opened.poller().back_fill(account, since, until, told)


@dataclass(frozen=True, slots=True)
class _Opened:
    """What the chores work with."""

    settings: Settings
    database: Database
    bell: Bell
    channels: Mapping[str, Channel]

    def poller(self) -> Poller:
        accounts = self.settings.business.channels
        tempos = {name: Tempo(each.poll_every_s) for name, each in accounts.items() if each.poll_every_s > 0}
        return Poller(self.channels, tempos, PollWindows(self.database), Inbox(self.database), self.bell, utc_now)


@contextlib.asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[_Opened]:
    async with opened_connectors(settings) as connectors:
        database = Database(settings.database_url)
        bell = Streams(connect(settings.redis_url), consumer_name())
        try:
            yield _Opened(settings, database, bell, connectors.channels)
        finally:
            await bell.aclose()
            await database.close()
