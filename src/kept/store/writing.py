"""The statements of a settlement: each writes a set of rows, and none is sent for an empty set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from kept.domain.events import OrderRouted, PartLabelled, PartShipped
from kept.domain.progress import Order, Part
from kept.engine.delivery import Advance, EffectResult, Settling
from kept.store.loading import encode_content
from kept.store.plan import Change, order_id_of


def columns(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows turned into columns, for unnest."""
    turned = list(zip(*rows, strict=True))
    return [list(column) for column in turned] if turned else [[] for _ in range(width)]


async def insert_contents(connection: asyncpg.Connection, changes: Sequence[Change]) -> None:
    rows = [
        (change.settling.subject.id, encode_content(change.content)) for change in changes if change.content is not None
    ]
    if rows:
        # Normalising is pure: a second worker wrote the very same bytes.
        await connection.execute(
            "INSERT INTO contents SELECT * FROM unnest($1::bigint[], $2::bytea[]) ON CONFLICT DO NOTHING",
            *columns(rows, 2),
        )


async def end_messages(connection: asyncpg.Connection, changes: Sequence[Change], now: datetime) -> None:
    rows = [
        (
            change.settling.subject.id,
            change.message_done,
            change.evolution.order.id if change.evolution is not None else None,
        )
        for change in changes
        if change.message_done
    ]
    if rows:
        await connection.execute(
            "UPDATE inbox i SET processed_at = $4, outcome = x.outcome, order_id = x.order_id"
            " FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS x(id, outcome, order_id) WHERE i.id = x.id",
            *columns(rows, 3),
            now,
        )


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
            order.content.revision,
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
    if rows:
        await connection.execute(
            "INSERT INTO order_lines SELECT * FROM unnest($1::bigint[], $2::int[], $3::text[], $4::int[],"
            " $5::int[], $6::int[])",
            *columns(rows, 6),
        )


async def update_orders(connection: asyncpg.Connection, orders: Sequence[Order], now: datetime) -> None:
    rows = [
        (
            order.id,
            order.state.value,
            order.seq,
            order.content.revision,
            order.message_id,
            order.content.total_minor,
            order.content.promise.ship_by,
            order.customer_id,
            order.erp_order_id,
        )
        for order in orders
    ]
    if rows:
        await connection.execute(
            "UPDATE orders o SET state = x.state, seq = x.seq, revision = x.revision, message_id = x.message_id,"
            " total_minor = x.total, ship_by = x.ship_by, customer_id = x.customer, erp_order_id = x.erp,"
            " updated_at = $10 FROM unnest($1::bigint[], $2::text[], $3::int[], $4::bigint[], $5::bigint[],"
            " $6::bigint[], $7::timestamptz[], $8::text[], $9::text[])"
            " AS x(id, state, seq, revision, message_id, total, ship_by, customer, erp) WHERE o.id = x.id",
            *columns(rows, 9),
            now,
        )


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
        (after.id, new.line_no, new.cancelled, new.shipped)
        for before, after in _evolved(changes)
        if after.id not in rewritten and before.lines is not after.lines
        for old, new in zip(before.lines, after.lines, strict=True)
        if old != new
    ]
    if rows:
        await connection.execute(
            "UPDATE order_lines l SET cancelled = x.cancelled, shipped = x.shipped"
            " FROM unnest($1::bigint[], $2::int[], $3::int[], $4::int[]) AS x(order_id, line_no, cancelled, shipped)"
            " WHERE l.order_id = x.order_id AND l.line_no = x.line_no",
            *columns(rows, 4),
        )


def _evolved(changes: Sequence[Change]) -> Iterable[tuple[Order, Order]]:
    for change in changes:
        if change.base is not None and change.evolution is not None and change.in_tables:
            yield change.base, change.evolution.order


