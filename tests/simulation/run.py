"""`python -m tests.simulation.run`: explore schedules from the command line, or replay one."""

from __future__ import annotations

import argparse
import sys
import time

from .explore import Explored, explore, run_schedule, silence
from .faults import KINDS_AT


def main(arguments: list[str] | None = None) -> int:
    """1 when a schedule failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.run", description=__doc__)
    parser.add_argument("--schedules", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="run this one schedule only")
    parser.add_argument("--trace", action="store_true", help="print every port call of --seed")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        return _replay(options.seed, trace=options.trace)
    begun = time.process_time()
    explored = explore(range(options.first, options.first + options.schedules))
    _report(explored, time.process_time() - begun)
    return 1 if explored.failure else 0


def _replay(seed: int, *, trace: bool) -> int:
    with silence():
        schedule = run_schedule(seed)
    if trace:
        print("\n".join(schedule.lines()))
    print(f"seed {seed}: {schedule.failure or 'every invariant held'} ({schedule.steps} steps)")
    return 1 if schedule.failure else 0


def _report(explored: Explored, took_s: float) -> None:
    a_minute = explored.schedules / took_s * 60
    print(
        f"{explored.schedules} schedules, {explored.steps} steps in {took_s:.1f} s on one core: {a_minute:.0f} a minute"
    )
    for boundary, kinds in KINDS_AT.items():
        print(f"  {boundary:8}", ", ".join(f"{kind} {explored.fired[kind, boundary]}" for kind in kinds))
    print("  seen    ", ", ".join(f"{what} {times}" for what, times in sorted(explored.tally.items())))
    if explored.failure:
        print(explored.told())


if __name__ == "__main__":
    sys.exit(main())
