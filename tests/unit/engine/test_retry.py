"""Delays grow, are bounded, spread out, and can be foretold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kept.engine.retry import DEFAULT_RETRY, RetryPolicy

PLAIN = RetryPolicy(base_s=1, cap_s=60, jitter=0)


def test_delays_double_until_the_cap() -> None:
    assert [PLAIN.delay_s(1, attempts) for attempts in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_delivery_that_never_failed_has_the_first_delay() -> None:
    assert PLAIN.delay_s(1, 0) == PLAIN.delay_s(1, 1)


@given(st.integers(1, 2**62), st.integers(1, 60))
def test_the_same_delivery_and_attempt_have_the_same_delay(delivery_id: int, attempts: int) -> None:
    assert DEFAULT_RETRY.delay_s(delivery_id, attempts) == DEFAULT_RETRY.delay_s(delivery_id, attempts)


@given(st.integers(1, 2**62), st.integers(1, 60))
def test_jitter_stays_within_its_share_of_the_nominal_delay(delivery_id: int, attempts: int) -> None:
    nominal = min(2.0 ** (attempts - 1), DEFAULT_RETRY.cap_s)
    share = DEFAULT_RETRY.jitter
    assert nominal * (1 - share) <= DEFAULT_RETRY.delay_s(delivery_id, attempts) <= nominal * (1 + share)


def test_a_crowd_that_failed_together_spreads_out() -> None:
    delays = [DEFAULT_RETRY.delay_s(delivery_id, 5) for delivery_id in range(1000)]
    assert len(set(delays)) > 990
    assert min(delays) < 16 * 0.85
    assert max(delays) > 16 * 1.15
    assert 15.5 < sum(delays) / len(delays) < 16.5


def test_one_delivery_draws_anew_for_each_attempt() -> None:
    ratios = {round(DEFAULT_RETRY.delay_s(1, attempts) / 2 ** (attempts - 1), 9) for attempts in range(1, 7)}
    assert len(ratios) == 6


def test_all_attempts_together_take_minutes_and_not_hours() -> None:
    # Longer than a restart of a server, shorter than a person's patience.
    policy = RetryPolicy(jitter=0)
    total_s = sum(policy.delay_s(1, attempts) for attempts in range(1, policy.attempts_max))
    assert 180 < total_s < 900
