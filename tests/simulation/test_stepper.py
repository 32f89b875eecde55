"""The stepper's own promises: a crash is silent, the dead are refused, a seed decides."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from kept.engine.interfaces import StoreUnavailable

from .crossing import Crossing
from .faults import Faults
from .stepper import CRASH, DeadCaller, Stepper, pause


def test_a_crash_runs_no_finally_block() -> None:
    stepper, ran = Stepper(1), []

    async def process() -> None:
        try:
            await pause(CRASH)
        finally:
            ran.append("finally")

    life = stepper.spawn("worker", process())
    while stepper.step():
        pass
    assert not life.alive
    assert ran == []
    stepper.shut_down()


def test_a_dead_incarnation_is_refused_by_every_port() -> None:
    stepper = Stepper(1)
    crossing = Crossing(stepper, Faults(stepper.random, Counter()))
    written: list[str] = []

    async def process() -> None:
        try:
            await pause(CRASH)
        finally:
            await crossing.call("settle", lambda: written.append("row"), StoreUnavailable)

    life = stepper.spawn("worker", process())
    while stepper.step():
        pass
    with pytest.raises(DeadCaller):
        life.body.close()  # what an interpreter may do with a coroutine that nobody will resume
    assert written == []


def test_time_is_virtual_and_a_ring_ends_a_pause_early() -> None:
    stepper, woken_at_ms = Stepper(1), []

    async def sleeper() -> None:
        await pause(60_000)
        woken_at_ms.append(stepper.now_ms)

    life = stepper.spawn("worker", sleeper())
    stepper.after(500, lambda: stepper.wake(life))
    while stepper.step():
        pass
    assert woken_at_ms == [500]


def test_the_seed_decides_who_is_first_among_those_that_are_due_together() -> None:
    def order(seed: int) -> tuple[int, ...]:
        stepper = Stepper(seed)
        ran: list[int] = []
        for number in range(4):
            stepper.after(10, partial(ran.append, number))
        while stepper.step():
            pass
        return tuple(ran)

    assert order(5) == order(5)
    assert len({order(seed) for seed in range(40)}) > 5
