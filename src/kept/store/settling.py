"""Settling: facts, new state, next deliveries, stock, dead letters, observations, in one transaction.

Locks are always taken in the same order (orders, deliveries, effects, stock, each kind once and sorted), so
that settlements wait for each other and do not block each other for good. Stock comes last: every order of a
popular SKU needs the same row, so it is held for no longer than the commit takes.

A settlement counts only if its delivery is still its own (epoch) and its order is still the one it was decided
on (seq); otherwise nothing of it is written but what was observed of its effects, and the step is taken again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from kept.engine.delivery import Advance, Bury, Delivery, Loaded, Reschedule, Ring, Settling
from kept.store import appending, writing
from kept.store.database import REPEATABLE, Database
from kept.store.ids import Ids
from kept.store.loading import Orders
from kept.store.plan import (
    Change,
    NextDelivery,
    chained,
    change_of,
    count_new_parts,
    first_delivery,
    order_id_of,
    own_subject,
    with_part_ids,
)
from kept.store.stock import Oversold, apply_moves, refused

# A third deadlock in a row with the same rows is no accident: let the runner halve the group.
_TRIES = 3


@dataclass(slots=True)
class _Group:
    """A group of settlements while it is being written."""

    settlings: Sequence[Settling]
    changes: list[Change]
    again: list[Settling]  # to be decided anew, at once
    rings: list[Ring] = field(default_factory=list)


class Settler:
    """Writes settlements."""

    def __init__(self, database: Database, orders: Orders, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._orders = orders
        self._clock = clock
        self._delivery_ids = Ids(database, "delivery_ids")
        self._part_ids = Ids(database, "part_ids")

    async def settle(self, settlings: Sequence[Settling]) -> list[Ring]:
        """Settle a group; what has to be rung for now. Raises StoreUnavailable, or what a bug raises."""
        now = self._clock()
        changes = [change_of(item, now) for item in settlings if isinstance(item.settlement, Advance)]
        with_part_ids(changes, iter(await self._part_ids.take(count_new_parts(changes))))
        changes, again = chained(changes, now)
        delivery_ids = await self._delivery_ids.take(sum(len(change.nexts) + change.new_order for change in changes))
        scarce = False
        for tried in range(1, _TRIES + 1):
            group = _Group(settlings, list(changes), list(again))
            try:
                async with self._database.transaction() as connection:
                    await self._write(connection, group, delivery_ids, now, scarce=scarce)
                break
            except (*REPEATABLE, Oversold) as error:
                scarce = scarce or isinstance(error, Oversold)
                if tried == _TRIES:
                    raise
        for change in group.changes:
            if change.content is not None:
                self._orders.remember(change.settling.subject.id, change.content)
        return group.rings

    async def _write(
        self,
        connection: asyncpg.Connection,
        group: _Group,
        delivery_ids: Sequence[int],
        now: datetime,
        *,
        scarce: bool,
    ) -> None:
        mine = await self._lock(connection, group)
        await appending.write_observations(connection, group.settlings)
        self._drop_foreign(group, mine)
        await self._create_orders(connection, group, now)
        if scarce:
            await self._reserve(connection, group)
        changes = group.changes
        await appending.append_contents(connection, changes)
        await appending.append_ends(connection, changes, now)
        await writing.update_orders(connection, changes, now)
        await writing.update_lines(connection, changes)
        await writing.insert_parts(connection, changes, now)
        await writing.update_parts(connection, changes, now)
        await appending.append_documents(connection, changes, now)
        await appending.append_ledger(connection, changes, now)
        await self._end_deliveries(connection, changes)
        await self._begin_deliveries(connection, group, delivery_ids, now)
        await self._reschedule(connection, group, mine)
        await self._bury(connection, [s for s in group.settlings if s.delivery.id in mine], now)
        await self._take_again(connection, group, mine)
        await apply_moves(connection, changes, now, locked=scarce)

    async def _lock(self, connection: asyncpg.Connection, group: _Group) -> set[int]:
        """Lock orders and deliveries; the ids of deliveries that are still ours.

        Changes decided on an order that has moved since go to `again`.
        """
        seqs = {c.base.id: c.base.seq for c in group.changes if c.base is not None}
        if seqs:
            rows = await connection.fetch(
                "SELECT id, seq FROM orders WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE", list(seqs)
            )
            current = {row["id"]: row["seq"] for row in rows}
            moved = [c for c in group.changes if c.base is not None and current[c.base.id] != c.base.seq]
            group.again.extend(change.settling for change in moved)
            group.changes = [change for change in group.changes if change not in moved] if moved else group.changes
        epochs = {settling.delivery.id: settling.delivery.epoch for settling in group.settlings}
        rows = await connection.fetch(
            "SELECT id, epoch FROM deliveries WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE", list(epochs)
        )
        return {row["id"] for row in rows if row["epoch"] == epochs[row["id"]]}

    @staticmethod
    def _drop_foreign(group: _Group, mine: set[int]) -> None:
        """Leave out changes whose delivery is somebody else's by now, and what was decided upon them."""
        foreign = [change for change in group.changes if change.settling.delivery.id not in mine]
        if not foreign:
            return
        orders = {change.base.id for change in foreign if change.base is not None}
        built_on = [c for c in group.changes if c not in foreign and c.base is not None and c.base.id in orders]
        group.again.extend(change.settling for change in built_on)
        group.changes = [change for change in group.changes if change not in foreign and change not in built_on]

    async def _create_orders(self, connection: asyncpg.Connection, group: _Group, now: datetime) -> None:
        """New orders; a sale that another message created meanwhile is decided again, as a revision."""
        new = [change for change in group.changes if change.new_order]
        if not new:
            return
        created = await writing.insert_orders(
            connection, [change.evolution.order for change in new if change.evolution is not None], now
        )
        for change in new:
            assert change.evolution is not None
            if change.evolution.order.id in created:
                change.nexts = [first_delivery(change.evolution.order, now)]
            else:
                group.changes.remove(change)
                group.again.append(change.settling)

    async def _reserve(self, connection: asyncpg.Connection, group: _Group) -> None:
        """Lock the group's stock; an order whose stock was taken meanwhile is routed again."""
        for change in await refused(connection, group.changes):
            group.changes.remove(change)
            group.again.append(change.settling)

    async def _end_deliveries(self, connection: asyncpg.Connection, changes: Sequence[Change]) -> None:
        ended = {own_subject(change.settling) for change in changes}
        for change in changes:
            ended.update(change.superseded)
        if ended:
            await self._close_letters(connection, ended - {own_subject(change.settling) for change in changes})
            await connection.execute(
                "DELETE FROM deliveries d USING unnest($1::text[], $2::bigint[]) AS x(kind, subject_id)"
                " WHERE d.kind = x.kind AND d.subject_id = x.subject_id",
                *appending.columns(sorted(ended), 2),
            )

    async def _close_letters(self, connection: asyncpg.Connection, moved: set[tuple[str, int]]) -> None:
        """Dead letters of subjects that something else has moved on need nobody any more."""
        if moved:
            await connection.execute(
                "UPDATE dead_letters l SET resolved_at = $3, resolution = 'overtaken: the subject moved on'"
                " FROM unnest($1::text[], $2::bigint[]) AS x(kind, subject_id)"
                " WHERE l.kind = x.kind AND l.subject_id = x.subject_id AND l.resolved_at IS NULL",
                *appending.columns(sorted(moved), 2),
                self._clock(),
            )

    async def _begin_deliveries(
        self, connection: asyncpg.Connection, group: _Group, ids: Sequence[int], now: datetime
    ) -> None:
        nexts = [upcoming for change in group.changes for upcoming in change.nexts]
        if not nexts:
            return
        rows = [_delivery_row(i, upcoming, now) for i, upcoming in zip(ids, nexts, strict=False)]
        await appending.copy(connection, "deliveries", _DELIVERY, rows)
        group.rings.extend(_ring(i, upcoming) for i, upcoming in zip(ids, nexts, strict=False))

    async def _reschedule(self, connection: asyncpg.Connection, group: _Group, mine: set[int]) -> None:
        rows = [
            (
                s.delivery.id,
                s.settlement.due_at,
                s.settlement.attempts,
                s.settlement.waiting_since,
                s.settlement.reason,
            )
            for s in group.settlings
            if isinstance(s.settlement, Reschedule) and s.delivery.id in mine
        ]
        if rows:
            await connection.execute(_RESCHEDULE, *appending.columns(rows, 5))

    async def _take_again(self, connection: asyncpg.Connection, group: _Group, mine: set[int]) -> None:
        """Let deliveries be worked on at once again: free, rung for, no attempt counted."""
        again = [settling.delivery.id for settling in group.again if settling.delivery.id in mine]
        if not again:
            return
        rows = await connection.fetch(
            "UPDATE deliveries SET claimed_until = NULL, queued_at = now() WHERE id = ANY($1::bigint[])"
            " RETURNING id, step, urgency",
            again,
        )
        group.rings.extend(Ring(row["id"], row["step"], row["urgency"]) for row in rows)

    async def _bury(self, connection: asyncpg.Connection, settlings: Sequence[Settling], now: datetime) -> None:
        rows = [_letter_row(s, s.settlement) for s in settlings if isinstance(s.settlement, Bury)]
        if not rows:
            return
        await connection.execute(_INSERT_LETTERS, *appending.columns(rows, 10), now)
        await connection.execute(
            "DELETE FROM deliveries WHERE id = ANY($1::bigint[])",
            [s.delivery.id for s in settlings if isinstance(s.settlement, Bury)],
        )


