"""The feed on a real database: nothing is skipped however commits interleave, and orders keep their order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import pytest

from kept.domain import events as ev
from kept.domain.public_events import PUBLISHED
from kept.store.database import Database
from kept.store.publishing import Feed, Publisher
from tests.integration.store.driving import Driver
from tests.servers import execute, fetch, value_of

ALL = list(PUBLISHED)


@pytest.fixture
def publisher(database: Database) -> Publisher:
    return Publisher(database)


@pytest.fixture
def driver(database: Database) -> Driver:
    return Driver.on(database)


async def published(publisher: Publisher) -> None:
    """Publish until there is nothing left."""
    while await publisher.publish():
        pass


async def feed_of(database: Database) -> list[tuple[int, int]]:
    """(order id, seq) in the order of the feed."""
    rows = await fetch(database, "SELECT order_id, seq FROM publications ORDER BY position")
    return [(row["order_id"], row["seq"]) for row in rows]


async def visible(database: Database) -> set[tuple[int, int]]:
    """What of the ledger is to be published."""
    rows = await fetch(database, "SELECT order_id, seq FROM ledger WHERE type = ANY($1::text[])", ALL)
    return {(row["order_id"], row["seq"]) for row in rows}


async def write_fact(connection: asyncpg.Connection, order_id: int, seq: int) -> None:
    """A fact as settling writes it, but in a transaction that the test commits when it likes."""
    await connection.execute(
        "INSERT INTO ledger (order_id, seq, at, type, state, step, delivery_id, epoch, correlation_id, data)"
        " VALUES ($1, $2, now(), 'OrderBooked', 'booked', 'book', 1, 1, 'c', '{\"erp_order_id\": \"S\"}')",
        order_id,
        seq,
    )


@contextlib.asynccontextmanager
async def session(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_the_feed_holds_what_is_published_and_nothing_internal(
    database: Database, driver: Driver, publisher: Publisher
) -> None:
    await driver.stock_up()
    order = await driver.shipped()
    await published(publisher)
    page = await Feed(database).read(0, ALL, [], 100)
    assert [fact.type for fact in page.facts] == [
        "OrderReceived",
        "OrderValidated",
        "OrderRouted",
        "OrderBooked",
        "PartReleased",
        "PartShipped",
        "PartAdvised",
        "PartConfirmed",
        "PartPosted",
        "OrderCompleted",
    ]
    assert {fact.reference for fact in page.facts} == {order.reference}
    assert page.facts[0].content == order.content
    assert not page.more


async def test_a_transaction_that_commits_late_with_a_lower_number_is_not_skipped(
    database: Database, database_url: str, driver: Driver, publisher: Publisher
) -> None:
    first, second = await driver.order(), await driver.order()
    await published(publisher)
    feed = Feed(database)
    cursor = await feed.head()
    async with session(database_url) as early, session(database_url) as late:
        slow, quick = early.transaction(), late.transaction()
        await slow.start()
        await write_fact(early, first.id, 2)  # has its transaction number before the other one
        await quick.start()
        await write_fact(late, second.id, 2)
        await quick.commit()
        await published(publisher)
        page = await feed.read(cursor, ALL, [], 100)
        assert [(fact.order_id, fact.seq) for fact in page.facts] == [(second.id, 2)]
        await published(publisher)  # looking again while it is open does not lose it either
        await slow.commit()
    await published(publisher)
    page = await feed.read(page.until, ALL, [], 100)
    assert [(fact.order_id, fact.seq) for fact in page.facts] == [(first.id, 2)]


async def test_a_transaction_that_is_rolled_back_leaves_nothing_and_holds_nothing_up(
    database: Database, database_url: str, driver: Driver, publisher: Publisher
) -> None:
    first, second = await driver.order(), await driver.order()
    await published(publisher)
    before = await feed_of(database)
    async with session(database_url) as connection:
        doomed = connection.transaction()
        await doomed.start()
        await write_fact(connection, first.id, 2)
        async with session(database_url) as other:
            await write_fact(other, second.id, 2)
        await published(publisher)
        await doomed.rollback()
    await published(publisher)
    assert (await feed_of(database))[len(before) :] == [(second.id, 2)]
    assert await value_of(database, "SELECT cardinality(still_open) FROM publishing") in {0, 1}


async def test_a_reader_beside_many_writers_and_two_publishers_misses_nothing(
    database: Database, database_url: str, driver: Driver
) -> None:
    orders = [await driver.order() for _ in range(6)]
    feed, writing = Feed(database), True
    read: list[tuple[int, int]] = []

    async def write(order_id: int) -> None:
        """Facts of one order, one commit after the other, each open for as long as others take to commit."""
        async with session(database_url) as connection:
            for seq in range(2, 32):
                async with connection.transaction():
                    await write_fact(connection, order_id, seq)
                    for _ in range(order_id % 7):
                        await connection.execute("SELECT 1")

    async def publish() -> None:
        publisher = Publisher(database)
        while writing:
            await publisher.publish()
        await published(publisher)

    async def follow() -> None:
        cursor, over = 0, False
        while not over:
            over = not writing and all(task.done() for task in publishing)
            page = await feed.read(cursor, ALL, [], 7)
            read.extend((fact.order_id, fact.seq) for fact in page.facts)
            over = over and not page.more
            cursor = page.until

    publishing = [asyncio.create_task(publish()) for _ in range(2)]
    following = asyncio.create_task(follow())
    await asyncio.gather(*(write(order.id) for order in orders))
    writing = False
    await asyncio.gather(*publishing, following)
    assert len(read) == len(set(read))
    assert set(read) == await visible(database)
    for order in orders:
        seqs = [seq for order_id, seq in read if order_id == order.id]
        assert seqs == sorted(seqs)


async def test_a_backlog_is_published_in_steps_and_in_order(
    database: Database, database_url: str, driver: Driver, publisher: Publisher
) -> None:
    order = await driver.order()
    await published(publisher)
    async with session(database_url) as connection:
        # 2,500 transactions with a fact in each hundredth, written while nobody published.
        for seq in range(2, 27):
            await write_fact(connection, order.id, seq)
            await connection.execute(
                "DO $$ BEGIN FOR i IN 1..99 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
            )
    assert await publisher.publish() is True  # there is more
    assert 1 < len(await feed_of(database)) < 26
    await published(publisher)
    assert await feed_of(database) == [(order.id, seq) for seq in range(1, 27)]


async def test_an_idle_publisher_writes_nothing(database: Database, driver: Driver, publisher: Publisher) -> None:
    await driver.order()
    await published(publisher)
    before = await value_of(database, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
    for _ in range(3):
        await publisher.publish()
    assert await value_of(database, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text") == before


async def test_facts_from_before_the_feed_are_published_order_by_order(
    database: Database, driver: Driver, publisher: Publisher
) -> None:
    orders = [await driver.order() for _ in range(3)]
    for order in orders:
        await driver.advance("validate", ev.OrderValidated("C"), order_id=order.id)
    assert await value_of(database, "SELECT done_until FROM publishing") == 0
    await published(publisher)
    assert await feed_of(database) == [(order.id, seq) for order in orders for seq in (1, 2)]


async def test_a_server_whose_transactions_are_numbered_from_low_again_loses_and_doubles_nothing(
    database: Database, driver: Driver, publisher: Publisher
) -> None:
    first = await driver.order()
    await published(publisher)
    # What a restored copy looks like: everything that it has was written by transactions yet to come.
    await execute(database, "UPDATE publishing SET done_until = done_until + 1000000000")
    await execute(database, "UPDATE ledger SET xact = xact + 1000000000")
    second = await driver.order()
    await published(publisher)
    assert await feed_of(database) == [(first.id, 1), (second.id, 1)]
    third = await driver.order()
    await published(publisher)
    assert (await feed_of(database))[-1] == (third.id, 1)


async def test_a_page_that_holds_nothing_chosen_moves_the_cursor_all_the_same(
    database: Database, driver: Driver, publisher: Publisher
) -> None:
    await driver.order()
    await published(publisher)
    feed = Feed(database)
    page = await feed.read(0, ALL, ["another account"], 10)
    assert (page.facts, page.until, page.more) == ((), await feed.head(), False)
    assert page.until > 0
    page = await feed.read(0, ["OrderCompleted"], [], 10)
    assert (page.facts, page.until) == ((), await feed.head())


async def test_the_index_finds_what_is_new_without_reading_the_ledger(
    database: Database, driver: Driver, publisher: Publisher
) -> None:
    await driver.order()
    await published(publisher)
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = await connection.fetch("EXPLAIN SELECT * FROM ledger WHERE xact >= 10 AND xact < 20")
        late = await connection.fetch("EXPLAIN SELECT * FROM ledger WHERE xact = ANY('{10,20}'::bigint[])")
    assert "ledger_xact" in str(plan)
    assert "ledger_xact" in str(late)
