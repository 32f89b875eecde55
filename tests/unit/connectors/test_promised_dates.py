"""Promised times as channels give them: moments with an offset. A bare date is refused, since its zone is not told.

No channel's mapping reads a date without a time of day; Shopify's orders have no promised dates at all.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from kept.connectors.registry import CHANNELS
from kept.ports import BadMessage, Incoming
from kept.simulator.amazon_payloads import amazon_order
from kept.simulator.dialects import DIALECTS
from kept.simulator.orders import Sale, make_sale
from kept.simulator.payloads import Version
from kept.simulator.walmart_payloads import walmart_order

NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
# Where each channel's order has the end of its promise; the last name is the member.
PLACES = {
    "amazon": ("fulfillment", "deliverByWindow", "latestDateTime"),
    "inhouse": ("promise", "deliver_by"),
    "walmart": ("shippingInfo", "estimatedDeliveryDate"),
}


def order(kind: str, deliver_by: str) -> Incoming:
    """The channel's own order with that end of its promise."""
    sale = make_sale(seed=1, seq=1, now=NOW)
    bodies: dict[str, Callable[[Sale, Version], dict[str, Any]]] = {"amazon": amazon_order, "walmart": walmart_order}
    version = Version(age_s=1)
    whole: dict[str, Any] = (
        bodies[kind](sale, version) if kind in bodies else orjson.loads(DIALECTS[kind].body(sale, version))
    )
    *path, member = PLACES[kind]
    place = whole
    for name in path:
        place = place[name]
    place[member] = deliver_by
    return Incoming({}, orjson.dumps(whole))


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("written", ["2026-03-08", "2026-03-08T23:59:59"])
def test_a_date_whose_zone_is_not_told_is_refused_and_not_taken_for_utc(kind: str, written: str) -> None:
    with pytest.raises(BadMessage):
        CHANNELS[kind].normalise("a", order(kind, written), NOW)


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-03-07T23:59:59-05:00", datetime(2026, 3, 8, 4, 59, 59, tzinfo=UTC)),  # New York, a day of 24 hours
        ("2026-03-08T23:59:59-04:00", datetime(2026, 3, 9, 3, 59, 59, tzinfo=UTC)),  # of 23
        ("2026-11-01T23:59:59-05:00", datetime(2026, 11, 2, 4, 59, 59, tzinfo=UTC)),  # of 25
        ("2026-10-25T02:30:00+02:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # Berlin: 02:30 the first time
        ("2026-10-25T02:30:00+01:00", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),  # and the second
    ],
)
def test_the_end_of_a_local_day_is_the_moment_that_its_offset_names(kind: str, written: str, moment: datetime) -> None:
    content = CHANNELS[kind].normalise("a", order(kind, written), NOW)
    assert content is not None
    assert content.promise.deliver_by == moment
