"""The routing policy: what centres and carriers can do, what is allowed, and what counts. Data, and nothing else.

Two policies that say the same have the same `sha256`, which stands with every decision that was made under one.
Costs are integer minor units of the policy's currency, distances whole kilometres, weights grams.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from datetime import date, time
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import orjson

EVERY_DAY = frozenset(range(7))
PARTS_MAX = 3  # of an exact plan: three parcels cover nearly every order, and subsets of more are too many


@dataclass(frozen=True, slots=True)
class Lane:
    """What a carrier service takes to an address: days on the way, and what it costs."""

    days: int
    base_minor: int  # for a parcel
    per_kg_minor: int = 0

    def piece_minor(self, weight_g: int) -> int:
        """For one piece by its weight, rounded half up: carriers' steps are averaged, so that costs add up by piece."""
        return (self.per_kg_minor * weight_g + 500) // 1000


@dataclass(frozen=True, slots=True)
class Band:
    """A lane for addresses within the centre's country up to so many kilometres away."""

    up_to_km: int
    lane: Lane


@dataclass(frozen=True, slots=True)
class Override:
    """A lane, or None for none, to a country, or to its postal codes that begin so: an island, an army post office."""

    country: str
    postal_prefix: str
    lane: Lane | None


@dataclass(frozen=True, slots=True)
class Service:
    """A carrier service from a centre. `bands` from near to far; `domestic` is beyond them, and where no distance is
    known; None: not served."""

    name: str
    domestic: Lane | None
    international: Lane | None = None
    bands: tuple[Band, ...] = ()
    overrides: tuple[Override, ...] = ()
    cutoff: time | None = None  # local wall time of its pickup; None: the centre's
    pickup_days: frozenset[int] = EVERY_DAY  # on which it collects, if the centre works
    carrying_days: frozenset[int] = EVERY_DAY  # that count on the way

    def lane(self, country: str, postal_code: str, home: str, km: int | None) -> Lane | None:
        """The lane to an address; `home` is the centre's country, `km` None for an unknown distance."""
        code = postal_code.upper()
        best: Override | None = None
        for override in self.overrides:
            fits = override.country == country and code.startswith(override.postal_prefix)
            if fits and (best is None or len(override.postal_prefix) > len(best.postal_prefix)):
                best = override
        if best is not None:
            return best.lane
        if country != home:
            return self.international
        if km is not None:
            for band in self.bands:
                if km <= band.up_to_km:
                    return band.lane
        return self.domestic


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
    postal_code: str = ""
    holidays: frozenset[date] = frozenset()
    capacity_pieces: int = 0  # a day; 0: as many as come
    order_minor: int = 0  # what handling a part costs
    piece_minor: int = 0  # and each of its pieces


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may ship what where: hazardous goods that one centre may send by one service, a market that one serves.

    It applies to lines of SKUs like one of `skus` (shell patterns), of orders of `accounts` to `countries`; what is
    empty asks for nothing. Such lines go from `only_centres` and by `only_services` alone, and never from
    `not_centres`.
    """

    name: str
    skus: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    only_centres: tuple[str, ...] = ()
    not_centres: tuple[str, ...] = ()
    only_services: tuple[str, ...] = ()

    def applies(self, sku: str, account: str, country: str) -> bool:
        return (
            (not self.skus or any(fnmatchcase(sku, pattern) for pattern in self.skus))
            and (not self.accounts or account in self.accounts)
            and (not self.countries or country in self.countries)
        )

    def allows(self, centre: str, service: str) -> bool:
        return (
            (not self.only_centres or centre in self.only_centres)
            and centre not in self.not_centres
            and (not self.only_services or service in self.only_services)
        )


@dataclass(frozen=True)
class RoutingPolicy:
    """What is allowed and what counts."""

    name: str
    centres: tuple[CentreProfile, ...]
    parts_max: int = PARTS_MAX  # of a plan that is looked for exactly; what no few centres hold takes more
    currency: str = "USD"
    split_minor: int = 0  # for each part but the first
    late_day_minor: int = 0  # for each day begun that a part comes after the promise
    scarcity_cap_minor: int = 0  # the most that the last pieces of a SKU at a centre are worth to others
    scarcity_cover_percent: int = 75  # how much of the stock of all centres is expected to be sold before more comes
    rules: tuple[Rule, ...] = ()

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(canonical(self)).hexdigest()


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no blanks: the same bytes for the same content."""
    if isinstance(value, RoutingPolicy):  # whose hash is kept beside its fields
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    return orjson.dumps(value, default=_plain, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def _plain(value: Any) -> Any:
    """What JSON has no word for."""
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, ZoneInfo):
        return value.key
    raise TypeError(type(value).__name__)