async def insert_parts(
    connection: asyncpg.Connection, changes: Sequence[Change], ids: Sequence[int], now: datetime
) -> None:
    """Parts that a routing decision made, with ids from `ids`."""
    free = iter(ids)
    parts: list[tuple[Any, ...]] = []
    lines: list[tuple[Any, ...]] = []
    for order, part, ships_at in new_parts(changes):
        parts.append((next(free), order.id, part.number, part.centre, part.service, part.state.value, ships_at))
        lines.extend((order.id, part.number, line.line_no, line.sku, line.quantity) for line in part.lines)
    if not parts:
        return
    await connection.execute(
        "INSERT INTO parts (id, order_id, number, centre, service, state, ships_at, updated_at)"
        " SELECT *, $8::timestamptz FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::text[], $5::text[],"
        " $6::text[], $7::timestamptz[])",
        *columns(parts, 7),
        now,
    )
    await connection.execute(
        "INSERT INTO part_lines (order_id, number, line_no, sku, quantity)"
        " SELECT * FROM unnest($1::bigint[], $2::int[], $3::int[], $4::text[], $5::int[])",
        *columns(lines, 5),
    )


def new_parts(changes: Sequence[Change]) -> list[tuple[Order, Part, datetime]]:
    """Parts without an id, with the time that each is to leave its centre."""
    made: list[tuple[Order, Part, datetime]] = []
    for change in changes:
        if change.evolution is None:
            continue
        order = change.evolution.order
        fresh = [part for part in order.parts if part.id == 0]
        if not fresh:
            continue
        routed = next(e.event for e in change.evolution.entries if isinstance(e.event, OrderRouted))
        made.extend((order, part, plan.ships_at) for part, plan in zip(fresh, routed.parts, strict=True))
    return made


async def update_parts(connection: asyncpg.Connection, changes: Sequence[Change], now: datetime) -> None:
    rows: list[tuple[Any, ...]] = []
    shipped: list[tuple[Any, ...]] = []
    for before, after in _evolved(changes):
        old_parts = {part.number: part for part in before.parts}
        for part in after.parts:
            old = old_parts.get(part.number)
            if old is None or old == part:
                continue
            shipment = orjson.dumps(part.shipment).decode() if part.shipment is not old.shipment else None
            rows.append((part.id, part.state.value, part.sscc, part.label_sha256, shipment))
            if shipment is not None:
                shipped.extend((after.id, part.number, line.line_no, line.shipped) for line in part.lines)
    if rows:
        await connection.execute(
            "UPDATE parts p SET state = x.state, sscc = x.sscc, label_sha256 = x.label, updated_at = $6,"
            " shipment = coalesce(x.shipment::jsonb, p.shipment)"
            " FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[])"
            " AS x(id, state, sscc, label, shipment) WHERE p.id = x.id",
            *columns(rows, 5),
            now,
        )
    if shipped:
        await connection.execute(
            "UPDATE part_lines l SET shipped = x.shipped FROM unnest($1::bigint[], $2::int[], $3::int[], $4::int[])"
            " AS x(order_id, number, line_no, shipped)"
            " WHERE l.order_id = x.order_id AND l.number = x.number AND l.line_no = x.line_no",
            *columns(shipped, 4),
        )


async def insert_ledger(connection: asyncpg.Connection, changes: Sequence[Change], now: datetime) -> None:
    rows: list[tuple[Any, ...]] = []
    for change in changes:
        if change.evolution is None:
            continue
        delivery = change.settling.delivery
        order = change.evolution.order
        rows.extend(
            (
                order.id,
                entry.seq,
                type(entry.event).__name__,
                entry.part,
                entry.state,
                delivery.step,
                delivery.id,
                delivery.epoch,
                delivery.correlation_id,
                orjson.dumps(entry.event).decode(),
            )
            for entry in change.evolution.entries
        )
    if rows:
        await connection.execute(
            "INSERT INTO ledger (order_id, seq, type, part, state, step, delivery_id, epoch, correlation_id, data, at)"
            " SELECT a, b, c, d, e, f, g, h, i, j::jsonb, $11::timestamptz FROM unnest($1::bigint[], $2::int[],"
            " $3::text[], $4::int[], $5::text[], $6::text[], $7::bigint[], $8::int[], $9::text[], $10::text[])"
            " AS x(a, b, c, d, e, f, g, h, i, j)",
            *columns(rows, 10),
            now,
        )


