"""One seed, one schedule: run it to rest and judge it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from . import invariants
from .faults import HEAL_AT_MS
from .rows import Broken
from .world import World

# Virtual time after healing: the longest chain of leases, horizons and back-offs takes a few minutes.
REST_WITHIN_MS = HEAL_AT_MS + 40 * 60_000
STEPS_MAX = 100_000  # a schedule takes some hundreds; this many is a livelock


@dataclass(slots=True)
class Explored:
    """What some schedules came to."""

    schedules: int = 0
    steps: int = 0
    fired: Counter[tuple[str, str]] = field(default_factory=Counter)
    tally: Counter[str] = field(default_factory=Counter)
    failed_seed: int | None = None
    failure: str = ""

    def told(self) -> str:
        """The failure, and how to see it again."""
        seed = self.failed_seed
        return f"seed {seed}: {self.failure}\nreplay: python -m tests.simulation.run --seed {seed} --trace"


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule after its end. `failure` is empty when every invariant held."""

    failure: str
    steps: int
    trace: list[tuple[int, str, str]]

    def lines(self) -> list[str]:
        return [f"{at_ms / 1000:9.3f} s  {who:14} {what}" for at_ms, who, what in self.trace]


@contextmanager
def silence() -> Iterator[None]:
    """Drop the engine's log below critical: faults are the ordinary thing here."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


def run_schedule(
    seed: int,
    fired: Counter[tuple[str, str]] | None = None,
    tally: Counter[str] | None = None,
    world_type: type[World] = World,
) -> Schedule:
    """Run one schedule to rest. Never raises Broken: the failure is in the result."""
    world = world_type(seed, Counter() if fired is None else fired, Counter() if tally is None else tally)
    stepper = world.stepper
    failure = ""
    try:
        while not world.at_rest() or world.replay_letters():
            stepper.step()
            if stepper.now_ms > REST_WITHIN_MS or stepper.steps > STEPS_MAX:
                raise Broken(f"never came to rest: {len(world.store.deliveries)} deliveries are left")
        invariants.check(world)
    except Broken as broken:
        failure = str(broken)
    stepper.shut_down()
    return Schedule(failure, stepper.steps, stepper.trace)


def explore(seeds: Iterable[int], world_type: type[World] = World) -> Explored:
    """Run schedules until one fails."""
    explored = Explored()
    with silence():
        for seed in seeds:
            schedule = run_schedule(seed, explored.fired, explored.tally, world_type)
            explored.schedules += 1
            explored.steps += schedule.steps
            if schedule.failure:
                explored.failed_seed, explored.failure = seed, schedule.failure
                break
    return explored
