"""The engine's store on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import asyncpg

from kept.domain.lifecycle import MessageState, OrderState, PartState
from kept.domain.subjects import PartOf, Subject
from kept.engine.delivery import Delivery, Loaded, Ring, Settling
from kept.engine.step import Step
from kept.store.database import Database
from kept.store.loading import Orders, load_messages
from kept.store.settling import Settler

# Whatever a sweep believes of the queue, a delivery that was rung for this long ago is rung again.
_RUNG_AT_MOST = timedelta(minutes=10)


class PostgresStore:
    """`kept.engine.interfaces.Store`."""

    def __init__(self, database: Database, orders: Orders, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._orders = orders
        self._settler = Settler(database, orders, clock)

    async def load(self, step: Step[object], delivery_ids: Sequence[int]) -> list[Loaded]:
        """See `kept.engine.interfaces.Store`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LOAD, delivery_ids, step.name)
            busy = [row["id"] for row in rows if row["held"]]
            if busy:
                await connection.execute(_HAND_BACK, busy)
            free = [row for row in rows if not row["held"]]
            subjects = await self._subjects(connection, step, free)
            stale = [row["id"] for row in free if row["id"] not in subjects]
            if stale:
                # The subject is in another state by now: what this delivery was for is done.
                await connection.execute("DELETE FROM deliveries WHERE id = ANY($1::bigint[])", stale)
        return [Loaded(_delivery(row, step.name), subjects[row["id"]]) for row in free if row["id"] in subjects]

    async def _subjects(
        self, connection: asyncpg.Connection, step: Step[object], rows: Sequence[asyncpg.Record]
    ) -> Mapping[int, Subject]:
        """The subjects that are in the state which the step accepts, by delivery."""
        if not rows:
            return {}
        subject_of = {row["id"]: row["subject_id"] for row in rows}
        if isinstance(step.accepts, MessageState):
            messages = await load_messages(
                connection,
                self._orders,
                list(subject_of.values()),
                with_content=step.accepts is MessageState.NORMALISED,
            )
            return {i: messages[s] for i, s in subject_of.items() if s in messages}
        orders = await self._orders.load(connection, list({row["order_id"] for row in rows}))
        if isinstance(step.accepts, OrderState):
            return {i: orders[s] for i, s in subject_of.items() if s in orders and orders[s].state is step.accepts}
        parts = {
            part.id: PartOf(order, part.number)
            for order in orders.values()
            for part in order.parts
            if part.state is step.accepts
        }
        assert isinstance(step.accepts, PartState)
        return {i: parts[s] for i, s in subject_of.items() if s in parts}

    async def settle(self, settlings: Sequence[Settling]) -> list[Ring]:
        """See `kept.engine.interfaces.Store`."""
        return await self._settler.settle(settlings)

    async def hand_back(self, delivery_ids: Sequence[int]) -> None:
        """See `kept.engine.interfaces.Store`."""
        async with self._database.connection() as connection:
            await connection.execute(_HAND_BACK, delivery_ids)

    async def due(self, limit: int) -> list[Ring]:
        """See `kept.engine.interfaces.Store`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_DUE, limit)
        return [Ring(row["id"], row["step"], row["urgency"]) for row in rows]

    async def unring(self, older_than: timedelta, oldest: Mapping[tuple[str, int], datetime] | None = None) -> int:
        """See `kept.engine.interfaces.Store`."""
        lanes = sorted((oldest or {}).items())
        async with self._database.connection() as connection:
            status: str = await connection.execute(
                _UNRING,
                older_than,
                [step for (step, _), _ in lanes],
                [urgency for (_, urgency), _ in lanes],
                [at for _, at in lanes],
                max(older_than, _RUNG_AT_MOST) if lanes else older_than,
            )
        return int(status.rsplit(" ", 1)[-1])


def _delivery(row: asyncpg.Record, step: str) -> Delivery:
    return Delivery(
        id=row["id"],
        step=step,
        urgency=row["urgency"],
        deadline=row["deadline"],
        attempts=row["attempts"],
        waiting_since=row["waiting_since"],
        epoch=row["epoch"],
        correlation_id=row["correlation_id"],
    )


_LOAD = """
SELECT id, subject_id, order_id, urgency, deadline, attempts, waiting_since, epoch, correlation_id,
       coalesce(claimed_until > now(), false) AS held
FROM deliveries WHERE id = ANY($1::bigint[]) AND step = $2 ORDER BY urgency, deadline, id
"""
# Held by somebody: rung when the claim ends. Held by nobody: at once.
_HAND_BACK = """
UPDATE deliveries SET queued_at = NULL, due_at = greatest(due_at, coalesce(claimed_until, due_at))
WHERE id IN (SELECT id FROM deliveries WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE SKIP LOCKED)
"""
_DUE = """
UPDATE deliveries SET queued_at = now()
WHERE id IN (
    SELECT id FROM deliveries WHERE queued_at IS NULL AND due_at <= now()
    ORDER BY urgency, deadline LIMIT $1 FOR UPDATE SKIP LOCKED
)
RETURNING id, step, urgency
"""
# A ring is lost when it is old and its stream has moved past it, or when it is older than anything.
_UNRING = """
UPDATE deliveries SET queued_at = NULL
WHERE id IN (
    SELECT d.id FROM deliveries d
    LEFT JOIN unnest($2::text[], $3::int[], $4::timestamptz[]) AS o(step, urgency, oldest)
           ON o.step = d.step AND o.urgency = d.urgency
    WHERE d.queued_at IS NOT NULL AND (d.claimed_until IS NULL OR d.claimed_until < now())
      AND (d.queued_at < now() - $5::interval
           OR d.queued_at <= now() - $1::interval AND (o.oldest IS NULL OR d.queued_at < o.oldest))
    FOR UPDATE OF d SKIP LOCKED
)
"""
