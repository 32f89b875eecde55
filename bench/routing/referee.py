"""The optimum of a whole day, known beforehand, proven by HiGHS: what no router that decides order by order can beat.

One integer program: an order opens parcels at centres and takes pieces there. It is free to split orders and lines as
it likes, over any number of centres, so its optimum is never above that of what the router may do.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np

from bench.routing.instances import Instance
from kept.domain.routing.offers import Asked, Leaving

_INFINITE = 1e30


@dataclass(frozen=True, slots=True)
class Verdict:
    """`bound_minor` is proven: nothing is cheaper. It is the optimum where `proven`."""

    best_minor: int
    bound_minor: int
    proven: bool
    took_s: float


class _Program:
    """Columns and rows, as they come."""

    def __init__(self) -> None:
        self.costs: list[int] = []
        self.uppers: list[int] = []
        self.rows: list[tuple[float, float, list[int], list[int]]] = []

    def column(self, cost: int, upper: int) -> int:
        self.costs.append(cost)
        self.uppers.append(upper)
        return len(self.costs) - 1

    def row(self, low: float, high: float, columns: list[int], factors: list[int] | None = None) -> None:
        self.rows.append((low, high, columns, factors or [1] * len(columns)))


def optimum(instance: Instance, *, within_s: float) -> Verdict:
    """Raises RuntimeError if HiGHS finds no plan at all."""
    program = _described(instance)
    split_minor = instance.policy.split_minor * len(instance.demands)  # the first parcel of an order is no split
    solver = _solver(program, within_s)
    began = time.perf_counter()
    solver.run()
    took_s = time.perf_counter() - began
    status, info = solver.getModelStatus(), solver.getInfo()
    if info.primal_solution_status != highspy.kSolutionStatusFeasible:
        raise RuntimeError(f"HiGHS: {solver.modelStatusToString(status)}")
    proven = status == highspy.HighsModelStatus.kOptimal
    bound = np.ceil(info.mip_dual_bound - 1e-6)
    return Verdict(round(info.objective_function_value) - split_minor, int(bound) - split_minor, proven, took_s)


def _described(instance: Instance) -> _Program:
    policy, program = instance.policy, _Program()
    situation = instance.situation()
    leaving = Leaving(policy, situation)
    taken: dict[tuple[str, str], list[int]] = {}
    for demand in instance.demands:
        asked = Asked(demand, policy)
        offers, _ = asked.offers(policy.centres, situation, leaving)
        opened = [program.column(offer.base_minor + policy.split_minor, 1) for offer in offers]
        for place, unit in enumerate(asked.units):
            sources = []
            for offer, parcel in zip(offers, opened, strict=True):
                key = offer.name[0], unit.sku
                most = min(unit.pieces, instance.stock.get(key, 0))
                if most:
                    pieces = program.column(offer.each_minor[place], most)
                    program.row(-_INFINITE, 0, [pieces, parcel], [1, -most])
                    taken.setdefault(key, []).append(pieces)
                    sources.append(pieces)
            program.row(unit.pieces, unit.pieces, sources)
    for key, columns in taken.items():
        program.row(-_INFINITE, instance.stock[key], columns)
    return program


def _solver(program: _Program, within_s: float) -> Any:
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(program.costs), len(program.rows)
    lp.col_cost_ = np.array(program.costs, dtype=float)
    lp.col_lower_ = np.zeros(lp.num_col_)
    lp.col_upper_ = np.array(program.uppers, dtype=float)
    lp.row_lower_ = np.array([row[0] for row in program.rows])
    lp.row_upper_ = np.array([row[1] for row in program.rows])
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum([len(row[2]) for row in program.rows])])
    lp.a_matrix_.index_ = np.concatenate([row[2] for row in program.rows])
    lp.a_matrix_.value_ = np.concatenate([row[3] for row in program.rows]).astype(float)
    lp.integrality_ = [highspy.HighsVarType.kInteger] * lp.num_col_
    solver = highspy.Highs()
    for option, value in (("output_flag", False), ("threads", 1), ("time_limit", within_s), ("mip_rel_gap", 0.0)):
        solver.setOptionValue(option, value)
    solver.passModel(lp)
    return solver
