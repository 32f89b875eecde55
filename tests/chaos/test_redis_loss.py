"""Redis is the doorbell and may lose anything: everything, its last minutes, or itself for a while."""

from __future__ import annotations

import random

import pytest

from tests.chaos.conftest import Installations
from tests.chaos.installation import Installation, Plan

pytestmark = [pytest.mark.xdist_group("chaos"), pytest.mark.timeout(300)]

_FACTS_PER_ORDER = 9
_FULL = [pytest.mark.full, pytest.mark.timeout(1200)]
_SHARED = Plan(seed=2)


def _full(seed: int) -> Plan:
    return Plan(seed=seed, rate=25, faults=0.05, quick=False)


_SIZES = [
    pytest.param(_SHARED, 40, id="seed2-40orders"),
    *(pytest.param(_full(seed), 1500, id=f"seed{seed}-1500orders", marks=_FULL) for seed in (31, 32)),
]


def _points(installation: Installation, orders: int, count: int) -> list[int]:
    """Numbers of facts at which something happens while so many orders more are worked off."""
    now = installation.progress()
    assert now is not None
    chance = random.Random(f"{installation.plan.seed} {installation.ordered}")
    return sorted(now.facts + chance.randint(1, orders * _FACTS_PER_ORDER) for _ in range(count))


def _within_s(plan: Plan, orders: int) -> float:
    return 60 + orders / plan.rate * 4


@pytest.mark.parametrize(("plan", "orders"), _SIZES)
def test_flushing_redis_loses_no_order(installations: Installations, plan: Plan, orders: int) -> None:
    installation = installations.get(plan)
    points = _points(installation, orders, count=3)
    installation.sell(orders)
    for point in points:
        installation.until_facts(point)
        noticed = installation.logged("relay", "relay.redis_forgot")
        installation.redis_client.flushall()
        installation.until_logged("relay", "relay.redis_forgot", noticed + 1)
    installation.wait_and_audit(_within_s(plan, orders))


@pytest.mark.parametrize(("plan", "orders"), _SIZES)
def test_an_old_copy_of_the_append_only_file_brings_back_no_work(
    installations: Installations, plan: Plan, orders: int
) -> None:
    installation = installations.get(plan)
    first, second = _points(installation, orders, count=2)
    installation.sell(orders)
    installation.until_facts(first)
    file = installation.redis.home / "aof" / "appendonly.aof"
    old = file.read_bytes()
    installation.until_facts(second)
    noticed = installation.logged("relay", "relay.redis_forgot")
    installation.redis.kill()
    assert len(file.read_bytes()) > len(old), "nothing happened in between"
    file.write_bytes(old)
    installation.redis.start()
    installation.until_logged("relay", "relay.redis_forgot", noticed + 1)
    installation.wait_and_audit(_within_s(plan, orders))


@pytest.mark.parametrize(
    ("plan", "orders", "away_s"),
    [
        pytest.param(_SHARED, 40, 8.0, id="seed2-40orders-8s"),
        *(pytest.param(_full(seed), 1500, 30.0, id=f"seed{seed}-1500orders-30s", marks=_FULL) for seed in (33, 34)),
    ],
)
def test_orders_are_accepted_without_redis_and_worked_off_when_it_is_back(
    installations: Installations, plan: Plan, orders: int, away_s: float
) -> None:
    installation = installations.get(plan)
    before = installation.progress()
    assert before is not None
    installation.redis.kill()
    installation.sell(orders)
    installation.for_the_time_of(away_s)
    without = installation.progress()
    assert without is not None
    # Some events of orders come on top, and some orders' webhooks are late.
    expected = min(orders, int((away_s - 5) * plan.rate)) * 0.8
    assert without.messages - before.messages >= expected, "intake needs only PostgreSQL"
    installation.redis.start()
    installation.wait_and_audit(_within_s(plan, orders))
