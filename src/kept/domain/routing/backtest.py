"""What another policy would have done with the orders that were routed: as of then, and deterministic.

Each recorded decision is made again under the other policy with the stock, bookings, pauses and clock that stand in its
record. What the other policy took elsewhere before is carried on: a piece that it did not take is still there for later
orders, one that it took is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from kept.domain.routing.demand import Situation
from kept.domain.routing.policy import RoutingPolicy
from kept.domain.routing.record import demand_and_situation, read
from kept.domain.routing.router import Plan, plan


@dataclass(frozen=True, slots=True)
class Outcome:
    """What carriers and centres charge for a plan, and how it keeps the promise. Without parts: not filled."""

    cost_minor: int
    parts: int
    late: bool
    centres: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Replayed:
    """One decision, as it was and as it would have been."""

    reference: str
    then: Outcome
    now: Outcome | None  # None: the other policy would have left it waiting

    @property
    def changed(self) -> bool:
        return self.now != self.then


@dataclass(frozen=True, slots=True)
class Totals:
    """Of all decisions; costs of those that both filled."""

    decisions: int
    changed: int
    cost_then_minor: int
    cost_now_minor: int
    late_then: int
    late_now: int
    split_then: int  # decisions of several parts
    split_now: int
    unfilled_now: int

    @property
    def cost_percent(self) -> float:
        """How much dearer the other policy is; negative if it is cheaper."""
        return (
            100 * (self.cost_now_minor - self.cost_then_minor) / self.cost_then_minor if self.cost_then_minor else 0.0
        )


class Backtest:
    """Replays records, which must come in the order in which they were decided."""

    def __init__(self, policy: RoutingPolicy) -> None:
        self._policy = policy
        self._zones = {centre.name: centre.timezone for centre in policy.centres}
        self._stock: dict[tuple[str, str], int] = {}  # pieces that are there now and were not then
        self._room: dict[tuple[str, date], int] = {}  # pieces that leave on a day now and did not then

    def replay(self, reference: str, content: bytes) -> Replayed:
        """Raises RecordError."""
        record = read(content)
        demand, situation = demand_and_situation(record)
        was = _recorded(record["outcome"])
        self._as_it_would_be(situation)
        decision = plan(demand, situation, self._policy)
        for centre, sku, pieces, ships_at in _moved(record["outcome"]["parts"]):
            self._move(centre, sku, ships_at, pieces)
        if not isinstance(decision, Plan):
            return Replayed(reference, was, None)
        for part in decision.parts:
            for line in part.lines:
                self._move(part.centre, line.sku, part.ships_at.isoformat(), -line.quantity)
        return Replayed(reference, was, _planned(decision))

    def _as_it_would_be(self, situation: Situation) -> None:
        for key, pieces in self._stock.items():
            if key in situation.available or pieces > 0:
                situation.available[key] = situation.available.get(key, 0) + pieces
        for day, pieces in self._room.items():
            situation.booked[day] = max(0, situation.booked.get(day, 0) + pieces)

    def _move(self, centre: str, sku: str, ships_at: str, pieces: int) -> None:
        """Give pieces back, or take them for less than none."""
        self._stock[centre, sku] = self._stock.get((centre, sku), 0) + pieces
        zone = self._zones.get(centre, ZoneInfo("UTC"))
        key = centre, datetime.fromisoformat(ships_at).astimezone(zone).date()
        self._room[key] = self._room.get(key, 0) - pieces


def totals_of(rows: Iterable[Replayed]) -> Totals:
    every = list(rows)
    both = [(row.then, row.now) for row in every if row.now is not None]
    return Totals(
        len(every),
        sum(row.changed for row in every),
        sum(then.cost_minor for then, _ in both),
        sum(now.cost_minor for _, now in both),
        sum(row.then.late for row in every),
        sum(now.late for _, now in both),
        sum(row.then.parts > 1 for row in every),
        sum(now.parts > 1 for _, now in both),
        len(every) - len(both),
    )


def _planned(decision: Plan) -> Outcome:
    costs, parts = decision.costs, decision.parts
    centres = tuple(f"{part.centre} by {part.service}" for part in parts)
    return Outcome(costs.parcels_minor + costs.pieces_minor, len(parts), decision.late, centres)


def _recorded(outcome: Mapping[str, Any]) -> Outcome:
    costs, parts = outcome["costs"], outcome["parts"]
    centres = tuple(f"{part['centre']} by {part['service']}" for part in parts)
    return Outcome(costs["parcels_minor"] + costs["pieces_minor"], len(parts), outcome["late"], centres)


def _moved(parts: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, str, int, str]]:
    return (
        (part["centre"], line["sku"], line["quantity"], part["ships_at"]) for part in parts for line in part["lines"]
    )
