"""What is closest to its promise goes first."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.domain.urgency import Urgency, urgency_of
from tests.unit.domain.samples import NOW


@pytest.mark.parametrize(
    ("left", "urgency"),
    [
        (timedelta(days=-30), Urgency.NOW),
        (timedelta(0), Urgency.NOW),
        (timedelta(hours=4), Urgency.NOW),
        (timedelta(hours=4, microseconds=1), Urgency.SOON),
        (timedelta(hours=24), Urgency.SOON),
        (timedelta(hours=24, microseconds=1), Urgency.LATER),
        (timedelta(days=300), Urgency.LATER),
    ],
)
def test_the_class_follows_from_the_time_left(left: timedelta, urgency: Urgency) -> None:
    assert urgency_of(NOW + left, NOW) is urgency


@given(st.timedeltas(timedelta(days=-99), timedelta(days=99)), st.timedeltas(timedelta(0), timedelta(days=99)))
def test_an_earlier_promise_is_never_less_urgent(left: timedelta, more: timedelta) -> None:
    assert urgency_of(NOW + left, NOW) <= urgency_of(NOW + left + more, NOW)
