"""Each invariant finds the breach that it is for, and nothing where nothing is wrong."""

from __future__ import annotations

import pytest

from kept.domain import events as ev
from kept.store.effects import IntentWriter
from kept.store.invariants import INVARIANTS, breaches
from tests.integration.store.driving import Driver, failed, intent_of, later
from tests.servers import execute

# What breaks each, done to one finished order, one order with a part that waits for its label, one that
# waits for validation, and a message that nobody looked at.
PLANTED: dict[str, str] = {
    "facts are gapless per order": "DELETE FROM ledger WHERE seq = 2",
    "an order's state is its last fact's": "UPDATE orders SET state = 'held' WHERE state = 'complete'",
    "a part's state is its last fact's": "UPDATE parts SET state = 'cancelled' WHERE state = 'posted'",
    "the feed tells an order's facts in their order": (
        "INSERT INTO publications (position, order_id, seq, type, account, at)"
        " SELECT row_number() OVER (ORDER BY order_id, seq DESC), order_id, seq, type, 'shop', at FROM ledger"
    ),
    "the feed leaves out no fact before one that it tells": (
        "INSERT INTO publications (position, order_id, seq, type, account, at)"
        " SELECT 1, order_id, seq, type, 'shop', at FROM ledger WHERE type = 'OrderCompleted'"
    ),
    "an order that a step must move has a delivery or a dead letter": "DELETE FROM deliveries WHERE kind = 'order'",
    "a part that a step must move has a delivery or a dead letter": "DELETE FROM deliveries WHERE kind = 'part'",
    "an order that waits for its parts has an open one": "UPDATE parts SET state = 'rejected' WHERE state = 'ready'",
    "an accepted message is processed, on its way or dead": "DELETE FROM deliveries WHERE kind = 'message'",
    "no line shipped or cancelled beyond what was ordered": "UPDATE order_lines SET shipped = ordered + 1",
    "a line's shipped pieces are its parts'": "UPDATE part_lines SET shipped = shipped + 1",
    "stock is never below zero nor promised beyond what is there": "UPDATE stock SET on_hand = -1",
    "reserved stock is what open parts hold": "UPDATE stock SET reserved = reserved + 1 WHERE centre = 'west'",
    "stock is conserved: opening and moves make what is on hand": "DELETE FROM stock_moves",
    "one effect key has one document downstream": (
        "INSERT INTO effect_attempts (key, attempt, epoch, at, duration_ms, status, adopted, downstream_id, error)"
        " VALUES ('k', 1, 1, now(), 1, 'confirmed', false, 'SO-1', ''),"
        " ('k', 2, 1, now(), 1, 'confirmed', false, 'SO-2', '')"
    ),
    "no effect is left unresolved": "UPDATE effects SET last_sent_at = now() - interval '16 minutes'",
    "one epoch of a delivery writes, and no older one after it": (
        "UPDATE ledger SET delivery_id = 1, epoch = seq WHERE seq IN (1, 2)"
    ),
    "nothing that is due stays unrung": (
        "UPDATE deliveries SET queued_at = NULL, due_at = now() - interval '2 minutes'"
    ),
}


@pytest.fixture
async def world(driver: Driver) -> Driver:
    await driver.stock_up()
    await driver.shipped()
    await driver.booked()
    await driver.order()
    await driver.message()
    loaded = await driver.next("validate")
    await IntentWriter(driver.database).intend(intent_of(loaded))
    return driver


async def test_nothing_is_wrong_with_orders_on_their_way(world: Driver) -> None:
    assert await breaches(world.database) == {}


def test_every_invariant_has_a_breach_planted() -> None:
    assert set(PLANTED) == set(INVARIANTS)


@pytest.mark.parametrize("name", INVARIANTS)
async def test_each_invariant_reports_its_breach(world: Driver, name: str) -> None:
    await execute(world.database, PLANTED[name])
    found = await breaches(world.database)
    assert name in found
    count, examples = found[name]
    assert count >= len(examples) >= 1


async def test_every_row_is_counted_and_a_few_are_shown(world: Driver) -> None:
    for _ in range(7):
        await world.message()
    await execute(world.database, "DELETE FROM deliveries WHERE kind = 'message'")
    count, examples = (await breaches(world.database))["an accepted message is processed, on its way or dead"]
    assert count == 8
    assert len(examples) == 5


async def test_a_dead_letter_stands_for_its_delivery_until_it_is_replayed(world: Driver) -> None:
    await execute(world.database, "UPDATE deliveries SET claimed_until = NULL")
    await world.settle(failed(await world.next("validate")))
    assert await breaches(world.database) == {}
    await execute(world.database, "UPDATE dead_letters SET resolved_at = now()")
    assert set(await breaches(world.database)) == {"an order that a step must move has a delivery or a dead letter"}


async def test_what_waits_for_its_time_is_no_breach(world: Driver) -> None:
    await execute(world.database, "UPDATE deliveries SET claimed_until = NULL")
    await world.settle(later(await world.next("validate"), 3600))
    await world.advance("label", ev.PartLabelled(1, "106141411234567897", ("pdf",)))
    assert await breaches(world.database) == {}
