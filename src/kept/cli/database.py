"""The database that a command works on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from kept import settings as settings_module
from kept.settings import Settings, SettingsError

T = TypeVar("T")


def running(config: Path | None = None) -> Settings:
    """Settings for a command beside a running Kept: the configured servers, or those of `kept up` in this folder."""
    loaded = settings_module.load(config)
    return replace(
        loaded,
        database_url=loaded.database_url or database_url(),
        redis_url=loaded.redis_url or redis_url(),
    )


def with_database(work: Callable[[Any], Awaitable[T]]) -> T:
    """Run `work(database)` on the configured PostgreSQL, or on the embedded one while `kept up` runs."""
    from kept.store.database import Database

    async def connected() -> T:
        database = Database(database_url())
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(connected())


def redis_url() -> str:
    """The configured Redis, else the embedded one of this folder."""
    from kept.embedded.redis import EmbeddedRedis

    loaded = settings_module.load()
    if loaded.redis_url:
        return loaded.redis_url
    port = loaded.home / "redis" / "redis.port"
    if not port.exists():
        raise SettingsError("set KEPT_REDIS_URL, or run `kept up` in this folder first")
    return EmbeddedRedis(loaded.home / "redis", int(port.read_text())).url


def database_url() -> str:
    """The configured PostgreSQL, else the embedded one of this folder."""
    from kept.embedded.postgres import EmbeddedPostgres

    loaded = settings_module.load()
    if loaded.database_url:
        return loaded.database_url
    port = loaded.home / "postgres" / "postgres.port"
    if not port.exists():
        raise SettingsError("set KEPT_DATABASE_URL, or run `kept up` in this folder first")
    return EmbeddedPostgres(loaded.home / "postgres", int(port.read_text())).dsn
