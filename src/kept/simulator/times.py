"""From a clock's seconds to a moment: the one place where the world turns numbers into dates."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(now_s: float) -> datetime:
    """Seconds since 1970 as an aware UTC datetime with whole milliseconds."""
    return datetime.fromtimestamp(int(now_s * 1000) / 1000, UTC)
