"""Stock: what each centre has and what of it is promised.

`reserved` moves only in the transaction that writes the fact behind it, under a row lock, and never
above what is on hand; so many workers on one SKU can't oversell it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

import asyncpg

from kept.domain.lifecycle import PartState
from kept.domain.progress import StockMove
from kept.domain.routing import RoutingPolicy
from kept.ports import StockSnapshot
from kept.store.audit_log import audit
from kept.store.database import Database
from kept.store.plan import Change

Key = tuple[str, str]  # (centre, sku)
_STOPPED = [PartState.REJECTED.value, PartState.CANCELLED.value]


class StockRooms:
    """Reads availability for routing and takes in centres' counts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def available(self, skus: Iterable[str]) -> dict[Key, int]:
        """Pieces that may still be promised, by (centre, sku), for these SKUs: less than none where more is kept back
        than there is."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT centre, sku, on_hand - reserved - coalesce(k.pieces, 0) FROM stock"
                " LEFT JOIN stock_safety k USING (centre, sku) WHERE sku = ANY($1::text[])",
                list(set(skus)),
            )
        return {(centre, sku): free for centre, sku, free in rows}

    async def booked(self, policy: RoutingPolicy, now: datetime) -> dict[tuple[str, date], int]:
        """Pieces that leave the centres of limited capacity, by (centre, day there), from today on."""
        limited = [centre for centre in policy.centres if centre.capacity_pieces]
        if not limited:
            return {}
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                _BOOKED,
                [centre.name for centre in limited],
                [centre.timezone.key for centre in limited],
                [now.astimezone(centre.timezone).date() for centre in limited],
                _STOPPED,
            )
        return {(centre, day): pieces for centre, day, pieces in rows}

    async def paused(self) -> dict[str, str]:
        """Centres that nothing is planned at for now, and why."""
        async with self._database.connection() as connection:
            rows = await connection.fetch("SELECT centre, by, reason FROM centre_pauses")
        return {centre: f"paused by {by}: {reason}" for centre, by, reason in rows}

    async def take_snapshot(self, centre: str, snapshot: StockSnapshot) -> int:
        """Take in a centre's count; how many SKUs it changed.

        A count older than the one already taken in changes nothing. Shipments after the count's moment
        are subtracted from it: the centre had not counted them out yet. A SKU that is not listed is not held there
        any more. A count of nothing at all is taken for a fault and changes nothing. From a count `by_books` is
        subtracted what shipped and had not been posted by then.
        """
        counts = {level.sku: level.on_hand for level in snapshot.levels}
        if not counts:
            return 0
        async with self._database.transaction() as connection:
            held = await connection.fetch(
                "SELECT sku, on_hand FROM stock WHERE centre = $1 ORDER BY sku FOR UPDATE", centre
            )
            known = {row["sku"] for row in held}
            if snapshot.by_books:
                for row in await connection.fetch(_UNPOSTED, centre, snapshot.as_of):
                    counts[row["sku"]] = max(0, counts.get(row["sku"], 0) - row["pieces"])
            counts |= {row["sku"]: 0 for row in held if row["sku"] not in counts and row["on_hand"]}
            skus = sorted(counts)
            changed = await connection.fetch(
                _TAKE_SNAPSHOT, centre, skus, [counts[sku] for sku in skus], snapshot.as_of, snapshot.by_books
            )
            if changed or not known.issuperset(skus):
                await wake_routing(connection)
        return len(changed)

    async def keep_back(self, safety: Mapping[Key, int], by: str, now: datetime) -> None:
        """Set how many pieces are kept back, by (centre, sku); 0 for none. What is promised already stays promised."""
        rows = sorted((centre, sku, pieces) for (centre, sku), pieces in safety.items())
        if not rows:
            return
        columns = [list(column) for column in zip(*rows, strict=True)]
        async with self._database.transaction() as connection:
            await connection.execute(_FORGET_SAFETY, *columns[:2])
            await connection.execute(_KEEP_BACK, *columns)
            await audit(connection, now, by, "stock.safety", {"set": len(rows), "first": rows[:20]})
            await wake_routing(connection)

    async def levels(self) -> list[dict[str, object]]:
        """Every SKU at every centre, for the status API."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT centre, sku, on_hand, reserved, coalesce(k.pieces, 0) AS safety,"
                " greatest(0, on_hand - reserved - coalesce(k.pieces, 0)) AS available, as_of FROM stock"
                " LEFT JOIN stock_safety k USING (centre, sku) ORDER BY centre, sku"
            )
        return [dict(row) for row in rows]


async def wake_routing(connection: asyncpg.Connection) -> None:
    """Orders that wait for stock are looked at again now."""
    await connection.execute(_WAKE_ROUTING)


class Oversold(Exception):
    """A group promises more than there is: it has to be written again, without the orders that came too late."""


async def refused(connection: asyncpg.Connection, changes: Sequence[Change]) -> list[Change]:
    """Lock the stock of all changes; those for which there is not enough.

    First come, first served in the order given, which is that of urgency.
    """
    free = await _lock(connection, sorted({_place(move) for change in changes for move in _moves(change)}))
    too_late = []
    for change in changes:
        need: dict[Key, int] = defaultdict(int)
        for move in _moves(change):
            if move.reserved > 0:
                need[_place(move)] += move.reserved
        if any(free.get(key, 0) < pieces for key, pieces in need.items()):
            too_late.append(change)
            continue
        for key, pieces in need.items():
            free[key] -= pieces
    return too_late


