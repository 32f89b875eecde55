"""Token buckets: never more than the rule allows, the urgent first, each who finds none gets a slot of its own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kept.engine.quotas import WAIT_MAX_S, Bucket, Level, LocalQuotas, Rate

NOW, SOON, LATER = 0, 1, 2
ONE = Bucket("shop:orders", Rate(2.0, 10.0))  # begins with 2


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def quotas() -> tuple[LocalQuotas, Clock]:
    clock = Clock()
    return LocalQuotas(clock=clock), clock


def test_a_bucket_begins_with_what_comes_in_a_second_and_fills_up_to_its_burst() -> None:
    buckets, clock = quotas()
    assert [buckets.take([ONE], 1, SOON) for _ in range(2)] == [0.0, 0.0]
    assert buckets.take([ONE], 1, SOON) == 0.5
    clock.now += 3600
    taken = sum(buckets.take([ONE], 1, SOON) == 0.0 for _ in range(20))
    assert taken == 10


def test_everybody_who_finds_no_token_gets_a_slot_of_its_own() -> None:
    buckets, _ = quotas()
    buckets.take([ONE], 2, SOON)
    assert [buckets.take([ONE], 1, SOON) for _ in range(4)] == [0.5, 1.0, 1.5, 2.0]
    assert max(buckets.take([ONE], 1, SOON) for _ in range(2000)) == WAIT_MAX_S


def test_while_somebody_more_urgent_waits_nobody_else_takes_a_token() -> None:
    buckets, clock = quotas()
    buckets.take([ONE], 2, LATER)
    assert buckets.take([ONE], 1, LATER) == 0.5
    assert buckets.take([ONE], 1, NOW) == 0.5  # its slot is not behind that of what can wait
    clock.now += 0.49
    assert buckets.take([ONE], 1, LATER) > 0
    clock.now += 0.01
    assert buckets.take([ONE], 1, NOW) == 0.0


def test_a_call_takes_from_all_of_its_buckets_or_from_none() -> None:
    buckets, clock = quotas()
    tight = Bucket("shop", Rate(0.1, 1.0))
    assert buckets.take([ONE, tight], 1, SOON) == 0.0
    clock.now += 2
    assert buckets.take([ONE, tight], 1, SOON) > 0
    clock.now += 20  # every slot is past
    assert [buckets.take([ONE], 1, SOON) for _ in range(10)] == [0.0] * 10


def test_more_points_than_a_bucket_ever_holds_are_given_by_a_full_one() -> None:
    buckets, clock = quotas()
    clock.now += 1
    buckets.take([ONE], 1, SOON)
    clock.now += 100
    assert buckets.take([ONE], 50, SOON) == 0.0
    assert buckets.take([ONE], 1, SOON) > 20


def test_the_vendor_s_word_replaces_ours() -> None:
    buckets, clock = quotas()
    buckets.take([ONE], 1, SOON)
    clock.now += 100
    buckets.heed(ONE, Level(tokens=2.0))
    assert [buckets.take([ONE], 1, SOON) for _ in range(3)] == [0.0, 0.0, 0.5]
    clock.now += 100
    buckets.heed(ONE, Level(per_s=0.5, burst=1.0))
    assert [buckets.take([ONE], 1, SOON) for _ in range(2)] == [0.0, 2.0]
    clock.now += 100
    buckets.heed(ONE, Level(blocked_s=30.0))
    assert buckets.take([ONE], 1, NOW) >= 30.0
    clock.now += 29
    assert buckets.take([ONE], 1, NOW) > 0


@given(
    steps=st.lists(st.tuples(st.floats(0, 5), st.integers(0, 2)), min_size=1, max_size=80),
    per_s=st.floats(0.1, 20),
    burst=st.integers(1, 20),
)
def test_never_more_than_the_rule_allows_in_any_stretch(
    steps: list[tuple[float, int]], per_s: float, burst: int
) -> None:
    buckets, clock = quotas()
    bucket = Bucket("b", Rate(per_s, float(burst)))
    taken: list[float] = []
    for pause_s, kind in steps:
        clock.now += pause_s
        if buckets.take([bucket], 1, kind) == 0.0:
            taken.append(clock.now)
    for index, begin in enumerate(taken):
        for count, end in enumerate(taken[index:], start=1):
            assert count <= burst + (end - begin) * per_s + 1e-6
