"""Claims, hand-backs and rings: what the deliveries table promises to workers and relays."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from kept.domain import events as ev
from kept.engine.delivery import EffectResult
from kept.engine.interfaces import EffectRecord
from kept.flow import FLOW
from kept.processes.assembly import utc_now
from kept.store.effects import LEASE, EffectReader, IntentWriter
from tests.integration.store.driving import Driver, done, intent_of, later
from tests.servers import execute, fetch, value_of


async def order_waiting(driver: Driver, number: int = 1) -> None:
    for _ in range(number):
        await driver.order()


async def queued(driver: Driver) -> list[bool]:
    rows = await fetch(driver.database, "SELECT queued_at IS NOT NULL AS queued FROM deliveries ORDER BY id")
    return [row["queued"] for row in rows]


# ------------------------------------------------------------------ intents and claims


async def test_of_two_workers_that_claim_one_delivery_one_wins(driver: Driver) -> None:
    await order_waiting(driver)
    loaded = await driver.next("validate")
    writers = [IntentWriter(driver.database) for _ in range(2)]
    records = await asyncio.gather(*(writer.intend(intent_of(loaded)) for writer in writers))
    won = [record for record in records if record is not None]
    assert len(won) == 1
    assert (won[0].epoch, won[0].resolved, won[0].attempt) == (loaded.delivery.epoch + 1, "new", 1)
    assert await value_of(driver.database, "SELECT count(*) FROM effects") == 1


async def test_a_delivery_that_was_loaded_twice_by_one_worker_is_claimed_once(driver: Driver) -> None:
    await order_waiting(driver)
    loaded = await driver.next("validate")
    writer = IntentWriter(driver.database)
    records = await asyncio.gather(writer.intend(intent_of(loaded)), writer.intend(intent_of(loaded)))
    assert [record is not None for record in records] == [True, False]


async def test_many_intents_share_a_commit_and_keep_their_owners(driver: Driver) -> None:
    await order_waiting(driver, 12)
    loaded = await driver.waiting("validate")
    writer = IntentWriter(driver.database)
    before = await value_of(driver.database, "SELECT txid_current()")
    records = await asyncio.gather(*(writer.intend(intent_of(one)) for one in loaded))
    after = await value_of(driver.database, "SELECT txid_current()")
    assert [record.epoch for record in records if record is not None] == [1] * 12
    assert isinstance(before, int)
    assert isinstance(after, int)
    assert after - before == 2  # the commit of all, and the question itself


async def test_a_claim_outlives_the_call_and_an_expired_one_may_be_taken(driver: Driver) -> None:
    await order_waiting(driver)
    loaded = await driver.next("validate")
    writer = IntentWriter(driver.database)
    first = await writer.intend(intent_of(loaded))
    assert first is not None
    left = await value_of(driver.database, "SELECT claimed_until - now() FROM deliveries")
    assert isinstance(left, timedelta)
    assert LEASE - timedelta(seconds=5) < left <= LEASE
    loaded.delivery.epoch = first.epoch
    assert await writer.intend(intent_of(loaded)) is None  # as another worker that loaded it meanwhile
    await execute(driver.database, "UPDATE deliveries SET claimed_until = now() - interval '1 s'")
    second = await writer.intend(intent_of(loaded))
    assert second is not None
    # Still the first try: nothing is sent before the target was asked, which its sender may have reached any
    # moment that its claim lasted.
    assert (second.epoch, second.resolved, second.attempt) == (first.epoch + 1, "unresolved", 1)
    assert abs(second.last_sent_at - first.last_sent_at - LEASE) < timedelta(seconds=1)
    loaded.delivery.epoch = second.epoch
    resent = await writer.intend(replace(intent_of(loaded, claimed=True), resend=True))
    assert resent is not None
    assert (resent.epoch, resent.attempt) == (second.epoch, 2)


async def test_how_long_ago_something_was_sent_is_the_databases_word_whatever_a_workers_clock_says(
    driver: Driver,
) -> None:
    await order_waiting(driver)
    loaded = await driver.next("validate")
    ahead = timedelta(hours=1)
    await IntentWriter(driver.database).intend(intent_of(loaded))
    await execute(driver.database, "UPDATE effects SET last_sent_at = now() - interval '7 s'")
    await execute(driver.database, "UPDATE deliveries SET epoch = 0, claimed_until = NULL")
    writer = IntentWriter(driver.database, lambda: datetime.now(UTC) + ahead)
    record = await writer.intend(intent_of(loaded))
    assert record is not None
    expected = datetime.now(UTC) + ahead - timedelta(seconds=7) + LEASE
    assert abs(record.last_sent_at - expected) < timedelta(seconds=2)
    standing = await EffectReader(driver.database, lambda: datetime.now(UTC) + ahead).standing(intent_of(loaded).key)
    assert standing is not None
    assert abs(standing.settled_at - expected) < timedelta(seconds=2)


async def test_the_holder_writes_a_second_intent_under_its_claim(driver: Driver) -> None:
    await order_waiting(driver)
    loaded = await driver.next("validate")
    writer = IntentWriter(driver.database)
    first = await writer.intend(intent_of(loaded, "a"))
    assert first is not None
    loaded.delivery.epoch = first.epoch
    second = await writer.intend(intent_of(loaded, "b", claimed=True))
    assert second is not None
    assert second.epoch == first.epoch


async def test_the_first_content_of_a_key_stays_on_record(driver: Driver) -> None:
    await order_waiting(driver)
    loaded = await driver.next("validate")
    writer = IntentWriter(driver.database)
    first = await writer.intend(intent_of(loaded, request_hash="one"))
    assert first is not None
    loaded.delivery.epoch = first.epoch
    second = await writer.intend(intent_of(loaded, request_hash="two", claimed=True))
    assert second is not None
    assert second.request_hash == "one"


async def observed(driver: Driver, status: str, attempt: int = 1) -> None:
    """Settle the order's only delivery as failed, with this result of its effect."""
    loaded = await driver.next("validate")
    settling = later(loaded, 0)
    key = f"key-of-{loaded.delivery.id}"
    answer = b'{"x": 1}' if status == "confirmed" else None
    settling.effects.append(EffectResult(key, status, attempt, 1, utc_now(), 5, "D-1", answer, False, ""))
    await driver.settle(settling)


