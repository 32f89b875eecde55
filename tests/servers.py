"""Real servers for tests: one embedded PostgreSQL and one Redis a test process, one database a test.

Nothing here sleeps for a fixed time: `until` looks again until a condition holds or its deadline is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import secrets
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, overload

import asyncpg
from redis.asyncio import Redis

from kept.embedded import EmbeddedPostgres, EmbeddedRedis
from kept.store.database import Database
from kept.store.migrate import migrate

T = TypeVar("T")

# Longer than anything here takes on a busy machine of two cores; a test that waits so long has failed.
DEADLINE_S = 30.0
_LOOK_EVERY_S = 0.01
_TEMPLATE = "kept_template"
# What a test commits has to outlive a killed server, not a power cut.
_POSTGRES_SETTINGS = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB"}


@overload
async def until(
    condition: Callable[[], Coroutine[Any, Any, T]], within_s: float = DEADLINE_S, every_s: float = _LOOK_EVERY_S
) -> T: ...


@overload
async def until(condition: Callable[[], T], within_s: float = DEADLINE_S, every_s: float = _LOOK_EVERY_S) -> T: ...


async def until(condition: Callable[[], Any], within_s: float = DEADLINE_S, every_s: float = _LOOK_EVERY_S) -> Any:
    """The first true answer of `condition`. Raises TimeoutError with the last one."""
    deadline = time.monotonic() + within_s
    while True:
        answer = condition()
        value = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so within {within_s} s: {getattr(condition, '__name__', condition)}: {value!r}")
        await asyncio.sleep(every_s)


@dataclass(frozen=True, slots=True)
class Servers:
    """Both servers of this test process."""

    postgres: EmbeddedPostgres
    redis: EmbeddedRedis

    @classmethod
    def start(cls, folder: Path) -> Servers:
        """Start both, with a migrated database to copy for each test."""
        servers = cls(
            EmbeddedPostgres(folder / "postgres", settings=_POSTGRES_SETTINGS), EmbeddedRedis(folder / "redis")
        )
        try:
            servers.postgres.start()
            servers.redis.start()
            asyncio.run(servers._make_template())
        except BaseException:
            servers.destroy()
            raise
        return servers

    def destroy(self) -> None:
        """Stop both and delete their data."""
        self.postgres.destroy()
        self.redis.destroy()

    def ensure_running(self) -> None:
        """Start again what a test has stopped."""
        self.postgres.start()
        self.redis.start()

    def dsn_of(self, database: str) -> str:
        return self.postgres.dsn.rpartition("/")[0] + "/" + database

    def administer(self, sql: str) -> None:
        """As the superuser, outside of any test's loop."""
        asyncio.run(self._administer(sql))

    def run(self, program: str, *arguments: str) -> None:
        """One of PostgreSQL's own programs (pg_dump, pg_restore), to its end. Raises CalledProcessError."""
        subprocess.run([self.postgres.bin_dir / program, *arguments], check=True, timeout=DEADLINE_S)

    async def _make_template(self) -> None:
        await self._administer(f"CREATE DATABASE {_TEMPLATE}")
        database = Database(self.dsn_of(_TEMPLATE), connections_max=1)
        try:
            await migrate(database)
        finally:
            await database.close()  # a database that somebody is connected to can't be copied

    async def _administer(self, sql: str) -> None:
        connection = await asyncpg.connect(self.postgres.dsn)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    @contextlib.asynccontextmanager
    async def new_database(self, *, migrated: bool = True) -> AsyncIterator[str]:
        """A database of one's own, dropped at the end; yields its DSN."""
        name = f"test_{secrets.token_hex(6)}"
        await self._administer(
            f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE if migrated else 'template1'} STRATEGY file_copy"
        )
        try:
            yield self.dsn_of(name)
        finally:
            self.ensure_running()
            await self._administer(f"DROP DATABASE {name} WITH (FORCE)")

    @contextlib.asynccontextmanager
    async def redis_client(self) -> AsyncIterator[Redis]:
        client = Redis.from_url(self.redis.url)
        try:
            yield client
        finally:
            await client.aclose()


async def fetch(database: Database, sql: str, *arguments: object) -> list[asyncpg.Record]:
    """All rows of a query."""
    async with database.connection() as connection:
        rows: list[asyncpg.Record] = await connection.fetch(sql, *arguments)
    return rows


async def value_of(database: Database, sql: str, *arguments: object) -> object:
    """The single value of a query."""
    async with database.connection() as connection:
        return await connection.fetchval(sql, *arguments)


async def execute(database: Database, sql: str, *arguments: object) -> None:
    """Change something behind the code's back."""
    async with database.connection() as connection:
        await connection.execute(sql, *arguments)
