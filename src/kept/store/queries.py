"""Reading for people and dashboards: orders, timelines, counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from kept.domain.holds import ENDED_BY_OTHERS
from kept.domain.lifecycle import TERMINAL, OrderState
from kept.store.database import Database
from kept.store.packing import unpacked

_BOOK_AGAIN_AFTER = timedelta(minutes=5)
_WAITING = [OrderState.HELD.value, OrderState.PENDING.value]
_ENDED = [state.value for state in OrderState if state in TERMINAL]


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders; empty fields do not restrict. `text` is matched to reference, number and external id."""

    state: str = ""
    account: str = ""
    text: str = ""
    limit: int = 100
    before_id: int = 0  # paging: only orders that came before this one


class Queries:
    """Read-only questions to the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def orders(self, chosen: OrderFilter) -> list[dict[str, Any]]:
        """Orders, newest first, without personal data."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT id, reference, account, external_id, number, state, currency, total_minor, ship_by,"
                " erp_order_id, correlation_id, received_at, updated_at FROM orders"
                " WHERE ($1 = '' OR state = $1) AND ($2 = '' OR account = $2)"
                " AND ($3 = '' OR reference = $3 OR number = $3 OR external_id = $3)"
                " AND ($4 = 0 OR id < $4) ORDER BY id DESC LIMIT $5",
                chosen.state,
                chosen.account,
                chosen.text,
                chosen.before_id,
                chosen.limit,
            )
        return [dict(row) for row in rows]

    async def order(self, name: str) -> dict[str, Any] | None:
        """One order by reference, number or channel id, with lines and parts."""
        found = await self.orders(OrderFilter(text=name, limit=1))
        if not found:
            return None
        order = found[0]
        async with self._database.connection() as connection:
            lines = await connection.fetch(
                "SELECT line_no, sku, ordered, cancelled, shipped FROM order_lines WHERE order_id = $1 ORDER BY 1",
                order["id"],
            )
            parts = await connection.fetch(
                "SELECT number, centre, service, state, ships_at, sscc, shipment FROM parts"
                " WHERE order_id = $1 ORDER BY number",
                order["id"],
            )
            documents = await connection.fetch(
                "SELECT part, kind, media_type, sha256, created_at FROM documents WHERE order_id = $1 ORDER BY 1, 2",
                order["id"],
            )
            delivery = await connection.fetch(
                "SELECT kind, step, due_at, attempts, claimed_until, last_error FROM deliveries WHERE order_id = $1",
                order["id"],
            )
            letters = await connection.fetch(
                "SELECT id, step, code, reason FROM dead_letters WHERE order_id = $1 AND resolved_at IS NULL",
                order["id"],
            )
        order["lines"] = [dict(row) for row in lines]
        order["parts"] = [{**dict(row), "shipment": _json(row["shipment"])} for row in parts]
        order["documents"] = [dict(row) for row in documents]
        order["next"] = [dict(row) for row in delivery]
        order["dead_letters"] = [dict(row) for row in letters]
        return order

    async def concern(self, order_id: int) -> tuple[str, str] | None:
        """Why a person has to look at an order: (code, evidence) of its hold, or of its oldest open dead letter."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                "SELECT data->>'code' AS code, data->>'evidence' AS evidence FROM orders o JOIN ledger l"
                " ON l.order_id = o.id WHERE o.id = $1 AND o.state = $2 AND l.type = 'OrderHeld'"
                " ORDER BY l.seq DESC LIMIT 1",
                order_id,
                OrderState.HELD.value,
            ) or await connection.fetchrow(
                "SELECT code, reason AS evidence FROM dead_letters WHERE order_id = $1 AND resolved_at IS NULL"
                " ORDER BY id LIMIT 1",
                order_id,
            )
        return (row["code"], row["evidence"]) if row is not None else None

    async def hold_code(self, order_id: int) -> str:
        """What an order was last held for; "" if it never was."""
        async with self._database.connection() as connection:
            code = await connection.fetchval(
                "SELECT data->>'code' FROM ledger WHERE order_id = $1 AND type = 'OrderHeld' ORDER BY seq DESC LIMIT 1",
                order_id,
            )
        return code or ""

    async def held_by_the_erp(self, now: datetime, limit: int) -> list[int]:
        """Held orders that nobody but the ERP keeps, the most urgent first.

        One that was held at booking is due five minutes after that, and twice as long with every time, up to a day:
        often nothing but booking it again shows whether it may be.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT o.id FROM orders o CROSS JOIN LATERAL (SELECT data->>'code' AS code, step, at,"
                " count(*) FILTER (WHERE step = $2) OVER (ORDER BY seq) AS refusals FROM ledger l"
                " WHERE l.order_id = o.id AND l.type = 'OrderHeld' ORDER BY seq DESC LIMIT 1) h"
                " WHERE o.state = 'held' AND h.code <> ALL($1::text[])"
                " AND (h.step <> $2"
                " OR h.at < $3::timestamptz - least($4::interval * 2 ^ (h.refusals - 1), interval '1 day'))"
                " ORDER BY o.ship_by, o.id LIMIT $5",
                sorted(ENDED_BY_OTHERS),
                "book",
                now,
                _BOOK_AGAIN_AFTER,
                limit,
            )
        return [row["id"] for row in rows]

    async def timeline(self, order_id: int) -> list[dict[str, Any]]:
        """Everything that is known of an order, in time: messages, facts, effects' attempts, calls."""
        async with self._database.connection() as connection:
            messages = await connection.fetch(
                "SELECT i.received_at AS at, i.source, i.external_key, e.outcome, i.correlation_id"
                " FROM message_ends e JOIN inbox i ON i.id = e.message_id WHERE e.order_id = $1",
                order_id,
            )
            facts = await connection.fetch(
                "SELECT at, seq, type, part, state, step, data, correlation_id FROM ledger WHERE order_id = $1",
                order_id,
            )
            attempts = await connection.fetch(
                "SELECT a.at, a.key, e.target, e.operation, a.attempt, a.status, a.adopted, a.downstream_id,"
                " a.duration_ms, a.error, e.correlation_id FROM effects e JOIN effect_attempts a USING (key)"
                " WHERE e.order_id = $1",
                order_id,
            )
            calls = await connection.fetch(
                "SELECT at, step, target, operation, status, duration_ms, error, correlation_id FROM calls"
                " WHERE order_id = $1",
                order_id,
            )
        entries = [{"entry": "message", **dict(row)} for row in messages]
        entries += [{"entry": "fact", **dict(row), "data": _json(row["data"])} for row in facts]
        entries += [{"entry": "effect", **dict(row)} for row in attempts]
        entries += [{"entry": "call", **dict(row)} for row in calls]
        rank = {"message": 0, "call": 1, "effect": 2, "fact": 3}
        return sorted(entries, key=lambda entry: (entry["at"], rank[entry["entry"]], entry.get("seq", 0)))

    async def document(self, sha256: str) -> tuple[str, bytes] | None:
        """A document's media type and content."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                "SELECT media_type, content, packed FROM documents WHERE sha256 = $1 LIMIT 1", sha256
            )
        return (row["media_type"], unpacked(row["content"], row["packed"])) if row is not None else None

    async def counts(self) -> Mapping[str, Any]:
        """Where everything stands, for the live view and the metrics."""
        async with self._database.connection() as connection:
            states = await connection.fetch("SELECT state, count(*) AS n FROM orders GROUP BY state")
            steps = await connection.fetch(
                "SELECT step, count(*) AS n, min(deadline) AS deadline,"
                " count(*) FILTER (WHERE due_at > now() OR claimed_until > now()) AS later"
                " FROM deliveries GROUP BY step"
            )
            parts = await connection.fetch("SELECT state, count(*) AS n FROM parts GROUP BY state")
            subscriptions = await connection.fetch(
                "SELECT CASE WHEN state = 'active' AND failures > 0 THEN 'failing' ELSE state END AS state,"
                " count(*) AS n, max(p.position - s.position) AS behind FROM subscriptions s, publishing p GROUP BY 1"
            )
            row = await connection.fetchrow(
                "SELECT (SELECT count(*) FROM inbox) AS messages,"
                " (SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL) AS dead,"
                " (SELECT count(*) FROM lanes) AS lanes,"
                " (SELECT coalesce(sum(count), 0) FROM intake_refusals) AS refused"
            )
        return {
            "orders": {row["state"]: row["n"] for row in states},
            "parts": {row["state"]: row["n"] for row in parts},
            "steps": {row["step"]: {"waiting": row["n"], "later": row["later"]} for row in steps},
            "subscriptions": {row["state"]: row["n"] for row in subscriptions},
            "events_behind": max((row["behind"] for row in subscriptions), default=0),
            "lanes": row["lanes"],
            "messages": row["messages"],
            "dead": row["dead"],
            "refused": int(row["refused"]),
        }

    async def unfinished(self, *, waiting_too: bool = True) -> int:
        """Orders and messages that are not at their end, dead letters apart.

        Without `waiting_too`, orders that wait for a person or for the channel are left out: nothing moves them.
        """
        at_rest = _ENDED if waiting_too else [*_ENDED, *_WAITING]
        async with self._database.connection() as connection:
            count: int = await connection.fetchval(
                "SELECT (SELECT count(*) FROM orders o WHERE state <> ALL($1::text[]) AND NOT EXISTS"
                " (SELECT 1 FROM dead_letters l WHERE l.order_id = o.id AND l.resolved_at IS NULL))"
                " + (SELECT count(*) FROM deliveries WHERE kind = 'message')",
                at_rest,
            )
        return count


def _json(value: str | None) -> Any:
    return orjson.loads(value) if value is not None else None
