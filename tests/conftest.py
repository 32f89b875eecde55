"""What tests on real servers share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from kept.store.database import Database
from tests.erps.tryton_server import TrytonServer
from tests.servers import Servers


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    """Tracebacks without their locals, which take seconds to print."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ]
    )


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """One PostgreSQL and one Redis a test process (under xdist: a worker), destroyed at the end."""
    running = Servers.start(tmp_path_factory.mktemp("servers"))
    yield running
    running.destroy()


@pytest.fixture
async def database_url(servers: Servers) -> AsyncIterator[str]:
    """A migrated database of this test's own."""
    servers.ensure_running()
    async with servers.new_database() as dsn:
        yield dsn


@pytest.fixture
async def redis_url(servers: Servers) -> str:
    """Redis, empty."""
    servers.ensure_running()
    async with servers.redis_client() as client:
        await client.flushall()
    return servers.redis.url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The test's own look at its database."""
    opened = Database(database_url, connections_max=4)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def tryton(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrytonServer]:
    """A real Tryton with its company; tests keep out of each other's way by references of their own."""
    server = TrytonServer(servers, tmp_path_factory.mktemp("tryton"))
    try:
        server.create()
        yield server
    finally:
        server.destroy()
