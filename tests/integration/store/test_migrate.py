"""Bringing a database to the current schema."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from importlib import resources

import pytest

from kept.store.database import Database
from kept.store.invariants import breaches
from kept.store.migrate import installation_prefix, migrate
from tests.servers import Servers, fetch

FILES = sorted(
    file.name for file in (resources.files("kept.store") / "migrations").iterdir() if file.name.endswith(".sql")
)


@pytest.fixture
async def empty(servers: Servers) -> AsyncIterator[str]:
    async with servers.new_database(migrated=False) as dsn:
        yield dsn


async def test_an_empty_database_gets_every_file_once_and_a_prefix(empty: str) -> None:
    database = Database(empty, 2)
    assert await migrate(database) == FILES
    prefix = await installation_prefix(database)
    assert len(prefix) == 5
    assert prefix.startswith("K")
    assert await migrate(database) == []
    assert await installation_prefix(database) == prefix
    assert [row["name"] for row in await fetch(database, "SELECT name FROM schema_migrations ORDER BY 1")] == FILES
    assert await breaches(database) == {}
    await database.close()


async def test_processes_that_migrate_at_once_take_turns(empty: str) -> None:
    databases = [Database(empty, 1) for _ in range(8)]
    applied = await asyncio.gather(*(migrate(database) for database in databases))
    assert sorted(name for names in applied for name in names) == FILES
    assert len({await installation_prefix(database) for database in databases}) == 1
    await asyncio.gather(*(database.close() for database in databases))


async def test_a_migration_that_fails_leaves_nothing_of_itself(empty: str) -> None:
    database = Database(empty, 2)
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE orders (in_the_way int)")
    with pytest.raises(Exception, match="already exists"):
        await migrate(database)
    tables = await fetch(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert [row["tablename"] for row in tables] == ["orders"]
    await database.close()
