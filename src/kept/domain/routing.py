"""Choosing centres: hard filters of service and stock, then the cheapest single centre, else the fewest parcels.

Pure and deterministic: the same demand, stock, centres and moment give the same plan on any machine.
Costs are integer minor units of the policy's currency. Ties go to the earlier delivery, then to the
centre's and the service's name.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

from kept.domain.events import PlannedLine, PlannedPart
from kept.domain.progress import LineProgress

Stock = MutableMapping[tuple[str, str], int]  # (centre, sku) -> pieces that may still be promised


@dataclass(frozen=True, slots=True)
class Service:
    """A carrier service from a centre."""

    name: str
    domestic_days: int
    international_days: int | None
    base_minor: int
    international_base_minor: int
    per_kg_minor: int


@dataclass(frozen=True, slots=True)
class CentreProfile:
    """What a centre can promise. `cutoff` is local wall time."""

    name: str
    country: str
    timezone: ZoneInfo
    cutoff: time
    handling_days: int
    working_days: frozenset[int]
    services: tuple[Service, ...]


@dataclass(frozen=True, slots=True)
class RoutingPolicy:
    """What is allowed and what counts."""

    name: str
    centres: tuple[CentreProfile, ...]
    parts_max: int


@dataclass(frozen=True, slots=True)
class Demand:
    """What has to be shipped, where to and by when."""

    lines: tuple[LineProgress, ...]
    weights_g: Mapping[int, int]  # line_no -> of one piece
    country: str
    ship_by: datetime
    deliver_by: datetime
    refused: frozenset[str]

    @property
    def kilograms_begun(self) -> int:
        return _kilograms_begun(sum(self.weights_g.get(line.line_no, 0) * line.open for line in self.lines))


@dataclass(frozen=True, slots=True)
class Offer:
    """The best a centre can do for one address at one moment. `whole_minor`: its cost if it ships everything."""

    centre: str
    service: Service
    ships_at: datetime
    delivers_at: datetime
    base_minor: int
    whole_minor: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A decision: who ships what. `late` when no centre can keep the promise and the least late were taken."""

    parts: tuple[PlannedPart, ...]
    late: bool
    ruled_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NoPlan:
    """Nobody can ship it now; why, by centre. `exhausted` when every centre has refused: waiting won't help."""

    ruled_out: tuple[str, ...]
    exhausted: bool


def departure(centre: CentreProfile, now: datetime) -> datetime:
    """When what is committed now leaves the centre (UTC): its cut-off, local wall time, on a working day.

    Judged in the centre's own zone, so that daylight saving and midnight fall where its clocks say. Of a cut-off
    that autumn's clocks show twice the first counts; one that spring's skip is as much later by the clock (02:30
    is 03:30). Python reads wall times so (PEP 495, fold 0).
    """
    day = now.astimezone(centre.timezone).date()
    # Compared as moments: in the hour that autumn repeats, wall time alone would name a departure in the past.
    if _cutoff_on(day, centre) < now:
        day += timedelta(days=1)
    handling = centre.handling_days
    # A centre works at least one day a week (settings refuse an empty week), so this ends.
    while day.weekday() not in centre.working_days or handling > 0:
        if day.weekday() in centre.working_days:
            handling -= 1
        day += timedelta(days=1)
    return _cutoff_on(day, centre)


def _cutoff_on(day: date, centre: CentreProfile) -> datetime:
    return datetime.combine(day, centre.cutoff, tzinfo=centre.timezone).astimezone(UTC)


def best_offer(centre: CentreProfile, demand: Demand, leaves: datetime) -> tuple[Offer | None, bool, str]:
    """The cheapest service that keeps the promise, else the earliest one; whether it keeps it; what failed.

    A carrier's days are days of the calendar: it arrives at the wall time of the centre at which it left, and
    not an hour off where clocks change on the way. The buyer's own zone is not in an address.
    """
    left_at = leaves.astimezone(centre.timezone)
    domestic = centre.country == demand.country
    kilograms = demand.kilograms_begun
    best: tuple[tuple[bool, int, datetime, str], Offer] | None = None
    for service in centre.services:
        days = service.domestic_days if domestic else service.international_days
        if days is None:
            continue
        arrives = (left_at + timedelta(days=days)).astimezone(UTC)  # an aware time of one zone adds by the wall
        base = service.base_minor if domestic else service.international_base_minor
        late = leaves > demand.ship_by or arrives > demand.deliver_by
        whole = base + service.per_kg_minor * kilograms
        offer = Offer(centre.name, service, leaves, arrives, base, whole)
        rank = (late, 0 if late else whole, arrives, service.name)
        if best is None or rank < best[0]:
            best = (rank, offer)
    if best is None:
        return None, False, f"{centre.name}: no service to {demand.country}"
    late = best[0][0]
    return best[1], not late, f"{centre.name}: can't keep the promise" if late else ""


