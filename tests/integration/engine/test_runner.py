"""Workers on real PostgreSQL and Redis: whole orders, and whatever happens to Redis and to workers meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from kept.domain.progress import Order
from kept.domain.skus import Component
from kept.engine.outcome import Outcome
from kept.engine.retry import RetryPolicy
from kept.engine.step import Each, Step
from kept.engine.streams import GROUP, Streams, connect, stream_of
from kept.flow import FLOW
from kept.ports import BookedOrder, SalesOrder, TemporaryFault
from kept.processes.remapping import import_mapping
from kept.steps.ports import Ports
from kept.store.invariants import breaches
from tests.integration.engine.workers import QUICK, QUICK_RELAY
from tests.integration.engine.world import ACCOUNT, World
from tests.servers import DEADLINE_S, Servers, execute, fetch, until, value_of

ONE_ORDERS_FACTS = [
    "OrderReceived",
    "OrderValidated",
    "OrderRouted",
    "OrderBooked",
    "PartReady",
    "PartLabelled",
    "PartReleased",
    "PartAccepted",
    "PartShipped",
    "PartAdvised",
    "PartConfirmed",
    "PartPosted",
    "OrderCompleted",
]
QUICK_RETRY = RetryPolicy(attempts_max=3, base_s=0.02, cap_s=0.05)


def flow_with(name: str, **changes: Any) -> dict[str, Step[Any]]:
    """The flow with one step changed."""
    return {**FLOW, name: replace(FLOW[name], **changes)}


class Gate:
    """Holds calls until it is opened."""

    def __init__(self) -> None:
        self.waiting = 0
        self.open = asyncio.Event()

    async def pass_through(self) -> None:
        self.waiting += 1
        await self.open.wait()


class SlowErp:
    """Books only once its gate is open."""

    honours_key = True
    write_horizon = timedelta(0)

    def __init__(self, gate: Gate, inner: Any) -> None:
        self._gate = gate
        self._inner = inner

    async def book(self, order: SalesOrder, key: str) -> BookedOrder:
        await self._gate.pass_through()
        booked: BookedOrder = await self._inner.book(order, key)
        return booked

    async def find_order(self, reference: str) -> BookedOrder | None:
        found: BookedOrder | None = await self._inner.find_order(reference)
        return found


def hold_booking(world: World) -> Gate:
    gate = Gate()
    world.change(erp=replace(world.ports.erp, booking=SlowErp(gate, world.erp)))
    return gate


# ------------------------------------------------------------------ whole orders


async def test_an_order_runs_end_to_end_with_the_expected_ledger(world: World) -> None:
    arrival = (await world.sell(1))[0]
    async with world.shop.relaying():
        world.shop.begin(world.factory)
        await world.all_complete(1)
    facts = await fetch(world.database, "SELECT type, correlation_id FROM ledger ORDER BY seq")
    parts = await value_of(world.database, "SELECT count(*) FROM parts")
    if parts == 1:
        assert [row["type"] for row in facts] == ONE_ORDERS_FACTS
    assert {row["type"] for row in facts} == set(ONE_ORDERS_FACTS)
    assert await world.deliveries_left() == 0
    assert await world.dead() == []
    assert len(world.erp.orders) == 1
    assert len(world.erp.shipments) == len(world.told.told) == parts
    first = await value_of(world.database, "SELECT correlation_id FROM orders")
    assert first == arrival.correlation_id
    assert {row["correlation_id"] for row in facts} == {first}
    assert await breaches(world.database) == {}


async def test_a_hundred_orders_and_three_workers_make_one_document_each(world: World) -> None:
    await world.sell(100)
    async with world.shop.relaying():
        workers = [world.shop.begin(world.factory) for _ in range(3)]
        await world.all_complete(100)
    assert len(world.erp.orders) == 100
    assert await world.dead() == []
    assert await breaches(world.database) == {}
    assert sum(worker.runner.counters.settled for worker in workers) >= 1200
    doubled = await value_of(world.database, "SELECT count(*) FROM effect_attempts WHERE attempt > 1")
    assert doubled == 0


async def test_what_is_done_is_acknowledged_and_gone_from_redis(world: World, servers: Servers) -> None:
    await world.sell(5)
    async with world.shop.relaying():
        world.shop.begin(world.factory)
        await world.all_complete(5)

        async def empty() -> bool:
            return not any((await world.bell.depth(FLOW)).values())

        await until(empty)
        async with servers.redis_client() as redis:
            pending = await redis.xpending(stream_of("normalise", 0), GROUP)
            assert pending["pending"] == 0


@pytest.mark.parametrize("protocol", [2, 3])
async def test_redis_is_understood_under_both_of_its_protocols(world: World, protocol: int) -> None:
    await world.sell(5)
    async with world.shop.relaying():
        worker = world.shop.begin(world.factory, redis_url=f"{world.shop.redis_url}?protocol={protocol}")
        await world.all_complete(5)
    await worker.stop()
    bell = Streams(connect(f"{world.shop.redis_url}?protocol={protocol}"), "reader")
    await world.sell(1)
    rungs = await bell.read("normalise", 8, 100)
    assert [len(rung.delivery_ids) for rung in rungs] == [1]
    assert await bell.read("normalise", 8, 10) == []
    taken = await bell.reclaim("normalise", 0)
    assert [rung.delivery_ids for rung in taken] == [rungs[0].delivery_ids]
    assert (await bell.depth(["normalise"]))["normalise"] == 1
    assert len(await bell.oldest(["normalise"])) == 1
    await bell.keep(rungs)
    await bell.ack(rungs)
    assert await bell.reclaim("normalise", 0) == []
    await bell.aclose()


# ------------------------------------------------------------------ Redis


async def test_redis_flushed_in_the_middle_is_healed_by_the_relay(world: World, servers: Servers) -> None:
    gate = hold_booking(world)
    await world.sell(30)
    async with world.shop.relaying():
        world.shop.begin(world.factory)
        await until(lambda: gate.waiting == 30)
        async with servers.redis_client() as redis:
            await redis.flushall()
        await world.sell(10)
        async with servers.redis_client() as redis:
            await redis.flushall()
        gate.open.set()
        await world.all_complete(40)
    assert len(world.erp.orders) == 40
    assert await world.dead() == []
    assert await breaches(world.database) == {}


async def test_a_flush_that_nobody_else_would_notice_is_told_by_the_relays_forgotten_beat(
    world: World, servers: Servers
) -> None:
    async with (
        servers.redis_client() as redis,
        world.shop.relaying(replace(QUICK_RELAY, lost_after=timedelta(hours=1))),
    ):

        async def beating() -> bool:
            return bool(await redis.keys("kept:*beat:*"))

        await until(beating)
        await world.sell(10)
        await redis.flushall()
        world.shop.begin(world.factory)
        await world.all_complete(10)


async def test_a_single_lost_ring_is_found_by_the_sweep(world: World, servers: Servers) -> None:
    async with world.shop.relaying():
        world.shop.begin(world.factory)
        await world.sell(1)
        await world.all_complete(1)
        group = await world.sell(1)
        async with servers.redis_client() as redis:
            await redis.delete(stream_of("normalise", 0))
        await world.all_complete(2)
    assert len(group) == 1


async def test_groups_that_are_gone_are_made_again_by_who_reads(world: World, servers: Servers) -> None:
    bell = Streams(connect(world.shop.redis_url), "reader")
    for _ in range(2):
        await world.sell(1)  # makes the stream, and not its group
        assert await bell.read("normalise", 8, 10) == []
        rungs = await bell.read("normalise", 8, 10)  # from the stream's beginning
        assert [len(rung.delivery_ids) for rung in rungs] == [1]
        async with servers.redis_client() as redis:
            await redis.flushall()
        await bell.ack(rungs)
    assert await bell.reclaim("normalise", 0) == []  # makes them as well
    await world.sell(1)
    assert len(await bell.read("normalise", 8, 10)) == 1
    await bell.aclose()


async def test_redis_that_is_down_for_a_while_only_delays(world: World, servers: Servers) -> None:
    await world.sell(5)
    async with world.shop.relaying():
        worker = world.shop.begin(world.factory)
        await world.all_complete(5)
        servers.redis.stop()
        await world.sell(5)
        await until(lambda: worker.runner.counters.faults > 0)
        servers.redis.start()
        await world.all_complete(10)
    assert await breaches(world.database) == {}


async def test_postgresql_that_is_down_for_a_while_only_delays(world: World, servers: Servers) -> None:
    gate = hold_booking(world)
    await world.sell(10)
    async with world.shop.relaying():
        worker = world.shop.begin(world.factory)
        await until(lambda: gate.waiting == 10)
        servers.postgres.stop()
        gate.open.set()  # what was booked meanwhile can't be settled
        await until(lambda: worker.runner.counters.faults > 0)
        servers.postgres.start()
        # The claims were made for 20 s; nobody has to wait here for what their owner lost.
        await execute(world.database, "UPDATE deliveries SET claimed_until = NULL, due_at = now()")
        await world.all_complete(10)
    assert len(world.erp.orders) == 10
    assert await world.dead() == []
    assert await breaches(world.database) == {}


# ------------------------------------------------------------------ workers


async def test_a_dead_workers_messages_are_taken_over(world: World) -> None:
    await world.sell(20)
    dead = Streams(connect(world.shop.redis_url), "dead")
    await dead.create_groups("normalise")
    rungs = await dead.read("normalise", 8, 100)  # and dies
    assert sum(len(rung.delivery_ids) for rung in rungs) == 20
    await dead.aclose()
    async with world.shop.relaying(replace(QUICK_RELAY, lost_after=timedelta(hours=1))):
        worker = world.shop.begin(world.factory, limits=replace(QUICK, idle_ms=300))
        await world.all_complete(20)
    assert worker.runner.counters.reclaimed >= len(rungs)


async def test_a_working_workers_messages_are_not_taken_over(world: World, servers: Servers) -> None:
    gate = Gate()
    normalise = FLOW["normalise"].run
    assert not isinstance(normalise, Each)

    async def slowly(subjects: Sequence[Any], ports: Ports) -> Sequence[Outcome]:
        await gate.pass_through()
        return await normalise(subjects, ports)

    await world.sell(5)
    flow = flow_with("normalise", run=slowly)
    limits = replace(QUICK, idle_ms=1000, keep_every_s=0.1)
    world.shop.begin(world.factory, flow, limits)
    await until(lambda: gate.waiting == 1)
    second = world.shop.begin(world.factory, flow, limits)
    async with servers.redis_client() as redis:

        async def idle_ms() -> int:
            entries = await redis.xpending_range(stream_of("normalise", 0), GROUP, "-", "+", 10)
            return max(int(entry["time_since_delivered"]) for entry in entries)

        # Kept again and again: the idle time falls each time, though the step takes longer than `idle_ms`.
        fell, last = 0, await idle_ms()
        deadline = time.monotonic() + DEADLINE_S
        while fell < 15:
            assert time.monotonic() < deadline
            before, last = last, await idle_ms()
            fell += last < before
    assert second.runner.counters.reclaimed == 0
    assert gate.waiting == 1
    gate.open.set()
    async with world.shop.relaying():
        await world.all_complete(5)


async def test_a_graceful_stop_hands_back_what_it_can_not_finish(world: World) -> None:
    gate = hold_booking(world)
    await world.sell(5)
    worker = world.shop.begin(world.factory, limits=replace(QUICK, drain_s=0.2))
    await until(lambda: gate.waiting == 5)
    await worker.stop()
    rows = await fetch(world.database, "SELECT step, queued_at, due_at >= claimed_until AS after FROM deliveries")
    assert [(row["step"], row["queued_at"], row["after"]) for row in rows] == [("book", None, True)] * 5
    assert not any((await world.bell.depth(FLOW)).values())
    gate.open.set()
    await execute(world.database, "UPDATE deliveries SET claimed_until = NULL, due_at = now()")
    async with world.shop.relaying():
        world.shop.begin(world.factory)
        await world.all_complete(5)
    assert len(world.erp.orders) == 5


@pytest.mark.parametrize("block_ms", [20, 2000], ids=["reads-return", "reads-wait"])
async def test_a_graceful_stop_finishes_what_it_can(world: World, block_ms: int) -> None:
    """And begins nothing that follows from it, though the loops of the next steps may still wait for a read."""
    gate = hold_booking(world)
    await world.sell(5)
    worker = world.shop.begin(world.factory, limits=replace(QUICK, block_ms=block_ms))
    await until(lambda: gate.waiting == 5)
    worker.runner.stop()
    gate.open.set()
    await worker.task
    assert await world.states() == {"booked": 5}
    assert len(world.erp.orders) == 5
    left = await fetch(world.database, "SELECT step, claimed_until FROM deliveries")
    assert "book" not in {row["step"] for row in left}
    assert await breaches(world.database) == {}


# ------------------------------------------------------------------ steps that fail


def breaking(step: Step[Any], breaks: Callable[[Any], bool]) -> Any:
    """The step's function, raising for a batch that has one of those subjects."""
    assert not isinstance(step.run, Each)
    inner = step.run

    async def run(subjects: Sequence[Any], ports: Ports) -> Sequence[Outcome]:
        if any(breaks(subject) for subject in subjects):
            raise RuntimeError("the buyer is Ada Example")
        return await inner(subjects, ports)

    return run


