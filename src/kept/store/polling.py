"""Where the polling of each channel account stands, so that it goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from kept.store.database import Database


@dataclass(frozen=True, slots=True)
class Window:
    """What is to be asked for: changes in [since, until), from the page `cursor` on."""

    account: str
    since: datetime
    until: datetime
    cursor: str


class PollWindows:
    """The table of windows. Two pollers of one account wait for each other by a lease."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self, account: str, now: datetime, *, first_look_back: timedelta, overlap: timedelta, delay: timedelta
    ) -> Window | None:
        """The account's window under way, or a new one up to `delay` ago; None while another poller has it.

        An account that was never polled begins `first_look_back` ago.
        """
        async with self._database.transaction() as connection:
            await connection.execute(
                "INSERT INTO poll_windows (account, done_until) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                account,
                now - first_look_back,
            )
            row = await connection.fetchrow(_CLAIM, account, overlap, now - delay, _LEASE)
        return _window(row) if row is not None else None

    async def turn_page(self, window: Window, cursor: str, found: int, missed: int) -> None:
        """The page before `cursor` is in the inbox; an empty cursor ends the window."""
        async with self._database.connection() as connection:
            if cursor:
                await connection.execute(_TURN, window.account, window.until, cursor, found, missed, _LEASE)
            else:
                await connection.execute(_END, window.account, window.until, found, missed)

    async def give_up(self, window: Window, error: str, *, restart: bool) -> None:
        """Free the window after a fault; with `restart` it begins again at its first page."""
        async with self._database.connection() as connection:
            await connection.execute(_GIVE_UP, window.account, window.until, error[:500], restart)

    async def unknown(self, account: str, revisions: Sequence[tuple[str, int]]) -> set[tuple[str, int]]:
        """Of these (external id, revision), those that are newer than what we have."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT x.external_id, x.revision FROM unnest($2::text[], $3::bigint[]) AS x(external_id, revision)"
                " LEFT JOIN orders o ON o.account = $1 AND o.external_id = x.external_id"
                " WHERE o.id IS NULL OR o.revision < x.revision",
                account,
                [external_id for external_id, _ in revisions],
                [revision for _, revision in revisions],
            )
        return {(row["external_id"], row["revision"]) for row in rows}

    async def standing(self) -> list[dict[str, object]]:
        """Every account's row, for people."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT account, done_until, since, until, polled_at, found, missed, last_error FROM poll_windows"
                " ORDER BY account"
            )
        return [dict(row) for row in rows]


def _window(row: asyncpg.Record) -> Window:
    return Window(row["account"], row["since"], row["until"], row["cursor"])


# Longer than a page and its commit may take; a poller that died is replaced after it.
_LEASE = timedelta(seconds=60)
_CLAIM = """
UPDATE poll_windows SET held_until = now() + $4::interval,
       since = coalesce(since, done_until - $2::interval), until = coalesce(until, $3::timestamptz)
WHERE account = $1 AND (held_until IS NULL OR held_until < now()) AND (until IS NOT NULL OR done_until < $3)
RETURNING account, since, until, cursor
"""
# `until` names the window: whoever lost it to another poller changes nothing any more.
_TURN = """
UPDATE poll_windows SET cursor = $3, found = found + $4, missed = missed + $5, held_until = now() + $6::interval
WHERE account = $1 AND until = $2
"""
_END = """
UPDATE poll_windows SET done_until = until, since = NULL, until = NULL, cursor = '', held_until = NULL,
       polled_at = now(), found = found + $3, missed = missed + $4, last_error = ''
WHERE account = $1 AND until = $2
"""
_GIVE_UP = """
UPDATE poll_windows SET held_until = NULL, last_error = $3, cursor = CASE WHEN $4 THEN '' ELSE cursor END
WHERE account = $1 AND until = $2
"""
