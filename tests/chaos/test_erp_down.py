"""The ERP hangs for a while: orders are received and routed all the same, and all are booked after it."""

from __future__ import annotations

import pytest

from tests.chaos.conftest import Installations
from tests.chaos.installation import Installation, Plan

pytestmark = [pytest.mark.xdist_group("chaos"), pytest.mark.timeout(300)]

_FULL = [pytest.mark.full, pytest.mark.timeout(1200)]
_HOUR = [pytest.mark.full, pytest.mark.hour, pytest.mark.timeout(3 * 3600)]
_ERP = "world-erp"
_BOOKED = "SELECT count(*) FROM orders WHERE erp_order_id <> ''"


@pytest.mark.parametrize(
    ("plan", "orders", "routed", "down_s"),
    [
        # Of 200 SKUs the two workers have asked for some forty each by then: few orders hold only such.
        pytest.param(Plan(seed=2), 40, 2, 12.0, id="seed2-40orders"),
        pytest.param(
            Plan(seed=51, rate=25, faults=0.05, quick=False), 1500, 700, 300.0, id="seed51-1500orders", marks=_FULL
        ),
        pytest.param(
            Plan(seed=51, rate=25, faults=0.05, quick=False), 3000, 1400, 3600.0, id="seed51-an-hour", marks=_HOUR
        ),
    ],
)
def test_an_erp_that_hangs_stops_nothing_before_booking(
    installations: Installations, plan: Plan, orders: int, routed: int, down_s: float
) -> None:
    installation = installations.get(plan)
    installation.sell(orders)
    installation.wait_until_at_rest(60 + orders / plan.rate * 4)
    booked = installation.count(_BOOKED)
    installation.freeze(_ERP)
    try:
        installation.sell(orders)
        installation.until(lambda: _routed(installation) >= routed, down_s + 60, f"{routed} orders routed")
        installation.for_the_time_of(down_s)
        assert installation.count(_BOOKED) == booked
    finally:
        installation.thaw(_ERP)
    progress = installation.wait_and_audit(90 + down_s + orders / plan.rate * 4)
    assert progress.letters == 0


def _routed(installation: Installation) -> int:
    return installation.count("SELECT count(*) FROM orders WHERE state = 'routed'")
