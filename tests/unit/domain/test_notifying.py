"""What becomes of a subscription after a round: no event is lost, whatever the endpoint and the round's end did."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.domain.notifying import (
    RETRY_AFTER_S,
    Conclusion,
    Pause,
    Sent,
    Standing,
    Track,
    TrackKind,
    Try,
    conclude,
    retry_at,
)
from tests.unit.domain.samples import NOW

TAKEN, REFUSED = Sent(204, 5), Sent(500, 5, "answered 500")
BEFORE = Standing(position=10, failures=0, retry_at=NOW)


def track(kind: TrackKind, order_id: int, *positions: int, tried: str = "", attempts: int = 0) -> Track:
    """A track after its round: `tried` has a letter for each try, t for taken and f for failed."""
    made = Track(kind, order_id, positions, attempts)
    for index, (position, letter) in enumerate(zip(positions, tried, strict=False)):
        attempt = attempts + 1 if index == 0 else 1
        made.tries.append(Try(position, attempt, NOW, TAKEN if letter == "t" else REFUSED))
    return made


def concluded(*tracks: Track, before: Standing = BEFORE, until: int = 100) -> Conclusion:
    return conclude(before, tracks, until, NOW, 0.0)


def lanes(end: Conclusion) -> dict[int, tuple[int, int]]:
    """Position and attempts by order."""
    return {lane.key: (lane.position, lane.attempts) for lane in end.lanes}


def test_everything_taken_leaves_nothing_but_the_cursor() -> None:
    end = concluded(track(TrackKind.FRESH, 1, 11, 12, tried="tt"), track(TrackKind.FRESH, 2, 13, tried="t"))
    assert (end.standing.position, end.lanes, end.ended_lanes) == (100, (), ())
    assert end.standing.failures == 0


def test_a_refused_event_begins_a_lane_there_and_the_cursor_goes_on() -> None:
    end = concluded(track(TrackKind.FRESH, 1, 11, 12, 14, tried="tf"), track(TrackKind.FRESH, 2, 13, tried="t"))
    assert (lanes(end), end.standing.position) == ({1: (12, 1)}, 100)
    assert end.lanes[0].due_at == NOW + timedelta(seconds=RETRY_AFTER_S[0])


def test_a_lane_counts_its_tries_until_its_first_event_is_taken() -> None:
    end = concluded(track(TrackKind.LANE, 1, 5, 6, tried="f", attempts=3))
    assert lanes(end) == {1: (5, 4)}
    assert end.lanes[0].due_at == NOW + timedelta(seconds=RETRY_AFTER_S[3])
    assert lanes(concluded(track(TrackKind.LANE, 1, 5, 6, tried="tf", attempts=3))) == {1: (6, 1)}
    assert concluded(track(TrackKind.LANE, 1, 5, 6, tried="tt", attempts=3)).ended_lanes == (1,)


def test_a_lane_that_goes_on_behind_what_was_loaded_stays() -> None:
    loaded = track(TrackKind.LANE, 1, 5, 6, tried="tt")
    loaded.more = True
    end = concluded(loaded)
    assert (lanes(end), end.ended_lanes) == ({1: (7, 0)}, ())


def test_a_lane_without_events_that_are_still_wanted_ends() -> None:
    assert concluded(track(TrackKind.LANE, 1)).ended_lanes == (1,)


def test_a_round_that_is_cut_settles_only_what_it_reached() -> None:
    end = concluded(
        track(TrackKind.FRESH, 1, 11, 15, tried="t"),
        track(TrackKind.FRESH, 2, 12),
        track(TrackKind.FRESH, 3, 13, tried="t"),
        track(TrackKind.FRESH, 4, 14),
    )
    assert end.standing.position == 13
    assert lanes(end) == {2: (12, 0)}  # it was passed by; the others come with the next round
    assert end.lanes[0].due_at == NOW


def test_what_is_sent_again_does_not_move_the_cursor() -> None:
    end = concluded(track(TrackKind.AGAIN, 1, 90, tried="t"), track(TrackKind.FRESH, 2, 11))
    assert (end.standing.position, end.ended_again, end.lanes) == (10, (90,), ())
    end = concluded(track(TrackKind.AGAIN, 1, 90, tried="f", attempts=2))
    assert [(wait.position, wait.attempts) for wait in end.again] == [(90, 3)]
    end = concluded(track(TrackKind.AGAIN, 1, 90, tried="f", attempts=len(RETRY_AFTER_S)))
    assert (end.again, end.ended_again) == ((), (90,))
    assert concluded(track(TrackKind.AGAIN, 1, 90)).ended_again == ()


def test_only_an_order_that_was_not_blocked_tells_against_the_endpoint() -> None:
    assert concluded(track(TrackKind.LANE, 1, 5, tried="f")).standing.failures == 0
    assert concluded(track(TrackKind.AGAIN, 1, 5, tried="f")).standing.failures == 0
    fresh = track(TrackKind.FRESH, 2, 11, tried="f")
    assert concluded(fresh).standing.failures == 1
    assert concluded(fresh, track(TrackKind.LANE, 1, 5, tried="t")).standing.failures == 0


def test_an_endpoint_fails_by_the_schedule_until_it_is_paused() -> None:
    standing = BEFORE
    for wait_s in RETRY_AFTER_S:
        standing = concluded(track(TrackKind.FRESH, 2, 11, tried="f"), before=standing).standing
        assert (standing.retry_at, standing.pause) == (NOW + timedelta(seconds=wait_s), None)
    standing = concluded(track(TrackKind.FRESH, 2, 11, tried="f"), before=standing).standing
    assert standing.pause is Pause.FAILING
    end = concluded(track(TrackKind.FRESH, 2, 11, tried="t"), before=replace(standing, pause=None))
    assert (end.standing.failures, end.recovered) == (0, True)


@pytest.mark.parametrize("kind", list(TrackKind))
def test_gone_pauses_whatever_was_sent(kind: TrackKind) -> None:
    gone = track(kind, 1, 11)
    gone.tries.append(Try(11, 1, NOW, Sent(410, 5, "answered 410")))
    end = concluded(gone, track(TrackKind.FRESH, 2, 12, tried="t"))
    assert end.standing.pause is Pause.GONE


def test_what_the_endpoint_asks_for_is_waited_for() -> None:
    busy = track(TrackKind.FRESH, 1, 11)
    busy.tries.append(Try(11, 1, NOW, Sent(429, 5, "answered 429", retry_after_s=900.0)))
    end = concluded(busy, track(TrackKind.FRESH, 2, 12, tried="t"))
    assert end.standing.retry_at == NOW + timedelta(seconds=900)
    assert end.lanes[0].due_at == NOW + timedelta(seconds=900)


def test_retries_grow_and_end() -> None:
    waits = [retry_at(failed, None, NOW, 0.0) for failed in range(1, len(RETRY_AFTER_S) + 1)]
    assert waits == sorted(waits, key=lambda at: at or NOW)
    assert retry_at(len(RETRY_AFTER_S) + 1, None, NOW, 0.0) is None
    assert retry_at(1, None, NOW, 0.999) != retry_at(1, None, NOW, 0.0)


@st.composite
def rounds(draw: st.DrawFn) -> list[Track]:
    """Fresh tracks over positions from 11 on and lanes from before, each tried as far as it came."""
    orders = draw(st.lists(st.integers(1, 6), min_size=1, max_size=25))
    positions: dict[int, list[int]] = {}
    for position, order_id in enumerate(orders, start=6):
        positions.setdefault(order_id, []).append(position)
    made = []
    for order_id, each in positions.items():
        kind = TrackKind.LANE if each[0] <= BEFORE.position else TrackKind.FRESH
        taken = draw(st.integers(0, len(each)))
        ending = "f" if taken < len(each) and draw(st.booleans()) else ""
        made.append(track(kind, order_id, *each, tried="t" * taken + ending))
    return made


@given(rounds())
def test_every_event_is_taken_or_waits_in_a_lane_or_is_still_to_come(tracks: list[Track]) -> None:
    end = concluded(*tracks, until=40)
    waiting = {lane.key: lane.position for lane in end.lanes}
    for each in tracks:
        open_lane = waiting.get(each.order_id)
        assert not (open_lane is not None and each.order_id in end.ended_lanes)
        for index, position in enumerate(each.positions):
            taken = index < each.taken
            in_lane = open_lane is not None and position >= open_lane
            to_come = open_lane is None and position > end.standing.position
            assert taken != (in_lane or to_come)  # neither lost nor, without a crash, sent twice
    assert end.standing.position >= BEFORE.position