async def test_what_was_observed_of_an_effect_tells_the_next_try(driver: Driver) -> None:
    await order_waiting(driver)
    writer = IntentWriter(driver.database)

    async def intend() -> EffectRecord:
        await execute(driver.database, "UPDATE deliveries SET claimed_until = NULL")
        record = await writer.intend(intent_of(await driver.next("validate")))
        assert record is not None
        await execute(driver.database, "UPDATE deliveries SET claimed_until = NULL")
        return record

    assert (await intend()).resolved == "new"
    await observed(driver, "refused")
    assert (await intend()).resolved == "refused"
    await observed(driver, "unknown", attempt=2)
    assert (await intend()).resolved == "unresolved"
    await observed(driver, "unknown", attempt=1)  # late, of an older try: tells nothing
    await observed(driver, "confirmed", attempt=1)  # late, but it did arrive
    record = await intend()
    assert (record.resolved, record.answer) == ("confirmed", b'{"x": 1}')
    await observed(driver, "refused", attempt=record.attempt)  # a confirmed effect stays one
    assert (await intend()).resolved == "confirmed"
    assert await value_of(driver.database, "SELECT count(*) FROM effect_attempts") == 5


async def test_the_standing_of_an_effect_says_until_when_a_call_may_be_under_way(driver: Driver) -> None:
    await order_waiting(driver)
    loaded = await driver.next("validate")
    reader = EffectReader(driver.database)
    assert await reader.standing("k") is None
    await IntentWriter(driver.database).intend(intent_of(loaded, "k"))
    standing = await reader.standing("k")
    assert standing is not None
    assert standing.status == "intended"
    assert timedelta(0) < standing.settled_at - datetime.now(UTC) <= LEASE + timedelta(seconds=5)


# ------------------------------------------------------------------ loading and handing back


async def test_a_delivery_that_somebody_holds_is_put_back_until_the_claim_ends(driver: Driver) -> None:
    await order_waiting(driver)
    loaded = await driver.next("validate")
    await IntentWriter(driver.database).intend(intent_of(loaded))
    assert await driver.waiting("validate") == []
    row = (await fetch(driver.database, "SELECT queued_at, due_at, claimed_until FROM deliveries"))[0]
    assert row["queued_at"] is None
    assert row["due_at"] == row["claimed_until"]
    assert await driver.store.due(10) == []


