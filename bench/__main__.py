"""`make bench`: every figure with its limit, as a table and as bench/out/results.json."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import intake, pipeline
from bench.normalisation import normalisations_per_s
from bench.peers import celery_peer, dbos_peer
from bench.peers.pgbench_floor import floor_orders_per_s
from bench.routing.measure import measure_routing
from bench.servers import fresh_servers

OUT = Path(__file__).parent / "out" / "results.json"
# What the figures have to reach: (at least or at most, limit).
LIMITS = {
    "pipeline_orders_per_s": (">=", 1000.0),
    "pipeline_vs_celery": (">=", 8.0),
    "pipeline_vs_dbos": (">=", 8.0),
    "intake_vs_bare_route": (">=", 0.4),
    "release_p99_ms": ("<=", 1000.0),
    "worker_rss_mib": ("<=", 250.0),
    "routing_gap_online_1_3": ("<=", 6.0),
    "routing_gap_reevaluated_1_3": ("<=", 3.0),
    "routing_gap_online_2_0": ("<=", 3.0),
    "routing_gap_reevaluated_2_0": ("<=", 1.5),
    "routing_per_s_10_centres": (">=", 3000.0),
    **{f"normalise_per_s_{kind}": (">=", 5000.0) for kind in ("amazon", "inhouse", "shopify", "walmart")},
}
_PEER_ORDERS = 500
_TURNS = 3  # pipeline and peers take turns, so that a noisy moment hits all of them


def measure_pipeline(figures: dict[str, float], orders: int, say: Console) -> None:
    """Pipeline, peers and floor, in turns within this run; medians."""
    seen: dict[str, list[float]] = {"kept": [], "celery": [], "dbos": [], "floor": []}
    for turn in range(1, _TURNS + 1):
        with fresh_servers() as servers:
            seen["kept"].append(pipeline.run(servers, orders).orders_per_s)
        with fresh_servers() as servers:
            seen["celery"].append(celery_peer.run(servers.dsn, servers.redis_url, _PEER_ORDERS).orders_per_s)
            seen["dbos"].append(dbos_peer.run(servers.dsn, servers.redis_url, _PEER_ORDERS).orders_per_s)
            seen["floor"].append(floor_orders_per_s(servers.bin_dir, servers.dsn, seconds=5))
        say.print(f"turn {turn}: " + ", ".join(f"{name} {rates[-1]:.0f}/s" for name, rates in seen.items()))
    kept, celery, dbos, floor = (statistics.median(rates) for rates in seen.values())
    figures["pipeline_orders_per_s"] = kept
    figures["celery_orders_per_s"] = celery
    figures["dbos_orders_per_s"] = dbos
    figures["pgbench_floor_orders_per_s"] = floor
    figures["pipeline_vs_celery"] = kept / celery
    figures["pipeline_vs_dbos"] = kept / dbos
    figures["pipeline_vs_pgbench_floor"] = kept / floor


def measure_intake(figures: dict[str, float], requests: int) -> None:
    """Intake against the bare route, and webhook to release at 20 orders a second."""
    with fresh_servers() as servers, tempfile.TemporaryDirectory() as folder:
        result = intake.run(servers, Path(folder), requests)
    figures["intake_per_s"] = result.per_s
    figures["bare_route_per_s"] = result.bare_per_s
    figures["intake_vs_bare_route"] = result.per_s / result.bare_per_s
    figures["intake_p50_ms"] = result.p50_ms
    figures["intake_p99_ms"] = result.p99_ms
    with fresh_servers() as servers, tempfile.TemporaryDirectory() as folder:
        p50, p99 = intake.release_latency_ms(servers, Path(folder), orders=600, rate=20)
    figures["release_p50_ms"] = p50
    figures["release_p99_ms"] = p99


def measure_memory(figures: dict[str, float], orders: int) -> None:
    """A worker's resident memory over many orders: at the end, and its growth over the second half."""
    with fresh_servers() as servers:
        result = pipeline.run(servers, orders, within_s=1200)
    last = [statistics.median(samples[-10:]) for samples in result.rss_mib]
    middle = [statistics.median(samples[len(samples) // 2 - 5 : len(samples) // 2 + 5]) for samples in result.rss_mib]
    figures["memory_orders"] = orders
    figures["memory_orders_per_s"] = result.orders_per_s
    figures["worker_rss_mib"] = max(last)
    figures["worker_rss_growth_second_half_mib"] = max(end - mid for end, mid in zip(last, middle, strict=True))


def show(figures: dict[str, float], console: Console) -> bool:
    """The table; whether every limit is kept."""
    table = Table(box=None, header_style="bold")
    for name in ("figure", "value", "limit", ""):
        table.add_column(name, justify="left" if name in ("figure", "") else "right")
    well = True
    for name, value in figures.items():
        sign, limit = LIMITS.get(name, ("", 0.0))
        kept = not sign or (value >= limit if sign == ">=" else value <= limit)
        well &= kept
        table.add_row(name, f"{value:,.2f}", f"{sign} {limit:g}" if sign else "", "" if kept else "MISSED")
    console.print(table)
    return well


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", choices=("normalisation", "routing", "pipeline", "intake", "memory"), help="one part of it"
    )
    parser.add_argument("--orders", type=int, default=20_000, help="of each pipeline run")
    parser.add_argument("--memory-orders", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=20_000, help="of each intake run")
    parser.add_argument("--referee-s", type=float, default=600.0, help="for HiGHS to prove an optimum")
    given = parser.parse_args()
    console = Console()
    figures: dict[str, float] = {}
    if given.only in (None, "normalisation"):
        figures |= normalisations_per_s()
    if given.only in (None, "routing"):
        figures |= measure_routing(console.print, within_s=given.referee_s)
    if given.only in (None, "pipeline"):
        measure_pipeline(figures, given.orders, console)
    if given.only in (None, "intake"):
        measure_intake(figures, given.requests)
    if given.only in (None, "memory"):
        measure_memory(figures, given.memory_orders)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=2) + "\n")
    sys.exit(0 if show(figures, console) else 1)


if __name__ == "__main__":
    main()