async def test_a_subject_that_breaks_its_batch_fails_alone_and_is_dead_lettered_after_its_attempts(
    world: World,
) -> None:
    await world.sell(21)

    def unlucky(order: Order) -> bool:
        return order.content.number.endswith("7")

    route = FLOW["route"]
    flow = flow_with("route", run=breaking(route, unlucky), retry=QUICK_RETRY)
    async with world.shop.relaying():
        world.shop.begin(world.factory, flow)
        await until(lambda: _count_dead(world, 2), every_s=0.02)

        async def others_done() -> bool:
            return (await world.states()).get("complete") == 19

        await until(others_done)
    letters = await world.dead()
    assert [(one["step"], one["code"], one["attempts"]) for one in letters] == [("route", "bug:RuntimeError", 3)] * 2
    assert not any("Ada" in one["reason"] for one in letters)
    assert await world.states() == {"complete": 19, "validated": 2}
    assert await breaches(world.database) == {}


async def _count_dead(world: World, count: int) -> bool:
    return len(await world.dead()) == count


async def test_a_call_that_fails_for_one_order_holds_up_no_other(world: World) -> None:
    class Picky(SlowErp):
        async def book(self, order: SalesOrder, key: str) -> BookedOrder:
            if order.channel_number.endswith("3"):
                raise TemporaryFault("busy", retry_after_s=0.01)
            booked: BookedOrder = await world.erp.book(order, key)
            return booked

    world.change(erp=replace(world.ports.erp, booking=Picky(Gate(), world.erp)))
    await world.sell(12)
    async with world.shop.relaying():
        world.shop.begin(world.factory, flow_with("book", retry=QUICK_RETRY))
        await until(lambda: _count_dead(world, 1), every_s=0.02)

        async def others_done() -> bool:
            return (await world.states()).get("complete") == 11

        await until(others_done)
    letter = (await world.dead())[0]
    assert (letter["step"], letter["code"], letter["attempts"]) == ("book", "temporary", 3)
    assert letter["reason"] == "gave up after 3 attempts: busy"
    tries = await fetch(world.database, "SELECT status, attempt FROM effect_attempts WHERE error = 'busy' ORDER BY 2")
    assert [tuple(row) for row in tries] == [("refused", 1), ("refused", 2), ("refused", 3)]