def _delivery_row(delivery_id: int, upcoming: NextDelivery, now: datetime) -> tuple[object, ...]:
    return (
        delivery_id,
        upcoming.kind,
        upcoming.subject_id,
        upcoming.order_id,
        upcoming.step,
        upcoming.urgency,
        upcoming.deadline,
        upcoming.correlation_id,
        now,
    )


def _ring(delivery_id: int, upcoming: NextDelivery) -> Ring:
    delivery = Delivery(
        id=delivery_id,
        step=upcoming.step,
        urgency=upcoming.urgency,
        deadline=upcoming.deadline,
        attempts=0,
        waiting_since=None,
        epoch=0,
        correlation_id=upcoming.correlation_id,
    )
    return Ring(delivery_id, upcoming.step, upcoming.urgency, Loaded(delivery, upcoming.subject))


def _letter_row(settling: Settling, bury: Bury) -> tuple[object, ...]:
    delivery = settling.delivery
    kind, subject_id = own_subject(settling)
    return (
        kind,
        subject_id,
        order_id_of(settling),
        delivery.step,
        bury.code,
        bury.reason[:2000],
        bury.attempts,
        delivery.urgency,
        delivery.deadline,
        delivery.correlation_id,
    )


_DELIVERY = (
    "id",
    "kind",
    "subject_id",
    "order_id",
    "step",
    "urgency",
    "deadline",
    "correlation_id",
    "due_at",
)
_RESCHEDULE = """
UPDATE deliveries d SET due_at = x.due_at, attempts = x.attempts, waiting_since = x.waiting_since,
       last_error = x.reason, claimed_until = NULL, queued_at = NULL
FROM unnest($1::bigint[], $2::timestamptz[], $3::int[], $4::timestamptz[], $5::text[])
    AS x(id, due_at, attempts, waiting_since, reason)
WHERE d.id = x.id
"""
_INSERT_LETTERS = """
INSERT INTO dead_letters (kind, subject_id, order_id, step, code, reason, attempts, urgency, deadline,
                          correlation_id, died_at)
SELECT *, $11::timestamptz FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[],
                      $7::int[], $8::int[], $9::timestamptz[], $10::text[])
"""
