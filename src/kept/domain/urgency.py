"""Urgency classes: what is closest to its promise goes first."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import IntEnum


class Urgency(IntEnum):
    """A queue lane. A smaller number is read first."""

    NOW = 0
    SOON = 1
    LATER = 2


# One working shift, and one day: what a centre can still pull forward today, and what it plans tomorrow.
_NOW_WITHIN = timedelta(hours=4)
_SOON_WITHIN = timedelta(hours=24)


def urgency_of(deadline: datetime, now: datetime) -> Urgency:
    """The class of what must be done by `deadline`, most often leave the centre; what is already late is NOW."""
    left = deadline - now
    if left <= _NOW_WITHIN:
        return Urgency.NOW
    return Urgency.SOON if left <= _SOON_WITHIN else Urgency.LATER