@pytest.mark.parametrize("then_refused", [False, True])
async def test_a_settlement_that_can_not_be_written_is_a_dead_letter_and_its_neighbours_go_on(
    world: World, then_refused: bool
) -> None:
    """Whether it would have been a success or is a refusal: it is not worked on for ever without a trace."""
    await world.sell(10)

    class NulErp(SlowErp):
        async def book(self, order: SalesOrder, key: str) -> BookedOrder:
            booked: BookedOrder = await world.erp.book(order, key)
            return replace(booked, erp_order_id="SO\x00") if order.channel_number.endswith("5") else booked

        async def find_order(self, reference: str) -> BookedOrder | None:
            booked = world.erp.orders[reference]
            return replace(booked, erp_order_id="SO\x00", total_minor=booked.total_minor + then_refused)

    world.change(erp=replace(world.ports.erp, booking=NulErp(Gate(), world.erp)))
    async with world.shop.relaying():
        world.shop.begin(world.factory, flow_with("book", retry=QUICK_RETRY))
        await until(lambda: _count_dead(world, 1), every_s=0.02)

        async def others_done() -> bool:
            return (await world.states()).get("complete") == 9

        await until(others_done)
    assert (await world.dead())[0]["code"].startswith("bug:")


async def test_a_step_that_fails_and_then_works_costs_attempts_and_nothing_else(world: World) -> None:
    failures = iter([True, True, False])

    async def validate(order: Order, ports: Ports) -> Outcome:
        if next(failures, False):
            raise TemporaryFault("not now", retry_after_s=0.0)
        assert isinstance(FLOW["validate"].run, Each)
        return await FLOW["validate"].run.one(order, ports)

    await world.sell(1)
    async with world.shop.relaying():
        world.shop.begin(world.factory, flow_with("validate", run=Each(validate), retry=QUICK_RETRY))
        await world.all_complete(1)
    assert await world.dead() == []
    assert next(failures, None) is None