async def insert_documents(connection: asyncpg.Connection, changes: Sequence[Change], now: datetime) -> None:
    rows: list[tuple[Any, ...]] = []
    cartons: list[tuple[Any, ...]] = []
    for change in changes:
        settlement = change.settling.settlement
        if change.evolution is None or not isinstance(settlement, Advance):
            continue
        order = change.evolution.order
        for entry in change.evolution.entries:
            if isinstance(entry.event, PartLabelled):
                cartons.append((entry.event.sscc, order.id, entry.part))
        part = getattr(change.settling.subject, "number", 0)
        rows.extend(
            (document.sha256, order.id, part, document.kind, document.media_type, document.content)
            for document in settlement.documents
        )
    if rows:
        await connection.execute(
            "INSERT INTO documents SELECT *, $7::timestamptz FROM unnest($1::text[], $2::bigint[], $3::int[],"
            " $4::text[], $5::text[], $6::bytea[])",
            *columns(rows, 6),
            now,
        )
    if cartons:
        await connection.execute(
            "INSERT INTO cartons SELECT * FROM unnest($1::text[], $2::bigint[], $3::int[])", *columns(cartons, 3)
        )


def shipments_of(changes: Sequence[Change]) -> Iterable[tuple[Order, PartShipped]]:
    """Shipments among the changes."""
    for change in changes:
        if change.evolution is not None:
            for entry in change.evolution.entries:
                if isinstance(entry.event, PartShipped):
                    yield change.evolution.order, entry.event


async def write_observations(connection: asyncpg.Connection, settlings: Sequence[Settling]) -> None:
    """What was observed of effects and calls. True whatever becomes of the settlement, so always written."""
    effects = [result for settling in settlings for result in settling.effects]
    if effects:
        await connection.execute(_UPDATE_EFFECTS, *columns(map(_effect_row, effects), 6))
        await connection.execute(_INSERT_ATTEMPTS, *columns(map(_attempt_row, effects), 9))
    calls = [
        (
            order_id_of(settling),
            settling.delivery.id,
            settling.delivery.step,
            call.at,
            call.target,
            call.operation,
            call.status,
            call.duration_ms,
            call.error,
            settling.delivery.correlation_id,
        )
        for settling in settlings
        for call in settling.calls
    ]
    if calls:
        await connection.execute(
            "INSERT INTO calls SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::timestamptz[],"
            " $5::text[], $6::text[], $7::int[], $8::int[], $9::text[], $10::text[])",
            *columns(calls, 10),
        )


def _effect_row(result: EffectResult) -> tuple[Any, ...]:
    return (result.key, result.attempt, result.status, result.downstream_id, result.answer, result.at)


def _attempt_row(result: EffectResult) -> tuple[Any, ...]:
    return (
        result.key,
        result.attempt,
        result.epoch,
        result.at,
        result.duration_ms,
        result.status,
        result.adopted,
        result.downstream_id,
        result.error,
    )


# A late result of an earlier attempt may still tell that the effect is there, but nothing less.
_UPDATE_EFFECTS = """
UPDATE effects e SET status = x.status, downstream_id = x.downstream_id, answer = x.answer
FROM unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::bytea[], $6::timestamptz[])
    AS x(key, attempt, status, downstream_id, answer, at)
WHERE e.key = x.key AND e.status <> 'confirmed' AND (e.attempt = x.attempt OR x.status = 'confirmed')
"""
_INSERT_ATTEMPTS = """
INSERT INTO effect_attempts (key, attempt, epoch, at, duration_ms, status, adopted, downstream_id, error)
SELECT * FROM unnest($1::text[], $2::int[], $3::int[], $4::timestamptz[], $5::int[], $6::text[], $7::boolean[],
                     $8::text[], $9::text[])
"""