async def test_what_is_loaded_comes_most_urgent_first_and_only_for_its_step(driver: Driver) -> None:
    await order_waiting(driver, 4)
    ids = [row["id"] for row in await fetch(driver.database, "SELECT id FROM deliveries ORDER BY id")]
    for place, delivery_id in enumerate((ids[2], ids[0], ids[3], ids[1])):
        await execute(driver.database, "UPDATE deliveries SET urgency = $1 WHERE id = $2", place // 2, delivery_id)
        await execute(
            driver.database,
            "UPDATE deliveries SET deadline = deadline + $1 WHERE id = $2",
            timedelta(hours=place),
            delivery_id,
        )
    loaded = await driver.store.load(FLOW["validate"], [*ids, 999_999])
    assert [one.delivery.id for one in loaded] == [ids[2], ids[0], ids[3], ids[1]]
    assert await driver.store.load(FLOW["route"], ids) == []


async def test_what_is_handed_back_is_due_at_once(driver: Driver) -> None:
    await order_waiting(driver, 2)
    loaded = await driver.waiting("validate")
    assert await queued(driver) == [True, True]
    assert await driver.store.due(10) == []
    await driver.store.hand_back([loaded[0].delivery.id])
    rings = await driver.store.due(10)
    assert [ring.delivery_id for ring in rings] == [loaded[0].delivery.id]
    assert await driver.store.due(10) == []  # it is rung for now


async def test_handing_back_what_is_gone_is_nothing(driver: Driver) -> None:
    await order_waiting(driver)
    loaded = await driver.next("validate")
    await driver.settle(done(loaded, ev.OrderValidated("C-1")))
    await driver.store.hand_back([loaded.delivery.id])
    assert await queued(driver) == [True]


# ------------------------------------------------------------------ what is due, and lost rings


async def test_due_gives_the_most_urgent_first_at_most_so_many_and_each_to_one_relay(driver: Driver) -> None:
    await order_waiting(driver, 30)
    await execute(driver.database, "UPDATE deliveries SET queued_at = NULL, urgency = id % 3")
    relays = [Driver.on(driver.database).store for _ in range(3)]
    first = await driver.store.due(10)
    assert {ring.urgency for ring in first} == {0}
    rest = await asyncio.gather(*(relay.due(20) for relay in relays))
    taken = [ring.delivery_id for rings in (first, *rest) for ring in rings]
    assert len(taken) == len(set(taken)) == 30


async def test_what_waits_for_its_time_is_not_due_before(driver: Driver) -> None:
    await order_waiting(driver)
    await driver.settle(later(await driver.next("validate"), 3600))
    assert await driver.store.due(10) == []
    await execute(driver.database, "UPDATE deliveries SET due_at = now()")
    assert [ring.step for ring in await driver.store.due(10)] == ["validate"]


async def test_a_ring_is_lost_when_it_is_old_and_its_stream_is_empty(driver: Driver) -> None:
    await order_waiting(driver)
    assert await driver.store.unring(timedelta(hours=1), {}) == 0
    assert await driver.store.unring(timedelta(0), {}) == 1
    assert len(await driver.store.due(10)) == 1


async def test_a_ring_is_not_lost_while_its_stream_still_holds_something_older(driver: Driver) -> None:
    await order_waiting(driver)
    row = (await fetch(driver.database, "SELECT urgency, queued_at FROM deliveries"))[0]
    lane = ("validate", row["urgency"])
    older, newer = row["queued_at"] - timedelta(seconds=1), row["queued_at"] + timedelta(seconds=1)
    assert await driver.store.unring(timedelta(0), {lane: older}) == 0
    assert await driver.store.unring(timedelta(0), {("route", 0): older}) == 1
    await driver.store.due(10)
    await execute(driver.database, "UPDATE deliveries SET queued_at = $1", row["queued_at"])
    assert await driver.store.unring(timedelta(0), {lane: newer}) == 1


async def test_a_ring_of_ten_minutes_ago_is_lost_whatever_the_stream_holds(driver: Driver) -> None:
    await order_waiting(driver)
    urgency = await value_of(driver.database, "SELECT urgency FROM deliveries")
    assert isinstance(urgency, int)
    await execute(driver.database, "UPDATE deliveries SET queued_at = now() - interval '11 minutes'")
    ancient = {("validate", urgency): datetime(2020, 1, 1, tzinfo=UTC)}
    assert await driver.store.unring(timedelta(seconds=10), ancient) == 1


async def test_a_delivery_that_somebody_works_on_is_never_unrung(driver: Driver) -> None:
    await order_waiting(driver)
    await IntentWriter(driver.database).intend(intent_of(await driver.next("validate")))
    assert await driver.store.unring(timedelta(0)) == 0
    await execute(driver.database, "UPDATE deliveries SET claimed_until = now() - interval '1 s'")
    assert await driver.store.unring(timedelta(0)) == 1
