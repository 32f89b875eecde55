"""Intents: written and committed before anything is sent, many deliveries in one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import asyncpg

from kept.engine.interfaces import EffectRecord, EffectStanding, Intent, StoreUnavailable
from kept.store.appending import columns
from kept.store.database import REPEATABLE, Database

# Longer than an attempt may take (`kept.engine.runner.Limits.attempt_s`): a claim outlives what is sent under it.
LEASE = timedelta(seconds=20)
_RESOLVED = {"intended": "unresolved", "unknown": "unresolved", "refused": "refused", "confirmed": "confirmed"}

_Waiting = tuple[Intent, "asyncio.Future[EffectRecord | None]"]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class IntentWriter:
    """Collects the intents of all deliveries that are ready at the same moment into one transaction."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = _utc_now) -> None:
        self._database = database
        self._clock = clock
        self._waiting: list[_Waiting] = []
        self._flushes: set[asyncio.Task[None]] = set()

    async def intend(self, intent: Intent) -> EffectRecord | None:
        """See `kept.engine.interfaces.IntentLedger`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[EffectRecord | None] = loop.create_future()
        self._waiting.append((intent, future))
        if len(self._waiting) == 1:
            # Runs after every task that is ready now, so that their intents share the commit.
            loop.call_soon(self._begin_flush)
        return await future

    def _begin_flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        task = asyncio.get_running_loop().create_task(self._flush(waiting))
        self._flushes.add(task)
        task.add_done_callback(self._flushes.discard)

    async def _flush(self, waiting: list[_Waiting]) -> None:
        try:
            records = await self._commit([intent for intent, _ in waiting])
        except Exception as error:  # noqa: BLE001 - handed to whoever waits for the intent
            for _, future in waiting:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), record in zip(waiting, records, strict=True):
            if not future.done():
                future.set_result(record)

    async def _commit(self, intents: list[Intent]) -> list[EffectRecord | None]:
        try:
            return await self._write(intents)
        except REPEATABLE as error:
            raise StoreUnavailable(f"intents: {type(error).__name__}") from error

    async def _write(self, intents: list[Intent]) -> list[EffectRecord | None]:
        # A delivery rung for twice may stand here twice; only the first may go on.
        first = {intent.delivery_id: intent for intent in reversed(intents)}
        async with self._database.transaction() as connection:
            epochs = await _claim(connection, list(first.values()))
            held = [intent for intent in first.values() if intent.delivery_id in epochs]
            known = await _known(connection, held)
            rows = [
                (i.key, i.delivery_id, i.target, i.operation, i.request_hash, i.correlation_id)
                for i in held
                if not i.resend
            ]
            written = await connection.fetch(_INTEND, *columns(rows, 6)) if rows else []
            again = [intent.key for intent in held if intent.resend]
            written += await connection.fetch(_RESEND, again) if again else []
        now = self._clock()
        attempts = {row["key"]: row for row in written}
        records: list[EffectRecord | None] = []
        for intent in intents:
            if intent.delivery_id not in epochs or first[intent.delivery_id] is not intent:
                records.append(None)
                continue
            records.append(_record(epochs[intent.delivery_id], known.get(intent.key), attempts.get(intent.key), now))
        return records


def _record(epoch: int, before: asyncpg.Record | None, written: asyncpg.Record | None, now: datetime) -> EffectRecord:
    """An effect as it was before the intent, with the number of the try that the intent begins.

    How long ago it was sent is PostgreSQL's word; `now` makes it a time of this worker, whose clock may differ.
    """
    row = written or before
    assert row is not None, "an intent finds an effect or makes one"
    last_sent_at = now - (before["age"] if before is not None else timedelta(0))
    if before is not None and before["status"] == "intended":
        # Nobody saw that request leave: it may have at any moment while the claim lasted.
        last_sent_at += LEASE
    return EffectRecord(
        epoch=epoch,
        resolved="new" if before is None else _RESOLVED[before["status"]],
        request_hash=row["request_hash"],
        attempt=row["attempt"],
        last_sent_at=last_sent_at,
        answer=before["answer"] if before is not None else None,
    )


class EffectReader:
    """`kept.steps.ports.ReadEffects`."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = _utc_now) -> None:
        self._database = database
        self._clock = clock

    async def standing(self, key: str) -> EffectStanding | None:
        """Where the effect stands; None if it was never intended."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                "SELECT status, now() - last_sent_at AS age FROM effects WHERE key = $1", key
            )
        return EffectStanding(row["status"], self._clock() - row["age"] + LEASE) if row is not None else None


async def _claim(connection: asyncpg.Connection, intents: list[Intent]) -> dict[int, int]:
    """The deliveries that are ours now, with their epochs. A claim raises the epoch once."""
    asked = {intent.delivery_id: intent for intent in intents}
    rows = await connection.fetch(
        "SELECT id, epoch, claimed_until > now() AS held FROM deliveries WHERE id = ANY($1::bigint[])"
        " ORDER BY id FOR UPDATE",
        list(asked),
    )
    mine = {
        row["id"]: row["epoch"]
        for row in rows
        if row["epoch"] == asked[row["id"]].epoch and (asked[row["id"]].claimed or not row["held"])
    }
    fresh = [delivery_id for delivery_id in mine if not asked[delivery_id].claimed]
    await connection.execute(
        "UPDATE deliveries SET epoch = epoch + (id = ANY($2::bigint[]))::int, claimed_until = now() + $3"
        " WHERE id = ANY($1::bigint[])",
        list(mine),
        fresh,
        LEASE,
    )
    return {delivery_id: epoch + (not asked[delivery_id].claimed) for delivery_id, epoch in mine.items()}


async def _known(connection: asyncpg.Connection, intents: list[Intent]) -> dict[str, asyncpg.Record]:
    rows = await connection.fetch(
        "SELECT key, status, request_hash, attempt, now() - last_sent_at AS age, answer FROM effects"
        " WHERE key = ANY($1::text[])",
        [intent.key for intent in intents],
    )
    return {row["key"]: row for row in rows}


# Only a new effect, or one that surely was not done, is sent without a look first; the first content of a key
# stays on record, to be compared with.
_INTEND = """
INSERT INTO effects AS e (key, order_id, target, operation, request_hash, status, attempt, first_sent_at,
                          last_sent_at, correlation_id)
SELECT x.key, d.order_id, x.target, x.operation, x.request_hash, 'intended', 1, now(), now(), x.correlation_id
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[])
    AS x(key, delivery_id, target, operation, request_hash, correlation_id)
JOIN deliveries d ON d.id = x.delivery_id
ON CONFLICT (key) DO UPDATE SET status = 'intended', attempt = e.attempt + 1, last_sent_at = now()
WHERE e.status = 'refused'
RETURNING key, request_hash, attempt
"""
_RESEND = """
UPDATE effects SET status = 'intended', attempt = attempt + 1, last_sent_at = now()
WHERE key = ANY($1::text[]) AND status <> 'confirmed'
RETURNING key, request_hash, attempt
"""
