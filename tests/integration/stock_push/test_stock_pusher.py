"""The stock pusher on a real database: only what changed is told, the latest value, by one process at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from kept.connectors.channels.inhouse.mapping import normalise
from kept.domain.skus import Component
from kept.ports import (
    Channel,
    Fault,
    StockLevel,
    StockOffer,
    StockRefused,
    StockSnapshot,
    TemporaryFault,
    UnknownResult,
)
from kept.processes.stock_pusher import Pushed, StockPusher
from kept.settings import ChannelSettings, SettingsError
from kept.store.database import Database
from kept.store.skus import SkuMaps
from kept.store.stock import StockRooms
from kept.store.stock_offers import StockOffers
from tests.servers import execute, fetch, value_of

NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)


@dataclass
class Market:
    """A channel that compares and swaps, two SKUs a call. `quantities` is what it has."""

    batch_max: int = 2
    quantities: dict[str, int] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    calls: list[tuple[StockOffer, ...]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    faults: list[Fault | None] = field(default_factory=list)  # of the next calls, after they applied
    gate: asyncio.Event | None = None

    async def push(self, offers: Sequence[StockOffer], key: str) -> Sequence[StockRefused]:
        if self.gate is not None:
            await self.gate.wait()
        self.calls.append(tuple(offers))
        self.keys.append(key)
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, TemporaryFault):
            raise fault
        refused = []
        for offer in offers:
            if offer.sku in self.unknown:
                refused.append(StockRefused(offer.sku, "unknown_item", "no such item"))
            elif offer.believed is not None and self.quantities.get(offer.sku) != offer.believed:
                refused.append(StockRefused(offer.sku, "stale", "it has another quantity"))
            else:
                self.quantities[offer.sku] = offer.quantity
        if fault is not None:
            raise fault
        return refused

    def told(self) -> list[tuple[str, int]]:
        """What was told since the last look, in order."""
        found = [(offer.sku, offer.quantity) for call in self.calls for offer in call]
        self.calls.clear()
        return found


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Shop:
    database: Database
    market: Market
    clock: Clock
    pusher: StockPusher

    async def count(self, centre: str = "east", **pieces: int) -> None:
        """The centre counts; the count is newer than the one before."""
        self.clock.now += timedelta(seconds=1)
        levels = tuple(StockLevel(sku, number) for sku, number in pieces.items())
        await StockRooms(self.database).take_snapshot(centre, StockSnapshot(self.clock.now, levels))


def pusher_of(database: Database, market: Market, clock: Clock, **settings: int) -> StockPusher:
    channel = Channel("shop", lambda message, now: None, lambda message: "", normalise, None, push_stock=market)
    configured = ChannelSettings("shopify", push_stock_every_s=30, **settings)  # type: ignore[arg-type]  # whole numbers
    return StockPusher({"shop": channel}, {"shop": configured}, StockOffers(database), clock)


@pytest.fixture
def shop(database: Database) -> Shop:
    market, clock = Market(), Clock()
    return Shop(database, market, clock, pusher_of(database, market, clock))


async def test_only_what_changed_is_told_and_what_sold_out_first(shop: Shop) -> None:
    await shop.count(A=5, B=7, C=9)
    await shop.count("west", A=1)
    assert await shop.pusher.push("shop") == Pushed(told=3)
    assert shop.market.told() == [("A", 6), ("B", 7), ("C", 9)]
    assert await shop.pusher.push("shop") == Pushed()
    assert shop.market.told() == []
    await execute(shop.database, "UPDATE stock SET reserved = 9 WHERE sku = 'C'")
    await execute(shop.database, "UPDATE stock SET reserved = 1 WHERE sku = 'B'")
    await shop.pusher.push("shop")
    assert shop.market.told() == [("C", 0), ("B", 6)]


async def test_of_many_changes_only_the_latest_is_told(shop: Shop) -> None:
    for pieces in (5, 4, 3, 8):
        await shop.count(A=pieces)
    await shop.pusher.push("shop")
    assert shop.market.told() == [("A", 8)]
    await shop.count(A=3)
    await shop.count(A=8)
    assert await shop.pusher.push("shop") == Pushed()


async def test_buffer_percentage_and_kits(database: Database) -> None:
    market, clock = Market(), Clock()
    shop = Shop(database, market, clock, pusher_of(database, market, clock, stock_buffer=2, stock_percent=50))
    await SkuMaps(database).put("shop", {"KIT": (Component("A", 2), Component("B"))}, NOW)
    await shop.count(A=40, B=9)
    await shop.pusher.push("shop")
    assert dict(market.told()) == {"A": 18, "B": 2, "KIT": 2}
    with pytest.raises(SettingsError, match="stock_percent = 101"):
        pusher_of(database, market, clock, stock_percent=101)


async def test_a_sale_that_we_have_not_heard_of_is_not_overwritten_until_we_have(shop: Shop) -> None:
    await shop.count(A=5)
    await shop.pusher.push("shop")
    shop.market.quantities["A"] = 4  # it sold one
    await shop.count(A=6)
    assert await shop.pusher.push("shop") == Pushed(refused=1)
    assert shop.market.quantities["A"] == 4
    shop.market.told()
    await shop.count(A=7)
    assert await shop.pusher.push("shop") == Pushed()  # whatever the quantity is by now: the order is on its way
    shop.clock.now += timedelta(seconds=61)
    await execute(shop.database, "UPDATE stock SET reserved = 1")  # and now here
    assert await shop.pusher.push("shop") == Pushed(told=1)
    assert shop.market.quantities["A"] == 6


async def test_an_unknown_sku_is_shown_and_not_asked_for_all_the_time(shop: Shop) -> None:
    shop.market.unknown = {"A"}
    await shop.count(A=5, B=5)
    assert await shop.pusher.push("shop") == Pushed(told=1, refused=1)
    (row,) = [row for row in await StockOffers(shop.database).listed("shop") if row["sku"] == "A"]
    assert (row["told"], row["refused"], row["reason"]) == (None, 5, "unknown_item: no such item")
    assert await shop.pusher.push("shop") == Pushed()
    await shop.count(A=6, B=5)
    assert await shop.pusher.push("shop") == Pushed(refused=1)
    shop.market.unknown = set()
    shop.clock.now += timedelta(hours=7)
    assert await shop.pusher.push("shop") == Pushed(told=1)


async def test_after_a_lost_answer_the_quantity_is_told_again_without_comparing(shop: Shop) -> None:
    await shop.count(A=5)
    await shop.pusher.push("shop")
    await shop.count(A=6)
    shop.market.faults = [UnknownResult("cut")]
    assert await shop.pusher.turn("shop") == 30
    assert await value_of(shop.database, "SELECT last_error FROM stock_pushes") == "cut"
    shop.market.calls.clear()
    assert await shop.pusher.push("shop") == Pushed(told=1)
    assert shop.market.calls == [(StockOffer("A", 6, None),)]
    assert shop.market.quantities == {"A": 6}
    assert len(set(shop.market.keys)) == 3


async def test_a_throttled_account_is_left_alone_as_long_as_it_says(shop: Shop) -> None:
    await shop.count(A=5)
    shop.market.faults = [TemporaryFault("slow down", retry_after_s=77)]
    assert await shop.pusher.turn("shop") == 77
    assert await shop.pusher.turn("shop") == 30
    assert shop.market.quantities == {"A": 5}


async def test_a_sku_that_is_gone_from_the_map_is_told_as_none(database: Database) -> None:
    market, clock = Market(), Clock()
    shop = Shop(database, market, clock, pusher_of(database, market, clock, skus_mapped=True))
    await SkuMaps(database).put("shop", {"THEIRS": (Component("A"),)}, NOW)
    await shop.count(A=5)
    await shop.pusher.push("shop")
    await execute(database, "DELETE FROM sku_map")
    await shop.pusher.push("shop")
    assert market.told() == [("THEIRS", 5), ("THEIRS", 0)]


async def test_two_processes_do_not_push_to_one_account_at_once(shop: Shop, database: Database) -> None:
    await shop.count(A=5)
    shop.market.gate = asyncio.Event()
    other = pusher_of(database, shop.market, shop.clock)
    first = asyncio.create_task(shop.pusher.turn("shop"))

    async def held() -> bool:
        return bool(await fetch(database, "SELECT 1 FROM stock_pushes WHERE held_until > now()"))

    while not await held():  # bounded by the suite's time limit
        await asyncio.sleep(0)
    assert await other.turn("shop") == 30
    shop.market.gate.set()
    await first
    assert shop.market.told() == [("A", 5)]
