"""kill -9 of everything, at random points under load, while the world has faults of its own."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial

import asyncpg
import pytest

from kept.engine.interfaces import StoreUnavailable
from kept.store.database import unavailable
from tests.chaos.conftest import Installations
from tests.chaos.installation import Installation, Plan

pytestmark = [pytest.mark.xdist_group("chaos"), pytest.mark.timeout(300)]

_VICTIMS = ("worker-1", "worker-2", "api", "relay", "redis", "postgres")
# An order that ends has at least so many facts; kills are spread over that much of the work.
_FACTS_PER_ORDER = 9


@dataclass(frozen=True, slots=True)
class Campaign:
    """How much, and how often. Each victim is killed `rounds` times."""

    plan: Plan
    orders: int
    rounds: int

    def __str__(self) -> str:
        return f"seed{self.plan.seed}-{self.orders}orders-{self.rounds * len(_VICTIMS)}kills"


_SMALL = [Campaign(Plan(seed=seed, rate=12, faults=0.07), orders=60, rounds=1) for seed in (11,)]
_FULL = [
    Campaign(Plan(seed=seed, rate=25, faults=rate, quick=False), orders, rounds)
    for seed, rate, orders, rounds in ((21, 0.05, 1000, 4), (22, 0.1, 2000, 8), (23, 0.07, 3000, 12))
]
_CAMPAIGNS = [
    *_SMALL,
    *(pytest.param(campaign, marks=[pytest.mark.full, pytest.mark.timeout(1800)]) for campaign in _FULL),
]


@pytest.mark.parametrize("campaign", _CAMPAIGNS, ids=str)
def test_whatever_is_killed_under_load_every_order_ends_once(installations: Installations, campaign: Campaign) -> None:
    installation = installations.get(campaign.plan)
    killed = kill_under_load(installation, campaign)
    assert sorted(set(killed)) == sorted(_VICTIMS)
    installation.wait_and_audit(within_s=60 + campaign.orders / campaign.plan.rate * 4)


def kill_under_load(installation: Installation, campaign: Campaign) -> list[str]:
    """Kill each victim so often, at points of the work that the seed chooses; who was killed, in order."""
    chance = random.Random(campaign.plan.seed)
    victims = list(_VICTIMS) * campaign.rounds
    chance.shuffle(victims)
    now = installation.progress()
    assert now is not None
    work = campaign.orders * _FACTS_PER_ORDER
    points = sorted(now.facts + chance.randint(1, work) for _ in victims)
    installation.sell(campaign.orders)
    for victim, point in zip(victims, points, strict=True):
        installation.until_facts(point)
        installation.until(partial(installation.is_running, victim), 30, f"{victim} runs")
        installation.kill(victim)
    return victims


def test_a_connection_that_was_just_told_of_a_crash_counts_as_gone() -> None:
    # Found by these campaigns: between PostgreSQL's last words and the end of the connection asyncpg is in no state
    # to send, and says so with an error of its own. It ended workers, and was answered to senders with 500.
    with pytest.raises(StoreUnavailable), unavailable():
        raise asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress")
