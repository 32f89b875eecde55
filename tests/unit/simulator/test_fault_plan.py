"""Faults repeat for the same seed and leave every retried call a way through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.simulator.faults import ALL_KINDS, Behaviour, FaultPlan, Luck


@given(st.integers(), st.floats(0, 1), st.text(max_size=20))
def test_the_same_call_draws_the_same_fault(seed: int, rate: float, key: str) -> None:
    once = [FaultPlan(seed, rate).draw("erp", "book", key, attempt) for attempt in range(9)]
    assert once == [FaultPlan(seed, rate).draw("erp", "book", key, attempt) for attempt in range(9)]


@given(st.integers(), st.floats(0, 1), st.text(max_size=20))
def test_no_more_than_two_faults_follow_each_other(seed: int, rate: float, key: str) -> None:
    plan = FaultPlan(seed, rate)
    faults = [plan.draw("erp", "book", key, attempt) for attempt in range(30)]
    for start in range(28):
        assert None in faults[start : start + 3]


def test_the_rate_is_the_share_of_faults() -> None:
    def share(rate: float) -> float:
        plan = FaultPlan(1, rate)
        return sum(plan.draw("erp", "book", f"k{key}", 0) is not None for key in range(4000)) / 4000

    assert share(0) == 0
    assert share(1) == 1
    assert share(0.2) == pytest.approx(0.2, abs=0.03)


def test_every_kind_is_drawn_and_only_those_asked_for() -> None:
    assert {FaultPlan(1, 1).draw("erp", "book", f"k{key}", 0) for key in range(500)} == set(ALL_KINDS)
    only = ALL_KINDS[:2]
    assert {FaultPlan(1, 1, only).draw("erp", "book", f"k{key}", 0) for key in range(100)} == set(only)
    assert FaultPlan(1, 1, ()).draw("erp", "book", "k", 0) is None


def test_a_rate_beyond_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.5"):
        FaultPlan(rate=1.5)


def test_luck_is_the_same_again_and_calm_strikes_nobody() -> None:
    luck = Luck(3, Behaviour(rejects=0.5))
    strikes = [luck.strikes("rejects", f"R-{number}") for number in range(100)]
    assert strikes == [luck.strikes("rejects", f"R-{number}") for number in range(100)]
    assert 30 < sum(strikes) < 70
    assert not any(Luck(3, Behaviour.calm()).strikes("rejects", f"R-{number}") for number in range(100))
