"""DBOS: one durable workflow per order, its eight steps checkpointed in PostgreSQL.

The settings are those of a DBOS engineer after throughput, with nothing of its durability given up:

- a queue, which any executor takes orders from. `start_workflow` ties an order to the process that started it,
  and was no faster in a rough trial.
- `@DBOS.step` around an idempotent transaction. A datasource transaction (exactly once rather than at least
  once) writes a second checkpoint and checks who owns the workflow; in one trial it was slower by a fifth.
- two executor processes, for Python's interpreter lock leaves one process one core; eight orders at once in
  each, for more only wait for the lock (4, 8 and 16 differ by less than the noise).
- no `pool_pre_ping`: DBOS's default asks the connection for a sign of life at each use, about a quarter of the
  time here. DBOS retries on a broken connection either way.
"""

import os
import sys
import threading

import psycopg
from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions, run_dbos_database_migrations

from bench.peers import minimal, work
from bench.peers.measurement import READY, TIMEOUT_S, Peer, PeerResult, main, measure

SCHEMA = "peer_dbos"
SYSTEM_SCHEMA = "peer_dbos_system"
APPLICATION = "kept-peer"
VERSION = "1"  # given, so that client and executors agree without comparing source code
QUEUE = "peer_orders"
WORKFLOW = "kept_peer_order"

EXECUTORS = 2  # one a core
ORDERS_AT_ONCE = 8  # per executor
POLL_S = 0.05  # how often an executor looks for free orders; 0.05 x 8 is never the limit at under 100 orders/s


@DBOS.step()
def step(order_id: int, number: int) -> None:
    """Commit the step; DBOS then checkpoints it, so that a recovered workflow doesn't call it again."""
    work.advance(minimal.connection_of_thread(os.environ["PEER_DSN"], SCHEMA), order_id, number)


@DBOS.workflow(name=WORKFLOW)
def fulfil(order_id: int) -> None:
    """Take one order through all steps."""
    for number in range(1, minimal.STEPS + 1):
        step(order_id, number)


def serve(executor_id: str) -> None:
    """Run one executor until terminated. Each has its own id: it recovers its own orders after a crash."""
    config: DBOSConfig = {
        "name": APPLICATION,
        "system_database_url": os.environ["PEER_DSN"],
        "dbos_system_schema": SYSTEM_SCHEMA,
        "application_version": VERSION,
        "executor_id": executor_id,
        "log_level": "WARNING",
        "run_migrations": False,  # done once by `run`, not by both executors at the same time
        "db_engine_kwargs": {"pool_pre_ping": False},
    }
    DBOS(config=config)
    DBOS.launch()
    print(READY, flush=True)
    threading.Event().wait()


def run(dsn: str, redis_url: str, orders: int, timeout_s: float = TIMEOUT_S) -> PeerResult:
    """Measure DBOS: schemas `peer_dbos` and `peer_dbos_system` on `dsn`, a URL. `redis_url` is not used."""
    del redis_url
    with psycopg.connect(dsn, autocommit=True) as connection:
        minimal.drop_tables(connection, SYSTEM_SCHEMA)
        run_dbos_database_migrations(dsn, schema=SYSTEM_SCHEMA)
        client = DBOSClient(system_database_url=dsn, dbos_system_schema=SYSTEM_SCHEMA, application_name=APPLICATION)
        try:
            client.register_queue(QUEUE, worker_concurrency=ORDERS_AT_ONCE, polling_interval_sec=POLL_S)
            result = measure(_peer(dsn, client), dsn, orders, timeout_s)
        finally:
            client.destroy()
        minimal.drop_tables(connection, SYSTEM_SCHEMA)
    return result


def _peer(dsn: str, client: DBOSClient) -> Peer:
    options: EnqueueOptions = {"workflow_name": WORKFLOW, "queue_name": QUEUE, "app_version": VERSION}

    def enqueue(ids: range) -> None:
        for order_id in ids:  # one commit each, as orders come in
            client.enqueue(options, order_id)

    serving = "from bench.peers.dbos_peer import serve; serve('peer-{}')"
    return Peer(
        name="dbos",
        schema=SCHEMA,
        detail=f"queue polled every {POLL_S} s, {EXECUTORS} executors, {ORDERS_AT_ONCE} orders at once in each",
        worker_commands=[[sys.executable, "-c", serving.format(number)] for number in range(1, EXECUTORS + 1)],
        worker_environment={"PEER_DSN": dsn},
        enqueue=enqueue,
    )


if __name__ == "__main__":
    main(run)
