"""Bring a database to the current schema: numbered SQL files, each applied once, in order."""

from __future__ import annotations

import secrets
from importlib import resources

from kept.store.database import Database

# Letters and digits that nobody misreads on a label or over the phone.
_READABLE = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
# Any number: processes that start together take turns.
_MIGRATION_LOCK = 7_065_741


async def migrate(database: Database) -> list[str]:
    """Apply what is missing; the names of the files applied. Safe to call from many processes at once."""
    applied: list[str] = []
    async with database.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL)"
        )
        known = {row["name"] for row in await connection.fetch("SELECT name FROM schema_migrations")}
        folder = resources.files("kept.store") / "migrations"
        for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if not file.name.endswith(".sql") or file.name in known:
                continue
            await connection.execute(file.read_text(encoding="utf-8"))
            await connection.execute("INSERT INTO schema_migrations VALUES ($1, now())", file.name)
            applied.append(file.name)
        prefix = "K" + "".join(secrets.choice(_READABLE) for _ in range(4))
        await connection.execute("INSERT INTO installation (prefix) VALUES ($1) ON CONFLICT DO NOTHING", prefix)
    return applied


async def installation_prefix(database: Database) -> str:
    """The prefix of every reference that this installation gives out."""
    async with database.connection() as connection:
        prefix: str = await connection.fetchval("SELECT prefix FROM installation")
        return prefix
