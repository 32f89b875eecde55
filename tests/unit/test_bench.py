"""The benchmarks' own parts, as far as they must fit what they measure."""

from __future__ import annotations

from datetime import UTC, datetime

from bench.instant_world import instant_parties


def test_the_instant_parties_are_all_that_a_step_may_ask() -> None:
    asked = dict.fromkeys(("items", "orders", "availability", "effect_standings", "order_ids", "serials", "skus"))
    ports = instant_parties(
        lambda centre, key, body: None, clock=lambda: datetime.now(UTC), installation="K7Q2F", **asked
    )
    assert ports.channels
