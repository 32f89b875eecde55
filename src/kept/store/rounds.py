"""A notifier's rounds: claim a subscription that has something to send, load it, record what it came to.

The claim is a lease with a fencing number: whoever lost it, to another notifier or to a person's change, records
nothing, so that what it sent is sent again. A record is one transaction, so that a crash repeats and skips nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from kept.domain.notifying import (
    LANES_MAX,
    TRACK_EVENTS_MAX,
    Conclusion,
    Pause,
    Standing,
    Track,
    TrackKind,
)
from kept.domain.public_events import ledger_types
from kept.store.appending import columns, copy
from kept.store.database import Database
from kept.store.publishing import SCANNED_MAX

# A round ends within 25 s (see kept.processes.notifier); a notifier that died is replaced after this.
LEASE = timedelta(seconds=30)
# Each is one order's events; more would not be sent in a round anyway.
_LANES_A_ROUND = 50
_AGAIN_A_ROUND = 50
_FRESH_A_ROUND = 200
# Tries are for looking into failures of the last days; the feed keeps the events.
_NOTIFICATIONS_KEPT = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Claim:
    """A subscription that is ours for the length of the lease."""

    id: str
    epoch: int
    url: str
    types: tuple[str, ...]
    accounts: tuple[str, ...]
    personal_data: bool
    secrets: tuple[str, ...]
    standing: Standing


@dataclass(frozen=True, slots=True)
class Load:
    """What a round may send, the longest waiting first. `until`: up to where the feed was read for it."""

    tracks: tuple[Track, ...]
    until: int


class Rounds:
    """What a notifier asks of the database. Times of the lease are the database's, all others the caller's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, now: datetime) -> Claim | None:
        """The active subscription that has waited longest of those with something to send."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_CLAIM, now, LEASE)
        if row is None:
            return None
        return Claim(
            id=row["id"],
            epoch=row["epoch"],
            url=row["url"],
            types=tuple(row["types"]),
            accounts=tuple(row["accounts"]),
            personal_data=row["personal_data"],
            secrets=tuple(row["secrets"]),
            standing=Standing(row["position"], row["failures"], row["retry_at"], row["last_error"]),
        )

    async def load(self, claim: Claim, now: datetime) -> Load:
        """Lanes that are due, what is asked for again, and what comes next in the feed."""
        chosen = (_known_types(claim.types), list(claim.accounts))
        start = claim.standing.position
        async with self._database.transaction() as connection:
            head: int = await connection.fetchval("SELECT position FROM publishing")
            until = max(start, min(head, start + SCANNED_MAX))
            fresh = await connection.fetch(_FRESH, start, until, *chosen, claim.id, _FRESH_A_ROUND)
            if len(fresh) == _FRESH_A_ROUND:
                until = fresh[-1]["position"]
            lanes = await connection.fetch(_DUE_LANES, claim.id, now, *chosen, until, TRACK_EVENTS_MAX, _LANES_A_ROUND)
            again = await connection.fetch(_DUE_AGAIN, claim.id, now, _AGAIN_A_ROUND)
        tracks = [
            Track(
                TrackKind.LANE,
                row["order_id"],
                row["positions"],
                row["attempts"],
                more=len(row["positions"]) == TRACK_EVENTS_MAX,
            )
            for row in lanes
        ]
        tracks += [Track(TrackKind.AGAIN, row["order_id"], [row["position"]], row["attempts"]) for row in again]
        return Load((*tracks, *_fresh_tracks(fresh)), until)

    async def record(self, claim: Claim, tracks: Sequence[Track], end: Conclusion, now: datetime) -> bool:
        """Write what a round came to and end the claim; False, and nothing, if the claim was lost."""
        async with self._database.transaction() as connection:
            pause = end.standing.pause
            mine = await connection.fetchval(
                _RECORD,
                claim.id,
                claim.epoch,
                end.standing.position,
                end.standing.failures,
                end.standing.retry_at,
                end.standing.last_error[:500],
                pause.value if pause is not None else None,
                now,
            )
            if mine is None:
                return False
            await self._move_lanes(connection, claim, end, now)
            if any(track.kind is TrackKind.FRESH and track.failed for track in tracks):
                # Not while they only get fewer: a resumed subscription works its lanes off.
                await connection.execute(_TOO_MANY_LANES, claim.id, LANES_MAX, Pause.TOO_MANY_LANES.value, now)
            await connection.execute(
                "DELETE FROM redeliveries WHERE subscription_id = $1 AND position = ANY($2::bigint[])",
                claim.id,
                list(end.ended_again),
            )
            rows = [(wait.key, wait.attempts, wait.due_at) for wait in end.again]
            await connection.execute(_AGAIN_LATER, claim.id, *columns(rows, 3))
            tries = [each for track in tracks for each in track.tries]
            tries.sort(key=lambda each: each.at)
            names = ("subscription_id", "position", "at", "attempt", "status", "duration_ms", "error")
            await copy(
                connection,
                "notifications",
                names,
                [
                    (claim.id, e.position, e.at, e.attempt, e.sent.status, e.sent.duration_ms, e.sent.error[:500])
                    for e in tries
                ],
            )
        return True

    async def _move_lanes(self, connection: asyncpg.Connection, claim: Claim, end: Conclusion, now: datetime) -> None:
        if end.ended_lanes:
            await connection.execute(
                "DELETE FROM lanes WHERE subscription_id = $1 AND order_id = ANY($2::bigint[])",
                claim.id,
                list(end.ended_lanes),
            )
        if end.recovered:
            await connection.execute(
                "UPDATE lanes SET due_at = $2 WHERE subscription_id = $1 AND due_at > $2", claim.id, now
            )
        if end.lanes:
            rows = [(lane.key, lane.position, lane.attempts, lane.due_at, lane.error[:500]) for lane in end.lanes]
            await connection.execute(_WRITE_LANES, claim.id, *columns(rows, 5))

    async def forget_old(self, now: datetime) -> None:
        """Delete tries that are older than anybody looks for."""
        async with self._database.connection() as connection:
            await connection.execute("DELETE FROM notifications WHERE at < $1", now - _NOTIFICATIONS_KEPT)


def _known_types(types: Sequence[str]) -> list[str]:
    """The ledger's names of those types that this version knows; a newer one may have written others."""
    known = []
    for name in types:
        try:
            known += ledger_types([name])
        except KeyError:
            continue
    return known if types else ledger_types([])


