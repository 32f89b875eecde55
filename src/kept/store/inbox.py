"""The inbox: every authentic message, raw, once, before the sender gets its 2xx."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from kept.domain.lifecycle import STEP_OF_STATE, MessageState
from kept.domain.urgency import Urgency
from kept.engine import crash
from kept.engine.delivery import Ring
from kept.store.database import Database
from kept.store.ids import Ids

_FIRST_STATE = {
    "channel": MessageState.RECEIVED,
    "centre": MessageState.ARRIVED,
    "operator": MessageState.INSTRUCTED,
}


@dataclass(frozen=True, slots=True)
class Arrival:
    """A verified message, about to be kept."""

    source: str
    source_kind: str  # "channel", "centre" or "operator"
    external_key: str  # the sender's own id of it
    headers: dict[str, str]
    body: bytes
    correlation_id: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was kept. A message that came before has `duplicate` set and the first one's ids.

    `differs` tells that the first one, under the same key, had another body.
    """

    message_id: int
    correlation_id: str
    duplicate: bool
    differs: bool = False


class Inbox:
    """Accepts messages in group commits."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._message_ids = Ids(database, "message_ids")
        self._delivery_ids = Ids(database, "delivery_ids")

    async def accept(self, arrivals: Sequence[Arrival]) -> tuple[list[Receipt], list[Ring]]:
        """Keep messages and what must happen next, in one transaction; receipts in the order given."""
        ids = await self._message_ids.take(len(arrivals))
        delivery_ids = await self._delivery_ids.take(len(arrivals))
        steps = [STEP_OF_STATE[_FIRST_STATE[arrival.source_kind]] for arrival in arrivals]
        crash.reach("inbox.before_commit")
        async with self._database.transaction() as connection:
            new = await connection.fetch(
                _ACCEPT,
                ids,
                [arrival.source for arrival in arrivals],
                [arrival.source_kind for arrival in arrivals],
                [arrival.external_key for arrival in arrivals],
                [orjson.dumps(arrival.headers).decode() for arrival in arrivals],
                [arrival.body for arrival in arrivals],
                [arrival.correlation_id for arrival in arrivals],
                [arrival.received_at for arrival in arrivals],
                delivery_ids,
                steps,
                int(Urgency.NOW),
            )
        crash.reach("inbox.after_commit")
        kept = {row["subject_id"] for row in new}
        rings = [
            Ring(delivery_id, step, Urgency.NOW)
            for message_id, delivery_id, step in zip(ids, delivery_ids, steps, strict=True)
            if message_id in kept
        ]
        if len(kept) == len(arrivals):
            receipts = [Receipt(i, a.correlation_id, False) for i, a in zip(ids, arrivals, strict=True)]
        else:
            receipts = await self._with_duplicates(arrivals, ids, kept)
        return receipts, rings

    async def _with_duplicates(self, arrivals: Sequence[Arrival], ids: Sequence[int], kept: set[int]) -> list[Receipt]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT source, external_key, id, correlation_id, sha256(body) AS sha256 FROM inbox"
                " WHERE (source, external_key) IN (SELECT * FROM unnest($1::text[], $2::text[]))",
                [arrival.source for arrival in arrivals],
                [arrival.external_key for arrival in arrivals],
            )
        first = {(row["source"], row["external_key"]): row for row in rows}
        receipts = []
        for message_id, arrival in zip(ids, arrivals, strict=True):
            row = first[arrival.source, arrival.external_key]
            differs = row["sha256"] != hashlib.sha256(arrival.body).digest()
            receipts.append(Receipt(row["id"], row["correlation_id"], message_id not in kept, differs))
        return receipts

    async def count_refusal(self, source: str, reason: str) -> None:
        """Count a message that was refused at the door; nothing of it is kept."""
        async with self._database.connection() as connection:
            await connection.execute(
                "INSERT INTO intake_refusals AS r VALUES (current_date, $1, $2, 1)"
                " ON CONFLICT (day, source, reason) DO UPDATE SET count = r.count + 1",
                source,
                reason,
            )


_ACCEPT = """
WITH arrived AS (
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[],
                         $8::timestamptz[], $9::bigint[], $10::text[])
        AS a(id, source, source_kind, external_key, headers, body, correlation_id, received_at, delivery_id, step)
), kept AS (
    INSERT INTO inbox (id, source, source_kind, external_key, headers, body, correlation_id, received_at)
    SELECT id, source, source_kind, external_key, headers::jsonb, body, correlation_id, received_at FROM arrived
    ORDER BY source, external_key, id  -- in one order everywhere: groups with common keys never block each other
    ON CONFLICT (source, external_key) DO NOTHING
    RETURNING id
)
INSERT INTO deliveries (id, kind, subject_id, step, urgency, deadline, due_at, queued_at, correlation_id)
SELECT a.delivery_id, 'message', a.id, a.step, $11, a.received_at, a.received_at, now(), a.correlation_id
FROM arrived a JOIN kept USING (id)
RETURNING subject_id
"""
