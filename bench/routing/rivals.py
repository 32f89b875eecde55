"""What simpler routers would do with the same orders, the same stock and the same rate card."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

from bench.routing.instances import Instance
from kept.domain.routing.offers import Asked, Leaving, Offer, Unit
from kept.domain.routing.search import Search, as_few_as_hold_it

Stock = dict[tuple[str, str], int]
_Choose = Callable[[Sequence[Unit], Sequence[Offer], Stock], int]  # what an order costs; takes its pieces


def nearest_centre(instance: Instance) -> int:
    """Each line from the nearest centre that has it."""

    def choose(units: Sequence[Unit], offers: Sequence[Offer], stock: Stock) -> int:
        near = sorted(offers, key=lambda offer: (offer.km or 0, offer.name))
        used: set[str] = set()
        cost = 0
        for place, unit in enumerate(units):
            need = unit.pieces
            for offer in near:
                some = min(need, stock.get((offer.name[0], unit.sku), 0))
                if some:
                    cost += some * offer.each_minor[place]
                    stock[offer.name[0], unit.sku] -= some
                    need -= some
                    if offer.name[0] not in used:
                        used.add(offer.name[0])
                        cost += offer.base_minor
        return cost + instance.policy.split_minor * (len(used) - 1)

    return _all(instance, choose)


def fewest_splits(instance: Instance) -> int:
    """One centre if one has everything, the cheapest of them; else as few as possible, the cheapest of those."""

    def choose(units: Sequence[Unit], offers: Sequence[Offer], stock: Stock) -> int:
        split = instance.policy.split_minor
        rows = {offer.name[0]: [stock.get((offer.name[0], unit.sku), 0) for unit in units] for offer in offers}
        holding = [offer for offer in offers if any(rows[offer.name[0]])]
        for size in range(1, len(holding) + 1):
            if size > instance.policy.parts_max:
                found = as_few_as_hold_it(units, holding, rows, {}, split)
                break
            able = [some for some in combinations(holding, size) if _hold(units, some, rows)]
            each = [Search(units, some, rows, {}, split, size).run().best for some in able]
            found = min((one for one in each if one), key=lambda one: one.rank, default=None)
            if found is not None:
                break
        assert found is not None, "stock covers demand"
        for offer, row in zip(found.offers, found.taken, strict=True):
            for unit, pieces in zip(units, row, strict=True):
                if pieces:
                    stock[offer.name[0], unit.sku] -= pieces
        return found.weighed_minor

    return _all(instance, choose)


def _hold(units: Sequence[Unit], offers: Sequence[Offer], rows: Mapping[str, Sequence[int]]) -> bool:
    return all(sum(rows[offer.name[0]][place] for offer in offers) >= unit.pieces for place, unit in enumerate(units))


def _all(instance: Instance, choose: _Choose) -> int:
    situation = instance.situation()
    leaving = Leaving(instance.policy, situation)
    stock = dict(instance.stock)
    total = 0
    for demand in instance.demands:
        asked = Asked(demand, instance.policy)
        offers, _ = asked.offers(instance.policy.centres, situation, leaving)
        total += choose(asked.units, offers, stock)
    return total