def _fresh_tracks(rows: Sequence[asyncpg.Record]) -> list[Track]:
    """One track an order, in the order of their first events."""
    by_order: dict[int, list[int]] = {}
    for row in rows:
        by_order.setdefault(row["order_id"], []).append(row["position"])
    return [Track(TrackKind.FRESH, order_id, positions) for order_id, positions in by_order.items()]


# The least recently worked on first: retry_at is the time of the last round where nothing failed.
_CLAIM = """
UPDATE subscriptions SET epoch = epoch + 1, held_until = now() + $2::interval
WHERE id = (
    SELECT s.id FROM subscriptions s
    WHERE s.state = 'active' AND s.retry_at <= $1 AND (s.held_until IS NULL OR s.held_until < now()) AND (
        s.position < (SELECT position FROM publishing)
        OR EXISTS (SELECT FROM lanes l WHERE l.subscription_id = s.id AND l.due_at <= $1)
        OR EXISTS (SELECT FROM redeliveries r WHERE r.subscription_id = s.id AND r.due_at <= $1))
    ORDER BY s.retry_at FOR UPDATE SKIP LOCKED LIMIT 1)
RETURNING id, epoch, url, types, accounts, personal_data, secrets, position, failures, retry_at, last_error
"""
_FRESH = """
SELECT p.position, p.order_id FROM publications p
WHERE p.position > $1 AND p.position <= $2 AND p.type = ANY($3::text[])
  AND ($4::text[] = '{}' OR p.account = ANY($4::text[]))
  AND NOT EXISTS (SELECT FROM lanes l WHERE l.subscription_id = $5 AND l.order_id = p.order_id)
ORDER BY p.position LIMIT $6
"""
# A lane whose events the subscription no longer chooses has no positions, and so ends with the round.
_DUE_LANES = """
SELECT l.order_id, l.attempts, e.positions FROM lanes l CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(position ORDER BY position), '{}') AS positions FROM (
        SELECT p.position FROM publications p
        WHERE p.order_id = l.order_id AND p.position >= l.position AND p.position <= $5
          AND p.type = ANY($3::text[]) AND ($4::text[] = '{}' OR p.account = ANY($4::text[]))
        ORDER BY p.position LIMIT $6) chosen) e
WHERE l.subscription_id = $1 AND l.due_at <= $2 ORDER BY l.due_at LIMIT $7
"""
_DUE_AGAIN = """
SELECT r.position, r.attempts, p.order_id FROM redeliveries r JOIN publications p USING (position)
WHERE r.subscription_id = $1 AND r.due_at <= $2 ORDER BY r.due_at, r.position LIMIT $3
"""
_RECORD = """
UPDATE subscriptions SET position = $3, failures = $4, retry_at = $5, last_error = $6, held_until = NULL,
       state = CASE WHEN $7::text IS NULL THEN state ELSE 'paused' END, why = coalesce($7, ''),
       since = CASE WHEN $7::text IS NULL THEN since ELSE $8::timestamptz END
WHERE id = $1 AND epoch = $2 RETURNING true
"""
_WRITE_LANES = """
INSERT INTO lanes (subscription_id, order_id, position, attempts, due_at, last_error)
SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::int[], $5::timestamptz[], $6::text[])
ON CONFLICT (subscription_id, order_id) DO UPDATE
SET position = excluded.position, attempts = excluded.attempts, due_at = excluded.due_at,
    last_error = coalesce(nullif(excluded.last_error, ''), lanes.last_error)
"""
_TOO_MANY_LANES = """
UPDATE subscriptions SET state = 'paused', why = $3, since = $4
WHERE id = $1 AND (SELECT count(*) FROM lanes WHERE subscription_id = $1) > $2
"""
_AGAIN_LATER = """
UPDATE redeliveries r SET attempts = x.attempts, due_at = x.due_at
FROM unnest($2::bigint[], $3::int[], $4::timestamptz[]) AS x(position, attempts, due_at)
WHERE r.subscription_id = $1 AND r.position = x.position
"""
