"""Restarts in order, two relays at once, and a worker that sleeps through its lease."""

from __future__ import annotations

import signal
import time

import pytest

from kept.domain.urgency import Urgency
from kept.engine.streams import GROUP, stream_of
from kept.flow import FLOW
from tests.chaos.conftest import Installations
from tests.chaos.installation import Installation, Plan, kept_processes

pytestmark = [pytest.mark.xdist_group("chaos"), pytest.mark.timeout(300)]

_FULL = [pytest.mark.full, pytest.mark.timeout(1200)]
_STOP_WITHIN_S = 10.0
_SHARED = Plan(seed=2)
# uvicorn, having finished in order, ends itself by the very signal that it was sent.
_ENDED_IN_ORDER = (0, -signal.SIGTERM)
_STARTED = {"worker": "worker.started", "relay": "relay.started"}


def _sizes(small: int, full: int, seeds: tuple[int, ...]) -> list[object]:
    return [
        pytest.param(_SHARED, small, id=f"seed2-{small}orders"),
        *(
            pytest.param(
                Plan(seed=seed, rate=25, faults=0.05, quick=False), full, id=f"seed{seed}-{full}orders", marks=_FULL
            )
            for seed in seeds
        ),
    ]


@pytest.mark.parametrize(("plan", "orders"), _sizes(80, 2000, (51, 52)))
def test_a_rolling_restart_under_load_loses_nothing_and_each_process_stops_in_time(
    installations: Installations, plan: Plan, orders: int
) -> None:
    installation = installations.get(plan)
    before = installation.progress()
    assert before is not None
    installation.sell(orders)
    names = kept_processes(installation)
    for number, name in enumerate(names):
        installation.until_facts(before.facts + number * orders * 9 // len(names) + 1)
        took_s, code = _restart(installation, name)
        assert took_s < _STOP_WITHIN_S, f"{name} took {took_s:.1f} s to stop"
        assert code in _ENDED_IN_ORDER, f"{name} ended with {code}\n{installation.report()}"
    installation.wait_and_audit(60 + orders / plan.rate * 4)


def _restart(installation: Installation, name: str) -> tuple[float, int]:
    """SIGTERM, and wait until the supervisor's new process works: how long the old one took, and its exit code."""
    word = _STARTED.get(name.partition("-")[0], "")
    starts = installation.logged(name, word)
    old, begun = installation.process(name), time.monotonic()
    installation.ended_by_us[name] += 1
    old.terminate()
    code = old.wait(_STOP_WITHIN_S * 2)
    took_s = time.monotonic() - begun

    def works() -> bool:
        if installation.process(name) is old:
            return False
        return installation.logged(name, word) > starts if word else installation.is_ready()

    installation.until(works, 30, f"{name} works again")
    return took_s, code


@pytest.mark.parametrize(("plan", "orders"), _sizes(40, 2000, (53,)))
def test_two_relays_at_once_ring_for_everything_and_change_nothing_twice(
    installations: Installations, plan: Plan, orders: int
) -> None:
    installation = installations.get(plan)
    before = installation.progress()
    assert before is not None
    installation.supervisor.start("relay-2", "relay")
    try:
        installation.until_logged("relay-2", "relay.started", 1)
        installation.sell(orders)
        installation.until_facts(before.facts + orders * 4)
        installation.redis_client.flushall()  # so that both have everything to ring for
        for name in ("relay", "relay-2"):
            installation.until_logged(name, "relay.redis_forgot", 1)
        installation.wait_and_audit(60 + orders / plan.rate * 4)
    finally:
        installation.supervisor.stop(["relay-2"])


@pytest.mark.parametrize(("plan", "orders"), _sizes(60, 1000, (54, 55)))
def test_a_worker_frozen_beyond_its_lease_wakes_and_changes_nothing(
    installations: Installations, plan: Plan, orders: int
) -> None:
    installation = installations.get(plan)
    before = installation.progress()
    assert before is not None
    installation.sell(orders)
    installation.until_facts(before.facts + orders * 2)
    taken_over = installation.logged("worker-2", '"reclaimed"')
    _freeze_at_work(installation, "worker-1")
    try:
        installation.for_the_time_of(plan.lease_s + 2)
        assert installation.logged("worker-2", '"reclaimed"') > taken_over, "nothing was taken over"
    finally:
        installation.thaw("worker-1")
    installation.wait_and_audit(60 + orders / plan.rate * 4)


def _freeze_at_work(installation: Installation, name: str) -> None:
    """Stop the worker in the middle of something: where it holds messages that are not acknowledged."""

    def frozen_at_work() -> bool:
        installation.freeze(name)
        if _held(installation, installation.process(name).pid):
            return True
        installation.thaw(name)
        return False

    installation.until(frozen_at_work, 30, f"{name} holds messages")


def _held(installation: Installation, pid: int) -> int:
    """Messages that the process with this id has read and not acknowledged."""
    held = 0
    for step in FLOW:
        for urgency in Urgency:
            for consumer in installation.redis_client.xinfo_consumers(stream_of(step, urgency), GROUP):
                if f":{pid}:" in consumer["name"].decode():
                    held += consumer["pending"]
    return held
