"""The cheapest sets of offers that hold a demand, exactly.

Depth first: a set of offers that lacks pieces of a SKU can only be mended by one that has some, so only those are
added; one that lacks nothing, only by an offer whose parcel costs less than it could save on pieces. Sets that can't
be among the best by their parcels and the cheapest pieces of all are left out. Within a set, every piece comes from
where it is cheapest: costs are by piece, so that is the best there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from kept.domain.routing.offers import Offer, Unit

Rows = Mapping[str, Sequence[int]]  # by centre, along the units


@dataclass(frozen=True, slots=True)
class Found:
    """A set of offers, and the pieces that each gives: `taken[place of the offer][place of the unit]`."""

    weighed_minor: int
    offers: tuple[Offer, ...]
    taken: tuple[tuple[int, ...], ...]

    @property
    def rank(self) -> tuple[int, int, datetime, tuple[tuple[str, str], ...]]:
        """The total order of plans: what is weighed, then fewer parts, then the earlier delivery, then names."""
        latest = max([offer.delivers_at for offer in self.offers])
        return self.weighed_minor, len(self.offers), latest, tuple([offer.name for offer in self.offers])


class Search:
    """The best set of at most `parts_max` offers of different centres, and the best of other centres.

    `stock` is what each centre has of each unit, `worth` what a piece there is worth to others, empty for nothing.
    """

    def __init__(
        self,
        units: Sequence[Unit],
        offers: Sequence[Offer],
        stock: Rows,
        worth: Rows,
        split_minor: int,
        parts_max: int,
    ) -> None:
        self._units = units
        self._offers = offers
        self._split_minor = split_minor
        self._parts_max = parts_max
        self._bases = [offer.parcel_minor + offer.late_minor for offer in offers]
        # By unit: (cost of a piece, offer, pieces), the cheapest first.
        self._sources: list[list[tuple[int, int, int]]] = []
        for place in range(len(units)):
            sources = []
            for number, offer in enumerate(offers):
                pieces = stock[offer.name[0]][place]
                if pieces and offer.allowed[place]:
                    each = offer.each_minor[place]
                    sources.append((each + worth[offer.name[0]][place] if worth else each, number, pieces))
            sources.sort()
            self._sources.append(sources)
        self._floor = sum([own[0][0] * unit.pieces for own, unit in zip(self._sources, units, strict=True) if own])
        # A SKU that few have is asked for first: it leaves the fewest sets.
        self._order = sorted(range(len(units)), key=lambda place: (len(self._sources[place]), place))
        self._seen: set[int] = set()
        self.best: Found | None = None
        self.second: Found | None = None

    def run(self) -> Search:
        if all(self._sources):
            self._visit(0, (), -self._split_minor)
        return self

    def _visit(self, members: int, chosen: tuple[int, ...], base: int) -> None:
        if members in self._seen:
            return
        self._seen.add(members)
        if self.second is not None and base + self._floor > self.second.weighed_minor:
            return
        pieces_minor, missing = self._pieces(members)
        cost = base + pieces_minor
        if missing < 0:
            self._keep(chosen, cost)
        if len(chosen) == self._parts_max:
            return
        if missing >= 0:
            further = [number for _, number, _ in self._sources[missing]]
            further.sort(key=self._bases.__getitem__)
        else:
            saving = cost - base - self._floor - self._split_minor
            further = [number for number, own in enumerate(self._bases) if own <= saving]
        taken = [self._offers[number].name[0] for number in chosen]
        for number in further:
            if not members >> number & 1 and self._offers[number].name[0] not in taken:
                own = self._bases[number] + self._split_minor
                self._visit(members | 1 << number, (*chosen, number), base + own)

    def _pieces(self, members: int) -> tuple[int, int]:
        """What all pieces cost from these offers, each from where it is cheapest; and the unit of which they lack some,
        -1 if of none."""
        cost = 0
        for place in self._order:
            need = self._units[place].pieces
            for each, number, has in self._sources[place]:
                if members >> number & 1:
                    some = need if has >= need else has
                    cost += some * each
                    need -= some
                    if not need:
                        break
            if need:
                return cost, place
        return cost, -1

    def _keep(self, chosen: tuple[int, ...], cost: int) -> None:
        if self.second is not None and cost > self.second.weighed_minor:
            return
        found = self._filled(chosen, cost)
        if found is None:
            return
        if self.best is None or found.rank < self.best.rank:
            self.best, self.second = found, self.best
        elif self.second is None or found.rank < self.second.rank:
            self.second = found

    def _filled(self, chosen: tuple[int, ...], cost: int) -> Found | None:
        """None if one of them would have nothing to send: the set without it was, or will be, looked at."""
        ordered = sorted(chosen, key=lambda number: self._offers[number].name)
        taken = {number: [0] * len(self._units) for number in ordered}
        for place, unit in enumerate(self._units):
            need = unit.pieces
            for _, number, has in self._sources[place]:
                if number in taken and need:
                    some = min(need, has)
                    taken[number][place] = some
                    need -= some
        if not all(any(row) for row in taken.values()):
            return None
        return Found(cost, tuple([self._offers[n] for n in ordered]), tuple([tuple(taken[n]) for n in ordered]))


def as_few_as_hold_it(
    units: Sequence[Unit], offers: Sequence[Offer], stock: Rows, worth: Rows, split_minor: int
) -> Found | None:
    """A set of any size, for a demand that no few centres hold together: always the offer next that holds most of
    what is left, the cheaper one of two, so that what can be filled is never left."""
    left = [unit.pieces for unit in units]
    chosen: list[tuple[Offer, list[int]]] = []
    cost = -split_minor
    while any(left):
        names = {offer.name[0] for offer, _ in chosen}
        rows = [(offer, _row(offer, left, stock)) for offer in offers if offer.name[0] not in names]
        if not rows:
            return None
        offer, row = min(rows, key=lambda each: (-sum(each[1]), each[0].base_minor, each[0].name))
        if not any(row):
            return None
        chosen.append((offer, row))
        left = [need - some for need, some in zip(left, row, strict=True)]
        cost += split_minor + offer.base_minor + sum(a * b for a, b in zip(row, offer.each_minor, strict=True))
        if worth:
            cost += sum(a * b for a, b in zip(row, worth[offer.name[0]], strict=True))
    chosen.sort(key=lambda each: each[0].name)
    return Found(cost, tuple(offer for offer, _ in chosen), tuple(tuple(row) for _, row in chosen))


def _row(offer: Offer, left: Sequence[int], stock: Rows) -> list[int]:
    held = zip(left, stock[offer.name[0]], offer.allowed, strict=True)
    return [min(need, pieces) if allowed else 0 for need, pieces, allowed in held]
