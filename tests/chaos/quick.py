"""`python -m tests.chaos.quick ARGUMENTS`: the command `kept` with shorter timers, so that a recovery takes seconds.

Only how long things wait is changed, never what is done. Proportions stay: a call's timeout is below the lease,
and a worker tells that it lives several times within the idle time.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from kept import cli
from kept.engine.relay import Relay, RelayLimits
from kept.engine.runner import Limits
from kept.processes import relay, worker
from kept.store import effects

LEASE_S = 3.0  # in production 20
TIMEOUT_S = 1.5  # of a connector's call; in production 10

LIMITS = Limits(block_ms=500, idle_ms=1200, keep_every_s=0.3, reclaim_every_s=0.3, backoff_max_s=0.5)
RELAY_LIMITS = RelayLimits(lost_after=timedelta(seconds=2), sweep_every_s=0.5)


def shorten() -> None:
    """Put the shorter timers in place of production's, in this process."""
    effects.LEASE = timedelta(seconds=LEASE_S)
    vars(worker)["run_worker"] = partial(worker.run_worker, limits=LIMITS)
    vars(relay)["Relay"] = partial(Relay, limits=RELAY_LIMITS)


if __name__ == "__main__":
    shorten()
    cli.main()
