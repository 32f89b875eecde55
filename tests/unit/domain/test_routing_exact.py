"""The search is exact, what is scarce is kept, and looking again makes a batch cheaper and loses nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import combinations, product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kept.domain.progress import LineProgress
from kept.domain.routing import (
    Band,
    CentreProfile,
    Demand,
    Lane,
    NoPlan,
    Plan,
    RoutingPolicy,
    Service,
    Situation,
    plan,
    take,
)
from kept.domain.routing.reevaluation import Placed, Reevaluation
from kept.domain.routing.scarcity import price_minor

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")
NAMES = "abcd"
Stock = dict[tuple[str, str], int]


def centre(name: str, *services: Service, piece_minor: int = 0) -> CentreProfile:
    return CentreProfile(name, "US", UTC_ZONE, time(17), 0, frozenset(range(7)), services, piece_minor=piece_minor)


def service(name: str, base: int, per_kg: int = 0, days: int = 2) -> Service:
    return Service(name, Lane(days, base, per_kg))


def demand(*lines: tuple[str, int], grams: int = 1000, days: int = 10) -> Demand:
    return Demand(
        tuple(LineProgress(number, sku, pieces) for number, (sku, pieces) in enumerate(lines, start=1)),
        dict.fromkeys(range(1, len(lines) + 1), grams),
        "US",
        NOW + timedelta(days=2),
        NOW + timedelta(days=days),
        frozenset(),
    )


def found(decision: Plan | NoPlan) -> Plan:
    assert isinstance(decision, Plan)
    return decision


# ------------------------------------------------------------------ exact


def ways(wanted: Demand, stock: Stock, policy: RoutingPolicy) -> Iterator[int]:
    """What every plan of at most three parts comes to, by trying all of them, piece by piece."""
    pieces = [line.sku for line in wanted.lines for _ in range(line.open)]
    offers = [(each, service) for each in policy.centres for service in each.services]
    for size in range(1, 4):
        for chosen in combinations(offers, size):
            if len({each.name for each, _ in chosen}) < size:
                continue
            for given_by in product(range(size), repeat=len(pieces)):
                if len(set(given_by)) < size:
                    continue
                used = Counter((chosen[number][0].name, sku) for number, sku in zip(given_by, pieces, strict=True))
                if any(stock.get(key, 0) < count for key, count in used.items()):
                    continue
                lanes = [service.domestic for _, service in chosen]
                cost = policy.split_minor * (size - 1) + sum(lane.base_minor for lane in lanes if lane)
                for number in given_by:
                    lane = lanes[number]
                    assert lane is not None
                    cost += lane.piece_minor(1000) + chosen[number][0].piece_minor
                yield cost


MONEY = st.integers(0, 40)
CENTRES = st.tuples(
    *(
        st.builds(
            lambda one, other, each, name=name: centre(
                name, service("one", *one), service("other", *other), piece_minor=each
            ),
            st.tuples(MONEY, MONEY),
            st.tuples(MONEY, MONEY),
            st.integers(0, 9),
        )
        for name in NAMES
    )
)
LINES = st.lists(st.tuples(st.sampled_from("XYZ"), st.integers(1, 2)), min_size=1, max_size=3)
STOCK = st.dictionaries(st.tuples(st.sampled_from(NAMES), st.sampled_from("XYZ")), st.integers(0, 3))


@settings(max_examples=150, deadline=None)
@given(CENTRES, LINES, STOCK, st.integers(0, 30))
def test_no_plan_of_three_parts_is_cheaper_than_the_one_that_is_found(
    centres: tuple[CentreProfile, ...], lines: list[tuple[str, int]], stock: Stock, split_minor: int
) -> None:
    policy, wanted = RoutingPolicy("test", centres, split_minor=split_minor), demand(*lines)
    every = sorted(ways(wanted, stock, policy))
    decision = plan(wanted, Situation(NOW, dict(stock)), policy)
    if not every:
        assert isinstance(decision, NoPlan) or len(decision.parts) > 3
        return
    best = found(decision)
    assert best.costs.total_minor == every[0]
    assert sum(part.cost_minor for part in best.parts) + best.costs.split_minor == every[0]
    if best.runner_up_costs is not None:
        assert best.runner_up_costs.total_minor in every


def test_a_dearer_parcel_whose_pieces_are_cheaper_is_worth_opening() -> None:
    """Everything is in stock at one centre, and still two ship."""
    far, near = centre("far", service("s", 100, 900)), centre("near", service("s", 300, 100))
    stock = {("far", "X"): 9, ("far", "Y"): 9, ("near", "X"): 9}
    decision = found(plan(demand(("X", 5), ("Y", 1)), Situation(NOW, stock), RoutingPolicy("t", (far, near))))
    assert {part.centre: [line.sku for line in part.lines] for part in decision.parts} == {"far": ["Y"], "near": ["X"]}
    assert decision.costs.total_minor == 100 + 900 + 300 + 5 * 100


# ------------------------------------------------------------------ scarcity


def test_the_last_piece_is_worth_more_than_the_tenth_and_never_more_than_the_cap() -> None:
    worth = [price_minor(pieces, total=12, centres=3, cover_percent=75, cap_minor=200) for pieces in range(1, 11)]
    assert worth == sorted(worth, reverse=True)
    assert 0 < worth[4] < worth[0] <= 200
    assert worth[0] == 190  # 200 (1 - e^-3)
    assert price_minor(61, 61, 1, 75, 200) == price_minor(0, 9, 1, 75, 200) == price_minor(1, 9, 1, 75, 0) == 0


def test_a_scarce_piece_is_left_where_it_is_for_a_little_more() -> None:
    """West has its last X; east has plenty, and costs a little more."""
    west, east = centre("west", service("s", 500)), centre("east", service("s", 600))
    stock = {("west", "X"): 1, ("east", "X"): 30}
    for cap, shipping in ((0, "west"), (200, "east"), (50, "west")):
        policy = RoutingPolicy("t", (west, east), scarcity_cap_minor=cap)
        decision = found(plan(demand(("X", 1)), Situation(NOW, dict(stock)), policy))
        assert decision.parts[0].centre == shipping
        assert decision.costs.total_minor == (500 if shipping == "west" else 600)
        assert decision.costs.weighed_minor == decision.costs.total_minor + decision.costs.scarcity_minor


# ------------------------------------------------------------------ looking again


def batch(orders: list[list[tuple[str, int]]], stock: Stock, policy: RoutingPolicy) -> tuple[list[Placed], Situation]:
    situation, placed = Situation(NOW, dict(stock)), []
    for lines in orders:
        decision = plan(demand(*lines), situation, policy)
        if isinstance(decision, Plan):
            take(decision.parts, situation, policy)
            placed.append(Placed(demand(*lines), decision.parts))
    return placed, situation


def held(parts: Mapping[int, tuple[object, ...]] | list[Placed], available: Mapping[tuple[str, str], int]) -> Stock:
    """What there is and what is held, together."""
    total = Counter(available)
    placed = [each.parts for each in parts] if isinstance(parts, list) else list(parts.values())
    for own in placed:
        for part in own:
            for line in part.lines:  # type: ignore[attr-defined]  # PlannedPart
                total[part.centre, line.sku] += line.quantity  # type: ignore[attr-defined]  # PlannedPart
    return {key: count for key, count in total.items() if count}


ORDERS = st.lists(LINES, min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(CENTRES, ORDERS, STOCK, st.integers(0, 5))
def test_looking_again_makes_nothing_dearer_and_keeps_every_piece(
    centres: tuple[CentreProfile, ...], orders: list[list[tuple[str, int]]], stock: Stock, seed: int
) -> None:
    policy = RoutingPolicy("t", centres, split_minor=10, scarcity_cap_minor=30)
    placed, situation = batch(orders, stock, policy)
    before = held(placed, situation.available)
    again = Reevaluation(placed, situation, policy, seed)
    first = again.total_minor
    assert again.run(60) <= 60
    assert again.total_minor <= first
    now = [Placed(each.demand, again.moved().get(number, each.parts)) for number, each in enumerate(placed)]
    assert held(now, situation.available) == before
    assert all(pieces >= 0 for pieces in situation.available.values())
    for each in now:
        assert sum(line.quantity for part in each.parts for line in part.lines) == each.demand.pieces


def test_two_orders_that_stand_in_each_others_way_change_places() -> None:
    """The first took the only Y-and-X centre for its X, though another has X as well."""
    one, both = centre("one", service("s", 120)), centre("both", service("s", 100))
    stock = {("one", "X"): 1, ("both", "X"): 1, ("both", "Y"): 1}
    policy = RoutingPolicy("t", (one, both), split_minor=50)
    placed, situation = batch([[("X", 1)], [("X", 1), ("Y", 1)]], stock, policy)
    assert [len(each.parts) for each in placed] == [1, 2]
    again = Reevaluation(placed, situation, policy, 1)
    assert again.total_minor == 100 + 270
    again.run(100)
    assert again.total_minor == 120 + 100
    assert {number: [part.centre for part in parts] for number, parts in again.moved().items()} == {
        0: ["one"],
        1: ["both"],
    }


def test_the_same_seed_gives_the_same_plans_and_another_one_others() -> None:
    band = (Band(300, Lane(1, 50, 10)),)
    centres = tuple(
        replace(centre(name, replace(service("s", 90 + number, 20), bands=band)), postal_code=code)
        for number, (name, code) in enumerate(zip(NAMES, ("100", "606", "902", "331"), strict=True))
    )
    policy = RoutingPolicy("t", centres, split_minor=20)
    stock = {(name, sku): 3 for name in NAMES for sku in "XYZ"}
    orders = [[("X", 1), ("YZ"[number % 2], 1)] for number in range(10)]
    runs = []
    for seed in (1, 1, 2):
        placed, situation = batch(orders, stock, policy)
        again = Reevaluation(placed, situation, policy, seed)
        again.run(40)
        runs.append((again.total_minor, again.moved()))
    assert runs[0] == runs[1]


def test_an_order_whose_centre_is_paused_moves_and_one_that_can_not_stays() -> None:
    one, other = centre("one", service("s", 100)), centre("other", service("s", 300))
    stock = {("one", "X"): 5, ("one", "Y"): 5, ("other", "X"): 5}
    policy = RoutingPolicy("t", (one, other))
    placed, situation = batch([[("X", 1)], [("Y", 1)]], stock, policy)
    situation.paused = {"one": "paused by ann: flood"}
    again = Reevaluation(placed, situation, policy, 1)
    again.run(10)
    assert {number: [part.centre for part in parts] for number, parts in again.moved().items()} == {0: ["other"]}
    assert situation.available["one", "X"] == 5


@pytest.mark.parametrize("budget", [0, 3])
def test_no_budget_moves_nothing(budget: int) -> None:
    one = centre("one", service("s", 100))
    placed, situation = batch([[("X", 1)]], {("one", "X"): 1}, RoutingPolicy("t", (one,)))
    again = Reevaluation(placed, situation, RoutingPolicy("t", (one,)), 1)
    assert again.run(budget) <= budget
    assert again.moved() == {}
