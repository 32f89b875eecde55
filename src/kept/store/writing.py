"""A settlement's changes to the tables that show where orders stand: sets of rows, and nothing for an empty set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from kept.domain.events import OrderRouted
from kept.domain.progress import Order, Part
from kept.store.appending import columns, copy
from kept.store.plan import Change


async def insert_orders(connection: asyncpg.Connection, orders: Sequence[Order], now: datetime) -> set[int]:
    """New orders and their lines; the ids of those that were really new."""
    rows = [
        (
            order.id,
            order.reference,
            order.content.account,
            order.content.external_id,
            order.content.number,
            order.state.value,
            order.seq,
            order.revision,
            order.message_id,
            order.content.currency,
            order.content.total_minor,
            order.content.promise.ship_by,
            order.correlation_id,
        )
        for order in orders
    ]
    if not rows:
        return set()
    created = await connection.fetch(
        "INSERT INTO orders (id, reference, account, external_id, number, state, seq, revision, message_id,"
        " currency, total_minor, ship_by, correlation_id, received_at, updated_at)"
        " SELECT *, $14::timestamptz, $14::timestamptz FROM unnest($1::bigint[], $2::text[], $3::text[],"
        " $4::text[], $5::text[], $6::text[], $7::int[], $8::bigint[], $9::bigint[], $10::text[], $11::bigint[],"
        " $12::timestamptz[], $13::text[]) ON CONFLICT (account, external_id) DO NOTHING RETURNING id",
        *columns(rows, 13),
        now,
    )
    ids = {row["id"] for row in created}
    await insert_lines(connection, [order for order in orders if order.id in ids])
    return ids


async def insert_lines(connection: asyncpg.Connection, orders: Iterable[Order]) -> None:
    rows = [
        (order.id, line.line_no, line.sku, line.ordered, line.cancelled, line.shipped)
        for order in orders
        for line in order.lines
    ]
    await copy(connection, "order_lines", ("order_id", "line_no", "sku", "ordered", "cancelled", "shipped"), rows)


async def update_orders(connection: asyncpg.Connection, changes: Sequence[Change], now: datetime) -> None:
    """State and number of the last fact always; the rest only where it changed, which is seldom. Each row once."""
    await _update_words(connection, changes)
    moved: list[tuple[Any, ...]] = []
    known: list[tuple[Any, ...]] = []
    revised: list[tuple[Any, ...]] = []
    for before, after in _evolved(changes):
        row = (after.id, after.state.value, after.seq)
        if after.message_id != before.message_id:
            content = after.content
            revision = (after.message_id, after.revision, content.total_minor, content.promise.ship_by)
            revised.append((*row, after.customer_id, after.erp_order_id, *revision))
        elif (after.customer_id, after.erp_order_id) != (before.customer_id, before.erp_order_id):
            known.append((*row, after.customer_id, after.erp_order_id))
        else:
            moved.append(row)
    for sql, rows, width in ((_MOVED, moved, 3), (_KNOWN, known, 5), (_REVISED, revised, 9)):
        if rows:
            await connection.execute(sql, *columns(rows, width), now)


async def _update_words(connection: asyncpg.Connection, changes: Sequence[Change]) -> None:
    """What persons and buyers said. So seldom that it is not worth a place in the statements above."""
    for before, after in _evolved(changes):
        words = _words(after)
        if words != _words(before):
            await connection.execute(_WORDS, after.id, *words)


def _words(order: Order) -> tuple[Any, ...]:
    return (
        order.cancel_reason,
        order.accepted_holds,
        order.revision,
        order.version,
        order.booked_version,
        order.numbering,
    )


_WORDS = """
UPDATE orders SET cancel_reason = $2, accepted_holds = $3, revision = $4, version = $5, booked_version = $6,
       numbering = $7 WHERE id = $1
"""


_MOVED = """
UPDATE orders o SET state = x.state, seq = x.seq, updated_at = $4
FROM unnest($1::bigint[], $2::text[], $3::int[]) AS x(id, state, seq) WHERE o.id = x.id
"""
_KNOWN = """
UPDATE orders o SET state = x.state, seq = x.seq, customer_id = x.customer, erp_order_id = x.erp, updated_at = $6
FROM unnest($1::bigint[], $2::text[], $3::int[], $4::text[], $5::text[]) AS x(id, state, seq, customer, erp)
WHERE o.id = x.id
"""
_REVISED = """
UPDATE orders o SET state = x.state, seq = x.seq, customer_id = x.customer, erp_order_id = x.erp,
       message_id = x.message_id, revision = x.revision, total_minor = x.total, ship_by = x.ship_by, updated_at = $10
