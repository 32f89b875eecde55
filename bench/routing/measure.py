"""The router's figures on one instance, and all of them together."""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.routing.instances import Instance, instance
from bench.routing.referee import Verdict, optimum
from bench.routing.rivals import fewest_splits, nearest_centre
from kept.domain.routing import Leaving, Plan, plan, take
from kept.domain.routing.policy import canonical
from kept.domain.routing.reevaluation import Placed, Reevaluation

SEEDS = (1, 2, 3)
COVERS = (1.3, 2.0)
BUDGET = 10_000  # plans that the re-evaluation may make: ten an order
_REEVALUATION_SEED = 7
_TURNS = 5
# The instances that decisions are timed on, by their number of centres.
TIMED = {10: 1000, 100: 300}


@dataclass(frozen=True, slots=True)
class Row:
    """One instance: costs in minor units, the hash of every decision of the router."""

    seed: int
    cover: float
    verdict: Verdict
    online_minor: int
    reevaluated_minor: int
    nearest_minor: int
    fewest_minor: int
    sha256: str

    def gap_percent(self, cost_minor: int) -> float:
        """Over the proven bound, which is the optimum where HiGHS came to an end: never below the true gap."""
        return 100 * (cost_minor / self.verdict.bound_minor - 1)


def measure_routing(say: Callable[[str], None], *, within_s: float) -> dict[str, float]:
    """All figures, each instance told of as it is done. HiGHS has `within_s` seconds for each; what it has not proven
    by then is measured against its bound."""
    rows = []
    for cover in COVERS:
        for seed in SEEDS:
            rows.append(row(seed, cover, within_s=within_s))
            say(told(rows[-1]))
    return figures_of(rows, {centres: decisions_per_s(centres) for centres in TIMED})


def told(one: Row) -> str:
    """A row in words."""
    gaps = (one.online_minor, one.reevaluated_minor, one.fewest_minor, one.nearest_minor)
    online, again, fewest, nearest = (f"{one.gap_percent(cost):.2f} %" for cost in gaps)
    referee = "optimum" if one.verdict.proven else "bound"
    return (
        f"stock {one.cover}x, seed {one.seed}: {referee} {one.verdict.bound_minor} in {one.verdict.took_s:.0f} s; "
        f"online {online}, re-evaluated {again}, fewest splits {fewest}, nearest {nearest}; {one.sha256[:16]}"
    )


def row(seed: int, cover: float, *, within_s: float) -> Row:
    given = instance(seed, cover)
    online, placed, reevaluation = _routed(given)
    reevaluation.run(BUDGET)
    decided = canonical([[each.parts for each in placed], sorted(reevaluation.moved().items())])
    return Row(
        seed,
        cover,
        optimum(given, within_s=within_s),
        online,
        reevaluation.total_minor,
        nearest_centre(given),
        fewest_splits(given),
        hashlib.sha256(decided).hexdigest(),
    )


def _routed(given: Instance) -> tuple[int, list[Placed], Reevaluation]:
    situation = given.situation()
    leaving = Leaving(given.policy, situation)
    online, placed = 0, []
    for demand in given.demands:
        decision = plan(demand, situation, given.policy, leaving)
        assert isinstance(decision, Plan), "stock covers demand"
        online += decision.costs.total_minor
        placed.append(Placed(demand, decision.parts))
        take(decision.parts, situation, given.policy)
    return online, placed, Reevaluation(placed, situation, given.policy, _REEVALUATION_SEED)


def decisions_per_s(centres: int) -> float:
    """Decisions with their candidates and runners-up, by one core's time; the best of some turns: noise only slows."""
    given = instance(SEEDS[0], COVERS[0], centres=centres)
    return max(_turn(given, TIMED[centres]) for _ in range(_TURNS))


def _turn(given: Instance, orders: int) -> float:
    situation = given.situation()
    leaving = Leaving(given.policy, situation)
    begun = time.process_time()
    for demand in given.demands[:orders]:
        decision = plan(demand, situation, given.policy, leaving)
        assert isinstance(decision, Plan), "stock covers demand"
        take(decision.parts, situation, given.policy)
        _ = decision.costs, decision.candidates, decision.runner_up, decision.runner_up_costs
    return orders / (time.process_time() - begun)


def figures_of(rows: list[Row], per_s: dict[int, float]) -> dict[str, float]:
    """The figures by name: the worst seed's gaps, and of the rivals the mean."""
    figures = {}
    for cover in COVERS:
        own = [each for each in rows if each.cover == cover]
        name = f"{cover:.1f}".replace(".", "_")
        figures[f"routing_gap_online_{name}"] = max(each.gap_percent(each.online_minor) for each in own)
        figures[f"routing_gap_reevaluated_{name}"] = max(each.gap_percent(each.reevaluated_minor) for each in own)
        figures[f"routing_gap_nearest_{name}"] = statistics.mean(each.gap_percent(each.nearest_minor) for each in own)
        figures[f"routing_gap_fewest_splits_{name}"] = statistics.mean(
            each.gap_percent(each.fewest_minor) for each in own
        )
    for centres, rate in per_s.items():
        figures[f"routing_per_s_{centres}_centres"] = rate
    return figures
