"""Kept's real steps between parties that answer at once, in the worker's own process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo

from kept.connectors.channels.shopify import mapping as shopify
from kept.domain.order import Address
from kept.domain.routing import CentreProfile, Lane, RoutingPolicy, Service
from kept.engine.streams import Streams
from kept.observe.correlation import new_correlation_id
from kept.ports import Channel, StockLevel, StockSnapshot
from kept.processes.assembly import CachedItems, PortsFactory, utc_now
from kept.simulator.instant import Deliver, InstantCentre, InstantConfirmations, InstantErp
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

CENTRES = ("east", "west", "europe")
ACCOUNT = "shop"
# As a busy API's group commit.
_EVENTS_PER_COMMIT = 200
_BOOKED_MAX = 5000


def profiles() -> tuple[CentreProfile, ...]:
    """Three centres that serve the world, so that routing has something to choose from."""
    places = {
        "east": ("US", "America/New_York"),
        "west": ("US", "America/Los_Angeles"),
        "europe": ("DE", "Europe/Berlin"),
    }
    services = (
        Service("ground", Lane(4, 700, 90), Lane(8, 1800, 90)),
        Service("express", Lane(2, 1900, 220), Lane(4, 5200, 220)),
    )
    return tuple(
        CentreProfile(name, country, ZoneInfo(zone), time(17), 0, frozenset(range(7)), services)
        for name, (country, zone) in places.items()
    )


class CentreEvents:
    """What the instant centres say, put into the inbox as an API process would."""

    def __init__(self, database: Database, bell: Streams) -> None:
        self._inbox = Inbox(database)
        self._bell = bell
        self._waiting: list[Arrival] = []
        self._some = asyncio.Event()

    def deliver(self, centre: str, key: str, body: bytes) -> None:
        """Take a message of a centre's."""
        self._waiting.append(Arrival(centre, "centre", key, {}, body, new_correlation_id(), utc_now()))
        self._some.set()

    async def run(self) -> None:
        """Accept what comes until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            while self._waiting:
                group, self._waiting = self._waiting[:_EVENTS_PER_COMMIT], self._waiting[_EVENTS_PER_COMMIT:]
                _, rings = await self._inbox.accept(group)
                await self._bell.ring(rings)


class Recent(dict[str, Any]):
    """The books of a party in a worker's process, the latest entries only: the worker's memory is measured."""

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        if len(self) > _BOOKED_MAX:
            del self[next(iter(self))]

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]


def instant_parties(deliver: Deliver, **others: Any) -> Ports:
    """Ports to parties that answer at once; what a centre says goes to `deliver`. `others`: the ports' own fields."""
    erp = InstantErp(orders=Recent(), shipments=Recent())
    return Ports(
        channels={
            ACCOUNT: Channel(
                ACCOUNT,
                verify=lambda message, now: None,
                identify=lambda message: "",
                normalise=shopify.normalise,
                confirm=InstantConfirmations(told=Recent()),
            )
        },
        centres={name: InstantCentre(name, deliver, utc_now, requests=Recent()).port() for name in CENTRES},
        centre_addresses={name: Address(name, "1 Dock Rd", "", "Newark", "NJ", "07102", "US") for name in CENTRES},
        erp=erp.port(),
        mapped_accounts=frozenset(),
        cancel_on_request=frozenset(),
        routing=RoutingPolicy("bench", profiles(), parts_max=3),
        labels=LabelPolicy("0614141", 0),
        **others,
    )


@contextlib.asynccontextmanager
async def instant_ports(database: Database, orders: Orders, bell: Streams) -> AsyncIterator[PortsFactory]:
    """Ports of instant parties; the centres' events are accepted while the block runs."""
    events = CentreEvents(database, bell)
    ports = instant_parties(
        events.deliver,
        clock=utc_now,
        orders=orders,
        items=CachedItems(InstantErp(), ErpItems(database)),
        skus=SkuMaps(database),
        availability=StockRooms(database),
        effect_standings=EffectReader(database),
        order_ids=Ids(database, "order_ids"),
        serials=Ids(database, "sscc_serials"),
        installation=await installation_prefix(database),
    )
    pump = asyncio.create_task(events.run())
    try:
        yield PortsFactory(ports)
    finally:
        pump.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await pump


async def stock_up(database: Database, skus: int) -> None:
    """Plenty of every SKU everywhere."""
    levels = tuple(StockLevel(f"SKU-{number:04d}", 100_000_000) for number in range(1, skus + 1))
    rooms = StockRooms(database)
    for name in CENTRES:
        await rooms.take_snapshot(name, StockSnapshot(utc_now(), levels))
