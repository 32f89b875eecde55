"""The peers' tables and their connections."""

import threading
from collections.abc import Sequence

import psycopg

STEPS = 8  # of an order; Kept itself takes it through twelve, the centre's two messages and the posting being others

TABLES = """
CREATE TABLE peer_orders (id bigint PRIMARY KEY, step int NOT NULL, state text NOT NULL,
                          updated_at timestamptz NOT NULL,
                          body bytea NOT NULL DEFAULT '',  -- as the channel sent it
                          document bytea);                 -- the order as the last step left it
CREATE TABLE peer_events (order_id bigint, seq int, type text NOT NULL, at timestamptz NOT NULL,
                          PRIMARY KEY (order_id, seq));
CREATE TABLE peer_documents (order_id bigint NOT NULL, seq int NOT NULL, media_type text NOT NULL,
                             content bytea NOT NULL);
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


def create_tables(connection: psycopg.Connection, schema: str) -> None:
    """The two tables in a fresh schema; whatever a former run left in it is dropped."""
    drop_tables(connection, schema)
    connection.execute(f"CREATE SCHEMA {schema}")
    connection.execute(TABLES)


def drop_tables(connection: psycopg.Connection, schema: str) -> None:
    """Drop the schema, so that vacuuming it doesn't slow down what is measured next."""
    connection.execute("SET client_min_messages = warning")  # no notice for each table that goes along
    connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def place_orders(connection: psycopg.Connection, ids: range, bodies: Sequence[bytes] = ()) -> None:
    """Insert the orders at step 0, in one statement: taking orders in is not what the peers are measured by."""
    connection.execute(
        "INSERT INTO peer_orders (id, step, state, updated_at, body) SELECT id, 0, 'placed', now(), coalesce(body, '')"
        " FROM unnest(%s::bigint[], %s::bytea[]) AS x(id, body)",
        (list(ids), list(bodies)),
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
