"""Which centres may ship a demand, by which service, when and at what cost: the hard filters, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from kept.domain.postal import area_of, distance_km
from kept.domain.routing.calendars import arrival, departure
from kept.domain.routing.demand import Candidate, Demand, RuledOut, Situation
from kept.domain.routing.policy import CentreProfile, RoutingPolicy, Rule, Service
from kept.domain.routing.scarcity import price_minor

_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Unit:
    """All pieces of one SKU that a demand asks for, whichever lines ask: kits share components with other lines."""

    sku: str
    pieces: int
    weight_g: int


@dataclass(frozen=True, slots=True)
class Offer:
    """What one service of a centre can do for a demand, whatever its stock. Tuples go along the units."""

    centre: CentreProfile
    service: Service
    km: int | None
    ships_at: datetime
    delivers_at: datetime
    late_minor: int
    keeps: bool  # the promise
    parcel_minor: int
    each_minor: tuple[int, ...]  # of a piece
    allowed: tuple[bool, ...]  # by the rules
    name: tuple[str, str]  # of the centre and the service

    @property
    def base_minor(self) -> int:
        """What it costs before the first piece."""
        return self.parcel_minor + self.late_minor


class Leaving:
    """When services leave, from one moment on: worked out once for a batch of orders."""

    def __init__(self, policy: RoutingPolicy, situation: Situation) -> None:
        self._now = situation.now
        self._booked = situation.booked
        self._known: dict[tuple[str, str, int], tuple[datetime, datetime] | None] = {}
        self._capacity = {centre.name: centre.capacity_pieces for centre in policy.centres if centre.capacity_pieces}

    def times(
        self, centre: CentreProfile, service: Service, days: int, pieces: int
    ) -> tuple[datetime, datetime] | None:
        """When it leaves and arrives; None if there is no day with room for these pieces. More than a day's capacity
        need an empty day."""
        if centre.name in self._capacity:
            return _times(
                centre, service, days, departure(centre, self._now, service, _Full(centre, self._booked, pieces))
            )
        key = centre.name, service.name, days
        if key not in self._known:
            self._known[key] = _times(centre, service, days, departure(centre, self._now, service))
        return self._known[key]


def _times(
    centre: CentreProfile, service: Service, days: int, leaves: datetime | None
) -> tuple[datetime, datetime] | None:
    return None if leaves is None else (leaves, arrival(centre, service, leaves, days))


class _Full:
    """The days on which a centre has no room for so many pieces."""

    def __init__(self, centre: CentreProfile, booked: Mapping[tuple[str, date], int], pieces: int) -> None:
        self._name = centre.name
        self._booked = booked
        self._room = max(0, centre.capacity_pieces - pieces)

    def __contains__(self, day: object) -> bool:
        assert isinstance(day, date)
        return self._booked.get((self._name, day), 0) > self._room


def units_of(demand: Demand) -> tuple[Unit, ...]:
    """The demand by SKU, in the order of its lines. Of several weights the first line's counts."""
    pieces: dict[str, int] = {}
    weights: dict[str, int] = {}
    for line in demand.lines:
        pieces[line.sku] = pieces.get(line.sku, 0) + line.open
        weights.setdefault(line.sku, demand.weights_g.get(line.line_no, 0))
    return tuple(Unit(sku, count, weights[sku]) for sku, count in pieces.items())


