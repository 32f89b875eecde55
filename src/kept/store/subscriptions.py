"""Subscriptions as people see and change them. A notifier's work on them is in `kept.store.rounds`.

Every change raises the subscription's epoch: a round that is under way meanwhile records nothing, so that what it
sent is sent once more, and nothing is lost.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from kept.domain.notifying import Pause, Wanted
from kept.store.audit_log import audit
from kept.store.database import Database

# Each costs a look at the feed and a place in every notifier.
SUBSCRIPTIONS_MAX = 200


def new_subscription_id() -> str:
    """An id that nobody guesses or mistypes into another one."""
    return f"sub_{secrets.token_hex(8)}"


class TooMany(Exception):
    """There are `SUBSCRIPTIONS_MAX` subscriptions already."""


class Subscriptions:
    """The table of subscriptions. `actor` is written to the audit log with each change."""

    def __init__(self, database: Database, clock: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id

    async def create(self, wanted: Wanted, actor: str, position: int | None = None) -> str:
        """A new subscription's id. It is told of what comes after `position`; by default of what comes from now on.

        Raises TooMany.
        """
        identity = self._new_id()
        async with self._database.transaction() as connection:
            created = await connection.fetchval(
                _CREATE,
                identity,
                wanted.url,
                list(wanted.types),
                list(wanted.accounts),
                wanted.personal_data,
                list(wanted.secrets),
                position,
                self._clock(),
                SUBSCRIPTIONS_MAX,
            )
            if created is None:
                raise TooMany(f"there are {SUBSCRIPTIONS_MAX} subscriptions already; delete one first")
            await self._note(connection, actor, "subscription.created", identity, url=wanted.url)
        return identity

    async def change(self, identity: str, wanted: Wanted, actor: str) -> bool:
        """Another address, choice or set of secrets, from the next event on."""
        return await self._alter(
            identity,
            actor,
            "subscription.changed",
            "url = $2, types = $3, accounts = $4, personal_data = $5, secrets = $6",
            wanted.url,
            list(wanted.types),
            list(wanted.accounts),
            wanted.personal_data,
            list(wanted.secrets),
        )

    async def pause(self, identity: str, actor: str) -> bool:
        """Send nothing until it is resumed; what happens meanwhile is sent then."""
        return await self._alter(
            identity,
            actor,
            "subscription.paused",
            "state = 'paused', why = $2, since = CASE state WHEN 'paused' THEN since ELSE $3 END",
            Pause.BY_PERSON.value,
            self._clock(),
        )

    async def resume(self, identity: str, actor: str) -> bool:
        """Go on where it stopped, at once; lanes that were given up too."""
        now = self._clock()
        return await self._alter(
            identity,
            actor,
            "subscription.resumed",
            "state = 'active', why = '', since = CASE state WHEN 'active' THEN since ELSE $2 END,"
            " failures = 0, retry_at = $2",
            now,
            also="UPDATE lanes SET due_at = $2, attempts = 0 WHERE subscription_id = $1",
            values=(now,),
        )

    async def delete(self, identity: str, actor: str) -> bool:
        """Forget the subscription and everything of it but the audit log's lines."""
        async with self._database.transaction() as connection:
            gone = await connection.fetchval("DELETE FROM subscriptions WHERE id = $1 RETURNING url", identity)
            if gone is not None:
                await self._note(connection, actor, "subscription.deleted", identity, url=gone)
        return gone is not None

    async def redeliver_event(self, identity: str, position: int, actor: str) -> bool:
        """Send one event again, alone, whatever stands in its order's lane."""
        async with self._database.transaction() as connection:
            if await connection.fetchval("SELECT true FROM subscriptions WHERE id = $1", identity) is None:
                return False
            await connection.execute(
                "INSERT INTO redeliveries (subscription_id, position, due_at) VALUES ($1, $2, $3)"
                " ON CONFLICT (subscription_id, position) DO UPDATE SET attempts = 0, due_at = excluded.due_at",
                identity,
                position,
                self._clock(),
            )
            await self._note(connection, actor, "subscription.redelivery", identity, position=position)
        return True

    async def redeliver_after(self, identity: str, position: int, actor: str) -> bool:
        """Send everything after a position again, in order. Never skips: a later position changes nothing."""
        return await self._alter(
            identity,
            actor,
            "subscription.redelivery",
            "position = least(position, $2)",
            position,
            # A lane that begins later is among what is sent again; an earlier one holds its order's events already.
            also="DELETE FROM lanes WHERE subscription_id = $1 AND position > $2",
            values=(position,),
        )

    async def listed(self, identity: str | None = None) -> list[dict[str, Any]]:
        """All subscriptions, or one, as people read them."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LISTED, identity)
        return [dict(row) for row in rows]

    async def notifications(self, identity: str, limit: int, before: int = 0) -> list[dict[str, Any]]:
        """Tries to deliver, newest first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_NOTIFICATIONS, identity, before, limit)
        return [dict(row) for row in rows]

    async def lanes(self, identity: str, limit: int = 100) -> list[dict[str, Any]]:
        """Orders that wait, those that were given up first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LANES, identity, limit)
        return [dict(row) for row in rows]

    async def _alter(
        self,
        identity: str,
        actor: str,
        action: str,
        assignments: str,
        *arguments: object,
        also: str = "",
        values: Sequence[object] = (),
    ) -> bool:
        """Change a row by our own SQL text, and perhaps what hangs on it; False if there is no such subscription."""
        async with self._database.transaction() as connection:
            found = await connection.fetchval(
                f"UPDATE subscriptions SET epoch = epoch + 1, held_until = NULL, {assignments}"  # noqa: S608 - our own text
                " WHERE id = $1 RETURNING true",
                identity,
                *arguments,
            )
            if found and also:
                await connection.execute(also, identity, *values)
            if found:
                await self._note(connection, actor, action, identity)
        return bool(found)

    async def _note(self, connection: Any, actor: str, action: str, identity: str, **detail: object) -> None:
        await audit(connection, self._clock(), actor, action, {"subscription": identity, **detail})


_CREATE = """
INSERT INTO subscriptions (id, url, types, accounts, personal_data, secrets, state, since, position, retry_at,
                           created_at)
