"""A crash at each boundary: before and after every commit, ring, call and acknowledgement."""

from __future__ import annotations

import random
import signal
import subprocess

import pytest

from kept.engine.crash import POINTS
from tests.chaos.conftest import Installations
from tests.chaos.installation import Installation, Plan

pytestmark = [pytest.mark.xdist_group("chaos"), pytest.mark.timeout(300)]

_ORDERS = 6
_ARRIVAL_MAX = 4  # a few orders come to every point more often than that
_BATCHES_MAX = 4  # the other worker may take so much of a batch that the armed one needs another
_PASSED = [
    *(("api", point) for point in POINTS if point.startswith(("inbox.", "ring."))),
    *(("worker", point) for point in POINTS if not point.startswith("inbox.")),
]
_SMALL = [(name, point, 1) for name, point in _PASSED]
_FULL = [(name, point, seed) for seed in range(2, 7) for name, point in _PASSED]


def _case(name: str, point: str, seed: int) -> object:
    return pytest.param(name, point, seed, id=f"{name}-{point}-seed{seed}")


_CASES = [
    *(_case(*case) for case in _SMALL),
    *(pytest.param(*case, marks=pytest.mark.full, id="{}-{}-seed{}".format(*case)) for case in _FULL),
]


def test_every_crash_point_is_tried_by_a_process_that_passes_it() -> None:
    assert {point for _, point in _PASSED} == set(POINTS)


@pytest.mark.parametrize(("name", "point", "seed"), _CASES)
def test_a_crash_at_any_boundary_loses_and_doubles_nothing(
    installations: Installations, name: str, point: str, seed: int
) -> None:
    installation = installations.get(Plan(seed=1, workers=1))
    arrival = random.Random(f"{name} {point} {seed}").randint(1, _ARRIVAL_MAX)
    if name == "api":
        installation.supervisor.stop(["api"])  # one port, one API: the armed one stands in
    with installation.armed(point, arrival, name) as process:
        _sell_until_dead(installation, process)
        assert process.returncode == -signal.SIGKILL, f"{point}:{arrival} ended with {process.returncode}"
    if name == "api":
        installation.supervisor.start("api", "api")
    installation.wait_and_audit()


def _sell_until_dead(installation: Installation, process: subprocess.Popen[bytes]) -> None:
    """Feed orders until the armed process has died; nobody but itself kills it."""
    for _ in range(_BATCHES_MAX):
        installation.sell(_ORDERS)
        installation.until(
            lambda: process.poll() is not None or installation.is_at_rest(), 60, "the armed process dies or all is done"
        )
        if process.poll() is not None:
            return
