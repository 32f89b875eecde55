"""What becomes of a subscription after a round of sending: pure, so that every case can be tried.

Three things are kept apart. An event that its endpoint did not take waits with the later ones of its order in a
*lane*, and other orders go on. An endpoint that takes nothing at all *fails*: it is asked with one event at a time,
at growing intervals, until it is paused. What a person asks for again is sent alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum

# Standard Webhooks, "Deliverability and reliability": its recommended schedule, and a day more. 75 hours in all.
RETRY_AFTER_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
# Events of one order sent in a round, so that a long lane does not hold the subscription.
TRACK_EVENTS_MAX = 50
# Orders that wait in lanes. More of them is an endpoint that does not work, whatever it answers to the others.
LANES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a subscription is to be. `types` are public names; no types or accounts: all."""

    url: str
    types: tuple[str, ...]
    accounts: tuple[str, ...]
    personal_data: bool
    secrets: tuple[str, ...]  # references, never values


class Pause(Enum):
    """Why a subscription is paused."""

    BY_PERSON = "paused by a person"
    FAILING = "the endpoint took nothing for three days"
    GONE = "the endpoint answered 410 Gone"
    TOO_MANY_LANES = f"the endpoint refused events of more than {LANES_MAX} orders"


@dataclass(frozen=True, slots=True)
class Sent:
    """What one try came to. `error` is empty if the endpoint took the event."""

    status: int | None
    duration_ms: int
    error: str = ""
    retry_after_s: float | None = None  # what the endpoint asked for

    @property
    def taken(self) -> bool:
        return not self.error

    @property
    def gone(self) -> bool:
        return self.status == 410


@dataclass(frozen=True, slots=True)
class Try:
    """One try of one event."""

    position: int
    attempt: int
    at: datetime
    sent: Sent


class TrackKind(Enum):
    """Where a track's events come from."""

    FRESH = "fresh"  # not sent before
    LANE = "lane"  # waited behind a failure
    AGAIN = "again"  # a person asked for it


@dataclass(slots=True)
class Track:
    """Events of one order, to be sent one after the other, and the tries made in this round."""

    kind: TrackKind
    order_id: int
    positions: Sequence[int]  # rising; none for a lane whose events are not wanted any more
    attempts: int = 0  # failed tries of the first event so far
    more: bool = False  # the lane goes on behind these
    tries: list[Try] = field(default_factory=list)

    @property
    def failed(self) -> Try | None:
        """The try that ended the track, if it did."""
        return self.tries[-1] if self.tries and not self.tries[-1].sent.taken else None

    @property
    def taken(self) -> int:
        """How many events the endpoint took."""
        return sum(each.sent.taken for each in self.tries)

    @property
    def cut(self) -> bool:
        """Whether the round ended before the track did."""
        return self.failed is None and self.taken < len(self.positions)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a subscription stands. Nothing is sent before `retry_at`."""

    position: int
    failures: int
    retry_at: datetime
    last_error: str = ""
    pause: Pause | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """A lane or a redelivery that goes on later: from `position`, at `due_at`; None: when a person resumes it."""

    key: int  # the order's id for a lane, the position for a redelivery
    position: int
    attempts: int
    due_at: datetime | None
    error: str


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Everything that a round changes."""

    standing: Standing
    lanes: tuple[Wait, ...]  # to be written
    ended_lanes: tuple[int, ...]  # orders that go on with the others
    again: tuple[Wait, ...]
    ended_again: tuple[int, ...]
    recovered: bool  # the endpoint failed before: what waits is due at once


def retry_at(failed: int, asked_s: float | None, now: datetime, jitter: float) -> datetime | None:
    """When to try again after `failed` tries, and not before what the endpoint asked for; None: given up.

    `jitter` in [0, 1) spreads retries by up to a tenth, so that orders that failed together don't return together.
    """
    if failed > len(RETRY_AFTER_S):
        return None
    return now + timedelta(seconds=max(RETRY_AFTER_S[failed - 1] * (1 + jitter / 10), asked_s or 0.0))


