"""Where an order ships from: the promise first, then the cost, and never stock that is not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import permutations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.domain.events import PlannedPart
from kept.domain.progress import LineProgress
from kept.domain.routing import (
    CentreProfile,
    Demand,
    Lane,
    NoPlan,
    Plan,
    RoutingPolicy,
    Service,
    Situation,
    departure,
    plan,
    take,
)

NEW_YORK, BERLIN = ZoneInfo("America/New_York"), ZoneInfo("Europe/Berlin")
MONDAY_TO_FRIDAY = frozenset(range(5))
EVERY_DAY = frozenset(range(7))
GROUND = Service("ground", Lane(4, 700, 90), Lane(8, 1800, 90))
EXPRESS = Service("express", Lane(2, 1900, 220), Lane(4, 5200, 220))
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday


def centre(name: str = "east", **changes: object) -> CentreProfile:
    """Works every day, cut-off 17:00 in New York, ground and express."""
    usual = CentreProfile(name, "US", NEW_YORK, time(17), 0, EVERY_DAY, (GROUND, EXPRESS))
    return replace(usual, **changes)  # type: ignore[arg-type]  # the tests name real fields


def at_cost(name: str, base_minor: int, **changes: object) -> CentreProfile:
    """A centre with one service at that cost, whatever the weight."""
    return centre(name, services=(Service("only", Lane(2, base_minor)),), **changes)


def demand(*lines: tuple[str, int], **changes: object) -> Demand:
    """Lines are (sku, pieces); a promise of a day and of ten days, within the US."""
    wanted = Demand(
        lines=tuple(LineProgress(number, sku, pieces) for number, (sku, pieces) in enumerate(lines, start=1)),
        weights_g={},
        country="US",
        ship_by=NOW + timedelta(days=2),
        deliver_by=NOW + timedelta(days=10),
        refused=frozenset(),
    )
    return replace(wanted, **changes)  # type: ignore[arg-type]  # the tests name real fields


def decide(
    wanted: Demand, stock: Mapping[tuple[str, str], int], *centres: CentreProfile, parts_max: int = 3
) -> Plan | NoPlan:
    policy = RoutingPolicy("test", centres, parts_max, split_minor=1, late_day_minor=1000)
    return plan(wanted, Situation(NOW, dict(stock)), policy)


def found(decision: Plan | NoPlan) -> Plan:
    assert isinstance(decision, Plan), decision
    return decision


def shape(parts: Sequence[PlannedPart]) -> dict[str, list[tuple[int, int]]]:
    """(line_no, pieces) by centre."""
    return {part.centre: [(one.line_no, one.quantity) for one in part.lines] for part in parts}


# ------------------------------------------------------------------ cut-offs


def utc(*fields: int) -> datetime:
    return datetime(*fields, tzinfo=UTC)  # type: ignore[arg-type,misc]  # year, month, day, hour, minute


@pytest.mark.parametrize(
    ("now", "leaves"),
    [
        (utc(2026, 3, 2, 21, 59), utc(2026, 3, 2, 22)),  # 16:59 in New York
        (utc(2026, 3, 2, 22, 0), utc(2026, 3, 2, 22)),  # on the stroke
        (utc(2026, 3, 2, 22, 1), utc(2026, 3, 3, 22)),  # a minute late
        (utc(2026, 3, 3, 4, 59), utc(2026, 3, 3, 22)),  # 23:59 there, though it is Tuesday in UTC
        (utc(2026, 3, 3, 5, 1), utc(2026, 3, 3, 22)),  # 00:01 there
    ],
)
def test_the_cut_off_is_the_centres_wall_time_and_not_ours(now: datetime, leaves: datetime) -> None:
    assert departure(centre(), now) == leaves


def test_a_cut_off_just_before_midnight_belongs_to_the_centres_day() -> None:
    late = centre(cutoff=time(23, 59), timezone=BERLIN)
    assert departure(late, utc(2026, 6, 1, 21, 58)) == utc(2026, 6, 1, 21, 59)  # 23:58 in Berlin
    assert departure(late, utc(2026, 6, 1, 22, 0)) == utc(2026, 6, 2, 21, 59)  # midnight there: tomorrow's


def test_what_is_ready_late_on_friday_leaves_on_monday() -> None:
    weekdays = centre(working_days=MONDAY_TO_FRIDAY)
    assert departure(weekdays, utc(2026, 3, 6, 21)) == utc(2026, 3, 6, 22)
    assert departure(weekdays, utc(2026, 3, 6, 23)) == utc(2026, 3, 9, 21)  # and the clocks went forward on Sunday
    assert departure(weekdays, utc(2026, 3, 7, 12)) == utc(2026, 3, 9, 21)


def test_handling_days_are_working_days() -> None:
    slow = centre(working_days=MONDAY_TO_FRIDAY, handling_days=2)
    assert departure(slow, utc(2026, 3, 2, 12)) == utc(2026, 3, 4, 22)
    assert departure(slow, utc(2026, 3, 5, 12)) == utc(2026, 3, 9, 21)  # Thursday: Friday and Monday
    assert departure(slow, utc(2026, 3, 7, 12)) == utc(2026, 3, 11, 21)  # Saturday counts from Monday


@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [
        (NEW_YORK, utc(2026, 3, 7, 22), utc(2026, 3, 8, 21)),  # forward on 8 March
        (NEW_YORK, utc(2026, 10, 31, 21), utc(2026, 11, 1, 22)),  # back on 1 November
        (BERLIN, utc(2026, 3, 28, 16), utc(2026, 3, 29, 15)),  # forward on 29 March
        (BERLIN, utc(2026, 10, 24, 15), utc(2026, 10, 25, 16)),  # back on 25 October
    ],
)
def test_the_cut_off_stays_at_the_same_wall_time_when_clocks_change(
    zone: ZoneInfo, before: datetime, after: datetime
) -> None:
    here = centre(timezone=zone)
    assert departure(here, before) == before
    assert departure(here, before + timedelta(minutes=1)) == after


def test_nothing_leaves_in_the_past_in_the_hour_that_autumn_repeats() -> None:
    night = centre(cutoff=time(1, 30))
    assert departure(night, utc(2026, 11, 1, 5, 10)) == utc(2026, 11, 1, 5, 30)  # 01:10, the first time
    assert departure(night, utc(2026, 11, 1, 6, 10)) == utc(2026, 11, 2, 6, 30)  # 01:10 again: today's has left


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    st.times(),
    st.sampled_from([NEW_YORK, BERLIN, ZoneInfo("Asia/Kolkata"), ZoneInfo("Pacific/Chatham"), ZoneInfo("UTC")]),
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, 5),
)
def test_a_departure_is_a_cut_off_on_a_working_day_that_is_not_over(
    now: datetime, cutoff: time, zone: ZoneInfo, days: set[int], handling: int
) -> None:
    here = centre(cutoff=cutoff, timezone=zone, working_days=frozenset(days), handling_days=handling)
    leaves, later = departure(here, now), departure(here, now + timedelta(hours=1))
    assert leaves is not None
    assert later is not None
    assert now <= leaves <= later
    local = leaves.astimezone(zone)
    # A wall time that a change of clocks skips is read as an hour later.
    assert local.replace(tzinfo=None) - datetime.combine(local.date(), cutoff) in {timedelta(0), timedelta(hours=1)}
    assert local.weekday() in days


# ------------------------------------------------------------------ service and promise


def test_the_cheapest_service_that_keeps_the_promise_is_taken() -> None:
    ample, tight = NOW + timedelta(days=10), NOW + timedelta(days=3)
    stock = {("east", "A"): 1}
    (part,) = found(decide(demand(("A", 1), deliver_by=ample), stock, centre())).parts
    assert (part.service, part.cost_minor) == ("ground", 700)
    (part,) = found(decide(demand(("A", 1), deliver_by=tight), stock, centre())).parts
    assert (part.service, part.cost_minor) == ("express", 1900)
    assert part.delivers_at - part.ships_at == timedelta(days=2)


def test_the_weight_decides_which_service_is_the_cheapest() -> None:
    by_weight = Service("by weight", Lane(2, 100, 500))
    flat = Service("flat", Lane(2, 900))
    here = centre(services=(by_weight, flat))
    for grams, service, cost in ((900, "by weight", 550), (1700, "flat", 900)):
        wanted = demand(("A", 1), weights_g={1: grams})
        (part,) = found(decide(wanted, {("east", "A"): 1}, here)).parts
        assert (part.service, part.cost_minor) == (service, cost)


def test_each_piece_is_paid_by_its_weight_and_by_its_handling() -> None:
    wanted = demand(("A", 3), weights_g={1: 667})
    here = centre(services=(GROUND,), order_minor=50, piece_minor=20)
    decision = found(decide(wanted, {("east", "A"): 3}, here))
    assert decision.parts[0].cost_minor == 700 + 50 + 3 * (60 + 20)
    assert (decision.costs.parcels_minor, decision.costs.pieces_minor, decision.costs.total_minor) == (750, 240, 990)


def test_abroad_has_its_own_days_and_cost() -> None:
    wanted = demand(("A", 1), country="DE")
    (part,) = found(decide(wanted, {("east", "A"): 1}, centre())).parts
    assert (part.cost_minor, part.ships_at) == (1800, utc(2026, 3, 2, 22))
    assert part.delivers_at == utc(2026, 3, 10, 21)  # 17:00 eight days on; clocks went forward on the way


def test_a_centre_without_a_service_to_the_country_is_ruled_out_for_good() -> None:
    for pieces in (1, 0):
        decision = decide(demand(("A", 1), country="DE"), {("east", "A"): pieces}, at_cost("east", 5))
        assert isinstance(decision, NoPlan)
        assert decision.exhausted
    decision = decide(demand(("A", 1), country="DE"), {("east", "A"): 1}, at_cost("east", 5))
    assert decision.ruled_out == ("east: no service to DE",)


def test_a_dearer_centre_that_keeps_the_promise_is_preferred_to_a_cheaper_late_one() -> None:
    slow = at_cost("slow", 100, handling_days=5)
    decision = found(decide(demand(("A", 1)), {("slow", "A"): 1, ("fast", "A"): 1}, slow, at_cost("fast", 900)))
    assert shape(decision.parts) == {"fast": [(1, 1)]}
    assert not decision.late
    assert decision.ruled_out == ("slow: can't keep the promise",)


def test_when_nobody_keeps_the_promise_the_least_late_centre_ships_and_the_plan_says_so() -> None:
    stock = {("cheap", "A"): 1, ("dear", "A"): 1}
    cheap, dear = at_cost("cheap", 100, handling_days=6), at_cost("dear", 900, handling_days=4)
    decision = found(decide(demand(("A", 1)), stock, cheap, dear))
    assert shape(decision.parts) == {"dear": [(1, 1)]}
    assert decision.late
    assert decision.ruled_out == ("cheap: can't keep the promise", "dear: can't keep the promise")


def test_a_late_order_goes_by_the_fastest_service() -> None:
    wanted = demand(("A", 1), deliver_by=NOW)
    decision = found(decide(wanted, {("east", "A"): 1}, centre()))
    assert decision.late
    assert decision.parts[0].service == "express"


def test_stock_only_at_a_late_centre_is_used_rather_than_waited_for() -> None:
    late = at_cost("late", 100, handling_days=5)
    decision = found(decide(demand(("A", 1)), {("late", "A"): 1}, late, at_cost("empty", 100)))
    assert shape(decision.parts) == {"late": [(1, 1)]}
    assert decision.late


# ------------------------------------------------------------------ cost and parts


def test_the_cheapest_single_centre_ships_everything() -> None:
    stock = {(name, sku): 9 for name in ("east", "west") for sku in "AB"}
    decision = found(decide(demand(("A", 2), ("B", 1)), stock, at_cost("east", 900), at_cost("west", 800)))
    assert shape(decision.parts) == {"west": [(1, 2), (2, 1)]}


def test_one_dear_parcel_is_preferred_to_two_cheap_ones() -> None:
    """By as much as the policy says that another parcel costs."""
    stock = {("cheap", "A"): 1, ("cheaper", "B"): 1, ("dear", "A"): 1, ("dear", "B"): 1}
    centres = (at_cost("cheap", 10), at_cost("cheaper", 5), at_cost("dear", 50))
    wanted, now = demand(("A", 1), ("B", 1)), Situation(NOW, dict(stock))
    for split_minor, shipping in ((36, {"dear"}), (34, {"cheap", "cheaper"})):
        decision = found(plan(wanted, now, RoutingPolicy("test", centres, split_minor=split_minor)))
        assert set(shape(decision.parts)) == shipping
        assert set(shape(decision.runner_up)) == {"cheap", "cheaper", "dear"} - shipping
        assert decision.runner_up_costs is not None
        assert decision.runner_up_costs.total_minor - decision.costs.total_minor == 1


def test_whole_lines_are_given_before_a_line_is_split() -> None:
    stock = {("cheap", "A"): 2, ("cheap", "B"): 1, ("dear", "A"): 1, ("dear", "B"): 3}
    decision = found(decide(demand(("A", 2), ("B", 2), ("B", 2)), stock, at_cost("cheap", 10), at_cost("dear", 20)))
    assert shape(decision.parts) == {"cheap": [(1, 2), (3, 1)], "dear": [(2, 2), (3, 1)]}


def test_a_line_that_nobody_has_whole_is_split_cheapest_first() -> None:
    stock = {("cheap", "A"): 3, ("dear", "A"): 4}
    decision = found(decide(demand(("A", 5)), stock, at_cost("dear", 20), at_cost("cheap", 10)))
    assert shape(decision.parts) == {"cheap": [(1, 3)], "dear": [(1, 2)]}


def test_two_lines_of_one_sku_share_its_stock() -> None:
    stock = {("east", "A"): 3, ("west", "A"): 2}
    decision = found(decide(demand(("A", 3), ("A", 2)), stock, at_cost("east", 10), at_cost("west", 20)))
    assert shape(decision.parts) == {"east": [(1, 3)], "west": [(2, 2)]}
    assert isinstance(decide(demand(("A", 3), ("A", 3)), stock, at_cost("east", 10), at_cost("west", 20)), NoPlan)


def test_what_few_centres_do_not_hold_is_filled_by_as_many_as_it_takes() -> None:
    stock = {(name, "A"): 1 for name in "abcde"}
    centres = [at_cost(name, 1) for name in "abcde"]
    assert len(found(decide(demand(("A", 3)), stock, *centres)).parts) == 3
    assert len(found(decide(demand(("A", 3)), stock, *centres, parts_max=2)).parts) == 3
    assert len(found(decide(demand(("A", 5)), stock, *centres)).parts) == 5


def test_a_tie_goes_to_the_earlier_delivery_and_then_to_the_name() -> None:
    stock = {("b", "A"): 1, ("a", "A"): 1, ("z", "A"): 1}
    quick = replace(at_cost("z", 500), services=(Service("only", Lane(1, 500)),))
    assert shape(found(decide(demand(("A", 1)), stock, at_cost("b", 500), at_cost("a", 500))).parts) == {"a": [(1, 1)]}
    decision = found(decide(demand(("A", 1)), stock, at_cost("b", 500), at_cost("a", 500), quick))
    assert shape(decision.parts) == {"z": [(1, 1)]}


# ------------------------------------------------------------------ refusals and stock


def test_a_centre_that_refused_is_not_asked_again() -> None:
    wanted = demand(("A", 1), refused=frozenset({"east"}))
    decision = found(decide(wanted, {("east", "A"): 9, ("west", "A"): 9}, at_cost("east", 1), at_cost("west", 9)))
    assert shape(decision.parts) == {"west": [(1, 1)]}
    assert decision.ruled_out == ("east: refused before",)


def test_when_every_centre_refused_waiting_wont_help() -> None:
    wanted = demand(("A", 1), refused=frozenset({"east"}))
    for stock in ({("east", "A"): 9}, {}):
        decision = decide(wanted, stock, centre())
        assert isinstance(decision, NoPlan)
        assert decision.exhausted
        assert decision.ruled_out[0] == "east: refused before"


def test_more_than_there_is_anywhere_waits_for_stock() -> None:
    decision = decide(demand(("A", 10)), {("east", "A"): 3, ("west", "A"): 3}, at_cost("east", 1), at_cost("west", 1))
    assert isinstance(decision, NoPlan)
    assert (decision.exhausted, decision.missing) == (False, (("A", 4),))


@pytest.mark.parametrize("pieces", [None, 0, -5])
def test_stock_that_is_unknown_gone_or_miscounted_is_no_stock(pieces: int | None) -> None:
    stock = {} if pieces is None else {("east", "A"): pieces}
    assert isinstance(decide(demand(("A", 1)), stock, centre()), NoPlan)


def test_planning_takes_nothing_until_the_plan_is_kept() -> None:
    stock = {("east", "A"): 2}
    here = centre()
    policy, now = RoutingPolicy("test", (here,), 1), Situation(NOW, stock)
    first = found(plan(demand(("A", 2)), now, policy))
    assert stock == {("east", "A"): 2}
    take(first.parts, now, policy)
    assert stock == {("east", "A"): 0}
    assert isinstance(plan(demand(("A", 1)), now, policy), NoPlan)


SKUS = st.sampled_from(["A", "B", "C"])
ORDERS = st.lists(st.lists(st.tuples(SKUS, st.integers(1, 4)), min_size=1, max_size=4), min_size=1, max_size=12)
SHELVES = st.dictionaries(st.tuples(st.sampled_from(["a", "b", "c"]), SKUS), st.integers(0, 8))


@given(ORDERS, SHELVES, st.integers(1, 3))
def test_a_batch_of_orders_never_promises_a_piece_twice(
    orders: list[list[tuple[str, int]]], shelves: dict[tuple[str, str], int], parts_max: int
) -> None:
    centres = (at_cost("a", 3), at_cost("b", 2), at_cost("c", 1))
    policy, left = RoutingPolicy("test", centres, parts_max), dict(shelves)
    now = Situation(NOW, left)
    for lines in orders:
        wanted = demand(*lines)
        decision = plan(wanted, now, policy)
        if isinstance(decision, NoPlan):
            assert not decision.exhausted
            continue
        take(decision.parts, now, policy)
        assert all(pieces >= 0 for pieces in left.values())
        given_out: dict[int, int] = {}
        for part in decision.parts:
            assert part.lines
            for one in part.lines:
                assert one.quantity > 0
                given_out[one.line_no] = given_out.get(one.line_no, 0) + one.quantity
        assert given_out == {one.line_no: one.open for one in wanted.lines}
        assert len({part.centre for part in decision.parts}) == len(decision.parts)


@given(ORDERS, SHELVES)
def test_the_order_in_which_centres_are_named_changes_nothing(
    orders: list[list[tuple[str, int]]], shelves: dict[tuple[str, str], int]
) -> None:
    centres = (at_cost("a", 5), at_cost("b", 5), at_cost("c", 4, handling_days=6))
    for lines in orders:
        decisions = [decide(demand(*lines), shelves, *some) for some in permutations(centres)]
        plans = {decision.parts if isinstance(decision, Plan) else None for decision in decisions}
        assert len(plans) == 1
        assert len({tuple(sorted(decision.ruled_out)) for decision in decisions}) == 1


@given(ORDERS, SHELVES)
def test_a_plan_is_found_whenever_the_centres_together_have_enough(
    orders: list[list[tuple[str, int]]], shelves: dict[tuple[str, str], int]
) -> None:
    centres = (at_cost("a", 5), at_cost("b", 6), at_cost("c", 7))
    for lines in orders:
        wanted: dict[str, int] = {}
        for sku, pieces in lines:
            wanted[sku] = wanted.get(sku, 0) + pieces
        enough = all(
            sum(shelves.get((one.name, sku), 0) for one in centres) >= pieces for sku, pieces in wanted.items()
        )
        assert isinstance(decide(demand(*lines), shelves, *centres), Plan) == enough