def plan(demand: Demand, stock: Stock, policy: RoutingPolicy, departures: Mapping[str, datetime]) -> Plan | NoPlan:
    """The cheapest plan that keeps the promise, else the least late one that stock allows.

    `departures` is `departure(centre, now)` by centre, made once for a batch. Does not change `stock`:
    `take` does, once a plan is kept.
    """
    ruled_out: list[str] = []
    keeping: list[Offer] = []
    any_offer: list[Offer] = []
    for centre in policy.centres:
        if centre.name in demand.refused:
            ruled_out.append(f"{centre.name}: refused before")
            continue
        offer, keeps, why = best_offer(centre, demand, departures[centre.name])
        if why:
            ruled_out.append(why)
        if offer is not None:
            any_offer.append(offer)
            if keeps:
                keeping.append(offer)
    for offers, late in ((keeping, False), (any_offer, True)):
        parts = _fewest_parts(demand, offers, stock, policy.parts_max, late=late)
        if parts:
            return Plan(parts, late, tuple(ruled_out))
    short = [f"{offer.centre}: not enough stock" for offer in any_offer]
    return NoPlan((*ruled_out, *short), exhausted=not any_offer)


def take(parts: Sequence[PlannedPart], stock: Stock) -> None:
    """Count a kept plan's pieces as promised, so that the next order of the batch can't have them."""
    for part in parts:
        for line in part.lines:
            stock[part.centre, line.sku] -= line.quantity


def _fewest_parts(
    demand: Demand, offers: Sequence[Offer], stock: Stock, parts_max: int, *, late: bool
) -> tuple[PlannedPart, ...]:
    """The fewest parts that hold everything; among as few, the cheapest or, if `late`, the first to arrive."""
    for size in range(1, min(parts_max, len(offers)) + 1):
        best: tuple[tuple[float, int, datetime, tuple[str, ...]], tuple[PlannedPart, ...]] | None = None
        for chosen in combinations(offers, size):
            parts = _fill(demand, chosen, stock)
            if parts is None:
                continue
            delivered_at = max(part.delivers_at for part in parts)
            rank = (
                delivered_at.timestamp() if late else 0.0,
                sum(part.cost_minor for part in parts),
                delivered_at,
                tuple(part.centre for part in parts),
            )
            if best is None or rank < best[0]:
                best = (rank, parts)
        if best is not None:
            return best[1]
    return ()


def _fill(demand: Demand, offers: Sequence[Offer], stock: Stock) -> tuple[PlannedPart, ...] | None:
    """Lines given to the offers, cheapest first, whole lines where possible; None if pieces are left over."""
    ordered = sorted(offers, key=lambda offer: (offer.whole_minor, offer.delivers_at, offer.centre))
    used: dict[tuple[str, str], int] = {}
    given: dict[str, list[PlannedLine]] = {offer.centre: [] for offer in ordered}
    for line in demand.lines:
        left = line.open
        free = {
            offer.centre: stock.get((offer.centre, line.sku), 0) - used.get((offer.centre, line.sku), 0)
            for offer in ordered
        }
        whole = [offer for offer in ordered if free[offer.centre] >= left]
        for offer in whole[:1] or ordered:
            pieces = min(left, free[offer.centre])
            if pieces > 0:
                key = (offer.centre, line.sku)
                used[key] = used.get(key, 0) + pieces
                given[offer.centre].append(PlannedLine(line.line_no, line.sku, pieces))
                left -= pieces
        if left > 0:
            return None
    parts = tuple(_part(offer, given[offer.centre], demand) for offer in ordered if given[offer.centre])
    # Fewer centres than asked for would have been found at a smaller size already.
    return parts if len(parts) == len(offers) else None


def _part(offer: Offer, lines: Sequence[PlannedLine], demand: Demand) -> PlannedPart:
    grams = sum(demand.weights_g.get(line.line_no, 0) * line.quantity for line in lines)
    return PlannedPart(
        centre=offer.centre,
        service=offer.service.name,
        ships_at=offer.ships_at,
        delivers_at=offer.delivers_at,
        cost_minor=offer.base_minor + offer.service.per_kg_minor * _kilograms_begun(grams),
        lines=tuple(lines),
    )


def _kilograms_begun(grams: int) -> int:
    """Carriers charge for each kilogram begun."""
    return -(-grams // 1000)