async def apply_moves(
    connection: asyncpg.Connection, changes: Sequence[Change], now: datetime, *, locked: bool
) -> None:
    """Write what facts did to stock; its rows are locked first unless they are `locked` already.

    Raises Oversold, before anything is written, if a promise is not covered.
    """
    reserved: dict[Key, int] = defaultdict(int)
    promised: dict[Key, int] = defaultdict(int)
    shipped: list[tuple[str, str, int, int, datetime]] = []
    for change in changes:
        for move in _moves(change):
            place = _place(move)
            reserved[place] += move.reserved
            if move.reserved > 0:
                promised[place] += move.reserved
            if move.on_hand:
                assert change.evolution is not None
                shipped.append((*place, move.on_hand, change.evolution.order.id, move.at or now))
    if not reserved:
        return
    keys = sorted(reserved)
    if not locked:
        free = await _lock(connection, keys)
        if any(free.get(key, 0) < pieces for key, pieces in promised.items()):
            raise Oversold
    await connection.execute(
        "UPDATE stock s SET reserved = s.reserved + x.delta FROM unnest($1::text[], $2::text[], $3::int[])"
        " AS x(centre, sku, delta) WHERE s.centre = x.centre AND s.sku = x.sku",
        [centre for centre, _ in keys],
        [sku for _, sku in keys],
        [reserved[key] for key in keys],
    )
    if shipped:
        columns = [list(column) for column in zip(*shipped, strict=True)]
        await connection.execute(_SHIP, *columns)


async def _lock(connection: asyncpg.Connection, keys: Sequence[Key]) -> dict[Key, int]:
    """Lock the rows; how many pieces of each may still be promised."""
    rows = await connection.fetch(
        "SELECT centre, sku, on_hand - reserved FROM stock WHERE (centre, sku) IN"
        " (SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY centre, sku FOR UPDATE",
        [centre for centre, _ in keys],
        [sku for _, sku in keys],
    )
    return {(centre, sku): free for centre, sku, free in rows}


def _moves(change: Change) -> Sequence[StockMove]:
    return change.evolution.stock if change.evolution is not None else ()


def _place(move: StockMove) -> Key:
    return move.centre, move.sku


# What leaves on a day was promised for it, also if it left by now.
_BOOKED = """
SELECT p.centre, (p.ships_at AT TIME ZONE c.zone)::date AS day, sum(l.quantity)::int
FROM unnest($1::text[], $2::text[], $3::date[]) AS c(name, zone, today)
JOIN parts p ON p.centre = c.name AND p.ships_at >= c.today::timestamp AT TIME ZONE c.zone
    AND NOT p.state = ANY($4::text[])
JOIN part_lines l USING (order_id, number)
GROUP BY 1, 2
"""
# A snapshot taken after the shipment has it counted out already, unless the books did not know of it.
_SHIP = """
WITH gone AS (
    SELECT x.* FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::timestamptz[])
        AS x(centre, sku, delta, order_id, at)
    JOIN stock s USING (centre, sku) WHERE x.at > s.as_of OR s.by_books
), moved AS (
    INSERT INTO stock_moves (centre, sku, delta, reason, order_id, at)
    SELECT centre, sku, delta, 'shipped', order_id, at FROM gone
)
UPDATE stock s SET on_hand = s.on_hand + g.delta
FROM (SELECT centre, sku, sum(delta) AS delta FROM gone GROUP BY centre, sku) g
WHERE s.centre = g.centre AND s.sku = g.sku
"""
_FORGET_SAFETY = """
DELETE FROM stock_safety k USING unnest($1::text[], $2::text[]) AS x(centre, sku)
WHERE k.centre = x.centre AND k.sku = x.sku
"""
_KEEP_BACK = """
INSERT INTO stock_safety (centre, sku, pieces)
SELECT * FROM unnest($1::text[], $2::text[], $3::int[]) AS x(centre, sku, pieces) WHERE x.pieces > 0
"""
_WAKE_ROUTING = """
UPDATE deliveries SET due_at = now() WHERE id IN (
    SELECT id FROM deliveries WHERE step = 'route' AND queued_at IS NULL AND due_at > now()
    ORDER BY id FOR UPDATE SKIP LOCKED
)
"""
# Shipped before the count, and posted after it or not yet.
_UNPOSTED = """
SELECT l.sku, sum(l.shipped)::int AS pieces FROM parts p JOIN part_lines l USING (order_id, number)
WHERE p.centre = $1 AND (p.shipment->>'shipped_at')::timestamptz <= $2
    AND (p.state IN ('shipped', 'advised', 'confirmed') OR (p.state = 'posted' AND p.updated_at > $2))
GROUP BY 1
"""
_TAKE_SNAPSHOT = """
WITH counted AS (
    SELECT $1::text AS centre, x.sku, greatest(0, x.on_hand + coalesce((
        SELECT sum(m.delta) FROM stock_moves m
        WHERE m.centre = $1 AND m.sku = x.sku AND m.reason = 'shipped' AND m.at > $4
    ), 0)) AS on_hand
    FROM unnest($2::text[], $3::int[]) AS x(sku, on_hand)
), before AS (
    SELECT s.centre, s.sku, s.on_hand FROM stock s JOIN counted USING (centre, sku)
), written AS (
    INSERT INTO stock AS s (centre, sku, on_hand, opening, as_of, by_books)
    SELECT centre, sku, on_hand, on_hand, $4, $5 FROM counted
    ON CONFLICT (centre, sku) DO UPDATE
        SET on_hand = EXCLUDED.on_hand, as_of = EXCLUDED.as_of, by_books = EXCLUDED.by_books
    WHERE s.as_of < EXCLUDED.as_of
    RETURNING s.centre, s.sku, s.on_hand
)
INSERT INTO stock_moves (centre, sku, delta, reason, at)
SELECT w.centre, w.sku, w.on_hand - b.on_hand, 'snapshot', $4
FROM written w JOIN before b USING (centre, sku) WHERE w.on_hand <> b.on_hand
RETURNING sku
"""
