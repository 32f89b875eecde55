"""The inbox: every message once, with what must happen next, in one commit."""

from __future__ import annotations

import asyncio

from kept.engine.delivery import Ring
from kept.observe.correlation import new_correlation_id
from kept.processes.assembly import utc_now
from kept.store.database import Database
from kept.store.inbox import Arrival, Inbox
from tests.integration.store.driving import Driver
from tests.servers import fetch, value_of


def arrival(key: str, source: str = "shop", kind: str = "channel") -> Arrival:
    return Arrival(source, kind, key, {"a": "b"}, b"{}", new_correlation_id(), utc_now())


async def test_each_message_gets_a_delivery_and_a_ring_in_the_order_given(driver: Driver) -> None:
    receipts, rings = await driver.inbox.accept([arrival("1"), arrival("2", "east", "centre"), arrival("3")])
    assert [receipt.duplicate for receipt in receipts] == [False] * 3
    assert len({receipt.message_id for receipt in receipts}) == 3
    rows = await fetch(driver.database, "SELECT id, step, urgency, subject_id FROM deliveries ORDER BY id")
    assert rings == [Ring(row["id"], row["step"], row["urgency"]) for row in rows]
    assert [row["step"] for row in rows] == ["normalise", "receive", "normalise"]
    assert [row["subject_id"] for row in rows] == [receipt.message_id for receipt in receipts]


async def test_duplicates_within_one_group_are_one_message(driver: Driver) -> None:
    arrivals = [arrival("1"), arrival("1"), arrival("2"), arrival("1")]
    receipts, rings = await driver.inbox.accept(arrivals)
    assert [receipt.duplicate for receipt in receipts] == [False, True, False, True]
    assert len({receipts[index].message_id for index in (0, 1, 3)}) == 1
    assert {receipts[index].correlation_id for index in (0, 1, 3)} == {arrivals[0].correlation_id}
    assert len(rings) == 2
    assert await value_of(driver.database, "SELECT count(*) FROM deliveries") == 2


async def test_a_duplicate_of_an_earlier_group_names_the_first_one(driver: Driver) -> None:
    first, _ = await driver.inbox.accept([arrival("1")])
    again, rings = await driver.inbox.accept([arrival("2"), arrival("1")])
    assert [receipt.duplicate for receipt in again] == [False, True]
    assert again[1].message_id == first[0].message_id
    assert again[1].correlation_id == first[0].correlation_id
    assert len(rings) == 1


async def test_the_same_key_of_two_senders_is_two_messages(driver: Driver) -> None:
    receipts, _ = await driver.inbox.accept([arrival("1"), arrival("1", "inhouse")])
    assert [receipt.duplicate for receipt in receipts] == [False, False]


async def test_api_processes_that_are_sent_the_same_messages_in_opposite_orders_keep_each_once(
    driver: Driver, database_url: str
) -> None:
    """Without one order of inserting for all, two such groups wait for each other and one of them dies."""
    databases = [Database(database_url, 2) for _ in range(4)]
    for turn in range(5):
        keys = [f"{turn}-{number}" for number in range(200)]
        groups = [[arrival(key) for key in (keys if number % 2 else reversed(keys))] for number in range(4)]
        results = await asyncio.gather(
            *(Inbox(database).accept(group) for database, group in zip(databases, groups, strict=True))
        )
        assert len({receipt.message_id for receipts, _ in results for receipt in receipts}) == 200
        assert sum(len(rings) for _, rings in results) == 200
    assert await value_of(driver.database, "SELECT count(*) FROM inbox") == 1000
    assert await value_of(driver.database, "SELECT count(*) FROM deliveries") == 1000
    await asyncio.gather(*(database.close() for database in databases))


async def test_refusals_are_counted_by_day_sender_and_reason(driver: Driver) -> None:
    for source in ("shop", "shop", "east"):
        await driver.inbox.count_refusal(source, "not authentic")
    rows = await fetch(driver.database, "SELECT source, reason, count FROM intake_refusals ORDER BY source")
    assert [tuple(row) for row in rows] == [("east", "not authentic", 1), ("shop", "not authentic", 2)]
