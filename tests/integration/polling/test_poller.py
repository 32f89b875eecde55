"""The poller on a real database: what messages left out comes in, once, and what they brought changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from kept.connectors.channels.inhouse.mapping import normalise
from kept.engine.streams import Streams, connect
from kept.ports import Channel, Incoming, Page, PermanentFault, Polled, TemporaryFault
from kept.processes.poller import Found, Poller, Tempo
from kept.simulator.orders import Sale, make_sale
from kept.simulator.payloads import Version, inhouse_order
from kept.store.database import Database
from kept.store.inbox import Inbox
from kept.store.polling import PollWindows
from tests.integration.store.driving import Driver
from tests.servers import execute, fetch, value_of

NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
OVERLAP, DELAY = timedelta(minutes=10), timedelta(minutes=2)


def polled(sale: Sale, age_s: int = 1) -> Polled:
    body = orjson.dumps(inhouse_order(sale, Version(age_s=age_s)))
    content = normalise("own", Incoming({}, body), NOW)
    assert content is not None
    return Polled(f"{content.external_id}:{content.revision}", {}, body)


def sales(count: int) -> list[Sale]:
    return [make_sale(seed=5, seq=seq, now=NOW) for seq in range(count)]


@dataclass
class Listing:
    """A channel's list call, two orders a page."""

    orders: list[Polled] = field(default_factory=list)
    asked: list[tuple[datetime, datetime, str]] = field(default_factory=list)
    faults: list[BaseException | None] = field(default_factory=list)  # of the next calls
    overlap: timedelta = OVERLAP
    delay: timedelta = DELAY

    async def changed(self, since: datetime, until: datetime, cursor: str = "") -> Page:
        self.asked.append((since, until, cursor))
        if self.faults and (fault := self.faults.pop(0)):
            raise fault
        start = int(cursor or 0)
        more = start + 2 < len(self.orders)
        return Page(tuple(self.orders[start : start + 2]), str(start + 2) if more else "")


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Polling:
    poller: Poller
    listing: Listing
    clock: Clock
    database: Database
    bell: Streams

    async def inbox(self) -> list[str]:
        return [row["external_key"] for row in await fetch(self.database, "SELECT external_key FROM inbox ORDER BY id")]

    async def row(self) -> dict[str, object]:
        return dict((await fetch(self.database, "SELECT * FROM poll_windows"))[0])


def poller_of(database: Database, bell: Streams, listing: Listing, clock: Clock) -> Poller:
    channel = Channel("own", lambda message, now: None, lambda message: "", normalise, None, poll=listing)
    return Poller({"own": channel}, {"own": Tempo(300)}, PollWindows(database), Inbox(database), bell, clock)


@pytest.fixture
async def polling(database: Database, redis_url: str) -> AsyncIterator[Polling]:
    listing, clock, bell = Listing(), Clock(), Streams(connect(redis_url), "poller")
    yield Polling(poller_of(database, bell, listing, clock), listing, clock, database, bell)
    await bell.aclose()


async def test_what_no_message_brought_comes_in_page_by_page(polling: Polling) -> None:
    polling.listing.orders = [polled(sale) for sale in sales(5)]
    assert await polling.poller.poll("own") == 300
    assert await polling.inbox() == [f"poll:{each.key}" for each in polling.listing.orders]
    since, until = NOW - timedelta(days=1) - OVERLAP, NOW - DELAY
    assert polling.listing.asked == [(since, until, ""), (since, until, "2"), (since, until, "4")]
    row = await polling.row()
    assert (row["done_until"], row["until"], row["cursor"], row["held_until"]) == (until, None, "", None)
    assert (row["found"], row["missed"]) == (5, 5)
    assert await value_of(polling.database, "SELECT count(*) FROM deliveries WHERE step = 'normalise'") == 5


async def test_the_next_window_reaches_back_and_brings_nothing_twice(polling: Polling) -> None:
    polling.listing.orders = [polled(sale) for sale in sales(2)]
    await polling.poller.poll("own")
    polling.clock.now += timedelta(minutes=5)
    await polling.poller.poll("own")
    assert polling.listing.asked[1] == (NOW - DELAY - OVERLAP, NOW + timedelta(minutes=5) - DELAY, "")
    assert len(await polling.inbox()) == 2
    row = await polling.row()
    assert (row["found"], row["missed"]) == (4, 2)