def conclude(before: Standing, tracks: Sequence[Track], until: int, now: datetime, jitter: float) -> Conclusion:
    """What a round of sending changes. `until`: the position up to which the feed was read for it."""
    # What was sent again on request says nothing of how far the feed was sent.
    in_order = [track for track in tracks if track.kind is not TrackKind.AGAIN]
    reached = (each.position for track in in_order for each in track.tries)
    position = max((before.position, *reached)) if any(track.cut for track in in_order) else until
    lanes, ended = _lanes(tracks, position, now, jitter)
    again, ended_again = _again(tracks, now, jitter)
    standing = replace(_standing(before, tracks, now, jitter), position=position)
    recovered = before.failures > 0 and standing.failures == 0
    return Conclusion(standing, lanes, ended, again, ended_again, recovered)


def _lanes(
    tracks: Iterable[Track], position: int, now: datetime, jitter: float
) -> tuple[tuple[Wait, ...], tuple[int, ...]]:
    """Lanes to be written, and orders whose lanes have ended, when everything up to `position` is settled."""
    waits, ended = [], []
    for track in tracks:
        if track.kind is TrackKind.AGAIN:
            continue
        failed = track.failed
        rest = track.positions[track.taken :]
        if failed is not None:
            due_at = retry_at(failed.attempt, failed.sent.retry_after_s, now, jitter)
            waits.append(Wait(track.order_id, failed.position, failed.attempt, due_at, failed.sent.error))
        elif rest and rest[0] <= position:
            waits.append(Wait(track.order_id, rest[0], 0 if track.taken else track.attempts, now, ""))
        elif not rest and track.more:
            waits.append(Wait(track.order_id, track.positions[-1] + 1, 0, now, ""))
        elif track.kind is TrackKind.LANE:
            ended.append(track.order_id)
    return tuple(waits), tuple(ended)


def _again(tracks: Iterable[Track], now: datetime, jitter: float) -> tuple[tuple[Wait, ...], tuple[int, ...]]:
    """Redeliveries that go on, and those that are over: taken, or tried often enough."""
    waits, ended = [], []
    for track in tracks:
        if track.kind is not TrackKind.AGAIN or not track.tries:
            continue
        position, failed = track.positions[0], track.failed
        due_at = retry_at(failed.attempt, failed.sent.retry_after_s, now, jitter) if failed is not None else None
        if failed is None or due_at is None:
            ended.append(position)
        else:
            waits.append(Wait(position, position, failed.attempt, due_at, failed.sent.error))
    return tuple(waits), tuple(ended)


def _standing(before: Standing, tracks: Sequence[Track], now: datetime, jitter: float) -> Standing:
    """The endpoint's own standing. Only an event of an order that was not blocked before tells against it:
    one that it keeps refusing must not hold up the others.
    """
    failed = [track.failed for track in tracks if track.failed is not None]
    error = failed[-1].sent.error if failed else ""
    if any(each.sent.gone for each in failed):
        return replace(before, pause=Pause.GONE, last_error=error, failures=before.failures + 1)
    asked_s = max((each.sent.retry_after_s or 0.0 for each in failed), default=0.0)
    wait_until = now + timedelta(seconds=asked_s)
    if any(track.taken for track in tracks):
        return replace(before, failures=0, retry_at=wait_until, last_error=error)
    if not any(track.failed is not None for track in tracks if track.kind is TrackKind.FRESH):
        return replace(before, retry_at=wait_until, last_error=error or before.last_error)
    failures = before.failures + 1
    due_at = retry_at(failures, asked_s, now, jitter)
    if due_at is None:
        return replace(before, failures=failures, pause=Pause.FAILING, last_error=error)
    return replace(before, failures=failures, retry_at=due_at, last_error=error)
