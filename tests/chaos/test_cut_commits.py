"""The reply of a commit is lost: nobody can tell whether it was committed, and both happens."""

from __future__ import annotations

import pytest

from tests.chaos.conftest import Installations
from tests.chaos.installation import Plan
from tests.chaos.proxy import Cut

pytestmark = [pytest.mark.xdist_group("chaos"), pytest.mark.timeout(300)]

_FULL = [pytest.mark.full, pytest.mark.timeout(1200)]


def _plan(seed: int, *, quick: bool) -> Plan:
    return Plan(seed=seed, rate=20, faults=0.05, quick=quick, proxied=True)


@pytest.mark.parametrize(
    ("plan", "orders", "probability"),
    [
        pytest.param(_plan(41, quick=True), 60, 0.05, id="seed41-60orders"),
        *(
            pytest.param(_plan(seed, quick=False), 1500, share, id=f"seed{seed}-1500orders-{share}", marks=_FULL)
            for seed, share in ((42, 0.01), (43, 0.03), (44, 0.05))
        ),
    ],
)
def test_a_commit_whose_reply_is_cut_off_counts_once(
    installations: Installations, plan: Plan, orders: int, probability: float
) -> None:
    installation = installations.get(plan)
    installation.proxy.probability = probability
    try:
        installation.sell(orders)
        installation.wait_until_at_rest(within_s=90 + orders / plan.rate * 4)
    finally:
        installation.proxy.probability = 0.0
    installation.wait_and_audit()
    print(f"{installation.proxy.commits} commits seen, cut: {dict(installation.proxy.cuts)}")
    assert set(installation.proxy.cuts) == set(Cut), f"not every kind of cut came: {installation.proxy.cuts}"
