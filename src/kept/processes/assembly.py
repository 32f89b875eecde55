"""Putting a worker together: store, doorbell, connectors, policy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Protocol

from kept.connectors.registry import Connectors, build_connectors
from kept.connectors.traffic import Shared
from kept.domain.order import Address
from kept.domain.values import changed
from kept.engine.circuit_board import CircuitBoard
from kept.engine.effects import DeliveryEffects
from kept.engine.quotas import Quotas
from kept.engine.streams import connect
from kept.ports import CheckItems, Erp, ItemCheck
from kept.processes.routing_policy import routing_policy
from kept.settings import Business, CentreSettings, Settings, SettingsError
from kept.steps.ports import AccountRules, LabelPolicy, Ports
from kept.store.database import Database
from kept.store.effects import EffectReader
from kept.store.erp_items import ErpItems
from kept.store.ids import Ids
from kept.store.loading import Orders
from kept.store.skus import SkuMaps
from kept.store.stock import StockRooms

# How old the ERP's word on a SKU may be. An item that is blocked meanwhile is caught at booking.
_ITEMS_MAY_BE_OLD_S = 60.0
# How old it may be while the ERP can't be asked. The longest outage that orders are routed through.
_ITEMS_KNOWN_LATELY = timedelta(days=1)
_ITEMS_MAX = 100_000


def utc_now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def opened_connectors(settings: Settings) -> AsyncIterator[Connectors]:
    """All connectors, with the quotas and circuits that the installation's processes share. Raises SettingsError."""
    redis = connect(settings.redis_url)
    connectors = build_connectors(settings.business, Shared(Quotas(redis), CircuitBoard(redis)))
    try:
        yield connectors
    finally:
        await connectors.aclose()
        await redis.aclose()


class KeepItems(Protocol):
    """`kept.store.erp_items.ErpItems`, as far as it is needed here."""

    async def good(self, skus: Sequence[str]) -> None: ...

    async def not_good(self, skus: Sequence[str]) -> None: ...

    async def were_good(self, skus: Sequence[str], within: timedelta) -> bool: ...


class CachedItems:
    """Item checks, remembered for `_ITEMS_MAY_BE_OLD_S`. Only "known and saleable" is remembered.

    `kept` has for all workers what the ERP said last.
    """

    def __init__(self, items: CheckItems, kept: KeepItems, clock_s: Callable[[], float] = monotonic) -> None:
        self._items = items
        self._kept = kept
        self._clock_s = clock_s
        self._good: dict[str, tuple[float, ItemCheck]] = {}  # SKU -> when, and what the ERP said

    async def check_items(self, skus: Sequence[str]) -> Sequence[ItemCheck]:
        now_s = self._clock_s()
        asked = [sku for sku in skus if not self._is_known(sku, now_s - _ITEMS_MAY_BE_OLD_S)]
        known = {sku: self._good[sku][1] for sku in skus if sku not in asked}
        answers = {check.sku: check for check in await self._items.check_items(asked)} if asked else {}
        if len(self._good) > _ITEMS_MAX:
            self._good.clear()
        good = [check for check in answers.values() if check.known and check.saleable]
        self._good |= {check.sku: (now_s, check) for check in good}
        await self._keep(good, [sku for sku, check in answers.items() if not (check.known and check.saleable)])
        return [known.get(sku) or answers.get(sku) or ItemCheck(sku, known=False, saleable=False) for sku in skus]

    async def known_lately(self, skus: Sequence[str]) -> bool:
        return await self._kept.were_good(skus, _ITEMS_KNOWN_LATELY)

    async def _keep(self, good: Sequence[ItemCheck], bad: Sequence[str]) -> None:
        for sku in bad:
            self._good.pop(sku, None)
        if good:
            await self._kept.good([check.sku for check in good])
        if bad:
            await self._kept.not_good(bad)

    def _is_known(self, sku: str, since_s: float) -> bool:
        return sku in self._good and self._good[sku][0] > since_s


def centre_address(centre: CentreSettings) -> Address:
    """Where parcels of a centre come from."""
    address = centre.address
    return Address(
        name=address.name,
        line1=address.line1,
        line2=address.line2,
        city=address.city,
        region=address.region,
        postal_code=address.postal_code,
        country=address.country,
        phone=address.phone,
    )


@dataclass(frozen=True, slots=True)
class PortsFactory:
    """Makes a step's ports; called with a delivery's effects, or with None for a batch."""

    base: Ports

    def __call__(self, effects: DeliveryEffects | None) -> Ports:
        return self.base if effects is None else changed(self.base, effects=effects)


def only_erp(erps: Mapping[str, Erp]) -> Erp:
    """The one ERP of kept.toml. Raises SettingsError for none, and for several."""
    if len(erps) != 1:
        raise SettingsError(f"kept.toml must name exactly one ERP, it names {sorted(erps) or 'none'}")
    return next(iter(erps.values()))


def assemble_ports(
    database: Database,
    orders: Orders,
    connectors: Connectors,
    business: Business,
    installation: str,
    clock: Callable[[], datetime] = utc_now,
) -> PortsFactory:
    """Everything that steps may ask of the world, from the settings. Raises SettingsError."""
    erp = only_erp(connectors.erps)
    centre_addresses: Mapping[str, Address] = {
        name: centre_address(centre) for name, centre in business.centres.items()
    }
    return PortsFactory(
        Ports(
            clock=clock,
            channels=connectors.channels,
            centres=connectors.centres,
            centre_addresses=centre_addresses,
            erp=erp,
            items=CachedItems(erp.items, ErpItems(database)),
            skus=SkuMaps(database),
            mapped_accounts=frozenset(name for name, each in business.channels.items() if each.skus_mapped),
            cancel_on_request=frozenset(name for name, each in business.channels.items() if each.cancel_on_request),
            orders=orders,
            availability=StockRooms(database),
            effect_standings=EffectReader(database),
            order_ids=Ids(database, "order_ids"),
            serials=Ids(database, "sscc_serials"),
            installation=installation,
            routing=routing_policy(business),
            account_rules={
                name: AccountRules(each.authorisation_days, each.price_check_percent)
                for name, each in business.channels.items()
            },
            labels=LabelPolicy(business.labels.company_prefix, business.labels.extension),
        )
    )
