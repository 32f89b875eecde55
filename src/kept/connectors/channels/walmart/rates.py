"""Walmart's rate rules, and what its answers say of them.

Walmart counts calls a minute (rate_limits.tsv; developer.walmart.com, "Rate limits"). A bucket of a sixth of them that
fills at the pace of the other five sixths never lets more than the whole go in any minute, wherever it begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from kept.connectors.traffic import Rates
from kept.engine.quotas import Level, Rate

_WAIT_MAX_S = 120.0  # every quota is of one minute; a later time is a clock that differs
_EPOCH_MS_MIN = 10**11  # in seconds that is the year 5138, in milliseconds 1973


def a_minute(calls: int) -> Rate:
    """So many calls in any minute."""
    burst = max(1, calls // 6)
    return Rate(per_s=(calls - burst) / 60, burst=burst)


def read_level(headers: Mapping[str, str], now: datetime) -> Level | None:
    """`kept.connectors.traffic.ReadLevel`: the tokens that are left; without any, how long there are none."""
    left = headers.get("x-current-token-count", "")
    if not (left.isascii() and left.isdigit() and len(left) <= 9):
        return None
    if int(left) > 0:
        return Level(tokens=float(left))
    return Level(tokens=0.0, blocked_s=wait_s(headers, now))


def wait_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds until the quota is filled again; None where it is not said or can't be read.

    X-Next-Replenishment-Time was seen as seconds from now, as milliseconds since 1970 and as a time (ISO 8601).
    """
    text = headers.get("x-next-replenishment-time", "").strip()
    if text.isascii() and text.isdigit() and len(text) <= 15:
        number = int(text)
        seconds = number / 1000 - now.timestamp() if number >= _EPOCH_MS_MIN else float(number)
    else:
        try:
            until = datetime.fromisoformat(text)
        except ValueError:
            return None
        seconds = ((until if until.tzinfo else until.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(seconds, 0.0), _WAIT_MAX_S)


RATES = Rates(
    {
        "getAllOrders": a_minute(5000),
        "getAnOrder": a_minute(5000),
        "acknowledgeOrders": a_minute(60),
        "shippingUpdates": a_minute(60),
        "cancelOrderLines": a_minute(60),
        "updateInventory": a_minute(200),
    },
    read_level=read_level,
)
