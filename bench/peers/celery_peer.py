"""Celery on Redis: one task per step, which on success sends the next.

The settings are those of a Celery engineer whose short tasks must not be lost:

- `acks_late` with `reject_on_worker_lost`: a message is acknowledged after its step is committed and the next
  is sent, so a killed worker's step is delivered again (on Redis after the visibility timeout, an hour by
  default). Without them Celery would be faster and lose orders.
- no result backend, no task events, no gossip, mingle or heartbeat, no log line per task: nobody reads them here.
- one task sending the next rather than a `chain`: a chain carries all remaining steps in every message.
- two worker processes with the solo pool: the fastest of what was tried (one worker with prefork 2, prefork 4,
  threads 4 or 8; two with prefork 2, threads 4 or solo). For tasks of a millisecond the hand-over to a child or
  thread costs more than it frees. `reject_on_worker_lost` matters to prefork only; it stays for whoever
  changes POOL.
"""

import os
import sys

from celery import Celery
from celery.signals import worker_ready
from redis import Redis

from bench.peers import minimal, work
from bench.peers.measurement import READY, TIMEOUT_S, Peer, PeerResult, main, measure

SCHEMA = "peer_celery"
QUEUE = "peer_celery"
UNACKED = "peer_celery.unacked"
UNACKED_INDEX = "peer_celery.unacked_index"

WORKERS = 2  # one a core, and as many as DBOS gets executors
POOL = "solo"
CONCURRENCY = 1  # processes or threads a worker; solo has one
PREFETCH_MULTIPLIER = 4  # Celery's default: little to redeliver. 1, 16 and 64 differ by less than the noise

app = Celery("kept_peer", broker=os.environ.get("PEER_REDIS_URL"))
app.conf.update(
    task_default_queue=QUEUE,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=PREFETCH_MULTIPLIER,
    worker_disable_rate_limits=True,  # no task has a rate limit; spares the bucket look-up
    broker_connection_retry_on_startup=True,
    broker_transport_options={"unacked_key": UNACKED, "unacked_index_key": UNACKED_INDEX},
)


def say_ready(**_: object) -> None:
    """Tell the parent that this worker consumes; signal handlers must take whatever Celery adds."""
    print(READY, flush=True)


worker_ready.connect(say_ready)


def step(order_id: int, number: int) -> None:
    """Commit the step, then send the next one, then (acks_late) acknowledge: at least once, never zero times."""
    work.advance(minimal.connection_of_thread(os.environ["PEER_DSN"], SCHEMA), order_id, number)
    if number < minimal.STEPS:
        step_task.apply_async((order_id, number + 1))


# Called rather than written as a decorator: Celery is untyped, and a decorator of it would untype the function.
step_task = app.task(name="kept_peer.step")(step)


def enqueue(ids: range) -> None:
    """Send every order's first step."""
    # One connection for all, as in a long-lived web process; not from the app's pool, which remembers the broker
    # of the last run.
    with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
        for order_id in ids:
            step_task.apply_async((order_id, 1), producer=producer)


def run(dsn: str, redis_url: str, orders: int, timeout_s: float = TIMEOUT_S) -> PeerResult:
    """Measure Celery: schema `peer_celery` on `dsn`, queue `peer_celery` on `redis_url`."""
    app.conf.broker_url = redis_url
    worker = [sys.executable, "-m", "celery", "-A", "bench.peers.celery_peer", "worker", "--loglevel", "WARNING"]
    pool = ["--pool", POOL, "--concurrency", str(CONCURRENCY)]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    peer = Peer(
        name="celery",
        schema=SCHEMA,
        detail=f"Redis broker, acks_late, {WORKERS} workers, pool {POOL} {CONCURRENCY}, prefetch {PREFETCH_MULTIPLIER}",
        worker_commands=[[*worker, *pool, *quiet, "-n", f"peer{number}@%h"] for number in range(WORKERS)],
        worker_environment={"PEER_DSN": dsn, "PEER_REDIS_URL": redis_url},
        enqueue=enqueue,
    )
    with Redis.from_url(redis_url) as redis:
        redis.delete(QUEUE, UNACKED, UNACKED_INDEX)  # what a broken-off run left would be worked off in this one
        return measure(peer, dsn, orders, timeout_s)


if __name__ == "__main__":
    main(run)