async def test_a_revision_that_a_message_brought_is_left_out_and_a_newer_one_is_not(polling: Polling) -> None:
    first, second = sales(2)
    driver = Driver.on(polling.database)
    content = normalise("own", Incoming({}, polled(first, age_s=5).body), NOW)
    assert content is not None
    await driver.settle(await driver.creation(content))
    before = await polling.inbox()
    polling.listing.orders = [polled(first, age_s=1), polled(first, age_s=5), polled(second)]
    await polling.poller.poll("own")
    assert (await polling.inbox())[len(before) :] == [f"poll:{polled(second).key}"]
    polling.listing.orders = [polled(first, age_s=9)]
    polling.clock.now += timedelta(minutes=5)
    await polling.poller.poll("own")
    assert (await polling.inbox())[-1] == f"poll:{polled(first, age_s=9).key}"


async def test_a_fault_in_the_middle_goes_on_at_its_page(polling: Polling) -> None:
    polling.listing.orders = [polled(sale) for sale in sales(5)]
    polling.listing.faults = [None, TemporaryFault("busy", retry_after_s=7.0)]
    assert await polling.poller.poll("own") == 7.0
    row = await polling.row()
    assert (row["cursor"], row["last_error"], row["held_until"]) == ("2", "busy", None)
    polling.clock.now += timedelta(seconds=7)
    assert await polling.poller.poll("own") == 300
    assert [cursor for *_, cursor in polling.listing.asked] == ["", "2", "2", "4"]
    assert len(await polling.inbox()) == 5
    assert (await polling.row())["last_error"] == ""


async def test_a_page_that_is_refused_for_good_begins_its_window_again(polling: Polling) -> None:
    polling.listing.orders = [polled(sale) for sale in sales(3)]
    polling.listing.faults = [None, PermanentFault("this page is too old")]
    assert await polling.poller.poll("own") == 10.0
    assert (await polling.row())["cursor"] == ""
    await polling.poller.poll("own")
    assert [cursor for *_, cursor in polling.listing.asked] == ["", "2", "", "2"]
    assert len(await polling.inbox()) == 3


async def test_two_pollers_take_turns_and_a_dead_ones_window_is_taken_over(polling: Polling) -> None:
    polling.listing.orders = [polled(sale) for sale in sales(3)]
    other = poller_of(polling.database, polling.bell, polling.listing, polling.clock)
    await asyncio.gather(polling.poller.poll("own"), other.poll("own"))
    assert [cursor for *_, cursor in polling.listing.asked] == ["", "2"]
    polling.clock.now += timedelta(minutes=5)
    polling.listing.faults = [None, asyncio.CancelledError()]  # it dies at the second page
    with pytest.raises(asyncio.CancelledError):
        await polling.poller.poll("own")
    polling.listing.asked.clear()
    await other.poll("own")
    assert polling.listing.asked == []  # for as long as the first may be alive
    await execute(polling.database, "UPDATE poll_windows SET held_until = now() - interval '1 s'")
    await other.poll("own")
    assert [cursor for *_, cursor in polling.listing.asked] == ["2"]


async def test_what_cannot_be_read_comes_in_to_be_seen(polling: Polling) -> None:
    polling.listing.orders = [Polled("broken:1", {}, b'{"id": 1}')]
    await polling.poller.poll("own")
    assert await polling.inbox() == ["poll:broken:1"]


async def test_a_back_fill_asks_for_its_own_time_and_leaves_the_windows_alone(polling: Polling) -> None:
    polling.listing.orders = [polled(sale) for sale in sales(3)]
    since, until = NOW - timedelta(days=30), NOW - timedelta(days=20)
    told: list[Found] = []
    total = await polling.poller.back_fill("own", since, until, told.append)
    assert (total.listed, total.missed) == (3, 3)
    assert [(found.listed, found.missed) for found in told] == [(2, 2), (3, 3)]
    assert [asked[:2] for asked in polling.listing.asked] == [(since, until)] * 2
    assert await value_of(polling.database, "SELECT count(*) FROM poll_windows") == 0
    again = await polling.poller.back_fill("own", since, until, told.append)
    assert (again.listed, again.missed) == (3, 0)
