"""The decision: hard filters, then the cheapest plan that keeps the promise, else the cheapest of all.

Pure and deterministic: the same demand, situation and policy give the same plan on any machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from kept.domain.events import PlannedLine, PlannedPart
from kept.domain.routing.demand import Candidate, Costs, Demand, Flip, NoPlan, RuledOut, Situation, words_of
from kept.domain.routing.offers import Asked, Leaving, Offer, Unit
from kept.domain.routing.policy import RoutingPolicy
from kept.domain.routing.search import Found, Rows, Search, as_few_as_hold_it

# What neither time nor stock will change.
_FOR_GOOD = (RuledOut.REFUSED, RuledOut.RULE, RuledOut.SERVICE)


class Plan:
    """A decision: who ships what, and what else there was, which is worked out when it is asked for."""

    def __init__(
        self,
        asked: Asked,
        situation: Situation,
        leaving: Leaving,
        offers: Sequence[Offer],
        out: Sequence[Candidate],
        stock: Rows,
        worth: Rows,
        best: Found,
        second: Found | None,
    ) -> None:
        self._asked = asked
        self._situation = situation
        self._leaving = leaving
        self._offers = offers
        self._out = out
        self._stock = stock
        self._worth = worth
        self._best = best
        self._second = second

    @property
    def late(self) -> bool:
        """Whether no centres can keep the promise together, and late ones were taken."""
        return not all(offer.keeps for offer in self._best.offers)

    @cached_property
    def parts(self) -> tuple[PlannedPart, ...]:
        return parts_of(self._asked, self._best)

    @cached_property
    def costs(self) -> Costs:
        return costs_of(self._best, self._worth, self._asked.policy.split_minor)

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        return candidates_of(self._asked, self._offers, self._out, self._stock, self._worth)

    @property
    def ruled_out(self) -> tuple[str, ...]:
        return words_of(self.candidates)

    def flips(self) -> tuple[Flip, ...]:
        """The least change of each kind that would have led to another plan: the runner-up cheaper by so much; a centre
        with so many pieces more; a promise so much later. Of stock and promise, of single centres that would then ship
        everything for less."""
        weighed = self.costs.weighed_minor
        found: list[Flip] = []
        if self._second is not None:
            names = [offer.name for offer in self._best.offers]
            other = next((offer for offer in self._second.offers if offer.name not in names), self._second.offers[0])
            wins_ties = self._second.rank[1:] < self._best.rank[1:]
            found.append(Flip("cost", *other.name, self._second.weighed_minor - weighed + (not wins_ties), 0))
        more: list[Flip] = []
        later: list[Flip] = []
        for offer in self._offers_of_all():
            whole = offer.parcel_minor
            units = zip(self._asked.units, offer.each_minor, strict=True)
            whole += sum(unit.pieces * each for unit, each in units)
            if whole >= weighed or not all(offer.allowed):
                continue
            stock = self._stock[offer.name[0]]
            lacking = sum(max(0, unit.pieces - held) for unit, held in zip(self._asked.units, stock, strict=True))
            if lacking and offer.keeps:
                more.append(Flip("stock", *offer.name, lacking, weighed - whole))
            if not lacking and not offer.keeps:
                later.append(Flip("promise", *offer.name, self._asked.late_s(offer), weighed - whole))
        for some in (more, later):
            if some:
                found.append(min(some, key=lambda flip: (flip.by, -flip.saves_minor, flip.centre, flip.service)))
        return tuple(found)

    def _offers_of_all(self) -> list[Offer]:
        """Of centres that have nothing of it too."""
        offered = {offer.name[0] for offer in self._offers}
        others = [centre for centre in self._asked.policy.centres if centre.name not in offered]
        return [*self._offers, *self._asked.offers(others, self._situation, self._leaving)[0]]

    @property
    def runner_up(self) -> tuple[PlannedPart, ...]:
        """The best plan by another set of services; empty if there is none."""
        return parts_of(self._asked, self._second) if self._second is not None else ()

    @property
    def runner_up_costs(self) -> Costs | None:
        if self._second is None:
            return None
        return costs_of(self._second, self._worth, self._asked.policy.split_minor)


def plan(demand: Demand, situation: Situation, policy: RoutingPolicy, leaving: Leaving | None = None) -> Plan | NoPlan:
    """The cheapest plan whose parts all keep the promise; if there is none, the cheapest with late ones among them, by
    what lateness costs. `leaving` is `Leaving(policy, situation)`, made once for a batch.

    Does not change the situation: `take` does, once a plan is kept.
    """
    asked = Asked(demand, policy)
    stock = {centre.name: asked.stock_of(centre.name, situation.available) for centre in policy.centres}
    holding = [centre for centre in policy.centres if any(stock[centre.name])]
    leaving = leaving or Leaving(policy, situation)
    offers, out = asked.offers(holding, situation, leaving)
    if len(holding) < len(policy.centres):
        out += _without_stock(policy, stock, demand, situation)
    worth = asked.worth(situation.available)
    found = cheapest(asked, offers, stock, worth)
    if found is not None:
        return Plan(asked, situation, leaving, offers, out, stock, worth, *found)
    able, unable = asked.offers(policy.centres, situation, leaving)
    exhausted = not able and all(each.ruled_out in _FOR_GOOD for each in unable)
    lacking = [(unit.sku, _lacking(place, unit, offers, stock)) for place, unit in enumerate(asked.units)]
    missing = () if exhausted else tuple((sku, pieces) for sku, pieces in lacking if pieces)
    return NoPlan(candidates_of(asked, offers, out, stock, worth), exhausted, missing)


def cheapest(asked: Asked, offers: Sequence[Offer], stock: Rows, worth: Rows) -> tuple[Found, Found | None] | None:
    """The best set of offers and the best but one."""
    policy = asked.policy
    # Of two that ask as much for a piece the first gives it, wherever the policy names its centre.
    offers = sorted(offers, key=lambda offer: (offer.base_minor, offer.delivers_at, offer.name))
    keeping = [offer for offer in offers if offer.keeps]
    for tier in (keeping, offers) if len(keeping) < len(offers) else (offers,):
        search = Search(asked.units, tier, stock, worth, policy.split_minor, policy.parts_max).run()
        best = search.best or as_few_as_hold_it(asked.units, tier, stock, worth, policy.split_minor)
        if best is not None:
            return best, search.second
    return None


def take(parts: Sequence[PlannedPart], situation: Situation, policy: RoutingPolicy) -> None:
    """Count a kept plan's pieces as promised, and as leaving on their day."""
    zones = {centre.name: centre.timezone for centre in policy.centres}
    for part in parts:
        day = part.ships_at.astimezone(zones[part.centre]).date()
        key = part.centre, day
        for line in part.lines:
            situation.available[part.centre, line.sku] -= line.quantity
            situation.booked[key] = situation.booked.get(key, 0) + line.quantity


