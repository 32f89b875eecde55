"""One machine: embedded servers where none are configured, then every process of Kept, then perhaps a world."""

from __future__ import annotations

import asyncio
import contextlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep

from kept.embedded.postgres import EmbeddedPostgres
from kept.embedded.redis import EmbeddedRedis
from kept.processes.supervisor import Supervisor
from kept.settings import Settings, SettingsError
from kept.simulator.config import WorldConfig, save_world
from kept.simulator.demo import DemoWorld
from kept.store.database import Database
from kept.store.migrate import migrate

# A cold start with a new database cluster takes about five seconds on a small machine.
_UP_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class World:
    """A simulated world on this machine."""

    config: WorldConfig
    path: Path  # its JSON file


@dataclass(frozen=True, slots=True)
class Machine:
    """What runs on this machine."""

    settings: Settings
    supervisor: Supervisor
    world: World | None
    postgres: EmbeddedPostgres | None
    redis: EmbeddedRedis | None

    @property
    def url(self) -> str:
        return f"http://{self.settings.host}:{self.settings.port}"


@contextlib.contextmanager
def running(
    settings: Settings, config: Path | None, make_world: Callable[[Path, str], DemoWorld] | None = None
) -> Iterator[Machine]:
    """Start everything, and stop it again: the world, then Kept's processes, then the servers."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        postgres = redis = None
        if not settings.database_url:
            postgres = stack.enter_context(EmbeddedPostgres(settings.home / "postgres"))
            settings = replace(settings, database_url=postgres.dsn)
        if not settings.redis_url:
            redis = stack.enter_context(EmbeddedRedis(settings.home / "redis"))
            settings = replace(settings, redis_url=redis.url)
        asyncio.run(_migrate(settings.database_url))
        world = None
        if make_world is not None:
            world, config = _write_world(settings, make_world)
        if config is None:
            raise SettingsError("no configuration: set KEPT_CONFIG or --config, or use --demo for a simulated world")
        environment = {
            "KEPT_DATABASE_URL": settings.database_url,
            "KEPT_REDIS_URL": settings.redis_url,
            "KEPT_CONFIG": str(config),
            "KEPT_HOME": str(settings.home),
            "KEPT_HOST": settings.host,
            "KEPT_PORT": str(settings.port),
            "PYTHONUNBUFFERED": "1",
        }
        supervisor = Supervisor(environment, settings.home / "logs")
        stack.callback(supervisor.stop)
        machine = Machine(settings, supervisor, world, postgres, redis)
        supervisor.start("api", "api")
        supervisor.start("relay", "relay")
        supervisor.start("poller", "poller")
        supervisor.start("notifier", "notifier")
        for number in range(1, settings.workers + 1):
            supervisor.start(f"worker-{number}", "worker")
        _wait_until_ready(machine)
        if world is not None:
            _start_world(supervisor, world)
            stack.callback(supervisor.stop, world_names(world.config))
        yield machine


async def _migrate(url: str) -> None:
    database = Database(url)
    try:
        await migrate(database)
    finally:
        await database.close()


def _write_world(settings: Settings, make_world: Callable[[Path, str], DemoWorld]) -> tuple[World, Path]:
    folder = settings.home / "world"
    demo = make_world(folder, f"http://{settings.host}:{settings.port}")
    path, config = folder / "world.json", folder / "kept.toml"
    save_world(demo.config, path)
    config.write_text(demo.kept_toml, encoding="utf-8")
    return World(demo.config, path), config


def world_names(config: WorldConfig) -> list[str]:
    return ["world-erp", *(f"world-{name}" for name in config.centres), "world-channels"]


def _start_world(supervisor: Supervisor, world: World) -> None:
    path = str(world.path)
    supervisor.start("world-erp", "simulate", "erp", "--world", path)
    for name in world.config.centres:
        supervisor.start(f"world-{name}", "simulate", "centre", "--name", name, "--world", path)
    supervisor.start("world-channels", "simulate", "channels", "--world", path)


def _wait_until_ready(machine: Machine) -> None:
    """Wait for /readyz. Raises SettingsError that names the log when the API does not come up."""
    deadline = monotonic() + _UP_WITHIN_S
    while monotonic() < deadline:
        api = machine.supervisor.children[0].process
        if api is not None and api.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{machine.url}/readyz", timeout=2) as answer:  # noqa: S310 - our own API
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            sleep(0.1)
    raise SettingsError(
        f"the API did not come up at {machine.url} (is the port taken? set KEPT_PORT); "
        f"its log is {os.path.relpath(machine.supervisor.logs / 'api.log')}"
    )
