"""Settlements: one transaction, fenced by epoch and by seq, alone responsible for what follows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from kept.domain import events as ev
from kept.domain.lifecycle import OrderState, PartState
from kept.domain.progress import evolve
from kept.domain.revisions import facts_of_revision
from kept.engine.delivery import Advance, Delivery, Loaded, Settling
from kept.engine.outcome import Document
from kept.processes.assembly import utc_now
from kept.store.effects import IntentWriter
from kept.store.invariants import breaches
from tests.integration.store.driving import Driver, done, failed, intent_of, later, order_of
from tests.servers import execute, fetch, value_of
from tests.unit.domain import samples


async def facts_of(driver: Driver, order_id: int) -> list[str]:
    rows = await fetch(driver.database, "SELECT type FROM ledger WHERE order_id = $1 ORDER BY seq", order_id)
    return [row["type"] for row in rows]


async def steps_waiting(driver: Driver) -> list[str]:
    return sorted(row["step"] for row in await fetch(driver.database, "SELECT step FROM deliveries"))


@pytest.fixture(autouse=True)
async def stocked(driver: Driver) -> None:
    await driver.stock_up()


async def test_an_order_goes_all_the_way_and_every_invariant_holds(driver: Driver) -> None:
    order = await driver.shipped()
    assert order.state is OrderState.COMPLETE
    assert [line.shipped for line in order.lines] == [2, 1]
    assert await steps_waiting(driver) == []
    assert await driver.level("east", "SKU-1") == (98, 0)
    assert await driver.level("east", "SKU-2") == (99, 0)
    assert await breaches(driver.database) == {}
    assert (await facts_of(driver, order.id))[0] == "OrderReceived"
    assert (await facts_of(driver, order.id))[-1] == "OrderCompleted"


async def test_a_settlement_of_an_older_claim_changes_nothing(driver: Driver) -> None:
    order = await driver.order()
    loaded = await driver.next("validate")
    stale = replace(loaded.delivery)
    assert await IntentWriter(driver.database).intend(intent_of(loaded)) is not None  # somebody else's claim
    for settling in (
        under(stale, done(loaded, ev.OrderValidated("C-1"))),
        under(stale, failed(loaded)),
        under(stale, later(loaded, 0)),
    ):
        assert await driver.settle(settling) == []
    assert await facts_of(driver, order.id) == ["OrderReceived"]
    assert await value_of(driver.database, "SELECT count(*) FROM dead_letters") == 0
    assert await value_of(driver.database, "SELECT attempts FROM deliveries") == 0


def under(delivery: Delivery, settling: Settling) -> Settling:
    """The settlement as that claim would have it."""
    return Settling(delivery, settling.subject, settling.settlement)


async def test_a_settlement_of_the_claim_in_force_counts(driver: Driver) -> None:
    order = await driver.order()
    loaded = await driver.next("validate")
    record = await IntentWriter(driver.database).intend(intent_of(loaded))
    assert record is not None
    assert record.epoch == loaded.delivery.epoch + 1
    loaded.delivery.epoch = record.epoch
    rings = await driver.settle(done(loaded, ev.OrderValidated("C-1")))
    assert [ring.step for ring in rings] == ["route"]
    assert await facts_of(driver, order.id) == ["OrderReceived", "OrderValidated"]
    assert await value_of(driver.database, "SELECT max(epoch) FROM ledger") == record.epoch


async def test_settling_twice_is_settling_once(driver: Driver) -> None:
    order = await driver.order()
    loaded = await driver.next("validate")
    assert len(await driver.settle(done(loaded, ev.OrderValidated("C-1")))) == 1
    assert await driver.settle(done(loaded, ev.OrderValidated("C-1"))) == []
    assert await facts_of(driver, order.id) == ["OrderReceived", "OrderValidated"]


async def test_the_same_delivery_twice_in_one_group_counts_once(driver: Driver) -> None:
    order = await driver.order()
    loaded = await driver.next("validate")
    again = replace(loaded, delivery=replace(loaded.delivery))
    await driver.settle(done(loaded, ev.OrderValidated("C-1")), done(again, ev.OrderValidated("C-1")))
    assert await facts_of(driver, order.id) == ["OrderReceived", "OrderValidated"]
    assert await steps_waiting(driver) == ["route"]


async def test_a_step_decided_on_an_order_that_moved_since_is_taken_again_without_an_attempt(driver: Driver) -> None:
    order = await driver.order()
    loaded = await driver.next("validate")
    message = await driver.normalised(replace(order.content, revision=101))
    ignored = ev.RevisionIgnored(101, message.subject.id, "nothing changed")
    await driver.settle(done(message, ev.MessageProcessed(), ignored, about=order))
    rings = await driver.settle(done(loaded, ev.OrderValidated("C-1")))
    assert [(ring.delivery_id, ring.step) for ring in rings] == [(loaded.delivery.id, "validate")]
    assert await facts_of(driver, order.id) == ["OrderReceived", "RevisionIgnored"]
    again = await driver.next("validate")
    assert (again.delivery.id, again.delivery.attempts) == (loaded.delivery.id, 0)
    assert again.subject.seq == 2
    await driver.settle(done(again, ev.OrderValidated("C-1")))
    assert await steps_waiting(driver) == ["route"]


async def test_two_messages_of_one_order_in_one_group_are_a_chain(driver: Driver) -> None:
    order = await driver.booked()
    await driver.advance("label", ev.PartLabelled(1, samples.SSCC, ("pdf",)))
    await driver.advance("release", ev.PartReleased(1, "R"))
    first = await driver.told(order.id, ev.PartAccepted(1))
    accepted = evolve((await driver.orders.by_ids([order.id]))[order.id], [ev.PartAccepted(1)]).order
    shipment = samples.shipped(1, (1, "SKU-1", 2), (2, "SKU-2", 1))
    second = await driver.told(order.id, shipment, on=accepted)
    rings = await driver.settle(first, second)
    assert [ring.step for ring in rings] == ["advise"]
    assert (await facts_of(driver, order.id))[-2:] == ["PartAccepted", "PartShipped"]
    now = (await driver.orders.by_ids([order.id]))[order.id]
    assert now.part(1).state is PartState.SHIPPED
    assert [line.shipped for line in now.lines] == [2, 1]
    assert await value_of(driver.database, "SELECT count(*) FROM message_ends WHERE order_id = $1", order.id) == 3
    assert await breaches(driver.database) == {}


async def test_two_messages_decided_on_the_same_state_count_one_after_the_other(driver: Driver) -> None:
    order = await driver.booked()
    await driver.advance("label", ev.PartLabelled(1, samples.SSCC, ("pdf",)))
    await driver.advance("release", ev.PartReleased(1, "R"))
    first = await driver.told(order.id, ev.PartAccepted(1))
    second = await driver.told(order.id, ev.PartAccepted(1))
    rings = await driver.settle(first, second)
    assert [(ring.delivery_id, ring.step) for ring in rings] == [(second.delivery.id, "receive")]
    assert (await facts_of(driver, order.id)).count("PartAccepted") == 1
    assert await steps_waiting(driver) == ["receive"]


async def test_a_settlement_that_cannot_be_written_takes_its_group_with_it_and_fails_alone(driver: Driver) -> None:
    """The store refuses the whole group; halving it, as the runner does, finds the poison and saves the others."""
    orders = [await driver.order() for _ in range(3)]
    loaded = {order_of(one).id: one for one in await driver.waiting("validate")}
    good = [done(loaded[order.id], ev.OrderValidated("C-1")) for order in orders]
    poison = done(loaded[orders[1].id], ev.OrderValidated("C\x00"))  # PostgreSQL's text holds no NUL
    group = [good[0], poison, good[2]]
    with pytest.raises(asyncpg.PostgresError):
        await driver.settle(*group)
    assert await steps_waiting(driver) == ["validate"] * 3
    for settling in (good[0], good[2]):
        assert len(await driver.settle(settling)) == 1
    assert await steps_waiting(driver) == ["route", "route", "validate"]


async def test_a_cancel_ends_the_deliveries_of_what_it_stops(driver: Driver) -> None:
    order = await driver.booked(samples.EAST_FIRST, samples.WEST_SECOND)
    assert await steps_waiting(driver) == ["label", "label"]
    message = await driver.normalised(replace(order.content, revision=101, cancelled=True))
    cancel = ev.CancelRequested("channel", message.subject.id)
    rings = await driver.settle(done(message, ev.MessageProcessed(), cancel, about=order))
    assert [ring.step for ring in rings] == ["intercept", "intercept"]
    assert await steps_waiting(driver) == ["intercept", "intercept"]
    for part in (1, 2):
        loaded = next(one for one in await driver.waiting("intercept") if one.subject.number == part)
        await driver.settle(done(loaded, ev.PartCancelled(part, "never asked of the centre")))
    assert await steps_waiting(driver) == ["withdraw"]
    ended = await driver.advance("withdraw", ev.OrderCancelled())
    assert ended.state is OrderState.CANCELLED
    assert await driver.level("east", "SKU-1") == (100, 0)
    assert await breaches(driver.database) == {}


async def test_a_cancel_before_routing_supersedes_the_orders_own_delivery(driver: Driver) -> None:
    order = await driver.order()
    held = await driver.next("validate")
    message = await driver.normalised(replace(order.content, revision=101, cancelled=True))
    cancel = ev.CancelRequested("channel", message.subject.id)
    await driver.settle(done(message, ev.MessageProcessed(), cancel, about=order))
    assert await steps_waiting(driver) == ["withdraw"]
    assert await driver.settle(done(held, ev.OrderValidated("C-1"))) == []  # its delivery is gone
    assert (await driver.orders.by_ids([order.id]))[order.id].state is OrderState.WITHDRAWING


async def test_a_sale_that_two_workers_create_at_once_is_one_order_and_the_other_is_decided_again(
    driver: Driver,
) -> None:
    first = await driver.creation(samples.content())
    second = await driver.creation(samples.content(revision=101))
    results = await asyncio.gather(driver.settle(first), Driver.on(driver.database).settle(second))
    steps = sorted(ring.step for rings in results for ring in rings)
    assert steps == ["deduplicate", "validate"]
    assert await value_of(driver.database, "SELECT count(*) FROM orders") == 1
    assert await steps_waiting(driver) == steps


async def test_a_failed_attempt_waits_for_its_time_and_keeps_its_reason(driver: Driver) -> None:
    await driver.order()
    loaded = await driver.next("validate")
    assert await driver.settle(later(loaded, 60, attempts=3)) == []
    row = (await fetch(driver.database, "SELECT * FROM deliveries"))[0]
    assert (row["attempts"], row["last_error"], row["queued_at"], row["claimed_until"]) == (3, "again", None, None)
    assert row["due_at"] > utc_now() + timedelta(seconds=50)


async def test_a_buried_delivery_is_a_dead_letter_and_nothing_else(driver: Driver) -> None:
    order = await driver.order()
    loaded = await driver.next("validate")
    assert await driver.settle(failed(loaded, "refused", "x" * 5000)) == []
    assert await steps_waiting(driver) == []
    letter = (await fetch(driver.database, "SELECT * FROM dead_letters"))[0]
    assert (letter["kind"], letter["order_id"], letter["step"], letter["code"]) == (
        "order",
        order.id,
        "validate",
        "refused",
    )
    assert len(letter["reason"]) == 2000
    assert letter["correlation_id"] == order.correlation_id
    assert await breaches(driver.database) == {}


def labelled(loaded: Loaded) -> Settling:
    """A carton labelled with the SSCC of the samples."""
    document = Document("f" * 64, "label", "application/pdf", b"%PDF")
    fact = ev.PartLabelled(1, samples.SSCC, (document.sha256,))
    return Settling(loaded.delivery, loaded.subject, Advance((fact,), None, None, (document,)))


async def test_documents_and_cartons_are_kept_with_the_fact_that_made_them(driver: Driver) -> None:
    order = await driver.booked()
    await driver.settle(labelled(await driver.next("label")))
    document = (await fetch(driver.database, "SELECT * FROM documents"))[0]
    assert (document["order_id"], document["part"], document["content"]) == (order.id, 1, b"%PDF")
    assert await value_of(driver.database, "SELECT order_id FROM cartons WHERE sscc = $1", samples.SSCC) == order.id


async def test_an_sscc_is_never_used_twice(driver: Driver) -> None:
    await driver.booked()
    await driver.booked()
    first, second = [labelled(loaded) for loaded in await driver.waiting("label")]
    await driver.settle(first)
    with pytest.raises(asyncpg.UniqueViolationError):
        await driver.settle(second)


async def test_a_delivery_whose_subject_moved_on_is_dropped_when_it_is_loaded(driver: Driver) -> None:
    order = await driver.order()
    await driver.advance("validate", ev.OrderValidated("C-1"))
    await execute(driver.database, "UPDATE deliveries SET step = 'validate' WHERE order_id = $1", order.id)
    assert await driver.waiting("validate") == []
    assert await steps_waiting(driver) == []


async def test_a_revised_orders_lines_are_written_anew(driver: Driver) -> None:
    order = await driver.order()
    new = replace(order.content, revision=101, lines=(samples.line(1, 5), samples.line(3, 1)))
    message = await driver.normalised(new)
    revised = ev.OrderRevised(101, message.subject.id)
    await driver.settle(done(message, ev.MessageProcessed(), revised, about=order, content=new))
    now = (await driver.orders.by_ids([order.id]))[order.id]
    assert [(line.line_no, line.ordered) for line in now.lines] == [(1, 5), (3, 1)]
    assert now.content == new
    assert now.message_id == message.subject.id
    assert await breaches(driver.database) == {}


async def test_an_amended_order_is_read_as_it_was_written(driver: Driver) -> None:
    order = await driver.booked()
    new = replace(order.content, revision=101, lines=(samples.line(1, 1), replace(samples.line(2, 2), external_id="n")))
    message = await driver.normalised(new)
    (amended,) = facts_of_revision(order, new, message.subject.id, amendable=True)
    await driver.settle(done(message, ev.MessageProcessed(), amended, about=order, content=new))
    now = (await driver.orders.by_ids([order.id]))[order.id]
    expected = evolve(order, [amended], new).order
    assert now == expected
    assert now.state is OrderState.AMENDING
    assert (now.version, now.booked_version, now.revision, now.numbering) == (2, 1, 101, (1, 3))
    assert [line.line_no for line in now.content.lines] == [1, 3]
    assert await breaches(driver.database) == {}
    await driver.advance("intercept", ev.PartCancelled(1, "stopped"))
    assert await steps_waiting(driver) == ["validate"]
    assert await breaches(driver.database) == {}


async def test_a_revision_that_changes_nothing_is_remembered_as_heard(driver: Driver) -> None:
    order = await driver.booked()
    same = replace(order.content, revision=500)
    message = await driver.normalised(same)
    (ignored,) = facts_of_revision(order, same, message.subject.id, amendable=True)
    await driver.settle(done(message, ev.MessageProcessed(), ignored, about=order, content=same))
    now = (await driver.orders.by_ids([order.id]))[order.id]
    assert (now.revision, now.content.revision) == (500, 100)
