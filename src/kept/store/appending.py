"""A settlement's rows that are only ever appended: facts, contents, documents, observations. By COPY."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from kept.domain.events import PartLabelled
from kept.engine.delivery import Advance, EffectResult, Settling
from kept.store.loading import encode_content
from kept.store.packing import packed
from kept.store.plan import Change, order_id_of


async def copy(connection: asyncpg.Connection, table: str, names: Sequence[str], rows: Sequence[Any]) -> None:
    """Append rows by COPY, the cheapest way in for both sides; nothing is sent for no rows."""
    if rows:
        await connection.copy_records_to_table(table, records=rows, columns=names)


def columns(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows turned into columns, for unnest."""
    turned = list(zip(*rows, strict=True))
    return [list(column) for column in turned] if turned else [[] for _ in range(width)]


async def append_contents(connection: asyncpg.Connection, changes: Sequence[Change]) -> None:
    rows = [
        (change.settling.subject.id, encode_content(change.content)) for change in changes if change.content is not None
    ]
    if rows:
        # Normalising is pure: a second worker wrote the very same bytes. COPY knows no ON CONFLICT.
        await connection.execute(
            "INSERT INTO contents SELECT * FROM unnest($1::bigint[], $2::bytea[]) ON CONFLICT DO NOTHING",
            *columns(rows, 2),
        )


async def append_ends(connection: asyncpg.Connection, changes: Sequence[Change], now: datetime) -> None:
    """What messages came to."""
    rows = [
        (
            change.settling.subject.id,
            change.evolution.order.id if change.evolution is not None else None,
            change.message_done,
            now,
        )
        for change in changes
        if change.message_done
    ]
    await copy(connection, "message_ends", ("message_id", "order_id", "outcome", "processed_at"), rows)


_LEDGER = (
    "order_id",
    "seq",
    "at",
    "type",
    "part",
    "state",
    "step",
    "delivery_id",
    "epoch",
    "correlation_id",
    "data",
)


async def append_ledger(connection: asyncpg.Connection, changes: Sequence[Change], now: datetime) -> None:
    rows: list[tuple[Any, ...]] = []
    for change in changes:
        if change.evolution is None:
            continue
        delivery = change.settling.delivery
        order_id = change.evolution.order.id
        rows.extend(
            (
                order_id,
                entry.seq,
                now,
                type(entry.event).__name__,
                entry.part,
                entry.state,
                delivery.step,
                delivery.id,
                delivery.epoch,
                change.evolution.order.correlation_id,  # the order's, whoever's message brought the fact
                orjson.dumps(entry.event).decode(),
            )
            for entry in change.evolution.entries
        )
    await copy(connection, "ledger", _LEDGER, rows)


async def append_documents(connection: asyncpg.Connection, changes: Sequence[Change], now: datetime) -> None:
    rows: list[tuple[Any, ...]] = []
    cartons: list[tuple[Any, ...]] = []
    for change in changes:
        settlement = change.settling.settlement
        if change.evolution is None or not isinstance(settlement, Advance) or not settlement.documents:
            continue
        order_id = change.evolution.order.id
        part = getattr(change.settling.subject, "number", 0)
        rows.extend(
            (
                document.sha256,
                order_id,
                part,
                document.kind,
                document.media_type,
                *packed(document.media_type, document.content),
                now,
            )
            for document in settlement.documents
        )
        cartons.extend(
            (entry.event.sscc, order_id, entry.part)
            for entry in change.evolution.entries
            if isinstance(entry.event, PartLabelled)
        )
    names = ("sha256", "order_id", "part", "kind", "media_type", "content", "packed", "created_at")
    await copy(connection, "documents", names, rows)
    await copy(connection, "cartons", ("sscc", "order_id", "part"), cartons)


_CALLS = (
    "order_id",
    "delivery_id",
    "step",
    "at",
    "target",
    "operation",
    "status",
    "duration_ms",
    "error",
    "correlation_id",
)
_ATTEMPTS = ("key", "attempt", "epoch", "at", "duration_ms", "status", "adopted", "downstream_id", "error")


async def write_observations(connection: asyncpg.Connection, settlings: Sequence[Settling]) -> None:
    """What was observed of effects and calls. True whatever becomes of the settlement, so always written."""
    effects = [result for settling in settlings for result in settling.effects]
    if effects:
        await connection.execute(_UPDATE_EFFECTS, *columns(map(_effect_row, effects), 5))
        await copy(connection, "effect_attempts", _ATTEMPTS, [_attempt_row(e) for e in effects if e.asked])
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
    await copy(connection, "calls", _CALLS, calls)


def _effect_row(result: EffectResult) -> tuple[Any, ...]:
    return (result.key, result.attempt, result.status, result.downstream_id, result.answer)


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


# A late result of an earlier attempt may still tell that the effect is there, but nothing less. A request that
# nobody answered had left by now at the latest.
_UPDATE_EFFECTS = """
UPDATE effects e SET status = x.status, downstream_id = x.downstream_id, answer = x.answer,
       last_sent_at = CASE WHEN x.status = 'unknown' THEN now() ELSE e.last_sent_at END
FROM unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::bytea[])
    AS x(key, attempt, status, downstream_id, answer)
WHERE e.key = x.key AND e.status <> 'confirmed' AND (e.attempt = x.attempt OR x.status = 'confirmed')
"""
