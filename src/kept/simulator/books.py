"""A simulated party's own books: one SQLite file with all that it saw, which outlives kill -9.

Writes are gathered: whatever waits is done in one transaction and one fsync, so that synchronous=FULL
is cheap. Each piece of work has its own savepoint; one that raises undoes only itself.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]

# One commit holds at most this many pieces of work: a few ms of SQLite, so that nobody waits long.
_WORKS_PER_COMMIT_MAX = 500

_CALLS = """
CREATE TABLE IF NOT EXISTS calls (
  id INTEGER PRIMARY KEY, at REAL NOT NULL, operation TEXT NOT NULL, key TEXT NOT NULL,
  reference TEXT NOT NULL, attempt INTEGER NOT NULL, fault TEXT, status INTEGER, correlation_id TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS calls_by_key ON calls (operation, key);
"""

ERP_SCHEMA = (
    _CALLS
    + """
CREATE TABLE IF NOT EXISTS customers (
  key TEXT PRIMARY KEY, customer_id TEXT NOT NULL, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS orders (
  id INTEGER PRIMARY KEY, order_id TEXT NOT NULL UNIQUE, reference TEXT NOT NULL, key TEXT NOT NULL,
  sha256 TEXT NOT NULL, channel TEXT NOT NULL, channel_number TEXT NOT NULL, customer_id TEXT NOT NULL,
  currency TEXT NOT NULL, total_minor INTEGER NOT NULL, booked_at REAL NOT NULL, live INTEGER NOT NULL DEFAULT 1,
  version INTEGER NOT NULL, shipping_tax_minor INTEGER NOT NULL, tax_included INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS blocked_customers (customer_id TEXT PRIMARY KEY, reason TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS invoices (
  invoice_id TEXT NOT NULL UNIQUE, reference TEXT NOT NULL UNIQUE, key TEXT NOT NULL, total_minor INTEGER NOT NULL,
  currency TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS orders_by_reference ON orders (reference);
CREATE INDEX IF NOT EXISTS orders_by_key ON orders (key);
CREATE TABLE IF NOT EXISTS order_lines (
  order_id TEXT NOT NULL, line_no INTEGER NOT NULL, sku TEXT NOT NULL, quantity INTEGER NOT NULL,
  unit_price_minor INTEGER NOT NULL, discount_minor INTEGER NOT NULL, tax_minor INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS shipments (
  id INTEGER PRIMARY KEY, shipment_id TEXT NOT NULL UNIQUE, order_reference TEXT NOT NULL,
  reference TEXT NOT NULL, key TEXT NOT NULL, sha256 TEXT NOT NULL, shipped_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS shipments_by_reference ON shipments (order_reference, reference);
CREATE INDEX IF NOT EXISTS shipments_by_key ON shipments (key);
CREATE TABLE IF NOT EXISTS shipment_lines (
  shipment_id TEXT NOT NULL, sscc TEXT NOT NULL, line_no INTEGER NOT NULL, sku TEXT NOT NULL,
  quantity INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS withdrawals (
  id INTEGER PRIMARY KEY, order_reference TEXT NOT NULL UNIQUE, key TEXT NOT NULL, at REAL NOT NULL
);
"""
)

CENTRE_SCHEMA = (
    _CALLS
    + """
CREATE TABLE IF NOT EXISTS requests (
  reference TEXT PRIMARY KEY, request_id TEXT NOT NULL, order_reference TEXT NOT NULL, key TEXT NOT NULL,
  sha256 TEXT NOT NULL, sscc TEXT NOT NULL, service TEXT NOT NULL, state TEXT NOT NULL, received_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS requests_by_key ON requests (key);
CREATE TABLE IF NOT EXISTS request_lines (
  reference TEXT NOT NULL, line_no INTEGER NOT NULL, sku TEXT NOT NULL, quantity INTEGER NOT NULL,
  PRIMARY KEY (reference, line_no)
);
CREATE TABLE IF NOT EXISTS cancels (
  reference TEXT PRIMARY KEY, answer TEXT NOT NULL, key TEXT NOT NULL, at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS shipments (
  reference TEXT NOT NULL, order_reference TEXT NOT NULL, line_no INTEGER NOT NULL, sku TEXT NOT NULL,
  quantity INTEGER NOT NULL, sscc TEXT NOT NULL, tracking TEXT NOT NULL, shipped_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS stock (sku TEXT PRIMARY KEY, on_hand INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS tasks (
  id INTEGER PRIMARY KEY, reference TEXT NOT NULL, action TEXT NOT NULL, due_at REAL NOT NULL,
  done INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS tasks_due ON tasks (due_at) WHERE done = 0;
CREATE TABLE IF NOT EXISTS events (
  id INTEGER PRIMARY KEY, webhook_id TEXT NOT NULL, reference TEXT NOT NULL, type TEXT NOT NULL,
  due_at REAL NOT NULL, body BLOB NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, status INTEGER,
  correlation_id TEXT NOT NULL DEFAULT '', answered_at REAL
);
CREATE INDEX IF NOT EXISTS events_due ON events (due_at) WHERE answered_at IS NULL;
"""
)

CHANNEL_SCHEMA = (
    _CALLS
    + """
CREATE TABLE IF NOT EXISTS orders (
  seq INTEGER PRIMARY KEY, account TEXT NOT NULL, external_id TEXT NOT NULL, number TEXT NOT NULL,
  currency TEXT NOT NULL, total_minor INTEGER NOT NULL, cancelled INTEGER NOT NULL, made_at REAL NOT NULL,
  UNIQUE (account, external_id)
);
CREATE TABLE IF NOT EXISTS order_lines (
  account TEXT NOT NULL, external_id TEXT NOT NULL, line_id TEXT NOT NULL, sku TEXT NOT NULL,
  quantity INTEGER NOT NULL, requires_shipping INTEGER NOT NULL, PRIMARY KEY (account, external_id, line_id)
);
CREATE TABLE IF NOT EXISTS messages (
  id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, account TEXT NOT NULL, external_id TEXT NOT NULL,
  topic TEXT NOT NULL, webhook_id TEXT NOT NULL, event_id TEXT NOT NULL, triggered_at TEXT NOT NULL,
  flavour TEXT NOT NULL, due_at REAL NOT NULL, body BLOB NOT NULL, sha256 TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, status INTEGER, correlation_id TEXT NOT NULL DEFAULT '', answered_at REAL
);
CREATE INDEX IF NOT EXISTS messages_due ON messages (due_at) WHERE answered_at IS NULL;
CREATE TABLE IF NOT EXISTS tries (
  message_id INTEGER NOT NULL, at REAL NOT NULL, status INTEGER, correlation_id TEXT NOT NULL, error TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS fulfilments (
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, external_id TEXT NOT NULL, shipment_id TEXT NOT NULL,
  reference TEXT NOT NULL, company TEXT NOT NULL, key TEXT NOT NULL, sha256 TEXT NOT NULL, at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS fulfilments_by_order ON fulfilments (account, external_id);
CREATE TABLE IF NOT EXISTS fulfilment_lines (
  fulfilment INTEGER NOT NULL, line_id TEXT NOT NULL, quantity INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS fulfilment_lines_by_fulfilment ON fulfilment_lines (fulfilment);
CREATE TABLE IF NOT EXISTS cancelled_lines (
  account TEXT NOT NULL, external_id TEXT NOT NULL, line_id TEXT NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL,
  PRIMARY KEY (account, external_id, line_id)
);
CREATE TABLE IF NOT EXISTS webhook_subscriptions (
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, topic TEXT NOT NULL, uri TEXT NOT NULL, UNIQUE (account, topic, uri)
);
CREATE TABLE IF NOT EXISTS acknowledgements (
  account TEXT NOT NULL, external_id TEXT NOT NULL, reference TEXT NOT NULL, key TEXT NOT NULL,
  sha256 TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (account, external_id)
);
CREATE TABLE IF NOT EXISTS cancellations (
  id INTEGER PRIMARY KEY, account TEXT NOT NULL, external_id TEXT NOT NULL, cancellation_id TEXT NOT NULL UNIQUE,
  reference TEXT NOT NULL, reason TEXT NOT NULL, whole INTEGER NOT NULL, key TEXT NOT NULL, sha256 TEXT NOT NULL,
  at REAL NOT NULL, UNIQUE (account, key)
);
CREATE INDEX IF NOT EXISTS cancellations_by_order ON cancellations (account, external_id);
CREATE TABLE IF NOT EXISTS cancellation_lines (
  cancellation INTEGER NOT NULL, line_id TEXT NOT NULL, quantity INTEGER NOT NULL,
  PRIMARY KEY (cancellation, line_id)
);
CREATE TABLE IF NOT EXISTS cancel_jobs (
  job_id TEXT PRIMARY KEY, account TEXT NOT NULL, external_id TEXT NOT NULL, due_at REAL NOT NULL,
  failed INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS cancel_jobs_by_order ON cancel_jobs (account, external_id);
CREATE TABLE IF NOT EXISTS stock_pushes (
  account TEXT NOT NULL, key TEXT NOT NULL, sha256 TEXT NOT NULL, answer TEXT NOT NULL, at REAL NOT NULL,
  PRIMARY KEY (account, key)
);
CREATE TABLE IF NOT EXISTS offered_stock (
  account TEXT NOT NULL, location TEXT NOT NULL, sku TEXT NOT NULL, quantity INTEGER NOT NULL,
  PRIMARY KEY (account, location, sku)
);
"""
)


class Book:
    """One party's book. `write` is the only way in; it also reads."""

    def __init__(self, path: Path, schema: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(schema)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"book-{path.stem}")
        self._waiting: list[tuple[Work, asyncio.Future[Any]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do `work` in a transaction; its result once that is durable. Raises what `work` raised."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, done))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        return await done

    async def close(self) -> None:
        """Finish what waits and close the file."""
        if self._writer is not None:
            await self._writer
        self._thread.shutdown()
        self._connection.close()

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[:_WORKS_PER_COMMIT_MAX]
                del self._waiting[:_WORKS_PER_COMMIT_MAX]
                loop = asyncio.get_running_loop()
                results = await loop.run_in_executor(self._thread, self._commit, [work for work, _ in batch])
                for (_, done), (value, error) in zip(batch, results, strict=True):
                    if done.cancelled():
                        continue
                    if error is None:
                        done.set_result(value)
                    else:
                        done.set_exception(error)
        finally:
            self._writer = None

    def _commit(self, works: list[Work]) -> list[tuple[Any, Exception | None]]:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            results = [self._one(work) for work in works]
            connection.execute("COMMIT")
        except sqlite3.Error as error:  # the whole batch is undone: a full disk, a lock held too long
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            return [(None, error)] * len(works)
        return results

    def _one(self, work: Work) -> tuple[Any, Exception | None]:
        self._connection.execute("SAVEPOINT work")
        try:
            value = work(self._connection)
        except Exception as error:  # noqa: BLE001 - handed to the caller that waits for this work
            self._connection.execute("ROLLBACK TO work")
            self._connection.execute("RELEASE work")
            return None, error
        self._connection.execute("RELEASE work")
        return value, None
