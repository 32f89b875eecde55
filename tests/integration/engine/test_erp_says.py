"""The ERP's word holds orders and lets them go again, and its silence stops nothing before booking."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from kept.engine.places import Places
from kept.ports import BookedOrder, CircuitOpen, Erp, ItemCheck, PermanentFault, SalesOrder
from kept.processes.assembly import CachedItems, utc_now
from kept.processes.rechecking import BY, Rechecker
from kept.store.erp_items import ErpItems
from kept.store.invariants import breaches
from tests.integration.engine.world import World
from tests.servers import execute, fetch, until, value_of


@dataclass
class Credit:
    """Blocks every customer, as long as it does."""

    blocked: str = "credit limit reached"

    async def credit_hold(self, customer_id: str) -> str:
        return self.blocked


@dataclass
class Switch:
    """An ERP that can be taken down: nothing of it answers then."""

    erp: Any
    down: bool = False
    refuses: str = ""  # the code by which it refuses to book
    booked: list[str] = field(default_factory=list)
    takes_s: float = 0.0  # of one booking; it books one at a time
    place: Places = field(default_factory=lambda: Places(1))
    honours_key: bool = True
    write_horizon: timedelta = timedelta(0)

    def _guard(self) -> None:
        if self.down:
            raise CircuitOpen("erp:main is left alone", retry_after_s=0.1)

    async def check_items(self, skus: Sequence[str]) -> Sequence[ItemCheck]:
        self._guard()
        return list(await self.erp.check_items(skus))

    async def resolve_customer(self, *who: Any) -> str:
        self._guard()
        return str(await self.erp.resolve_customer(*who))

    async def book(self, order: SalesOrder, key: str) -> BookedOrder:
        self._guard()
        if self.refuses:
            raise PermanentFault(f"no account for the tax of {order.reference}", code=self.refuses)
        await self.place.take()
        self.booked.append(order.reference)
        await asyncio.sleep(self.takes_s)
        self.place.leave()
        booked: BookedOrder = await self.erp.book(order, key)
        return booked

    async def find_order(self, reference: str) -> BookedOrder | None:
        self._guard()
        found: BookedOrder | None = await self.erp.find_order(reference)
        return found

    def port(self) -> Erp:
        port: Erp = self.erp.port()
        return replace(port, items=self, customers=self, booking=self)


async def test_a_hold_of_the_erps_ends_by_itself_and_a_person_s_does_not(world: World) -> None:
    credit = Credit()
    world.change(erp=replace(world.ports.erp, credit=credit))
    rechecker = Rechecker(world.database, world.shop.orders, world.ports, utc_now)
    async with world.shop.relaying():
        world.shop.begin(world.factory)
        await world.sell(3)
        await until(lambda: _all(world, "held", 3))
        assert await rechecker.recheck() == 0
        credit.blocked = ""
        assert await rechecker.recheck() == 3
        await world.all_complete(3)
    released = await fetch(world.database, "SELECT data->>'by' AS by FROM ledger WHERE type = 'HoldReleased'")
    assert {row["by"] for row in released} == {f"operator {BY}"}
    assert await breaches(world.database) == {}


async def test_while_the_erp_is_down_orders_are_routed_and_all_are_booked_once_it_is_back(world: World) -> None:
    switch = Switch(world.erp)
    world.change(erp=switch.port(), items=CachedItems(switch, ErpItems(world.database)))
    async with world.shop.relaying():
        worker = world.shop.begin(world.factory)
        await world.sell(60)  # every SKU that the next ones have was asked about
        await world.all_complete(60)
        switch.down = True
        # As after a restart: what the ERP said is known to those who never asked it.
        world.change(items=CachedItems(switch, ErpItems(world.database)))
        await worker.stop()
        world.shop.begin(world.factory)
        await world.sell(20)
        await until(lambda: _routed_or_waiting(world, 20))
        assert (await world.states()).get("routed", 0) >= 10
        switch.down = False
        await world.all_complete(80)
    assert len(switch.booked) == len(set(switch.booked)) == 80
    assert await value_of(world.database, "SELECT count(*) FROM dead_letters") == 0
    assert await breaches(world.database) == {}


async def test_when_the_erp_is_back_what_is_most_urgent_is_booked_first(world: World) -> None:
    switch = Switch(world.erp, down=True, takes_s=0.03)
    world.change(erp=replace(switch.port(), items=world.erp, customers=world.erp), items=world.erp)
    async with world.shop.relaying():
        world.shop.begin(world.factory)
        await world.sell(90)
        await until(lambda: _all(world, "routed", 90))
        await execute(
            world.database,
            "UPDATE deliveries d SET urgency = k.rank, deadline = now() + k.rank * interval '12 hours'"
            " FROM (SELECT id, row_number() OVER (ORDER BY id) % 3 AS rank FROM deliveries) k WHERE k.id = d.id",
        )
        rows = await fetch(
            world.database, "SELECT reference, urgency FROM orders o JOIN deliveries d ON d.order_id = o.id"
        )
        await asyncio.sleep(0.5)  # what was on its way as something else is back
        switch.down = False
        await world.all_complete(90)
    urgency = {row["reference"]: row["urgency"] for row in rows}
    order = [urgency[reference] for reference in switch.booked]
    assert sorted(order) == [0] * 30 + [1] * 30 + [2] * 30
    # The first few were due a moment earlier. Without an order it would be half of all pairs.
    out_of_turn = sum(later < sooner for n, sooner in enumerate(order) for later in order[n + 1 :])
    assert out_of_turn < 540, f"{out_of_turn} of 2,700 pairs were booked the wrong way round: {order}"


async def test_what_the_erp_refuses_to_book_is_held_and_booked_once_what_it_named_is_put_right(world: World) -> None:
    switch = Switch(world.erp, refuses="tax_unmapped")
    world.change(erp=switch.port())
    rechecker = Rechecker(world.database, world.shop.orders, world.ports, utc_now)
    async with world.shop.relaying():
        world.shop.begin(world.factory)
        await world.sell(2)
        await until(lambda: _all(world, "held", 2))
        reserved = await value_of(world.database, "SELECT sum(reserved) FROM stock")
        assert await rechecker.recheck() == 0, "it has only just said no"
        await _let_pass(world, minutes=6)
        assert await rechecker.recheck() == 2
        await until(lambda: _held_times(world, 4))
        await until(lambda: _all(world, "held", 2))
        await _let_pass(world, minutes=6)
        assert await rechecker.recheck() == 0, "it said no twice: it is asked again after ten minutes"
        assert await value_of(world.database, "SELECT sum(reserved) FROM stock") == reserved
        switch.refuses = ""
        await _let_pass(world, minutes=5)
        assert await rechecker.recheck() == 2
        await world.all_complete(2)
    assert len(switch.booked) == 2
    assert await value_of(world.database, "SELECT count(*) FROM dead_letters") == 0
    assert await breaches(world.database) == {}


async def _let_pass(world: World, *, minutes: int) -> None:
    await execute(world.database, f"UPDATE ledger SET at = at - interval '{minutes} minutes'")


async def _held_times(world: World, count: int) -> bool:
    return await value_of(world.database, "SELECT count(*) FROM ledger WHERE type = 'OrderHeld'") == count


async def _all(world: World, state: str, count: int) -> bool:
    return (await world.states()) == {state: count}


async def _routed_or_waiting(world: World, count: int) -> bool:
    """Routed, or received with goods that the ERP was never asked about."""
    waiting = await value_of(
        world.database, "SELECT count(*) FROM deliveries WHERE last_error LIKE '%left alone%' AND kind = 'order'"
    )
    return waiting == count


async def test_what_the_erp_said_is_kept_for_a_day_and_taken_back_with_its_word(world: World) -> None:
    items = ErpItems(world.database)
    await items.good(["A", "B", "A"])
    assert await items.were_good(["A", "B", "B"], timedelta(days=1))
    assert not await items.were_good(["A", "C"], timedelta(days=1))
    await execute(world.database, "UPDATE erp_items SET good_at = now() - interval '2 days' WHERE sku = 'A'")
    assert not await items.were_good(["A"], timedelta(days=1))
    await items.good(["A"])
    assert await items.were_good(["A"], timedelta(days=1))
    await items.not_good(["B"])
    assert not await items.were_good(["B"], timedelta(days=1))
