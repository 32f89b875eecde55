"""Seeing to it that channels tell us what they owe us: subscriptions that vendors drop are made again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from kept.domain.urgency import Urgency
from kept.engine.quotas import urgency
from kept.observe.correlation import correlation_id, new_correlation_id
from kept.ports import Channel, Fault, KeepSubscriptions, Subscription
from kept.processes.assembly import opened_connectors
from kept.settings import Settings, SettingsError

log = structlog.get_logger("kept.subscriptions")

_EVERY_S = 3600.0  # vendors drop one after hours of failures; polling finds what is missed until then


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account's subscriptions stand, and which were made just now."""

    address: str
    subscriptions: tuple[Subscription, ...]
    made: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return all(each.stands or each.topic in self.made for each in self.subscriptions)


async def see_to(account: str, port: KeepSubscriptions, public_url: str, *, make: bool) -> Standing:
    """Look at an account's subscriptions and, if told to, make those that are missing. Raises the channel's faults."""
    address = f"{public_url.rstrip('/')}/webhooks/{account}"
    found = tuple(await port.standing(address))
    made: list[str] = []
    for each in found:
        if make and not each.stands:
            await port.subscribe(each.topic, address, f"{account}:{each.topic}:{address}")
            made.append(each.topic)
    return Standing(address, found, tuple(made))


async def account_subscriptions(settings: Settings, account: str, *, make: bool) -> Standing:
    """As `see_to`, for one account of kept.toml. Raises SettingsError where that can't be, and the channel's faults."""
    business = settings.business
    if not business.public_url:
        raise SettingsError("kept.toml has no public_url: say where channels reach this installation")
    async with opened_connectors(settings) as connectors:
        channel = connectors.channels.get(account)
        if channel is None:
            raise SettingsError(f"channel account {account!r} is not in kept.toml")
        if channel.subscriptions is None:
            kind = business.channels[account].type
            raise SettingsError(f"channels of type {kind!r} have no subscriptions that Kept could see to")
        return await see_to(account, channel.subscriptions, business.public_url, make=make)


class SubscriptionKeeper:
    """Looks at every account's subscriptions from time to time, and makes again what is missing."""

    def __init__(self, channels: Mapping[str, Channel], public_url: str, every_s: float = _EVERY_S) -> None:
        self._public_url = public_url
        self._every_s = every_s
        kept = {name: channel.subscriptions for name, channel in channels.items()} if public_url else {}
        self._ports = {name: port for name, port in kept.items() if port is not None}
        self.accounts = sorted(self._ports)

    async def run(self) -> None:
        """Until cancelled; orders' own calls go before it."""
        urgency.set(Urgency.LATER)
        while True:
            for account in self.accounts:
                await self.look(account)
            await asyncio.sleep(self._every_s)

    async def look(self, account: str) -> int:
        """One look at one account; how many subscriptions had to be made."""
        correlation_id.set(new_correlation_id())
        try:
            standing = await see_to(account, self._ports[account], self._public_url, make=True)
        except Fault as fault:
            log.warning("subscriptions.not_seen_to", account=account, reason=str(fault))
            return 0
        if standing.made:
            log.warning("subscriptions.made_again", account=account, topics=list(standing.made))
        return len(standing.made)
