"""What PostgreSQL alone can do with the same rows: pgbench, set-based, no queue and no Python in the way.

It is a yardstick, not a peer: nothing decides which order goes next, and nothing would be redelivered.
"""

import argparse
import os
import re
import subprocess
import tempfile
from pathlib import Path

from bench.peers import minimal

SCHEMA = "peer_floor"
BATCH_ORDERS = 200  # orders a transaction: the size of Kept's own micro-batch
BLOCKS = 500  # of 200 orders each; far more than clients, so no two clients ever hold the same block

# A ticket is one run of the script, and so one block taken through eight steps. Blocks come round again after 500
# tickets as new orders on old rows (step 8 counts as 0); the ticket in `seq` keeps their events' keys apart.
TICKET = f"""
SELECT nextval('floor_ticket') AS ticket \\gset
\\set first (:ticket % {BLOCKS}) * {BATCH_ORDERS} + 1
\\set last :first + {BATCH_ORDERS - 1}
\\set seq :ticket * {minimal.STEPS}
"""

# The least a durable step can write: the order's row and the fact. A statement outside BEGIN is a transaction of its
# own.
ADVANCE_BLOCK = """
WITH advanced AS (
    UPDATE peer_orders SET step = {step}, state = 'step-' || {step}, updated_at = clock_timestamp()
    WHERE id BETWEEN :first AND :last AND step = {before}
    RETURNING id, state, updated_at
)
INSERT INTO peer_events (order_id, seq, type, at) SELECT id, :seq + {step}, state, updated_at FROM advanced;
"""


class FloorFailed(Exception):
    """pgbench failed, or wrote other rows than it should have."""


def floor_orders_per_s(pg_bin_dir: Path, dsn: str, seconds: int, clients: int = 4) -> float:
    """Orders a second through eight set-based transactions of 200 orders each, by `clients` connections.

    Works in its own schema on `dsn` and drops it. Raises FloorFailed with pgbench's words, or if a row is missing.
    """
    with minimal.connect(dsn, SCHEMA) as connection:
        minimal.create_tables(connection, SCHEMA)
        connection.execute("CREATE SEQUENCE floor_ticket MINVALUE 0")
        minimal.place_orders(connection, range(1, BLOCKS * BATCH_ORDERS + 1))
        connection.execute(f"UPDATE peer_orders SET step = {minimal.STEPS}")
        connection.execute("VACUUM ANALYZE peer_orders")  # else an autovacuum falls into the measured seconds
        tickets_per_s = _pgbench(pg_bin_dir, dsn, seconds, clients)
        row = connection.execute("SELECT (SELECT last_value + 1 FROM floor_ticket), count(*) FROM peer_events")
        tickets, events = row.fetchone() or (0, 0)
        if events != tickets * BATCH_ORDERS * minimal.STEPS:
            raise FloorFailed(f"{events} events for {tickets} blocks of {BATCH_ORDERS} orders, {minimal.STEPS} steps")
        minimal.drop_tables(connection, SCHEMA)
    return tickets_per_s * BATCH_ORDERS


def _script() -> str:
    steps = range(1, minimal.STEPS + 1)
    return TICKET + "".join(ADVANCE_BLOCK.format(step=step, before=(step - 1) or minimal.STEPS) for step in steps)


def _pgbench(pg_bin_dir: Path, dsn: str, seconds: int, clients: int) -> float:
    """Run the script for `seconds`; the number of times a second it was completed."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(_script())
        script.flush()
        # -n: no vacuum of pgbench's own tables, there are none; -M prepared: as psycopg does for the peers
        options = ["-n", "-M", "prepared", "-c", str(clients), "-T", str(seconds), "-f", script.name]
        done = subprocess.run(
            [str(pg_bin_dir / "pgbench"), *options, dsn],
            env={**os.environ, "PGOPTIONS": f"-c search_path={SCHEMA}"},
            capture_output=True,
            text=True,
            timeout=seconds + 30,  # connecting and the last transactions take a second
            check=False,
        )
    tps = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    if done.returncode or tps is None:
        raise FloorFailed(f"pgbench ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return float(tps[1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pg-bin-dir", type=Path, required=True)
    parser.add_argument("--dsn", required=True, help="PostgreSQL URL of a database made for this")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=4)
    print(round(floor_orders_per_s(**vars(parser.parse_args())), 1))
