"""Looking again at plans that nobody has begun to pack: together they can be cheaper than they were one by one.

A large neighbourhood search: an order and some that ask for the same SKUs give back what they hold and are planned
anew in another order; if they come to less together, they stay so. The budget is a number of plans and never a time,
the draws come from a seed, so that the same inputs give the same plans on any machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from kept.domain.events import PlannedPart
from kept.domain.routing.demand import Demand, Situation
from kept.domain.routing.offers import Asked, Leaving, Offer
from kept.domain.routing.policy import RoutingPolicy
from kept.domain.routing.router import cheapest, parts_of
from kept.domain.routing.search import Found

_Pieces = dict[tuple[str, str], int]  # by centre and SKU

TOGETHER = 4  # orders that are planned anew at once; more of them seldom find a better place together
_NOWHERE = 1 << 60  # what a plan weighs that can't be kept as things are now: a centre is paused, a service gone


@dataclass(frozen=True, slots=True)
class Placed:
    """An order's demand and the parts that hold its stock."""

    demand: Demand
    parts: tuple[PlannedPart, ...]


class Reevaluation:
    """One batch. `situation.available` is without what the placed orders hold, and changes as they move."""

    def __init__(self, placed: Sequence[Placed], situation: Situation, policy: RoutingPolicy, seed: int) -> None:
        # Nothing is kept back for later orders here: those that are known are all at hand.
        self._policy = replace(policy, scarcity_cap_minor=0)
        self._situation = situation
        self._placed = placed
        leaving = Leaving(policy, situation)
        self._asked = [Asked(each.demand, self._policy) for each in placed]
        self._offers = [asked.offers(self._policy.centres, situation, leaving)[0] for asked in self._asked]
        self._plans = [self._as_found(number) for number in range(len(placed))]
        self._first = list(self._plans)
        self._held = [_pieces_of(each.parts) for each in placed]
        self._wanting: dict[str, list[int]] = {}
        for number, asked in enumerate(self._asked):
            for unit in asked.units:
                self._wanting.setdefault(unit.sku, []).append(number)
        self._draws = _draws(seed)

    def run(self, budget: int) -> int:
        """Make at most so many plans; how many were made. Orders that can't stay where they are come first."""
        made = 0
        for number, plan in enumerate(self._plans):
            if plan.weighed_minor >= _NOWHERE and made < budget:
                made += self._again([number])
        while self._placed and made + TOGETHER <= budget:
            made += self._again(self._group())
        return made

    @property
    def total_minor(self) -> int:
        """What all orders come to that can be where they are."""
        return sum(plan.weighed_minor for plan in self._plans if plan.weighed_minor < _NOWHERE)

    def moved(self) -> dict[int, tuple[PlannedPart, ...]]:
        """The new parts of the orders that have other ones now, by their place in the batch."""
        return {
            number: parts_of(self._asked[number], plan)
            for number, plan in enumerate(self._plans)
            if (plan.offers, plan.taken) != (self._first[number].offers, self._first[number].taken)
        }

    def _group(self) -> list[int]:
        first = next(self._draws) % len(self._placed)
        group = [first]
        units = self._asked[first].units
        sku = units[next(self._draws) % len(units)].sku
        for turn in range(TOGETHER - 1):
            if turn == TOGETHER - 2:
                sku = units[next(self._draws) % len(units)].sku
            others = self._wanting[sku]
            other = others[next(self._draws) % len(others)]
            if other not in group:
                group.append(other)
        return group

    def _again(self, group: list[int]) -> int:
        """Plan these orders anew, and keep that if they come to no more; how many plans that took."""
        limit = sum(self._plans[number].weighed_minor for number in group)
        for number in group:
            self._hold(self._held[number], -1)
        order = list(group)
        for place in range(len(order) - 1, 0, -1):
            other = next(self._draws) % (place + 1)
            order[place], order[other] = order[other], order[place]
        made: list[tuple[int, Found]] = []
        total = 0
        for number in order:
            found = self._best(number)
            if found is None or total + found.weighed_minor > limit:
                break
            self._hold(self._pieces(number, found), 1)
            made.append((number, found))
            total += found.weighed_minor
        if len(made) == len(order):
            for number, found in made:
                self._plans[number], self._held[number] = found, self._pieces(number, found)
        else:
            for number, found in made:
                self._hold(self._pieces(number, found), -1)
            for number in group:
                self._hold(self._held[number], 1)
        return min(len(order), len(made) + 1)

    def _best(self, number: int) -> Found | None:
        asked, available = self._asked[number], self._situation.available
        stock = {centre.name: asked.stock_of(centre.name, available) for centre in self._policy.centres}
        found = cheapest(asked, self._offers[number], stock, {})
        return found[0] if found is not None else None

    def _pieces(self, number: int, plan: Found) -> _Pieces:
        units = self._asked[number].units
        return {
            (offer.name[0], unit.sku): pieces
            for offer, row in zip(plan.offers, plan.taken, strict=True)
            for unit, pieces in zip(units, row, strict=True)
            if pieces
        }

    def _hold(self, pieces: _Pieces, sign: int) -> None:
        """Take pieces out of what is available, or give them back."""
        available = self._situation.available
        for key, count in pieces.items():
            available[key] = available.get(key, 0) - sign * count

    def _as_found(self, number: int) -> Found:
        """A standing plan at what it would cost now."""
        asked = self._asked[number]
        by_name = {offer.name: offer for offer in self._offers[number]}
        chosen: list[tuple[Offer | None, tuple[int, ...]]] = []
        for part in self._placed[number].parts:
            held: dict[str, int] = {}
            for line in part.lines:
                held[line.sku] = held.get(line.sku, 0) + line.quantity
            row = tuple(held.get(unit.sku, 0) for unit in asked.units)
            chosen.append((by_name.get((part.centre, part.service)), row))
        offers = [(offer, row) for offer, row in chosen if offer is not None]
        weighed = self._policy.split_minor * (len(chosen) - 1) if len(offers) == len(chosen) else _NOWHERE
        for offer, row in offers:
            weighed += offer.base_minor + sum(a * b for a, b in zip(row, offer.each_minor, strict=True))
        return Found(weighed, tuple(offer for offer, _ in offers), tuple(row for _, row in offers))


def _pieces_of(parts: Sequence[PlannedPart]) -> _Pieces:
    pieces: _Pieces = {}
    for part in parts:
        for line in part.lines:
            pieces[part.centre, line.sku] = pieces.get((part.centre, line.sku), 0) + line.quantity
    return pieces


def _draws(seed: int) -> Iterator[int]:
    """Numbers below 2**64 that are the same for a seed on every machine and version of Python."""
    count = 0
    while True:
        block = blake2b(f"{seed}:{count}".encode(), digest_size=64).digest()
        for start in range(0, 64, 8):
            yield int.from_bytes(block[start : start + 8])
        count += 1
