"""Connections to PostgreSQL, and the translation of their failures."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import asyncpg

from kept.engine.interfaces import StoreUnavailable

# A worker loads, intends and settles at once; the API inserts and reads.
_CONNECTIONS_MAX = 6
# A statement of ours that runs longer than this is stuck: locks are held for milliseconds.
_STATEMENT_TIMEOUT_S = 30

# Deadlock, serialization failure: the transaction did nothing, and may be run again at once.
REPEATABLE = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)

_GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # A statement on a connection that has just been told of the server's crash and is not closed yet.
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.DiskFullError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby that is not promoted yet
    ConnectionError,
    asyncio.TimeoutError,
)


async def _keep_as_it_is(_: asyncpg.Connection) -> None:
    """Nothing of ours outlives its transaction (no session locks, cursors or settings), so nothing needs resetting."""


class Database:
    """A pool that opens when first used and heals after an outage."""

    def __init__(self, url: str, connections_max: int = _CONNECTIONS_MAX) -> None:
        self._url = url
        self._connections_max = connections_max
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection outside any transaction. Raises StoreUnavailable."""
        with unavailable():
            pool = await self._open()
            async with pool.acquire(timeout=_STATEMENT_TIMEOUT_S) as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection in a transaction that commits when the block ends. Raises StoreUnavailable."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def _open(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,  # none is kept open for its own sake, nor opened again behind our back
                    max_size=self._connections_max,
                    command_timeout=_STATEMENT_TIMEOUT_S,
                    max_inactive_connection_lifetime=300,
                    reset=_keep_as_it_is,
                    server_settings={"application_name": "kept", "timezone": "UTC"},
                )
            return self._pool

    async def close(self) -> None:
        """Close all connections, waiting a moment for those in use."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            try:
                await asyncio.wait_for(pool.close(), 3)
            except (TimeoutError, OSError, asyncpg.PostgresError):
                pool.terminate()


@contextlib.contextmanager
def unavailable() -> Iterator[None]:
    """Translate "PostgreSQL is gone" into StoreUnavailable; everything else passes."""
    try:
        yield
    except StoreUnavailable:
        raise
    except _GONE as error:
        if isinstance(error, ValueError):  # asyncpg's "this value does not fit that column" is a bug of ours
            raise
        # Only the type: PostgreSQL's own texts can print values of rows.
        raise StoreUnavailable(f"PostgreSQL: {type(error).__name__}") from error
