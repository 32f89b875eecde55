"""The time zone in which a buyer's day ends, by the address: for channels that promise days and not moments.

Countries are those of the IANA database's zone.tab; where a country has several zones, those of its regions stand
here, the zone of most of its people where a region has two. What nothing is known of ends its day in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta, tzinfo
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from kept.domain.order import Address

# The zone of most people, of countries with several of which zone.tab does not name it first.
_MAIN = {
    "AU": "Australia/Sydney",
    "BR": "America/Sao_Paulo",
    "CA": "America/Toronto",
    "CD": "Africa/Kinshasa",
    "CL": "America/Santiago",
    "CN": "Asia/Shanghai",
    "EC": "America/Guayaquil",
    "ES": "Europe/Madrid",
    "ID": "Asia/Jakarta",
    "KZ": "Asia/Almaty",
    "MX": "America/Mexico_City",
    "NZ": "Pacific/Auckland",
    "PT": "Europe/Lisbon",
    "RU": "Europe/Moscow",
    "US": "America/New_York",
}
_CENTRAL, _MOUNTAIN, _PACIFIC = "America/Chicago", "America/Denver", "America/Los_Angeles"
# ISO 3166-2 codes without the country. A region that is not here has its country's main zone.
_REGIONS: Mapping[str, Mapping[str, str]] = {
    "US": {
        **dict.fromkeys(
            ("AL", "AR", "IA", "IL", "KS", "LA", "MN", "MO", "MS", "ND", "NE", "OK", "SD", "TN", "TX", "WI"), _CENTRAL
        ),
        **dict.fromkeys(("CO", "ID", "MT", "NM", "UT", "WY"), _MOUNTAIN),
        **dict.fromkeys(("CA", "NV", "OR", "WA"), _PACIFIC),
        "AZ": "America/Phoenix",
        "AK": "America/Anchorage",
        "HI": "Pacific/Honolulu",
        **dict.fromkeys(("PR", "VI"), "America/Puerto_Rico"),
        **dict.fromkeys(("GU", "MP"), "Pacific/Guam"),
        "AS": "Pacific/Pago_Pago",
    },
    "CA": {
        "AB": "America/Edmonton",
        "BC": "America/Vancouver",
        "MB": "America/Winnipeg",
        **dict.fromkeys(("NB", "NS", "PE"), "America/Halifax"),
        "NL": "America/St_Johns",
        "NT": "America/Edmonton",
        "SK": "America/Regina",
        "YT": "America/Whitehorse",
    },
    "AU": {
        "NT": "Australia/Darwin",
        "QLD": "Australia/Brisbane",
        "SA": "Australia/Adelaide",
        "TAS": "Australia/Hobart",
        "VIC": "Australia/Melbourne",
        "WA": "Australia/Perth",
    },
    "BR": {
        "AC": "America/Rio_Branco",
        "AM": "America/Manaus",
        **dict.fromkeys(("MS",), "America/Campo_Grande"),
        "MT": "America/Cuiaba",
        "RO": "America/Porto_Velho",
        "RR": "America/Boa_Vista",
    },
    "MX": {
        "BC": "America/Tijuana",
        "BCN": "America/Tijuana",
        **dict.fromkeys(("BCS", "NAY", "SIN"), "America/Mazatlan"),
        **dict.fromkeys(("ROO", "QROO"), "America/Cancun"),
        **dict.fromkeys(("SON",), "America/Hermosillo"),
    },
}


def zone_of(address: Address | None) -> tzinfo:
    """The zone of an address; UTC where its country is not known."""
    if address is None:
        return UTC
    country = address.country.upper()
    name = _REGIONS.get(country, {}).get(address.region.upper()) or _MAIN.get(country) or _first_zones().get(country)
    return ZoneInfo(name) if name else UTC


def end_of_day(moment: datetime, days: int, zone: tzinfo) -> datetime:
    """The end, in UTC, of the day so many days after `moment`'s own, as the calendar in `zone` has it.

    Days of 23 and 25 hours are days: what counts is midnight on the wall.
    """
    midnight = datetime.combine(moment.astimezone(zone).date() + timedelta(days=days + 1), time(), tzinfo=zone)
    return midnight.astimezone(UTC)


@cache
def _first_zones() -> Mapping[str, str]:
    """Each country's first zone in zone.tab (rows of country, coordinates, zone, comment)."""
    found: dict[str, str] = {}
    for row in files("tzdata.zoneinfo").joinpath("zone.tab").read_text(encoding="utf-8").splitlines():
        if not row.startswith("#"):
            country, _, zone, *_ = row.split("\t")
            found.setdefault(country, zone)
    return found
