"""The least a durable step can write: advance the order's row and record the event, in one transaction.

Both peers run exactly this statement, once per order and step. It is one round trip on purpose: code that locks,
thinks and then writes needs three or four, so the peers are measured at their cheapest.
"""

import threading

import psycopg

STEPS = 8  # as many as Kept's own pipeline takes an order through

# `step = n - 1` is the idempotency: a task delivered twice finds the row further on, and writes nothing.
ADVANCE = """
WITH advanced AS (
    UPDATE peer_orders SET step = %(step)s, state = 'step-' || %(step)s::int, updated_at = clock_timestamp()
    WHERE id = %(order_id)s AND step = %(step)s - 1
    RETURNING id, step, state, updated_at
)
INSERT INTO peer_events (order_id, seq, type, at) SELECT id, step, state, updated_at FROM advanced
"""

TABLES = """
CREATE TABLE peer_orders (id bigint PRIMARY KEY, step int NOT NULL, state text NOT NULL,
                          updated_at timestamptz NOT NULL);
CREATE TABLE peer_events (order_id bigint, seq int, type text NOT NULL, at timestamptz NOT NULL,
                          PRIMARY KEY (order_id, seq));
"""

_of_thread = threading.local()


def connect(dsn: str, schema: str) -> psycopg.Connection:
    """A connection to the peer's own schema. Autocommit: one statement is then one transaction, one round trip."""
    return psycopg.connect(dsn, autocommit=True, options=f"-c search_path={schema}")


def connection_of_thread(dsn: str, schema: str) -> psycopg.Connection:
    """The calling thread's connection, opened at first use and kept.

    A process thus holds as many as it has worker threads (one in a prefork child), and a step never waits for
    one: the best a pool could do. Opening at first use keeps connections from crossing a fork.
    """
    connection: psycopg.Connection | None = getattr(_of_thread, "connection", None)
    if connection is None or connection.closed:
        connection = _of_thread.connection = connect(dsn, schema)
    return connection


def advance(connection: psycopg.Connection, order_id: int, step: int) -> None:
    """Take the order from `step - 1` to `step` and record the event; do nothing if it is already there."""
    connection.execute(ADVANCE, {"order_id": order_id, "step": step})


def create_tables(connection: psycopg.Connection, schema: str) -> None:
    """The two tables in a fresh schema; whatever a former run left in it is dropped."""
    drop_tables(connection, schema)
    connection.execute(f"CREATE SCHEMA {schema}")
    connection.execute(TABLES)


def drop_tables(connection: psycopg.Connection, schema: str) -> None:
    """Drop the schema, so that vacuuming it doesn't slow down what is measured next."""
    connection.execute("SET client_min_messages = warning")  # no notice for each table that goes along
    connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def place_orders(connection: psycopg.Connection, ids: range) -> None:
    """Insert the orders at step 0, in one statement: taking orders in is not what the peers are measured by."""
    connection.execute(
        "INSERT INTO peer_orders SELECT id, 0, 'placed', now() FROM generate_series(%s::bigint, %s) AS id",
        (ids.start, ids.stop - 1),
    )


def unfinished(connection: psycopg.Connection, ids: range) -> int:
    """How many of the orders haven't reached the last step."""
    return _count(connection, f"SELECT count(*) FROM peer_orders WHERE id BETWEEN %s AND %s AND step < {STEPS}", ids)


def without_exact_events(connection: psycopg.Connection, ids: range) -> int:
    """How many of the orders don't have exactly one event for each step (the primary key rules out doubles)."""
    query = f"""
    SELECT count(*) FROM peer_orders o WHERE o.id BETWEEN %s AND %s
    AND (SELECT array_agg(e.seq ORDER BY e.seq) FROM peer_events e WHERE e.order_id = o.id)
        IS DISTINCT FROM ARRAY(SELECT generate_series(1, {STEPS}))
    """
    return _count(connection, query, ids)


def _count(connection: psycopg.Connection, query: str, ids: range) -> int:
    row = connection.execute(query, (ids.start, ids.stop - 1)).fetchone()
    assert row is not None, "count(*) always returns a row"
    return int(row[0])