class Asked:
    """A demand with what is the same for every centre: its units, the rules that apply to each, its postal area."""

    def __init__(self, demand: Demand, policy: RoutingPolicy) -> None:
        self.demand = demand
        self.policy = policy
        self.units = units_of(demand)
        self.pieces = demand.pieces
        self._area = area_of(demand.country, demand.postal_code)
        rules = [_applying(policy.rules, unit.sku, demand) for unit in self.units] if policy.rules else []
        self._rules = rules if any(rules) else []
        self._no_rules = (True,) * len(self.units)

    def offers(
        self, centres: Iterable[CentreProfile], situation: Situation, leaving: Leaving
    ) -> tuple[list[Offer], list[Candidate]]:
        """Every offer of these centres, late ones too, and for each centre without one what ruled it out."""
        offers: list[Offer] = []
        out: list[Candidate] = []
        for centre in centres:
            name = centre.name
            if name in self.demand.refused:
                out.append(Candidate(name, ruled_out=RuledOut.REFUSED, detail="refused before"))
            elif name in situation.paused:
                out.append(Candidate(name, ruled_out=RuledOut.PAUSED, detail=situation.paused[name]))
            else:
                found = self._of_centre(centre, leaving)
                if isinstance(found, Candidate):
                    out.append(found)
                else:
                    offers += found
        return offers, out

    def stock_of(self, centre: str, available: Mapping[tuple[str, str], int]) -> list[int]:
        """The pieces that a centre has, by unit."""
        return [max(0, available.get((centre, unit.sku), 0)) for unit in self.units]

    def worth(self, available: Mapping[tuple[str, str], int]) -> dict[str, list[int]]:
        """What a piece is worth to later orders, by centre and unit; empty where that is not weighed."""
        cap, cover = self.policy.scarcity_cap_minor, self.policy.scarcity_cover_percent
        if not cap:
            return {}
        names = [centre.name for centre in self.policy.centres]
        worth: dict[str, list[int]] = {name: [] for name in names}
        for unit in self.units:
            pieces = [available.get((name, unit.sku), 0) for name in names]
            held = [each for each in pieces if each > 0]
            total, holding = sum(held), len(held)
            for name, each in zip(names, pieces, strict=True):
                worth[name].append(price_minor(each, total, holding, cover, cap) if each > 0 else 0)
        return worth

    def _of_centre(self, centre: CentreProfile, leaving: Leaving) -> list[Offer] | Candidate:
        """A centre's services that no other of it betters; what rules the centre out if there is none."""
        demand, km = self.demand, None
        if demand.country == centre.country:
            km = distance_km(centre.country, area_of(centre.country, centre.postal_code), self._area)
        offers: list[Offer] = []
        why, detail = RuledOut.SERVICE, f"no service to {demand.country}"
        for service in centre.services:
            lane = service.lane(demand.country, demand.postal_code, centre.country, km)
            if lane is None:
                continue
            allowed = self._allowed(centre, service) if self._rules else self._no_rules
            if not any(allowed):
                names = {rule.name for of in self._rules for rule in of if not rule.allows(centre.name, service.name)}
                why, detail = RuledOut.RULE, f"rule {', '.join(sorted(names))}"
                continue
            times = leaving.times(centre, service, lane.days, self.pieces)
            if times is None:
                why, detail = RuledOut.CAPACITY, "full, or closed for a year"
                continue
            leaves, arrives = times
            keeps = arrives <= demand.deliver_by and leaves <= demand.ship_by
            offers.append(
                Offer(
                    centre,
                    service,
                    km,
                    leaves,
                    arrives,
                    0 if keeps else self._late_minor(leaves, arrives),
                    keeps,
                    lane.base_minor + centre.order_minor,
                    tuple([lane.piece_minor(unit.weight_g) + centre.piece_minor for unit in self.units]),
                    allowed,
                    (centre.name, service.name),
                )
            )
        if not offers:
            return Candidate(centre.name, ruled_out=why, detail=detail, km=km)
        return offers if len(offers) == 1 else _unbettered(offers)

    def _late_minor(self, leaves: datetime, arrives: datetime) -> int:
        """For each day begun after the promise."""
        return self.policy.late_day_minor * -(-self._after_s(leaves, arrives) // _DAY_S)

    def late_s(self, offer: Offer) -> int:
        """Seconds by which an offer misses the promise; 0 if it keeps it."""
        return max(0, self._after_s(offer.ships_at, offer.delivers_at))

    def _after_s(self, leaves: datetime, arrives: datetime) -> int:
        """Seconds begun."""
        demand = self.demand
        late = max(arrives - demand.deliver_by, leaves - demand.ship_by)
        return -int(-late.total_seconds() // 1)

    def _allowed(self, centre: CentreProfile, service: Service) -> tuple[bool, ...]:
        return tuple(all(rule.allows(centre.name, service.name) for rule in of) for of in self._rules)


def _applying(rules: Sequence[Rule], sku: str, demand: Demand) -> list[Rule]:
    return [rule for rule in rules if rule.applies(sku, demand.account, demand.country)]


def _unbettered(offers: list[Offer]) -> list[Offer]:
    """The best first, without those that another one of the same centre betters in everything that counts."""
    kept: list[Offer] = []
    for offer in sorted(offers, key=lambda each: (not each.keeps, each.base_minor, each.delivers_at, each.name)):
        if not any(_betters(other, offer) for other in kept):
            kept.append(offer)
    return kept


def _betters(one: Offer, other: Offer) -> bool:
    return (
        one.keeps >= other.keeps
        and one.base_minor <= other.base_minor
        and all(a <= b for a, b in zip(one.each_minor, other.each_minor, strict=True))
        and all(a >= b for a, b in zip(one.allowed, other.allowed, strict=True))
    )