SELECT $1, $2, $3::text[], $4::text[], $5, $6::text[], 'active', $8::timestamptz,
       coalesce($7::bigint, (SELECT position FROM publishing)), $8, $8
WHERE (SELECT count(*) FROM subscriptions) < $9
RETURNING id
"""
_LISTED = """
SELECT s.id, s.url, s.types, s.accounts, s.personal_data, s.secrets,
       CASE WHEN s.state = 'active' AND s.failures > 0 THEN 'failing' ELSE s.state END AS state,
       s.why, s.since, s.failures, s.last_error, s.retry_at, s.created_at, s.position AS cursor,
       p.position - s.position AS behind,
       (SELECT count(*) FROM lanes l WHERE l.subscription_id = s.id) AS blocked_orders,
       (SELECT count(*) FROM lanes l WHERE l.subscription_id = s.id AND l.due_at IS NULL) AS given_up_orders
FROM subscriptions s, publishing p WHERE $1::text IS NULL OR s.id = $1 ORDER BY s.created_at, s.id
"""
_NOTIFICATIONS = """
SELECT n.id, 'evt_' || o.reference || '_' || p.seq AS event, n.at, n.attempt, n.status, n.duration_ms, n.error
FROM notifications n JOIN publications p USING (position) JOIN orders o ON o.id = p.order_id
WHERE n.subscription_id = $1 AND ($2 = 0 OR n.id < $2) ORDER BY n.id DESC LIMIT $3
"""
_LANES = """
SELECT o.reference, 'evt_' || o.reference || '_' || p.seq AS event, l.attempts, l.due_at, l.last_error
FROM lanes l JOIN orders o ON o.id = l.order_id LEFT JOIN publications p ON p.position = l.position
WHERE l.subscription_id = $1 ORDER BY l.due_at NULLS FIRST, l.order_id LIMIT $2
"""
