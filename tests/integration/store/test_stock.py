"""Stock: promised never beyond what is there, counted by the centres, whoever asks at the same time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from kept.domain import events as ev
from kept.domain.routing import CentreProfile, Lane, RoutingPolicy, Service
from kept.engine.delivery import Settling
from kept.ports import StockLevel, StockSnapshot
from kept.processes.assembly import utc_now
from kept.store.database import Database
from kept.store.invariants import breaches
from kept.store.stock_offers import StockOffers
from tests.integration.store.driving import Driver, done, later, order_of
from tests.servers import fetch, value_of
from tests.unit.domain import samples

HOT = samples.line(1, 2)  # two pieces of SKU-1
T0 = samples.NOW


def count(as_of: datetime, **on_hand: int) -> StockSnapshot:
    return StockSnapshot(as_of, tuple(StockLevel(sku.replace("_", "-"), pieces) for sku, pieces in on_hand.items()))


async def routable(driver: Driver, number: int) -> list[Settling]:
    """The routing of so many orders of two pieces each, all decided on the same stock."""
    for _ in range(number):
        order = await driver.order(HOT)
        await driver.advance("validate", ev.OrderValidated("C-1"), order_id=order.id)
    plan = samples.planned("east", (1, "SKU-1", 2))
    return [done(loaded, samples.routed(plan)) for loaded in await driver.waiting("route")]


async def test_sixteen_workers_on_one_sku_never_oversell_and_never_deadlock(driver: Driver, database_url: str) -> None:
    await driver.stock_up(on_hand=50)
    settlings = await routable(driver, 64)
    databases = [Database(database_url, 1) for _ in range(16)]
    workers = [Driver.on(database) for database in databases]

    async def work(worker: Driver, mine: list[Settling]) -> None:
        for start in range(0, len(mine), 2):
            await worker.settle(*mine[start : start + 2])

    await asyncio.gather(*(work(worker, settlings[number::16]) for number, worker in enumerate(workers)))
    assert await driver.level("east", "SKU-1") == (50, 50)
    states = await fetch(driver.database, "SELECT state, count(*) FROM orders GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in states] == [("routed", 25), ("validated", 39)]
    # Those that found nothing left are to be routed again, at once and without an attempt.
    assert (
        await value_of(driver.database, "SELECT count(*) FROM deliveries WHERE step = 'route' AND attempts = 0") == 39
    )
    assert await breaches(driver.database) == {}
    assert (
        await value_of(driver.database, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        == 0
    )
    await asyncio.gather(*(database.close() for database in databases))


async def test_workers_that_want_two_skus_in_opposite_orders_all_get_through(driver: Driver, database_url: str) -> None:
    await driver.stock_up(on_hand=1000)
    for _ in range(32):
        order = await driver.order(samples.line(1, 1), samples.line(2, 1))
        await driver.advance("validate", ev.OrderValidated("C-1"), order_id=order.id)
    ways = [((1, "SKU-1", 1), (2, "SKU-2", 1)), ((2, "SKU-2", 1), (1, "SKU-1", 1))]
    settlings = [
        done(loaded, samples.routed(samples.planned("east", *ways[number % 2])))
        for number, loaded in enumerate(await driver.waiting("route"))
    ]
    databases = [Database(database_url, 1) for _ in range(8)]
    await asyncio.gather(
        *(Driver.on(database).settle(*settlings[number::8]) for number, database in enumerate(databases))
    )
    assert await driver.level("east", "SKU-1") == (1000, 32)
    assert await driver.level("east", "SKU-2") == (1000, 32)
    assert await breaches(driver.database) == {}
    await asyncio.gather(*(database.close() for database in databases))


async def test_groups_that_promise_one_sku_and_ship_another_never_deadlock(driver: Driver, database_url: str) -> None:
    await driver.stock_up(on_hand=1000)
    groups = []
    for number in range(16):
        promised, leaving = (1, 2) if number % 2 else (2, 1)
        sold = await driver.order(samples.line(1, 1, sku=f"SKU-{leaving}"))
        await driver.advance("validate", ev.OrderValidated("C-1"), order_id=sold.id)
        part = samples.planned("east", (1, f"SKU-{leaving}", 1))
        await driver.advance("route", samples.routed(part), order_id=sold.id)
        await driver.advance("book", ev.OrderBooked(f"SO-{sold.id}", adopted=False), order_id=sold.id)
        await driver.advance("label", ev.PartLabelled(1, f"{sold.id:018d}", ("pdf",)), order_id=sold.id)
        await driver.advance("release", ev.PartReleased(1, "R"), order_id=sold.id)
        gone = await driver.told(sold.id, samples.shipped(1, (1, f"SKU-{leaving}", 1)))
        new = await driver.order(samples.line(1, 1, sku=f"SKU-{promised}"))
        await driver.advance("validate", ev.OrderValidated("C-1"), order_id=new.id)
        plan = samples.planned("east", (1, f"SKU-{promised}", 1))
        groups.append((done(await driver.next("route", new.id), samples.routed(plan)), gone))
    databases = [Database(database_url, 1) for _ in groups]
    workers = [Driver.on(database) for database in databases]
    await asyncio.gather(*(worker.settle(*group) for worker, group in zip(workers, groups, strict=True)))
    assert await driver.level("east", "SKU-1") == (992, 8)
    assert await driver.level("east", "SKU-2") == (992, 8)
    assert await breaches(driver.database) == {}
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert await value_of(driver.database, deadlocks) == 0
    await asyncio.gather(*(database.close() for database in databases))


async def test_in_one_group_whoever_comes_first_gets_the_last_pieces(driver: Driver) -> None:
    await driver.stock_up(on_hand=3)
    settlings = await routable(driver, 2)
    rings = await driver.settle(*settlings)
    assert sorted(ring.step for ring in rings) == ["book", "route"]
    won = await value_of(driver.database, "SELECT order_id FROM deliveries WHERE step = 'book'")
    assert won == settlings[0].subject.id
    assert await driver.level("east", "SKU-1") == (3, 2)


async def test_a_group_written_twice_for_lack_of_stock_still_decides_anew_what_came_second(driver: Driver) -> None:
    await driver.stock_up(on_hand=1)
    short = (await routable(driver, 1))[0]
    content = samples.content(HOT, external_id="E-twice")
    first, second = await driver.creation(content), await driver.creation(content)
    await driver.settle(first)
    rings = await driver.settle(second, short)
    assert sorted(ring.step for ring in rings) == ["deduplicate", "route"]


async def test_available_is_what_is_not_promised(driver: Driver) -> None:
    await driver.stock_up(on_hand=10, centres=("east",))
    await driver.settle(*(await routable(driver, 1)))
    assert await driver.rooms.available(["SKU-1", "SKU-2", "unknown"]) == {("east", "SKU-1"): 8, ("east", "SKU-2"): 10}


async def test_what_is_kept_back_is_promised_to_nobody_and_offered_to_no_channel(driver: Driver) -> None:
    await driver.stock_up(on_hand=10, centres=("east", "west"))
    await driver.rooms.keep_back({("east", "SKU-1"): 4, ("west", "SKU-1"): 12}, "ann", T0)
    assert await driver.rooms.available(["SKU-1"]) == {("east", "SKU-1"): 6, ("west", "SKU-1"): -2}
    assert (await StockOffers(driver.database).free())["SKU-1"] == 6
    shown = {(row["centre"], row["sku"]): (row["safety"], row["available"]) for row in await driver.rooms.levels()}
    assert (shown["east", "SKU-1"], shown["west", "SKU-1"], shown["east", "SKU-2"]) == ((4, 6), (12, 0), (0, 10))
    await driver.rooms.keep_back({("east", "SKU-1"): 1, ("west", "SKU-1"): 0}, "ann", T0)
    assert await driver.rooms.available(["SKU-1"]) == {("east", "SKU-1"): 9, ("west", "SKU-1"): 10}
    sql = "SELECT actor, detail->>'set' AS set FROM audit_log WHERE action = 'stock.safety'"
    rows = await fetch(driver.database, sql)
    assert [(row["actor"], row["set"]) for row in rows] == [("ann", "2"), ("ann", "2")]


async def test_what_leaves_a_centre_of_limited_capacity_is_counted_by_its_own_days(driver: Driver) -> None:
    await driver.stock_up(on_hand=100, centres=("east", "west"))
    await driver.settle(*(await routable(driver, 3)))  # three times two pieces, from the same centre at the same time
    (leaves,) = {row["ships_at"] for row in await fetch(driver.database, "SELECT ships_at FROM parts")}
    kiritimati = ZoneInfo("Pacific/Kiritimati")  # 14 hours ahead: its day is not that of UTC
    services = (Service("ground", Lane(4, 700)),)
    limited = CentreProfile("east", "US", kiritimati, time(17), 0, frozenset(range(7)), services, capacity_pieces=9)
    policy = RoutingPolicy("test", (limited, replace(limited, name="west")))
    day = leaves.astimezone(kiritimati).date()
    assert await driver.rooms.booked(policy, leaves - timedelta(days=1)) == {("east", day): 6}
    assert await driver.rooms.booked(policy, leaves + timedelta(days=1)) == {}  # gone by
    unlimited = RoutingPolicy("test", (replace(limited, capacity_pieces=0),))
    assert await driver.rooms.booked(unlimited, leaves) == {}
    order_id = await value_of(driver.database, "SELECT min(order_id) FROM parts")
    assert isinstance(order_id, int)
    await driver.tell(order_id, ev.CancelRequested("ann", 1))
    assert await driver.rooms.booked(policy, leaves - timedelta(days=1)) == {("east", day): 4}


async def test_an_order_that_waits_for_pieces_that_are_kept_back_goes_on_when_they_are_not(driver: Driver) -> None:
    await driver.order(HOT)
    await driver.advance("validate", ev.OrderValidated("C-1"))
    await driver.settle(later(await driver.next("route"), 3600, attempts=0))
    assert await driver.store.due(10) == []
    await driver.rooms.keep_back({("east", "SKU-1"): 0}, "ann", T0)
    assert [ring.step for ring in await driver.store.due(10)] == ["route"]


# ------------------------------------------------------------------ counts


async def test_a_newer_count_replaces_and_an_older_or_equal_one_is_ignored(driver: Driver) -> None:
    assert await driver.rooms.take_snapshot("east", count(T0, SKU_1=10)) == 0  # new: nothing to compare with
    assert await driver.rooms.take_snapshot("east", count(T0 + timedelta(minutes=1), SKU_1=7)) == 1
    for older in (T0, T0 + timedelta(minutes=1), T0 - timedelta(days=1)):
        assert await driver.rooms.take_snapshot("east", count(older, SKU_1=99)) == 0
        assert await driver.level("east", "SKU-1") == (7, 0)
    assert await breaches(driver.database) == {}


async def test_a_sku_that_a_count_does_not_name_is_not_there_any_more(driver: Driver) -> None:
    await driver.rooms.take_snapshot("east", count(T0, SKU_1=10, SKU_2=5))
    await driver.rooms.take_snapshot("west", count(T0, SKU_2=7))
    await driver.rooms.take_snapshot("east", count(T0 - timedelta(hours=1), SKU_1=9))
    assert await driver.level("east", "SKU-2") == (5, 0)  # an older count says nothing
    assert await driver.rooms.take_snapshot("east", count(T0 + timedelta(hours=1), SKU_1=9)) == 2
    assert await driver.level("east", "SKU-2") == (0, 0)
    assert await driver.level("west", "SKU-2") == (7, 0)
    assert await breaches(driver.database) == {}


async def test_a_count_of_nothing_at_all_is_taken_for_a_fault(driver: Driver) -> None:
    await driver.rooms.take_snapshot("east", count(T0, SKU_1=10))
    assert await driver.rooms.take_snapshot("east", StockSnapshot(T0 + timedelta(hours=2), ())) == 0
    assert await driver.level("east", "SKU-1") == (10, 0)


async def test_what_shipped_after_a_count_was_taken_is_subtracted_from_it(driver: Driver) -> None:
    await driver.stock_up(on_hand=10)
    await driver.shipped()  # two of SKU-1 and one of SKU-2, an hour after NOW
    shipped_at = T0 + timedelta(hours=1)
    assert await driver.level("east", "SKU-1") == (8, 0)
    await driver.rooms.take_snapshot("east", count(shipped_at - timedelta(minutes=1), SKU_1=10))
    assert await driver.level("east", "SKU-1") == (8, 0)  # counted before they left
    await driver.rooms.take_snapshot("east", count(shipped_at + timedelta(minutes=1), SKU_1=8))
    assert await driver.level("east", "SKU-1") == (8, 0)  # counted out already
    await driver.rooms.take_snapshot("east", count(shipped_at + timedelta(minutes=2), SKU_1=20))
    assert await driver.level("east", "SKU-1") == (20, 0)
    assert await breaches(driver.database) == {}


async def test_a_shipment_that_a_count_has_seen_already_is_not_subtracted_again(driver: Driver) -> None:
    await driver.stock_up(on_hand=10)
    order = await driver.booked()
    await driver.advance("label", ev.PartLabelled(1, samples.SSCC, ("pdf",)))
    await driver.advance("release", ev.PartReleased(1, "R"))
    await driver.rooms.take_snapshot("east", count(T0 + timedelta(hours=2), SKU_1=8, SKU_2=9))
    await driver.tell(order.id, samples.shipped(1, (1, "SKU-1", 2), (2, "SKU-2", 1)))  # shipped at NOW + 1 h
    assert await driver.level("east", "SKU-1") == (8, 0)
    assert await driver.level("east", "SKU-2") == (9, 0)
    assert await breaches(driver.database) == {}


async def test_a_changed_count_wakes_the_orders_that_wait_for_stock(driver: Driver) -> None:
    await driver.rooms.take_snapshot("east", count(T0, SKU_1=0))
    order = await driver.order(HOT)
    await driver.advance("validate", ev.OrderValidated("C-1"))
    await driver.settle(later(await driver.next("route"), 3600, attempts=0))
    assert await driver.store.due(10) == []
    await driver.rooms.take_snapshot("east", count(T0 + timedelta(minutes=1), SKU_1=0))
    assert await driver.store.due(10) == []  # nothing changed
    await driver.rooms.take_snapshot("east", count(T0 + timedelta(minutes=2), SKU_1=5))
    assert [ring.step for ring in await driver.store.due(10)] == ["route"]
    assert order_of(await driver.next("route")).id == order.id


async def test_the_first_count_of_a_centre_wakes_them_too(driver: Driver) -> None:
    await driver.order(HOT)
    await driver.advance("validate", ev.OrderValidated("C-1"))
    await driver.settle(later(await driver.next("route"), 3600, attempts=0))
    await driver.rooms.take_snapshot("east", count(T0, SKU_1=5))
    assert [ring.step for ring in await driver.store.due(10)] == ["route"]


async def test_a_new_sku_at_a_known_centre_wakes_them_too(driver: Driver) -> None:
    await driver.rooms.take_snapshot("east", count(T0, SKU_2=5))
    await driver.order(HOT)
    await driver.advance("validate", ev.OrderValidated("C-1"))
    await driver.settle(later(await driver.next("route"), 3600, attempts=0))
    await driver.rooms.take_snapshot("east", count(T0 + timedelta(minutes=1), SKU_1=5, SKU_2=5))
    assert [ring.step for ring in await driver.store.due(10)] == ["route"]


async def test_counts_and_reservations_at_once_keep_every_invariant(driver: Driver, database_url: str) -> None:
    await driver.stock_up(on_hand=1000)
    settlings = await routable(driver, 24)
    databases = [Database(database_url, 1) for _ in range(4)]
    others = [Driver.on(database) for database in databases]

    async def reserve(worker: Driver, mine: list[Settling]) -> None:
        for settling in mine:
            await worker.settle(settling)

    async def recount(worker: Driver) -> None:
        for minute in range(20):
            await worker.rooms.take_snapshot("east", count(T0 + timedelta(minutes=minute), SKU_1=900 + minute, SKU_2=5))

    await asyncio.gather(
        *(reserve(worker, settlings[number::3]) for number, worker in enumerate(others[:3])), recount(others[3])
    )
    assert await driver.level("east", "SKU-1") == (919, 48)
    assert await breaches(driver.database) == {}
    await asyncio.gather(*(database.close() for database in databases))


async def test_an_erps_count_has_what_shipped_until_it_was_posted(driver: Driver) -> None:
    def books(as_of: datetime, pieces: int) -> StockSnapshot:
        return replace(count(as_of, SKU_1=pieces, SKU_2=9), by_books=True)

    await driver.stock_up()
    shipped_at = samples.NOW + timedelta(hours=1)
    order = await driver.booked()
    await driver.advance("label", ev.PartLabelled(1, samples.SSCC, ("d",)))
    await driver.advance("release", ev.PartReleased(1, "R"))
    await driver.rooms.take_snapshot("east", books(shipped_at + timedelta(minutes=1), 10))
    assert await driver.level("east", "SKU-1") == (10, 2)
    await driver.tell(order.id, samples.shipped(1, (1, "SKU-1", 2), (2, "SKU-2", 1)))
    assert await driver.level("east", "SKU-1") == (8, 0)  # the books did not know of it, whenever they were read
    await driver.rooms.take_snapshot("east", books(shipped_at + timedelta(minutes=2), 10))
    assert await driver.level("east", "SKU-1") == (8, 0)
    await driver.advance("advise", ev.PartAdvised(1, "A", "d"))
    await driver.advance("confirm", ev.PartConfirmed(1, "F"))
    await driver.advance("post", ev.PartPosted(1, "D"))
    await driver.rooms.take_snapshot("east", books(utc_now() + timedelta(minutes=1), 8))
    assert await driver.level("east", "SKU-1") == (8, 0)
    assert await breaches(driver.database) == {}
