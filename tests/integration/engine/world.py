"""The whole flow on real servers between parties that answer at once, and whose books a test can read."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from kept.connectors.channels.shopify import mapping as shopify
from kept.domain.lifecycle import OrderState
from kept.domain.order import Address
from kept.domain.routing import CentreProfile, Lane, RoutingPolicy, Service
from kept.engine.interfaces import BellUnavailable
from kept.engine.streams import Streams, connect
from kept.observe.correlation import new_correlation_id
from kept.ports import Channel, StockLevel, StockSnapshot
from kept.processes.assembly import CachedItems, PortsFactory, utc_now
from kept.simulator.instant import InstantCentre, InstantConfirmations, InstantErp
from kept.simulator.orders import SKU_COUNT, make_sale
from kept.simulator.payloads import Version, shopify_order
from kept.steps.ports import LabelPolicy, Ports
from kept.store.database import Database
from kept.store.effects import EffectReader
from kept.store.erp_items import ErpItems
from kept.store.ids import Ids
from kept.store.inbox import Arrival, Inbox
from kept.store.loading import Orders
from kept.store.migrate import installation_prefix
from kept.store.skus import SkuMaps
from kept.store.stock import StockRooms
from tests.integration.engine.workers import Workshop, workshop
from tests.servers import fetch, until, value_of

CENTRES = {"east": ("US", "America/New_York"), "europe": ("DE", "Europe/Berlin")}
ACCOUNT = "shop"


def _profile(name: str) -> CentreProfile:
    country, zone = CENTRES[name]
    services = (
        Service("ground", Lane(4, 700, 90), Lane(8, 1800, 90)),
        Service("express", Lane(2, 1900, 220), Lane(4, 5200, 220)),
    )
    return CentreProfile(name, country, ZoneInfo(zone), time(17), 0, frozenset(range(7)), services)


@dataclass
class World:
    """One test's world."""

    shop: Workshop
    bell: Streams
    inbox: Inbox
    erp: InstantErp
    told: InstantConfirmations
    ports: Ports
    _said: list[Arrival] = field(default_factory=list)
    _some: asyncio.Event = field(default_factory=asyncio.Event)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def database(self) -> Database:
        return self.shop.database

    @property
    def factory(self) -> PortsFactory:
        return PortsFactory(self.ports)

    def deliver(self, centre: str, key: str, body: bytes) -> None:
        """What a centre says."""
        self._said.append(Arrival(centre, "centre", key, {}, body, new_correlation_id(), utc_now()))
        self._some.set()

    async def pass_on(self) -> None:
        """Accept what the centres say, as an API process would, until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            while self._said:
                group, self._said = self._said, []
                await self._accept(group)

    async def _accept(self, group: Sequence[Arrival]) -> None:
        _, rings = await self.inbox.accept(group)
        with contextlib.suppress(BellUnavailable):
            await self.bell.ring(rings)

    async def sell(self, count: int) -> list[Arrival]:
        """So many orders arrive at once."""
        group = []
        for number in itertools.islice(self._numbers, count):
            sale = make_sale(seed=3, seq=number, now=utc_now())
            body = orjson.dumps(shopify_order(sale, Version(age_s=20)))
            headers = {"x-shopify-topic": "orders/create"}
            group.append(Arrival(ACCOUNT, "channel", f"w{number}", headers, body, new_correlation_id(), utc_now()))
        await self._accept(group)
        return group

    async def states(self) -> dict[str, int]:
        rows = await fetch(self.database, "SELECT state, count(*) AS n FROM orders GROUP BY 1")
        return {row["state"]: row["n"] for row in rows}

    async def all_complete(self, count: int) -> None:
        """Wait until so many orders are complete."""

        async def complete() -> bool:
            return (await self.states()) == {OrderState.COMPLETE.value: count}

        await until(complete, every_s=0.02)

    async def dead(self) -> list[dict[str, Any]]:
        return [dict(row) for row in await fetch(self.database, "SELECT * FROM dead_letters ORDER BY id")]

    async def deliveries_left(self) -> object:
        return await value_of(self.database, "SELECT count(*) FROM deliveries")

    def change(self, **ports: Any) -> None:
        """Replace some of the ports for workers that begin from now on."""
        self.ports = replace(self.ports, **ports)


@contextlib.asynccontextmanager
async def instant_world(database_url: str, redis_url: str) -> AsyncIterator[World]:
    """A world with plenty of every SKU."""
    async with workshop(database_url, redis_url) as shop:
        bell = Streams(connect(redis_url), "api")
        erp, told = InstantErp(), InstantConfirmations()
        said: list[World] = []

        def deliver(centre: str, key: str, body: bytes) -> None:
            said[0].deliver(centre, key, body)

        ports = await _ports(shop.database, shop.orders, erp, told, deliver)
        world = World(shop, bell, Inbox(shop.database), erp, told, ports)
        said.append(world)
        levels = tuple(StockLevel(f"SKU-{number:04d}", 1_000_000) for number in range(1, SKU_COUNT + 1))
        for name in CENTRES:
            await StockRooms(shop.database).take_snapshot(name, StockSnapshot(utc_now(), levels))
        passing_on = asyncio.create_task(world.pass_on())
        try:
            yield world
        finally:
            passing_on.cancel()
            results = await asyncio.gather(passing_on, return_exceptions=True)
            await bell.aclose()
        assert isinstance(results[0], asyncio.CancelledError), results


async def _ports(
    database: Database, orders: Orders, erp: InstantErp, told: InstantConfirmations, deliver: Any
) -> Ports:
    return Ports(
        clock=utc_now,
        channels={
            ACCOUNT: Channel(
                ACCOUNT,
                verify=lambda message, now: None,
                identify=lambda message: "",
                normalise=shopify.normalise,
                confirm=told,
            )
        },
        centres={name: InstantCentre(name, deliver, utc_now).port() for name in CENTRES},
        centre_addresses={name: Address(name, "1 Dock Rd", "", "Newark", "NJ", "07102", "US") for name in CENTRES},
        erp=erp.port(),
        items=CachedItems(erp, ErpItems(database)),
        skus=SkuMaps(database),
        mapped_accounts=frozenset(),
        cancel_on_request=frozenset(),
        orders=orders,
        availability=StockRooms(database),
        effect_standings=EffectReader(database),
        order_ids=Ids(database, "order_ids"),
        serials=Ids(database, "sscc_serials"),
        installation=await installation_prefix(database),
        routing=RoutingPolicy("test", tuple(_profile(name) for name in CENTRES), parts_max=3),
        labels=LabelPolicy("0614141", 0),
    )
