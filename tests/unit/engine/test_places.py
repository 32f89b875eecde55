"""Places in a target: taken at once while there are some, then by urgency and deadline."""

from __future__ import annotations

import asyncio
from contextvars import copy_context

import pytest

from kept.domain.urgency import Urgency
from kept.engine.places import Places
from kept.engine.quotas import due_by, urgency


def waiting(places: Places, name: str, kind: Urgency, deadline: float, served: list[str]) -> asyncio.Task[None]:
    async def call() -> None:
        urgency.set(kind)
        due_by.set(deadline)
        await places.take()
        served.append(name)
        await asyncio.sleep(0)
        places.leave()

    return asyncio.create_task(call(), context=copy_context())


async def test_who_is_closest_to_its_promise_is_next() -> None:
    places, served = Places(1), list[str]()
    await places.take()
    calls = [
        waiting(places, "next week", Urgency.LATER, 900.0, served),
        waiting(places, "tomorrow", Urgency.SOON, 500.0, served),
        waiting(places, "tonight", Urgency.NOW, 200.0, served),
        waiting(places, "at noon", Urgency.NOW, 100.0, served),
        waiting(places, "at noon too", Urgency.NOW, 100.0, served),
    ]
    await asyncio.sleep(0)
    places.leave()
    await asyncio.gather(*calls)
    assert served == ["at noon", "at noon too", "tonight", "tomorrow", "next week"]


async def test_no_more_are_open_at_once_than_there_are_places() -> None:
    places = Places(3)
    open_now, most = 0, 0

    async def call() -> None:
        nonlocal open_now, most
        await places.take()
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0)
        open_now -= 1
        places.leave()

    await asyncio.gather(*(call() for _ in range(20)))
    assert (most, open_now) == (3, 0)
    assert [places.taken_at_once() for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize("given_first", [False, True])
async def test_who_stops_waiting_takes_no_place_with_it(given_first: bool) -> None:
    places, served = Places(1), list[str]()
    await places.take()
    call = waiting(places, "impatient", Urgency.NOW, 1.0, served)
    await asyncio.sleep(0)
    if given_first:
        places.leave()  # it has the place, and is cancelled before it can run
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    if not given_first:
        places.leave()
    assert served == []
    assert places.taken_at_once()