FROM unnest($1::bigint[], $2::text[], $3::int[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[],
            $9::timestamptz[]) AS x(id, state, seq, customer, erp, message_id, revision, total, ship_by)
WHERE o.id = x.id
"""


async def update_lines(connection: asyncpg.Connection, changes: Sequence[Change]) -> None:
    """Quantities that changed; a revised order's lines are written anew."""
    revised = [after for before, after in _evolved(changes) if before.message_id != after.message_id]
    if revised:
        await connection.execute(
            "DELETE FROM order_lines WHERE order_id = ANY($1::bigint[])", [order.id for order in revised]
        )
        await insert_lines(connection, revised)
    rewritten = {order.id for order in revised}
    rows = [
        (after.id, new.line_no, new.ordered, new.cancelled, new.shipped)
        for before, after in _evolved(changes)
        if after.id not in rewritten and before.lines is not after.lines
        for old, new in zip(before.lines, after.lines, strict=True)
        if old != new
    ]
    if rows:
        await connection.execute(
            "UPDATE order_lines l SET ordered = x.ordered, cancelled = x.cancelled, shipped = x.shipped"
            " FROM unnest($1::bigint[], $2::int[], $3::int[], $4::int[], $5::int[])"
            " AS x(order_id, line_no, ordered, cancelled, shipped)"
            " WHERE l.order_id = x.order_id AND l.line_no = x.line_no",
            *columns(rows, 5),
        )


def _evolved(changes: Sequence[Change]) -> Iterable[tuple[Order, Order]]:
    for change in changes:
        if change.base is not None and change.evolution is not None and change.in_tables:
            yield change.base, change.evolution.order


async def insert_parts(connection: asyncpg.Connection, changes: Sequence[Change], now: datetime) -> None:
    """Parts that a routing decision made."""
    parts: list[tuple[Any, ...]] = []
    lines: list[tuple[Any, ...]] = []
    for order, part, ships_at in _new_parts(changes):
        state = part.state.value
        parts.append((part.id, order.id, part.number, part.centre, part.service, state, ships_at, now))
        lines.extend((order.id, part.number, line.line_no, line.sku, line.quantity) for line in part.lines)
    names = ("id", "order_id", "number", "centre", "service", "state", "ships_at", "updated_at")
    await copy(connection, "parts", names, parts)
    await copy(connection, "part_lines", ("order_id", "number", "line_no", "sku", "quantity"), lines)


def _new_parts(changes: Sequence[Change]) -> Iterable[tuple[Order, Part, datetime]]:
    """Parts that were not there before, with the time that each is to leave its centre."""
    for change in changes:
        if change.before is None or change.evolution is None:
            continue
        order = change.evolution.order
        fresh = order.parts[len(change.before.parts) :]
        if fresh:
            routed = next(e.event for e in change.evolution.entries if isinstance(e.event, OrderRouted))
            yield from ((order, part, plan.ships_at) for part, plan in zip(fresh, routed.parts, strict=True))


async def update_parts(connection: asyncpg.Connection, changes: Sequence[Change], now: datetime) -> None:
    """States of parts; label and shipment where they are new. Each row once."""
    moved: list[tuple[Any, ...]] = []
    labelled: list[tuple[Any, ...]] = []
    shipped: list[tuple[Any, ...]] = []
    lines: list[tuple[Any, ...]] = []
    for before, after in _evolved(changes):
        for old, part in zip(before.parts, after.parts, strict=False):
            if part is old:
                continue
            row = (part.id, part.state.value)
            if part.shipment is not old.shipment:
                shipment = orjson.dumps(part.shipment).decode()
                shipped.append((*row, part.sscc, part.label_sha256, shipment))
                lines.extend((after.id, part.number, line.line_no, line.shipped) for line in part.lines)
            elif part.sscc != old.sscc:
                labelled.append((*row, part.sscc, part.label_sha256))
            else:
                moved.append(row)
    for sql, rows, width in ((_PARTS_MOVED, moved, 2), (_LABELLED, labelled, 4), (_SHIPPED, shipped, 5)):
        if rows:
            await connection.execute(sql, *columns(rows, width), now)
    if lines:
        await connection.execute(_LINES_SHIPPED, *columns(lines, 4))


_PARTS_MOVED = """
UPDATE parts p SET state = x.state, updated_at = $3
FROM unnest($1::bigint[], $2::text[]) AS x(id, state) WHERE p.id = x.id
"""
_LABELLED = """
UPDATE parts p SET state = x.state, sscc = x.sscc, label_sha256 = x.label, updated_at = $5
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS x(id, state, sscc, label) WHERE p.id = x.id
"""
_SHIPPED = """
UPDATE parts p SET state = x.state, sscc = x.sscc, label_sha256 = x.label, shipment = x.shipment::jsonb,
       updated_at = $6
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[]) AS x(id, state, sscc, label, shipment)
WHERE p.id = x.id
"""
_LINES_SHIPPED = """
UPDATE part_lines l SET shipped = x.shipped
FROM unnest($1::bigint[], $2::int[], $3::int[], $4::int[]) AS x(order_id, number, line_no, shipped)
WHERE l.order_id = x.order_id AND l.number = x.number AND l.line_no = x.line_no
"""
