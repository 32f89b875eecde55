"""Stock push: each channel account hears how many pieces of each SKU it may sell.

Coalesced: what is told is worked out anew for each push, so that of many changes only the latest value goes out, and
a SKU whose value did not change is not told at all. What sold out is told first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from kept.domain.offers import OfferPolicy, offers
from kept.domain.urgency import Urgency
from kept.engine.interfaces import StoreUnavailable
from kept.engine.quotas import urgency
from kept.observe.correlation import correlation_id, new_correlation_id
from kept.ports import Channel, Fault, PushStock, StockOffer, StockRefused, TemporaryFault, UnknownResult
from kept.settings import ChannelSettings, SettingsError
from kept.store.stock_offers import Standing, StockOffers

log = structlog.get_logger("kept.stock_pusher")

STALE = "stale"  # the channel has another quantity than we believed: it sold, and we have not heard of it yet
# By then its order is here and its pieces are reserved, and the quantity is told whatever the channel has.
_STALE_WAIT = timedelta(seconds=60)
# A SKU that the channel does not know is not asked about more often, unless its quantity changes.
_REFUSED_WAIT = timedelta(hours=6)
_RETRY_S = 10.0


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push came to, in SKUs."""

    told: int = 0
    refused: int = 0


def policy_of(settings: ChannelSettings) -> OfferPolicy:
    """What is kept back from an account, by its settings. Raises SettingsError for impossible ones."""
    if settings.stock_buffer < 0 or not 0 <= settings.stock_percent <= 100:
        raise SettingsError(
            f"stock_buffer = {settings.stock_buffer} and stock_percent = {settings.stock_percent}: "
            "a buffer is 0 or more pieces, a percentage from 0 to 100"
        )
    return OfferPolicy(settings.stock_buffer, settings.stock_percent, settings.skus_mapped)


class StockPusher:
    """Pushes stock to every account that takes it, each at its own pace, until stopped."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        settings: Mapping[str, ChannelSettings],
        store: StockOffers,
        clock: Callable[[], datetime],
    ) -> None:
        self._ports = {
            name: channel.push_stock
            for name, channel in channels.items()
            if channel.push_stock and name in settings and settings[name].push_stock_every_s > 0
        }
        self.accounts = sorted(self._ports)
        self._settings = settings
        self._policies = {name: policy_of(settings[name]) for name in self._ports}
        self._store = store
        self._clock = clock

    async def run(self) -> None:
        """Push to each account at its own pace until cancelled; orders' own calls go before it."""
        urgency.set(Urgency.LATER)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*(self._keep_pushing(account) for account in self.accounts))

    async def _keep_pushing(self, account: str) -> None:
        while True:
            await asyncio.sleep(await self.turn(account))

    async def turn(self, account: str) -> float:
        """Push what changed, if no other process is at it; the seconds until it is time again."""
        correlation_id.set(new_correlation_id())
        every_s = self._settings[account].push_stock_every_s
        try:
            if not await self._store.claim(account):
                return every_s
            error = ""
            try:
                pushed = await self.push(account)
                if pushed.told or pushed.refused:
                    log.info("stock.pushed", account=account, told=pushed.told, refused=pushed.refused)
            except Fault as fault:
                error = str(fault)
                log.warning("stock.push_failed", account=account, reason=error)
                wait_s = fault.retry_after_s if isinstance(fault, TemporaryFault) else None
                every_s = wait_s or max(every_s, _RETRY_S)
            await self._store.release(account, error)
        except StoreUnavailable as fault:
            log.warning("stock.push_failed", account=account, reason=str(fault))
            return _RETRY_S
        return every_s

    async def push(self, account: str) -> Pushed:
        """Tell the account what changed since it was last told. Raises the channel's faults."""
        wanted = offers(await self._store.free(), await self._store.mapping(account), self._policies[account])
        standing = await self._store.standing(account)
        due = changes(wanted, standing, self._clock())
        port, pushed = self._ports[account], Pushed()
        for start in range(0, len(due), port.batch_max):
            told, refused = await self._batch(account, port, due[start : start + port.batch_max])
            pushed = Pushed(pushed.told + told, pushed.refused + refused)
        return pushed

    async def _batch(self, account: str, port: PushStock, batch: Sequence[StockOffer]) -> tuple[int, int]:
        key = f"stock-{account}-{await self._store.number(account)}"
        try:
            refusals = await port.push(batch, key)
        except UnknownResult:
            await self._store.not_told(account, batch, self._clock())
            raise
        now = self._clock()
        not_taken = {each.sku for each in refusals}
        await self._store.told(account, [offer for offer in batch if offer.sku not in not_taken], now)
        await self._note_refusals(account, refusals, {offer.sku: offer.quantity for offer in batch}, now)
        return len(batch) - len(not_taken), len(not_taken)

    async def _note_refusals(
        self, account: str, refusals: Sequence[StockRefused], asked: Mapping[str, int], now: datetime
    ) -> None:
        stale = [each for each in refusals if each.code == STALE]
        others = [each for each in refusals if each.code != STALE]
        await self._store.refused(account, stale, {}, now, now + _STALE_WAIT)
        await self._store.refused(account, others, asked, now, now + _REFUSED_WAIT)


def changes(wanted: Mapping[str, int], standing: Mapping[str, Standing], now: datetime) -> list[StockOffer]:
    """What has to be told: sold-out SKUs first, then the scarcest. What we no longer have is told as none."""
    due = []
    for sku in {**wanted, **standing}:
        quantity, known = wanted.get(sku, 0), standing.get(sku)
        if known is not None and _may_wait(known, quantity, now):
            continue
        due.append(StockOffer(sku, quantity, known.told if known else None))
    return sorted(due, key=lambda offer: (offer.quantity, offer.sku))


def _may_wait(known: Standing, quantity: int, now: datetime) -> bool:
    if known.told is not None:
        return known.told == quantity
    return known.not_before > now and known.refused in (None, quantity)
