"""Another policy on recorded decisions: as of then, with what it left and took carried on, and the same every time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from kept.domain.progress import LineProgress
from kept.domain.routing import CentreProfile, Demand, Lane, Plan, RoutingPolicy, Service, Situation, plan, take
from kept.domain.routing.backtest import Backtest, Outcome, Replayed, totals_of
from kept.domain.routing.record import Record, inputs_of, recorded

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ZONE = ZoneInfo("UTC")


def centre(name: str, base_minor: int, **changes: object) -> CentreProfile:
    services = (Service("ground", Lane(3, base_minor)),)
    usual = CentreProfile(name, "US", ZONE, time(17), 0, frozenset(range(7)), services)
    return replace(usual, **changes)  # type: ignore[arg-type]  # the tests name real fields


def demand(*lines: tuple[str, int]) -> Demand:
    return Demand(
        tuple(LineProgress(number, sku, pieces) for number, (sku, pieces) in enumerate(lines, start=1)),
        {},
        "US",
        NOW + timedelta(days=1),
        NOW + timedelta(days=9),
        frozenset(),
    )


def day(orders: list[list[tuple[str, int]]], stock: dict[tuple[str, str], int], policy: RoutingPolicy) -> list[Record]:
    """What a day's orders left as records; those that found no stock left none."""
    situation, records = Situation(NOW, dict(stock)), []
    for lines in orders:
        wanted = demand(*lines)
        inputs = inputs_of(wanted, situation, policy)
        decision = plan(wanted, situation, policy)
        if isinstance(decision, Plan):
            records.append(recorded(inputs, policy, decision))
            take(decision.parts, situation, policy)
    return records


def replayed(records: list[Record], policy: RoutingPolicy) -> list[Replayed]:
    again = Backtest(policy)
    return [again.replay(f"K-{number}", record.content) for number, record in enumerate(records)]


EAST, WEST = centre("east", 500), centre("west", 600)
POLICY = RoutingPolicy("then", (EAST, WEST), split_minor=100)
LINES = st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 3)), min_size=1, max_size=3)
STOCK = st.dictionaries(st.tuples(st.sampled_from(["east", "west"]), st.sampled_from("AB")), st.integers(0, 6))


@settings(max_examples=60, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=8), STOCK, st.integers(0, 8))
def test_the_same_policy_changes_nothing(
    orders: list[list[tuple[str, int]]], stock: dict[tuple[str, str], int], capacity: int
) -> None:
    policy = replace(POLICY, centres=(replace(EAST, capacity_pieces=capacity), WEST))
    rows = replayed(day(orders, stock, policy), policy)
    assert not any(row.changed for row in rows)
    totals = totals_of(rows)
    assert (totals.changed, totals.unfilled_now, totals.cost_percent) == (0, 0, 0.0)
    assert (totals.late_then, totals.split_then) == (totals.late_now, totals.split_now)


@settings(max_examples=60, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=8), STOCK)
def test_another_policy_never_ships_a_piece_that_was_not_there(
    orders: list[list[tuple[str, int]]], stock: dict[tuple[str, str], int]
) -> None:
    """However it differs: what it could have taken in all is what there was."""
    other = replace(POLICY, centres=(centre("east", 700), WEST))
    records = day(orders, stock, POLICY)
    rows = replayed(records, other)
    assert rows == replayed(records, other)
    # Every order that then found its pieces finds them now as well: together both have them.
    assert totals_of(rows).unfilled_now == 0


def test_what_the_other_policy_took_is_gone_and_what_it_left_is_there() -> None:
    """Then both shipped from the east, which was cheaper. Now the west is, and has one piece."""
    records = day([[("A", 1)], [("A", 1)]], {("east", "A"): 2, ("west", "A"): 1}, POLICY)
    rows = replayed(records, replace(POLICY, centres=(EAST, centre("west", 400))))
    assert [row.then.centres for row in rows] == [("east by ground",), ("east by ground",)]
    assert [row.now.centres for row in rows if row.now] == [("west by ground",), ("east by ground",)]
    totals = totals_of(rows)
    assert (totals.changed, totals.cost_then_minor, totals.cost_now_minor, totals.cost_percent) == (1, 1000, 900, -10.0)


def test_an_order_that_the_other_policy_would_leave_waiting_is_counted_and_keeps_its_pieces() -> None:
    records = day([[("A", 1)], [("A", 1)]], {("east", "A"): 2}, POLICY)
    rows = replayed(records, replace(POLICY, centres=(WEST,)))
    assert [row.now for row in rows] == [None, None]
    totals = totals_of(rows)
    assert (totals.unfilled_now, totals.cost_then_minor, totals.cost_now_minor) == (2, 0, 0)


def test_lateness_and_splits_are_counted_on_both_sides() -> None:
    records = day([[("A", 1), ("B", 1)]], {("east", "A"): 1, ("west", "B"): 1, ("west", "A"): 1}, POLICY)
    slow = centre("west", 600, handling_days=8)
    (row,) = replayed(records, replace(POLICY, centres=(EAST, slow)))
    assert row.then == Outcome(600, 1, False, ("west by ground",))
    assert row.now is not None
    assert row.now.late
    assert totals_of([row]).late_now == 1


def test_room_on_a_day_that_the_other_policy_did_not_use_is_free_for_later_orders() -> None:
    limited = replace(POLICY, centres=(replace(EAST, capacity_pieces=1), WEST))
    records = day([[("A", 1)], [("A", 1)]], {("east", "A"): 9, ("west", "A"): 1}, limited)
    other = replace(limited, centres=(replace(EAST, capacity_pieces=1), centre("west", 100)))
    rows = replayed(records, other)
    assert [row.now.centres for row in rows if row.now] == [("west by ground",), ("east by ground",)]
