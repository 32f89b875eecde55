"""When what is committed now leaves a centre, and when it arrives. Judged in the centre's own zone, so that daylight
saving and midnight fall where its clocks say."""

from __future__ import annotations

from collections.abc import Container
from datetime import UTC, date, datetime, time, timedelta

from kept.domain.routing.policy import EVERY_DAY, CentreProfile, Service

_HORIZON = timedelta(days=400)  # a calendar that has no working day within a year has none


def departure(
    centre: CentreProfile, now: datetime, service: Service | None = None, full: Container[date] = ()
) -> datetime | None:
    """When what is committed now leaves by a service (UTC): at its cut-off, local wall time, on a day on which the
    centre works, the carrier collects, and the centre is not `full`. None for no such day within 400 days.

    Of a cut-off that autumn's clocks show twice the first counts; one that spring's skip is as much later by the clock
    (02:30 is 03:30). Python reads wall times so (PEP 495, fold 0).
    """
    cutoff = (service.cutoff if service is not None else None) or centre.cutoff
    pickup_days = service.pickup_days if service is not None else EVERY_DAY
    day = today = now.astimezone(centre.timezone).date()
    # Compared as moments: in the hour that autumn repeats, wall time alone would name a departure in the past.
    if _moment(day, cutoff, centre) < now:
        day += timedelta(days=1)
    handling = centre.handling_days
    while day - today <= _HORIZON:
        works = day.weekday() in centre.working_days and day not in centre.holidays
        if works and handling <= 0 and day.weekday() in pickup_days and day not in full:
            return _moment(day, cutoff, centre)
        handling -= works
        day += timedelta(days=1)
    return None


def arrival(centre: CentreProfile, service: Service, leaves: datetime, days: int) -> datetime:
    """When it arrives: so many days on which the carrier moves later, at the wall time of the centre at which it left,
    and not an hour off where clocks change on the way. The buyer's own zone is not in an address."""
    left_at = leaves.astimezone(centre.timezone)
    if service.carrying_days >= EVERY_DAY:
        return (left_at + timedelta(days=days)).astimezone(UTC)  # an aware time of one zone adds by the wall
    while days > 0:
        left_at += timedelta(days=1)
        days -= left_at.weekday() in service.carrying_days
    return left_at.astimezone(UTC)


def _moment(day: date, cutoff: time, centre: CentreProfile) -> datetime:
    return datetime.combine(day, cutoff, tzinfo=centre.timezone).astimezone(UTC)
