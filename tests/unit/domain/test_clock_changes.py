"""Cut-offs and promises on the days when clocks change: judged as the moments that local clocks name."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from kept.domain.progress import LineProgress
from kept.domain.routing import CentreProfile, Demand, Lane, Plan, RoutingPolicy, Service, Situation, departure, plan

NEW_YORK, BERLIN = ZoneInfo("America/New_York"), ZoneInfo("Europe/Berlin")
PHOENIX, KOLKATA = ZoneInfo("America/Phoenix"), ZoneInfo("Asia/Kolkata")
SECOND = timedelta(seconds=1)


def utc(*fields: int) -> datetime:
    return datetime(*fields, tzinfo=UTC)  # type: ignore[arg-type,misc]  # year, month, day, hour, minute


def centre(zone: ZoneInfo, cutoff: time = time(15), *, days: int = 1) -> CentreProfile:
    """Works every day; its one service takes so many days."""
    return CentreProfile("c", "US", zone, cutoff, 0, frozenset(range(7)), (Service("only", Lane(days, 1)),))


def demand(ship_by: datetime, deliver_by: datetime) -> Demand:
    return Demand((LineProgress(1, "A", 1),), {}, "US", ship_by, deliver_by, frozenset())


def kept(here: CentreProfile, wanted: Demand, leaves: datetime) -> tuple[datetime, bool]:
    """When what is committed at that moment arrives, and whether that keeps the promise."""
    decision = plan(wanted, Situation(leaves, {("c", "A"): 1}), RoutingPolicy("test", (here,)))
    assert isinstance(decision, Plan)
    return decision.parts[0].delivers_at, not decision.late


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The last second of the local day, as channels give a promise of a day."""
    return datetime.combine(day, time(23, 59, 59), zone).astimezone(UTC)


# (zone, the day of the change, its 15:00 in UTC, the 15:00 after, the length of the day in hours)
CHANGES = [
    pytest.param(NEW_YORK, date(2026, 3, 8), utc(2026, 3, 8, 19), utc(2026, 3, 9, 19), 23, id="New York, spring"),
    pytest.param(NEW_YORK, date(2026, 11, 1), utc(2026, 11, 1, 20), utc(2026, 11, 2, 20), 25, id="New York, autumn"),
    pytest.param(BERLIN, date(2026, 3, 29), utc(2026, 3, 29, 13), utc(2026, 3, 30, 13), 23, id="Berlin, spring"),
    pytest.param(BERLIN, date(2026, 10, 25), utc(2026, 10, 25, 14), utc(2026, 10, 26, 14), 25, id="Berlin, autumn"),
    pytest.param(PHOENIX, date(2026, 3, 8), utc(2026, 3, 8, 22), utc(2026, 3, 9, 22), 24, id="Phoenix, no change"),
    pytest.param(KOLKATA, date(2026, 3, 29), utc(2026, 3, 29, 9, 30), utc(2026, 3, 30, 9, 30), 24, id="Kolkata"),
]


@pytest.mark.parametrize(("zone", "day", "cutoff", "next_cutoff", "hours"), CHANGES)
def test_a_cut_off_on_the_day_of_the_change_and_around_it_is_three_oclock_there(
    zone: ZoneInfo, day: date, cutoff: datetime, next_cutoff: datetime, hours: int
) -> None:
    before = cutoff - timedelta(hours=hours)  # of the day before: the change lies between
    here = centre(zone)
    midnight = datetime.combine(day, time(0), zone).astimezone(UTC)
    assert departure(here, before) == before
    assert departure(here, before + SECOND) == cutoff
    assert departure(here, midnight) == cutoff
    assert departure(here, cutoff) == cutoff
    assert departure(here, cutoff + SECOND) == next_cutoff
    assert departure(here, midnight + timedelta(hours=hours) - SECOND) == next_cutoff


@pytest.mark.parametrize(("zone", "day", "cutoff", "next_cutoff", "hours"), CHANGES)
def test_a_promise_of_a_day_lasts_until_its_last_local_second_however_long_the_day(
    zone: ZoneInfo, day: date, cutoff: datetime, next_cutoff: datetime, hours: int
) -> None:
    end = end_of_day(day, zone)
    assert end + SECOND - datetime.combine(day, time(0), zone).astimezone(UTC) == timedelta(hours=hours)
    late_cutoff = centre(zone, time(23, 59, 59))
    far = end + timedelta(days=9)
    assert departure(late_cutoff, cutoff) == end
    assert kept(late_cutoff, demand(end, far), end)[1] is True
    assert kept(late_cutoff, demand(end - SECOND, far), end)[1] is False
    assert kept(centre(zone), demand(end, far), next_cutoff)[1] is False  # the day after


@pytest.mark.parametrize("days", [1, 2])
@pytest.mark.parametrize(("zone", "day", "cutoff", "next_cutoff", "hours"), CHANGES)
def test_days_on_the_way_are_days_of_the_calendar_and_not_24_hours_each(
    zone: ZoneInfo, day: date, cutoff: datetime, next_cutoff: datetime, hours: int, days: int
) -> None:
    before = cutoff - timedelta(hours=hours)
    due = (cutoff, next_cutoff)[days - 1]
    assert kept(centre(zone, days=days), demand(before, due), before) == (due, True)
    assert kept(centre(zone, days=days), demand(before, due - SECOND), before)[1] is False


def test_a_cut_off_that_spring_skips_is_an_hour_later_by_the_clock() -> None:
    """02:30 is not shown on that day; an hour's grace is what the centre's clocks make of it: 03:30."""
    assert departure(centre(NEW_YORK, time(2, 30)), utc(2026, 3, 8, 5)) == utc(2026, 3, 8, 7, 30)
    assert departure(centre(NEW_YORK, time(2, 30)), utc(2026, 3, 8, 7, 31)) == utc(2026, 3, 9, 6, 30)
    assert departure(centre(BERLIN, time(2, 30)), utc(2026, 3, 29, 0)) == utc(2026, 3, 29, 1, 30)


def test_a_cut_off_that_autumn_repeats_is_the_first_of_the_two() -> None:
    """The earlier one: nothing is promised for a departure that may have left."""
    assert departure(centre(NEW_YORK, time(1, 30)), utc(2026, 11, 1, 4)) == utc(2026, 11, 1, 5, 30)
    assert departure(centre(NEW_YORK, time(1, 30)), utc(2026, 11, 1, 5, 31)) == utc(2026, 11, 2, 6, 30)
    assert departure(centre(BERLIN, time(2, 30)), utc(2026, 10, 25, 0, 30)) == utc(2026, 10, 25, 0, 30)
    assert departure(centre(BERLIN, time(2, 30)), utc(2026, 10, 25, 0, 31)) == utc(2026, 10, 26, 1, 30)


def test_a_parcel_that_would_arrive_in_the_hour_that_is_skipped_or_repeated_arrives_once() -> None:
    leaves = utc(2026, 3, 7, 7, 30)  # 02:30 in New York, the day before the change
    assert kept(centre(NEW_YORK, time(2, 30)), demand(leaves, leaves), leaves)[0] == utc(2026, 3, 8, 7, 30)  # 03:30
    leaves = utc(2026, 11, 1, 6, 30) - timedelta(hours=25)  # 01:30
    assert kept(centre(NEW_YORK, time(1, 30)), demand(leaves, leaves), leaves)[0] == utc(2026, 11, 1, 5, 30)
