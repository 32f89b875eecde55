"""The engine's core under thousands of schedules of faults, and under planted bugs that must be found."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from .explore import Explored, explore, run_schedule, silence
from .faults import ALL
from .planted import PLANTED, PlantedBug
from .run import main
from .target import LATENESS_MS
from .world import World

# About five seconds; KEPT_SIMULATION_SCHEDULES asks for more.
SCHEDULES = int(os.environ.get("KEPT_SIMULATION_SCHEDULES", "3000"))


@pytest.fixture(scope="module")
def explored() -> Explored:
    """Many schedules, run once for all tests that look at them."""
    begun = time.process_time()
    explored = explore(range(SCHEDULES))
    a_minute = explored.schedules / (time.process_time() - begun) * 60
    print(f"\n{explored.schedules} schedules, {a_minute:.0f} a minute and core")
    return explored


@pytest.fixture
def silent() -> Iterator[None]:
    with silence():
        yield


def test_every_schedule_of_faults_keeps_the_promise(explored: Explored) -> None:
    assert not explored.failure, explored.told()
    assert explored.schedules == SCHEDULES


def test_every_fault_strikes_at_every_boundary_sometimes(explored: Explored) -> None:
    assert [fault for fault in ALL if not explored.fired[fault]] == []


@pytest.mark.parametrize(
    "what", ["applied_late", "claim_lost", "stale_settlement", "taken_again", "replayed", "letter:refused"]
)
def test_rare_situations_come_about_sometimes(explored: Explored, what: str) -> None:
    assert explored.tally[what] > 0


@pytest.mark.usefixtures("silent")
def test_the_same_seed_gives_the_same_trace() -> None:
    for seed in range(50):
        first, second = run_schedule(seed), run_schedule(seed)
        assert first.lines() == second.lines()
        assert first.steps == second.steps


@pytest.mark.usefixtures("silent")
def test_other_seeds_give_other_traces() -> None:
    assert len({tuple(run_schedule(seed).lines()) for seed in range(50)}) == 50


@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug: PlantedBug) -> None:
    with bug.planted() as world_type:
        explored = explore(range(bug.within), world_type)
    assert explored.failure, f"not found within {bug.within} schedules"


@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.name)
def test_without_its_bug_the_same_schedules_keep_the_promise(bug: PlantedBug, explored: Explored) -> None:
    if not bug.faults_only and bug.within <= explored.schedules:
        assert not explored.failure, explored.told()  # the very same seeds
        return
    sound = explore(range(bug.within), bug.sound())
    assert not sound.failure, sound.told()


def test_the_command_tells_of_speed_and_faults(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--schedules", "20"]) == 0
    told = capsys.readouterr().out
    assert "a minute" in told
    assert "crash_before" in told


def test_the_command_replays_one_schedule(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "3", "--trace"]) == 0
    told = capsys.readouterr().out
    assert "settle" in told
    assert "seed 3: every invariant held" in told


def test_the_command_fails_when_a_schedule_does(capsys: pytest.CaptureFixture[str]) -> None:
    bug = next(bug for bug in PLANTED if bug.name == "the relay never rings")
    with bug.planted():
        assert main(["--schedules", "20"]) == 1
    assert "replay: python -m tests.simulation.run --seed" in capsys.readouterr().out


# ------------------------------------------------------------------ found in the engine, not mended yet


class CutsOnly(World):
    """Requests are cut before they are done, and nothing else goes wrong."""

    faults_only = frozenset({("cut_undone", "send")})


class HorizonAsLateAsTheTarget(World):
    """Targets declare just how late a lost request may apply, as `kept.ports.Effects.perform` asks them to."""

    faults_only = frozenset({("stall_after", "intend"), ("cut_late", "send")})
    horizon = timedelta(milliseconds=LATENESS_MS)


def test_waiting_for_the_horizon_ends_with_the_horizon() -> None:
    explored = explore(range(100), CutsOnly)
    assert explored.tally["letter:waited_too_long"] == 0


def test_the_horizon_counts_from_the_moment_a_request_may_have_left() -> None:
    explored = explore(range(300), HorizonAsLateAsTheTarget)
    assert not explored.failure, explored.told()
