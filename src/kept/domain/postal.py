"""Where postal codes are, without a network: the middles of the areas that their first three characters name.

Source of `postal_areas.csv.gz`: GeoNames' postal codes (geonames.org, CC BY 4.0), averaged by
`scripts/postal_areas.py`. Three characters are what carriers' own zone charts go by; where an area is not known, the
shorter prefix is.
"""

from __future__ import annotations

import csv
import gzip
import math
from functools import cache, lru_cache
from importlib import resources

_CHARACTERS = 3
_EARTH_KM = 12_742  # its diameter
_INWARD = 3  # the second half of a British code, "SW1A 1AA"
_OUTWARD_MAX = 4


@lru_cache(maxsize=100_000)
def area_of(country: str, postal_code: str) -> str:
    """The first three letters and digits; of a British code, of its first half."""
    code = "".join(filter(str.isalnum, postal_code)).upper()
    if country == "GB" and len(code) > _OUTWARD_MAX:
        code = code[:-_INWARD]
    return code[:_CHARACTERS]


def coordinates(country: str, postal_code: str) -> tuple[float, float] | None:
    """Latitude and longitude in degrees, None for a country without postal areas or an empty code."""
    area = area_of(country, postal_code)
    for length in range(len(area), 0, -1):
        found = _areas().get((country, area[:length]))
        if found is not None:
            return found
    return None


@lru_cache(maxsize=200_000)
def distance_km(country: str, area: str, other_area: str) -> int | None:
    """Kilometres between two areas (or codes) of one country, along a great circle, to whole ones; None if one is not
    known.

    Rounded, so that C libraries that differ in a last bit do not differ here.
    """
    one, other = coordinates(country, area), coordinates(country, other_area)
    if one is None or other is None:
        return None
    (lat, lon), (other_lat, other_lon) = (tuple(map(math.radians, point)) for point in (one, other))
    half = math.sin((other_lat - lat) / 2) ** 2
    half += math.cos(lat) * math.cos(other_lat) * math.sin((other_lon - lon) / 2) ** 2
    return round(_EARTH_KM * math.asin(min(1.0, math.sqrt(half))))


@cache
def _areas() -> dict[tuple[str, str], tuple[float, float]]:
    """Areas by country and prefix, the shorter prefixes as the middles of theirs."""
    packed = resources.files(__package__).joinpath("postal_areas.csv.gz").read_bytes()
    areas: dict[tuple[str, str], tuple[float, float]] = {}
    sums: dict[tuple[str, str], tuple[int, float, float]] = {}
    for country, area, lat, lon in csv.reader(gzip.decompress(packed).decode().splitlines()):
        point = float(lat), float(lon)
        areas[country, area] = point
        for length in range(1, len(area)):
            count, lats, lons = sums.get((country, area[:length]), (0, 0.0, 0.0))
            sums[country, area[:length]] = count + 1, lats + point[0], lons + point[1]
    for key, (count, lats, lons) in sums.items():
        areas.setdefault(key, (lats / count, lons / count))
    return areas
