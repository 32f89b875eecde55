"""Commands that run something: up, api, worker, relay, poller, notifier, migrate, check."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from kept import settings as settings_module
from kept.settings import Settings, SettingsError

_ALL = os.R_OK | os.W_OK | os.X_OK
Config = Annotated[Path | None, typer.Option("--config", help="kept.toml; default: KEPT_CONFIG")]


def register(app: typer.Typer) -> None:
    """Put the commands into the application."""
    app.command()(api)
    app.command()(worker)
    app.command()(relay)
    app.command()(poller)
    app.command()(notifier)
    app.command()(migrate)
    app.command()(check)


def load(config: Path | None = None) -> Settings:
    """Settings for a process that needs configured servers."""
    loaded = settings_module.load(config)
    if not loaded.database_url or not loaded.redis_url:
        raise SettingsError("set KEPT_DATABASE_URL and KEPT_REDIS_URL, or use `kept up`, which brings its own")
    return loaded


def run(work: Coroutine[Any, Any, Any]) -> None:
    """Run on uvloop, which costs each call less."""
    import uvloop

    uvloop.run(work)


def api(config: Config = None) -> None:
    """Serve intake and status API."""
    from kept.observe.logs import configure_logs
    from kept.processes.api import run_api

    configure_logs("api")
    run(run_api(load(config)))


def worker(config: Config = None) -> None:
    """Run steps."""
    from kept.observe.logs import configure_logs
    from kept.processes.worker import run_worker

    configure_logs("worker")
    run(run_worker(load(config)))


def relay(config: Config = None) -> None:
    """Ring for what is due."""
    from kept.observe.logs import configure_logs
    from kept.processes.relay import run_relay

    configure_logs("relay")
    run(run_relay(load(config)))


def poller(config: Config = None) -> None:
    """Ask channels for what their messages left out."""
    from kept.observe.logs import configure_logs
    from kept.processes.poller import run_poller

    configure_logs("poller")
    run(run_poller(load(config)))


def notifier(config: Config = None) -> None:
    """Publish events and send them to subscribers."""
    from kept.observe.logs import configure_logs
    from kept.processes.notifier import run_notifier

    configure_logs("notifier")
    run(run_notifier(load(config)))


def migrate() -> None:
    """Bring the database to the current schema."""
    from kept.store.database import Database
    from kept.store.migrate import migrate as apply

    async def work() -> list[str]:
        database = Database(settings_module.load().database_url)
        try:
            return await apply(database)
        finally:
            await database.close()

    if not settings_module.load().database_url:
        raise SettingsError("set KEPT_DATABASE_URL; the embedded PostgreSQL is migrated by `kept up`")
    for name in asyncio.run(work()) or ["nothing to do"]:
        typer.echo(name)


def check(config: Config = None) -> None:
    """Check the configuration and whether the servers answer. Exit code 1 if anything is wrong."""
    from kept.connectors.registry import build_connectors
    from kept.engine.streams import Streams, connect
    from kept.processes.file_drop import folders_of
    from kept.processes.routing_policy import routing_policy
    from kept.store.database import Database

    async def work() -> bool:
        loaded = load(config)
        routing_policy(loaded.business)
        connectors = build_connectors(loaded.business)
        typer.echo(
            f"configuration ok: {len(connectors.channels)} channels, {len(connectors.erps)} ERPs,"
            f" {len(connectors.centres)} centres"
        )
        await connectors.aclose()
        shut = [f"{name}: {path}" for name, path in folders_of(loaded.business).items() if not os.access(path, _ALL)]
        for each in shut:
            typer.echo(f"drop_folder of {each} can't be read and written", err=True)
        if shut:
            return False
        return await _answers("postgresql", _ask_database(Database(loaded.database_url))) and await _answers(
            "redis", _ask_redis(Streams(connect(loaded.redis_url), "check"))
        )

    async def _ask_database(database: Database) -> None:
        async with database.connection() as connection:
            await connection.fetchval("SELECT prefix FROM installation")
        await database.close()

    async def _ask_redis(bell: Streams) -> None:
        await bell.ping()
        await bell.aclose()

    async def _answers(name: str, asking: Coroutine[Any, Any, None]) -> bool:
        try:
            await asking
        except Exception as error:  # noqa: BLE001 - whatever is wrong is what the command is for to tell
            typer.echo(f"{name}: {type(error).__name__}: {error}", err=True)
            return False
        typer.echo(f"{name} ok")
        return True

    if not asyncio.run(work()):
        raise typer.Exit(1)
