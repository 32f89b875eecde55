"""Reconciliation's reading and writing: which orders are at rest, what was found, and what is gone again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from kept.domain.order import OrderContent
from kept.domain.reconciling import Difference
from kept.store.appending import columns
from kept.store.database import Database
from kept.store.loading import Orders

# An order that moved just now differs by what is on its way.
_AT_REST_FOR = timedelta(minutes=2)


class Differences:
    """The table of differences, and what reconciliation compares."""

    def __init__(self, database: Database, orders: Orders) -> None:
        self._database = database
        self._orders = orders

    async def at_rest(self, since: datetime, after_id: int, limit: int) -> list[int]:
        """Ids of orders that came since then, by id, with nothing left to do for them just now."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT id FROM orders o WHERE received_at >= $1 AND id > $2 AND updated_at < now() - $4::interval"
                " AND state IN ('booked', 'complete', 'cancelled')"
                " AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.order_id = o.id) ORDER BY id LIMIT $3",
                since,
                after_id,
                limit,
                _AT_REST_FOR,
            )
        return [row["id"] for row in rows]

    async def last_words(self, order_ids: Sequence[int]) -> Mapping[int, OrderContent]:
        """The newest content, by its own revision, that the channel told of each order."""
        newest: dict[int, OrderContent] = {}
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT e.order_id, e.message_id FROM message_ends e JOIN contents USING (message_id)"
                " WHERE e.order_id = ANY($1::bigint[])",
                order_ids,
            )
            contents = await self._orders.contents(connection, [row["message_id"] for row in rows])
        for row in rows:
            said, known = contents[row["message_id"]], newest.get(row["order_id"])
            if known is None or said.revision > known.revision:
                newest[row["order_id"]] = said
        return newest

    async def put(self, found: Mapping[int, Sequence[Difference]], now: datetime) -> None:
        """What these orders differ on now; differences that they had, and have no more, are gone."""
        rows = [
            (order_id, each.cause.value, each.place, each.ours, each.theirs)
            for order_id, some in found.items()
            for each in some
        ]
        async with self._database.transaction() as connection:
            await connection.execute(
                "UPDATE differences SET gone_at = $2 WHERE order_id = ANY($1::bigint[]) AND gone_at IS NULL"
                " AND (order_id, cause, place) NOT IN (SELECT * FROM unnest($3::bigint[], $4::text[], $5::text[]))",
                list(found),
                now,
                *columns([row[:3] for row in rows], 3),
            )
            if rows:
                await connection.execute(_PUT, *columns(rows, 5), now)

    async def repaired(self, order_id: int, cause: str, what: str) -> None:
        """Note what was done about a difference; whether it helped, the next round tells."""
        async with self._database.connection() as connection:
            await connection.execute(
                "UPDATE differences SET repair = $3 WHERE order_id = $1 AND cause = $2", order_id, cause, what
            )

    async def open(self, limit: int = 1000) -> list[dict[str, Any]]:
        """Differences that stand, the oldest first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT o.reference, o.account, o.number, d.cause, d.place, d.ours, d.theirs, d.repair, d.first_seen,"
                " d.last_seen FROM differences d JOIN orders o ON o.id = d.order_id WHERE d.gone_at IS NULL"
                " ORDER BY d.first_seen, o.id LIMIT $1",
                limit,
            )
        return [dict(row) for row in rows]


_PUT = """
INSERT INTO differences AS d (order_id, cause, place, ours, theirs, first_seen, last_seen)
SELECT *, $6::timestamptz, $6::timestamptz FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[])
ON CONFLICT (order_id, cause, place) DO UPDATE
    SET ours = EXCLUDED.ours, theirs = EXCLUDED.theirs, last_seen = EXCLUDED.last_seen, gone_at = NULL,
        first_seen = CASE WHEN d.gone_at IS NULL THEN d.first_seen ELSE EXCLUDED.first_seen END
"""
