"""Synthetic instances: a day's orders, centres with stock, a rate card. The same seed gives the same instance.

SKUs sell by a power law; buyers live where people do; of each SKU the centres together have `cover` times what will
be asked for, spread by chance over a few of them, as it is when planners know what sells but not where.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from kept.domain.progress import LineProgress
from kept.domain.routing import Band, CentreProfile, Demand, Lane, RoutingPolicy, Service, Situation

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
ZONE = ZoneInfo("UTC")  # one clock for all: days are not what is measured here
_DAYS = frozenset(range(7))

# Postal areas of the largest urban regions of the United States and their shares of buyers, in thousandths.
BUYERS = [
    ("100", 90), ("112", 50), ("902", 70), ("917", 45), ("606", 75), ("752", 60), ("770", 57), ("200", 50),
    ("331", 49), ("191", 50), ("303", 48), ("850", 39), ("021", 39), ("941", 38), ("925", 37), ("482", 35),
    ("981", 32), ("554", 30), ("921", 27), ("336", 26), ("802", 24), ("631", 22),
]  # fmt: skip
CENTRES = ["088", "924", "604", "750", "302", "853", "983", "171", "338", "800"]
# A parcel ground service by distance: up to kilometres, days, minor units for a parcel, for a kilogram.
RATES = [
    (240, 1, 560, 45), (480, 2, 600, 55), (960, 3, 650, 70), (1600, 4, 720, 95),
    (2250, 4, 800, 120), (2900, 5, 880, 150),
]  # fmt: skip
FARTHEST = Lane(6, 980, 180)
HANDLING_MINOR, SPLIT_MINOR = 35, 100


@dataclass(frozen=True, slots=True)
class Instance:
    """`demands` in the order in which they come; `stock` by centre and SKU."""

    policy: RoutingPolicy
    demands: tuple[Demand, ...]
    stock: dict[tuple[str, str], int]

    def situation(self) -> Situation:
        return Situation(NOW, dict(self.stock))


def instance(seed: int, cover: float, *, orders: int = 1000, skus: int = 600, centres: int = 10) -> Instance:
    """`cover` is the stock of all centres over what is asked for, by SKU."""
    draw = Random(seed)
    policy = _policy(draw, centres)
    names = [f"SKU-{number:04d}" for number in range(skus)]
    grams = {sku: max(50, int(draw.lognormvariate(6.2, 0.8))) for sku in names}
    asked_by_popularity = [1 / (rank + 5) ** 0.8 for rank in range(skus)]
    areas, shares = zip(*BUYERS, strict=True)
    demands, asked = [], dict.fromkeys(names, 0)
    for number in range(orders):
        area = draw.choices(areas, shares)[0]
        lines: dict[str, int] = {}
        wanted = min(8, 1 + int(draw.expovariate(1 / 2.55)))
        while len(lines) < wanted:
            sku = draw.choices(names, asked_by_popularity)[0]
            if sku not in lines:
                lines[sku] = 1 if draw.random() < 0.8 else draw.choice([2, 2, 3])
                asked[sku] += lines[sku]
        demands.append(_demand(lines, grams, area, number))
    stock: dict[tuple[str, str], int] = {}
    for sku in names:
        held = draw.sample(policy.centres, min(centres, draw.choice([2, 3, 4, 5])))
        weights = [draw.uniform(0.5, 1.5) for _ in held]
        for _ in range(math.ceil(cover * asked[sku])):
            key = draw.choices(held, weights)[0].name, sku
            stock[key] = stock.get(key, 0) + 1
    return Instance(policy, tuple(demands), stock)


def _policy(draw: Random, centres: int) -> RoutingPolicy:
    bands = tuple(Band(km, Lane(days, base, per_kg)) for km, days, base, per_kg in RATES)
    ground = Service("ground", FARTHEST, bands=bands)
    codes = CENTRES[:centres] + [draw.choice(BUYERS)[0] for _ in range(centres - len(CENTRES))]
    profiles = tuple(
        CentreProfile(
            f"centre-{number:03d}", "US", ZONE, time(17), 0, _DAYS, (ground,), code, piece_minor=HANDLING_MINOR
        )
        for number, code in enumerate(codes)
    )
    return RoutingPolicy("bench", profiles, split_minor=SPLIT_MINOR, scarcity_cap_minor=200, scarcity_cover_percent=75)


def _demand(lines: dict[str, int], grams: dict[str, int], area: str, number: int) -> Demand:
    return Demand(
        tuple(LineProgress(line_no, sku, pieces) for line_no, (sku, pieces) in enumerate(lines.items(), start=1)),
        {line_no: grams[sku] for line_no, sku in enumerate(lines, start=1)},
        "US",
        NOW + timedelta(days=2),
        NOW + timedelta(days=20),
        frozenset(),
        f"{area}{number % 100:02d}",
        "shop",
    )
