"""A promise of days ends with the buyer's day, wherever he is and whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest

from kept.connectors import zones
from kept.connectors.zones import end_of_day, zone_of
from kept.domain.order import Address


def at(country: str, region: str = "") -> Address:
    return Address("Ada", "1 Main St", "", "Town", region, "", country)


@pytest.mark.parametrize(
    ("country", "region", "zone"),
    [
        ("US", "CA", "America/Los_Angeles"),
        ("us", "tx", "America/Chicago"),
        ("US", "", "America/New_York"),
        ("US", "AZ", "America/Phoenix"),
        ("CA", "BC", "America/Vancouver"),
        ("CA", "ON", "America/Toronto"),
        ("AU", "QLD", "Australia/Brisbane"),
        ("BR", "SP", "America/Sao_Paulo"),
        ("MX", "", "America/Mexico_City"),
        ("DE", "", "Europe/Berlin"),
        ("JP", "", "Asia/Tokyo"),
        ("GB", "", "Europe/London"),
        ("IN", "", "Asia/Kolkata"),
    ],
)
def test_an_address_is_in_the_zone_of_its_region_or_country(country: str, region: str, zone: str) -> None:
    assert str(zone_of(at(country, region))) == zone


def test_what_nothing_is_known_of_ends_its_day_in_utc() -> None:
    assert zone_of(None) is UTC
    assert zone_of(at("ZZ")) is UTC


def test_every_zone_named_is_one() -> None:
    named = {*zones._MAIN.values(), *(zone for regions in zones._REGIONS.values() for zone in regions.values())}
    assert named <= available_timezones()


@pytest.mark.parametrize(
    ("placed_at", "days", "zone", "end"),
    [
        # 23:30 on Friday in Los Angeles is Saturday in UTC: the days count from Friday.
        (datetime(2026, 3, 7, 7, 30), 1, "America/Los_Angeles", datetime(2026, 3, 8, 8)),
        (datetime(2026, 3, 7, 7, 30), 2, "America/Los_Angeles", datetime(2026, 3, 9, 7)),  # a day of 23 hours
        (datetime(2026, 10, 31, 12), 1, "America/New_York", datetime(2026, 11, 2, 5)),  # a day of 25 hours
        (datetime(2026, 3, 28, 12), 1, "Europe/Berlin", datetime(2026, 3, 29, 22)),
        (datetime(2026, 6, 1, 12), 0, "Asia/Kolkata", datetime(2026, 6, 1, 18, 30)),
        # Midnight does not exist there that night: the day ends when the next one begins.
        (datetime(2026, 9, 5, 12), 0, "America/Santiago", datetime(2026, 9, 6, 4)),
    ],
)
def test_a_day_ends_at_midnight_on_the_buyers_wall(placed_at: datetime, days: int, zone: str, end: datetime) -> None:
    assert end_of_day(placed_at.replace(tzinfo=UTC), days, ZoneInfo(zone)) == end.replace(tzinfo=UTC)