def costs_of(found: Found, worth: Rows, split_minor: int) -> Costs:
    pieces = scarcity = 0
    for offer, row in zip(found.offers, found.taken, strict=True):
        pieces += sum([some * each for some, each in zip(row, offer.each_minor, strict=True)])
        if worth:
            scarcity += sum([some * each for some, each in zip(row, worth[offer.name[0]], strict=True)])
    return Costs(
        sum([offer.parcel_minor for offer in found.offers]),
        pieces,
        split_minor * (len(found.offers) - 1),
        sum([offer.late_minor for offer in found.offers]),
        scarcity,
    )


def parts_of(asked: Asked, found: Found) -> tuple[PlannedPart, ...]:
    """The pieces of SKUs as pieces of lines: whole lines where possible, in the order of the lines."""
    given: list[list[PlannedLine]] = [[] for _ in found.offers]
    for place, unit in enumerate(asked.units):
        left = [row[place] for row in found.taken]
        for line in asked.demand.lines:
            if line.sku != unit.sku:
                continue
            need = line.open
            whole = [number for number, pieces in enumerate(left) if pieces >= need]
            for number in whole[:1] or range(len(left)):
                some = min(need, left[number])
                if some:
                    given[number].append(PlannedLine(line.line_no, line.sku, some))
                    left[number] -= some
                    need -= some
    return tuple(
        PlannedPart(
            centre=offer.name[0],
            service=offer.name[1],
            ships_at=offer.ships_at,
            delivers_at=offer.delivers_at,
            cost_minor=offer.parcel_minor + sum(a * b for a, b in zip(row, offer.each_minor, strict=True)),
            lines=tuple(sorted(lines, key=lambda line: line.line_no)),
        )
        for offer, row, lines in zip(found.offers, found.taken, given, strict=True)
    )


def candidates_of(
    asked: Asked, offers: Sequence[Offer], out: Sequence[Candidate], stock: Rows, worth: Rows
) -> tuple[Candidate, ...]:
    """One for each centre: its best offer, or what ruled it out."""
    found: dict[str, Candidate] = {each.centre: each for each in out}
    for offer in offers:  # a centre's best offer is its first
        name = offer.name[0]
        if name in found:
            continue
        held = zip(asked.units, stock[name], offer.allowed, strict=True)
        row = [min(unit.pieces, pieces) if allowed else 0 for unit, pieces, allowed in held]
        found[name] = Candidate(
            name,
            offer.name[1],
            None if offer.keeps else RuledOut.PROMISE,
            "" if offer.keeps else "can't keep the promise",
            offer.ships_at,
            offer.delivers_at,
            offer.km,
            sum(row),
            offer.parcel_minor,
            sum(a * b for a, b in zip(row, offer.each_minor, strict=True)),
            offer.late_minor,
            sum(a * b for a, b in zip(row, worth[name], strict=True)) if worth else 0,
        )
    return tuple(found[name] for name in sorted(found))


def _without_stock(policy: RoutingPolicy, stock: Rows, demand: Demand, situation: Situation) -> list[Candidate]:
    """Centres that have nothing of what is asked; one that refused or is paused is named for that."""
    out = []
    for centre in policy.centres:
        name = centre.name
        if not any(stock[name]):
            if name in demand.refused:
                out.append(Candidate(name, ruled_out=RuledOut.REFUSED, detail="refused before"))
            elif name in situation.paused:
                out.append(Candidate(name, ruled_out=RuledOut.PAUSED, detail=situation.paused[name]))
            else:
                out.append(Candidate(name, ruled_out=RuledOut.STOCK, detail="not in stock"))
    return out


def _lacking(place: int, unit: Unit, offers: Sequence[Offer], stock: Rows) -> int:
    """Pieces that nobody has who may send them."""
    able = {offer.name[0] for offer in offers if offer.allowed[place]}
    return max(0, unit.pieces - sum(stock[name][place] for name in able))
