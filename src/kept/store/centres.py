"""Centres that a person took out of routing for a while."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import asyncpg

from kept.store.audit_log import audit
from kept.store.database import Database
from kept.store.stock import wake_routing


class CentrePauses:
    """Pauses and resumes centres. Every change stands in the audit log with who made it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> dict[str, dict[str, Any]]:
        """Pauses by centre: why, by whom, since when."""
        async with self._database.connection() as connection:
            rows = await connection.fetch("SELECT centre, reason, by, since FROM centre_pauses ORDER BY centre")
        return {row["centre"]: {name: row[name] for name in ("reason", "by", "since")} for row in rows}

    async def pause(self, centre: str, reason: str, by: str, now: datetime) -> bool:
        """Plan nothing new there; False if it was paused already, and the old reason stays."""
        async with self._database.transaction() as connection:
            done = await connection.execute(
                "INSERT INTO centre_pauses (centre, reason, by, since) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                centre,
                reason,
                by,
                now,
            )
            return await _noted(connection, done, now, by, "centres.pause", {"centre": centre, "reason": reason})

    async def resume(self, centre: str, by: str, now: datetime) -> bool:
        """Plan there again, and look at once at the orders that wait for stock; False if it was not paused."""
        async with self._database.transaction() as connection:
            done = await connection.execute("DELETE FROM centre_pauses WHERE centre = $1", centre)
            resumed = await _noted(connection, done, now, by, "centres.resume", {"centre": centre})
            if resumed:
                await wake_routing(connection)
            return resumed


async def _noted(
    connection: asyncpg.Connection, done: str, now: datetime, by: str, action: str, detail: dict[str, Any]
) -> bool:
    """Whether a statement changed something, which is then in the audit log."""
    changed = not done.endswith(" 0")
    if changed:
        await audit(connection, now, by, action, detail)
    return changed