async def test_a_worker_of_which_a_loop_breaks_ends_with_what_broke_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the supervisor sees it, instead of a process that looks alive and does nothing."""

    async def broken(*_: object) -> None:
        raise RuntimeError("a bug in the loop")

    worker = world.shop.begin(world.factory)
    monkeypatch.setattr(Streams, "read", broken)
    with pytest.raises(RuntimeError, match="a bug in the loop"):
        await asyncio.wait_for(worker.task, DEADLINE_S)
    world.shop.workers.remove(worker)


async def test_an_attempt_that_takes_too_long_is_given_up_and_looked_for_before_it_is_sent_again(world: World) -> None:
    class Sluggish(SlowErp):
        """Books at once and answers the first time only after its claim would be over."""

        async def book(self, order: SalesOrder, key: str) -> BookedOrder:
            booked: BookedOrder = await world.erp.book(order, key)
            await gate.pass_through()
            return booked

    gate = Gate()
    world.change(erp=replace(world.ports.erp, booking=Sluggish(gate, world.erp)))
    await world.sell(1)
    async with world.shop.relaying():
        world.shop.begin(world.factory, flow_with("book", retry=QUICK_RETRY), replace(QUICK, attempt_s=0.3))
        await world.all_complete(1)
    assert len(world.erp.orders) == 1
    tries = await fetch(
        world.database,
        "SELECT a.status, a.adopted FROM effect_attempts a JOIN effects e USING (key) WHERE e.operation = 'book'",
    )
    assert [tuple(row) for row in tries] == [("confirmed", True)]
    assert await breaches(world.database) == {}


async def test_an_order_held_for_a_sku_goes_on_by_itself_when_the_mapping_comes_and_delays_no_other(
    world: World,
) -> None:
    world.change(mapped_accounts=frozenset({ACCOUNT}))
    arrivals = await world.sell(2)
    first, second = ({line["sku"] for line in orjson.loads(arrival.body)["line_items"]} for arrival in arrivals)
    assert second - first, "the second order must want something that the first does not"
    await import_mapping(world.database, ACCOUNT, {sku: (Component(sku),) for sku in first})
    async with world.shop.relaying():
        world.shop.begin(world.factory)

        async def one_held() -> bool:
            return await world.states() == {"complete": 1, "held": 1}

        await until(one_held)
        held = await value_of(world.database, "SELECT data->>'evidence' FROM ledger WHERE type = 'OrderHeld'")
        assert str(held).startswith("no SKU of ours for ")
        assert all(sku in str(held) for sku in second - first)
        assert await import_mapping(world.database, ACCOUNT, {sku: (Component(sku),) for sku in second}) == 1
        await world.all_complete(2)
    assert await world.dead() == []
    assert await breaches(world.database) == {}
