"""A notifier on a fresh database, with a clock that the test moves and listeners that it tells what to answer."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from kept.connectors.endpoints import Endpoints
from kept.domain import events as ev
from kept.domain.notifying import Wanted
from kept.processes.assembly import utc_now
from kept.processes.notifier import Notifier
from kept.settings import EventSettings
from kept.store.database import Database
from kept.store.publishing import Feed
from kept.store.subscriptions import Subscriptions
from tests.integration.events.listening import OLD_SECRET, SECRET, Listener, listening
from tests.integration.store.driving import Driver
from tests.servers import execute, fetch

LOOPBACK = EventSettings(allowed_networks=("127.0.0.0/8",), timeout_s=5.0)

VALIDATED = ev.OrderValidated("C-1")


class Clock:
    """The time of day, moved by the test."""

    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Notifying:
    """Everything that a test of subscriptions needs."""

    database: Database
    driver: Driver
    clock: Clock
    notifier: Notifier
    subscriptions: Subscriptions
    feed: Feed
    ids: Any = field(default_factory=lambda: itertools.count(1))

    async def subscribe(self, url: str, position: int | None = None, **changes: Any) -> str:
        wanted = {"types": (), "accounts": (), "personal_data": False, "secrets": ("env:KEPT_TEST_SECRET",), **changes}
        return await self.subscriptions.create(Wanted(url=url, **wanted), "test", position)

    async def orders(self, count: int) -> list[str]:
        """References of new orders with two events each: received and validated."""
        made = [await self.driver.order() for _ in range(count)]
        for order in made:
            await self.driver.advance("validate", VALIDATED, order_id=order.id)
        return [order.reference for order in made]

    async def publish(self) -> None:
        while await self.notifier.publisher.publish():
            pass

    async def work(self) -> int:
        """Publish, then rounds until nothing is due; how many rounds it took."""
        await self.publish()
        rounds = 0
        while (claim := await self.notifier.claim()) is not None:
            await self.notifier.round(claim)
            rounds += 1
        return rounds

    async def shown(self, identity: str) -> dict[str, Any]:
        return (await self.subscriptions.listed(identity))[0]

    async def lanes(self) -> list[dict[str, Any]]:
        return [dict(row) for row in await fetch(self.database, "SELECT * FROM lanes ORDER BY order_id")]

    async def end_leases(self) -> None:
        """As if the time of a lease had gone by."""
        await execute(self.database, "UPDATE subscriptions SET held_until = now() - interval '1 s'")


@pytest.fixture
def make_notifier(database: Database) -> Callable[[Clock, EventSettings], Notifier]:
    return lambda clock, settings: Notifier(database, Endpoints(settings, clock), clock, lambda: 0.0)


@pytest.fixture
async def notifying(
    database: Database,
    make_notifier: Callable[[Clock, EventSettings], Notifier],
    monkeypatch: pytest.MonkeyPatch,
) -> Notifying:
    monkeypatch.setenv("KEPT_TEST_SECRET", SECRET)
    monkeypatch.setenv("KEPT_TEST_OLD_SECRET", OLD_SECRET)
    clock, ids = Clock(), itertools.count(1)
    return Notifying(
        database,
        Driver.on(database),
        clock,
        make_notifier(clock, LOOPBACK),
        Subscriptions(database, clock, lambda: f"sub_{next(ids)}"),
        Feed(database),
    )


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening() as opened:
        yield opened


@pytest.fixture
async def other_listener() -> AsyncIterator[Listener]:
    async with listening() as opened:
        yield opened
