"""Dead letters: listed, shown, replayed. Rows are never deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from kept.engine.delivery import Ring
from kept.store.audit_log import audit
from kept.store.database import Database
from kept.store.ids import Ids

_COLUMNS = (
    "l.id, l.kind, l.subject_id, l.order_id, o.reference AS order_reference, l.step, l.code, l.reason, l.attempts,"
    " l.urgency, l.deadline, l.correlation_id, l.died_at, l.resolved_at, l.resolution"
)
_FROM = " FROM dead_letters l LEFT JOIN orders o ON o.id = l.order_id"


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters; empty fields do not restrict."""

    step: str = ""
    code: str = ""
    ids: tuple[int, ...] = ()
    resolved: bool = False  # include those that were replayed or discarded

    def where(self) -> tuple[str, list[Any]]:
        """A WHERE clause with its arguments."""
        clauses, arguments = [], list[Any]()
        for column, value in (("l.step", self.step), ("l.code", self.code)):
            if value:
                arguments.append(value)
                clauses.append(f"{column} = ${len(arguments)}")
        if self.ids:
            arguments.append(list(self.ids))
            clauses.append(f"l.id = ANY(${len(arguments)}::bigint[])")
        if not self.resolved:
            clauses.append("l.resolved_at IS NULL")
        return (" WHERE " + " AND ".join(clauses)) if clauses else "", arguments


class DeadLetters:
    """What needs a person."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._delivery_ids = Ids(database, "delivery_ids")

    async def matching(self, chosen: LetterFilter, limit: int = 200) -> list[dict[str, Any]]:
        """Letters, the most urgent first."""
        where, arguments = chosen.where()
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                f"SELECT {_COLUMNS}{_FROM}{where} ORDER BY l.urgency, l.deadline, l.id LIMIT {int(limit)}",
                *arguments,
            )
        return [dict(row) for row in rows]

    async def show(self, letter_id: int) -> dict[str, Any] | None:
        """One letter with, for a message, its raw body."""
        letters = await self.matching(LetterFilter(ids=(letter_id,), resolved=True))
        if not letters:
            return None
        letter = letters[0]
        if letter["kind"] == "message":
            async with self._database.connection() as connection:
                row = await connection.fetchrow(
                    "SELECT source, external_key, headers, body, received_at FROM inbox WHERE id = $1",
                    letter["subject_id"],
                )
            letter["message"] = {
                "source": row["source"],
                "external_key": row["external_key"],
                "received_at": row["received_at"],
                "headers": orjson.loads(row["headers"]),
                "body": row["body"].decode("utf-8", "backslashreplace"),
            }
        return letter

    async def replay(self, chosen: LetterFilter, actor: str, limit: int = 1000) -> tuple[list[int], list[Ring]]:
        """Put the letters' deliveries back, once each: same step, same subject, same effect keys.

        Returns the letters replayed and what has to be rung for. Replaying a letter again, or while its
        delivery is on its way, does nothing.
        """
        where, arguments = replace(chosen, resolved=False).where()
        now = self._clock()
        # Drawn before: inside the transaction it would want a second connection of a pool that may have none left.
        ids = await self._delivery_ids.take(limit)
        async with self._database.transaction() as connection:
            letters = await connection.fetch(
                f"SELECT l.id, l.kind, l.subject_id, l.order_id, l.step, l.urgency, l.deadline, l.correlation_id"  # noqa: S608 - literals and placeholders only
                f" FROM dead_letters l{where} ORDER BY l.id LIMIT {int(limit)} FOR UPDATE SKIP LOCKED",
                *arguments,
            )
            rows = await connection.fetch(
                _PUT_BACK,
                ids[: len(letters)],
                [letter["kind"] for letter in letters],
                [letter["subject_id"] for letter in letters],
                [letter["order_id"] for letter in letters],
                [letter["step"] for letter in letters],
                [letter["urgency"] for letter in letters],
                [letter["deadline"] for letter in letters],
                [letter["correlation_id"] for letter in letters],
                now,
            )
            replayed = [letter["id"] for letter in letters]
            await self._resolve(connection, replayed, f"replayed by {actor}", now)
            await audit(connection, now, actor, "dead_letters.replay", {"letters": replayed})
        return replayed, [Ring(row["id"], row["step"], row["urgency"]) for row in rows]

    async def _resolve(self, connection: Any, ids: Sequence[int], resolution: str, now: datetime) -> None:
        await connection.execute(
            "UPDATE dead_letters SET resolved_at = $2, resolution = $3 WHERE id = ANY($1::bigint[])"
            " AND resolved_at IS NULL",
            ids,
            now,
            resolution,
        )


_PUT_BACK = """
INSERT INTO deliveries (id, kind, subject_id, order_id, step, urgency, deadline, correlation_id, due_at, queued_at)
SELECT a, b, c, d, e, f, g, h, $9::timestamptz, now()
FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::int[], $7::timestamptz[],
            $8::text[]) AS x(a, b, c, d, e, f, g, h)
ON CONFLICT (kind, subject_id) DO NOTHING
RETURNING id, step, urgency
"""
