"""When a centre can let something leave, when it arrives, and which lane, rule and capacity decide: as policies say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from kept.domain.postal import area_of, coordinates, distance_km
from kept.domain.progress import LineProgress
from kept.domain.routing import (
    Band,
    CentreProfile,
    Demand,
    Lane,
    NoPlan,
    Override,
    Plan,
    RoutingPolicy,
    Rule,
    RuledOut,
    Service,
    Situation,
    departure,
    plan,
    take,
)
from kept.domain.routing.policy import canonical

NEW_YORK = ZoneInfo("America/New_York")
WEEKDAYS = frozenset(range(5))
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday, 07:00 in New York
GROUND = Service("ground", Lane(4, 700, 90))


def centre(name: str = "east", **changes: object) -> CentreProfile:
    usual = CentreProfile(name, "US", NEW_YORK, time(17), 0, WEEKDAYS, (GROUND,), "07102")
    return replace(usual, **changes)  # type: ignore[arg-type]  # the tests name real fields


def demand(sku: str = "A", pieces: int = 1, **changes: object) -> Demand:
    wanted = Demand(
        (LineProgress(1, sku, pieces),),
        {1: 1000},
        "US",
        NOW + timedelta(days=2),
        NOW + timedelta(days=12),
        frozenset(),
        "10001",
        "shop",
    )
    return replace(wanted, **changes)  # type: ignore[arg-type]  # the tests name real fields


def found(wanted: Demand, *centres: CentreProfile, rules: tuple[Rule, ...] = (), **changes: object) -> Plan:
    decision = decide(wanted, *centres, rules=rules, **changes)
    assert isinstance(decision, Plan), decision
    return decision


def decide(wanted: Demand, *centres: CentreProfile, rules: tuple[Rule, ...] = (), **changes: object) -> Plan | NoPlan:
    stock = {(each.name, line.sku): 99 for each in centres for line in wanted.lines}
    situation = replace(Situation(NOW, stock), **changes)  # type: ignore[arg-type]  # the tests name real fields
    return plan(wanted, situation, RoutingPolicy("test", centres, rules=rules, late_day_minor=100))


def local(moment: datetime | None) -> datetime:
    assert moment is not None
    return moment.astimezone(NEW_YORK).replace(tzinfo=None)


# ------------------------------------------------------------------ leaving


def test_nothing_leaves_on_a_holiday_and_handling_does_not_count_it() -> None:
    closed = centre(holidays=frozenset({date(2026, 3, 2), date(2026, 3, 3)}))
    assert local(departure(closed, NOW)) == datetime(2026, 3, 4, 17)
    assert local(departure(replace(closed, handling_days=1), NOW)) == datetime(2026, 3, 5, 17)


def test_a_carrier_that_does_not_collect_every_day_and_has_a_cut_off_of_its_own() -> None:
    freight = replace(GROUND, cutoff=time(11, 30), pickup_days=frozenset({1, 3}))
    assert local(departure(centre(), NOW, freight)) == datetime(2026, 3, 3, 11, 30)
    assert local(departure(centre(), datetime(2026, 3, 3, 17, tzinfo=UTC), freight)) == datetime(2026, 3, 5, 11, 30)
    assert local(departure(centre(), NOW, GROUND)) == datetime(2026, 3, 2, 17)


def test_a_calendar_without_a_day_has_no_departure_and_the_centre_is_ruled_out() -> None:
    never = centre(working_days=frozenset({5}))
    assert departure(never, NOW, GROUND, full=_Always()) is None
    decision = decide(demand(), centre(services=(replace(GROUND, pickup_days=frozenset({6})),)))
    assert isinstance(decision, NoPlan)
    assert [(each.centre, each.ruled_out) for each in decision.candidates] == [("east", RuledOut.CAPACITY)]


class _Always:
    def __contains__(self, day: object) -> bool:
        return True


def test_days_on_the_way_are_the_days_on_which_the_carrier_moves() -> None:
    moves = replace(GROUND, carrying_days=WEEKDAYS)
    (part,) = found(demand(), centre(services=(moves,))).parts
    assert local(part.delivers_at) == datetime(2026, 3, 6, 17)
    (part,) = found(
        demand(deliver_by=NOW + timedelta(days=20)), centre(services=(replace(moves, domestic=Lane(5, 1)),))
    ).parts
    assert local(part.delivers_at) == datetime(2026, 3, 9, 17)  # Saturday and Sunday do not count


# ------------------------------------------------------------------ capacity


def test_what_a_day_has_no_room_for_leaves_on_the_next_one_that_has() -> None:
    small = centre(capacity_pieces=10)
    booked = {("east", date(2026, 3, 2)): 8, ("east", date(2026, 3, 3)): 10}
    (part,) = found(demand(pieces=2), small, booked=dict(booked)).parts
    assert local(part.ships_at) == datetime(2026, 3, 2, 17)
    (part,) = found(demand(pieces=3), small, booked=dict(booked)).parts
    assert local(part.ships_at) == datetime(2026, 3, 4, 17)
    (part,) = found(demand(pieces=11), small, booked=dict(booked)).parts  # more than a day's: an empty day
    assert local(part.ships_at) == datetime(2026, 3, 4, 17)


def test_what_is_taken_fills_the_day_for_the_next_order() -> None:
    small = centre(capacity_pieces=2)
    policy, situation = RoutingPolicy("test", (small,)), Situation(NOW, {("east", "A"): 9})
    days = []
    for _ in range(3):
        decision = plan(demand(deliver_by=NOW + timedelta(days=30)), situation, policy)
        assert isinstance(decision, Plan)
        take(decision.parts, situation, policy)
        days.append(local(decision.parts[0].ships_at).day)
    assert days == [2, 2, 3]


def test_a_full_centre_loses_an_order_whose_promise_it_could_not_keep() -> None:
    cheap, dear = centre("cheap", capacity_pieces=1), centre("dear", services=(Service("ground", Lane(4, 900)),))
    booked = {("cheap", date(2026, 3, day)): 1 for day in (2, 3, 4)}
    decision = found(demand(), cheap, dear, booked=booked)
    assert decision.parts[0].centre == "dear"
    assert decision.ruled_out == ("cheap: can't keep the promise",)


# ------------------------------------------------------------------ lanes


def test_postal_codes_are_places_and_places_are_kilometres_apart() -> None:
    assert area_of("GB", "SW1A 1AA") == "SW1"
    assert area_of("GB", "E1 6AN") == "E1"
    assert area_of("US", "10001-1234") == "100"
    assert 3900 < (distance_km("US", "10001", "90210") or 0) < 4000
    assert 490 < (distance_km("DE", "10115", "80331") or 0) < 520
    assert distance_km("US", "", "90210") is None
    assert coordinates("XX", "123") is None
    assert coordinates("US", "1") is not None  # the middle of all that begin so


def test_the_nearest_band_that_reaches_gives_days_and_cost_and_beyond_the_last_the_service_itself() -> None:
    zoned = replace(GROUND, bands=(Band(300, Lane(1, 500)), Band(2000, Lane(3, 600))))
    for code, cost, days in (("10001", 500, 1), ("60601", 600, 3), ("94105", 790, 4), ("", 790, 4)):
        (part,) = found(demand(postal_code=code), centre(services=(zoned,))).parts
        assert (part.cost_minor, (part.delivers_at - part.ships_at).days) == (cost, days)


def test_the_longest_prefix_that_fits_overrides_a_lane_or_takes_it_away() -> None:
    alaska, none = Override("US", "99", Lane(9, 2500)), Override("US", "9980", None)
    island = Override("PR", "", Lane(6, 1900))
    here = centre(services=(replace(GROUND, overrides=(alaska, none, island)),))
    (part,) = found(demand(postal_code="99501"), here).parts
    assert part.cost_minor == 2500
    assert isinstance(decide(demand(postal_code="99801"), here), NoPlan)
    (part,) = found(demand(country="PR", postal_code="00901"), here).parts
    assert part.cost_minor == 1900


# ------------------------------------------------------------------ rules, pauses


@pytest.mark.parametrize(
    ("rule", "shipping"),
    [
        (Rule("hazmat", skus=("LITH-*",), only_centres=("west",)), "west"),
        (Rule("hazmat", skus=("LITH-*",), not_centres=("east",)), "west"),
        (Rule("market", accounts=("shop",), only_centres=("west",)), "west"),
        (Rule("market", accounts=("other",), only_centres=("west",)), "east"),
        (Rule("abroad", countries=("CA",), only_centres=("west",)), "east"),
        (Rule("other goods", skus=("ACID-*",), only_centres=("west",)), "east"),
    ],
)
def test_a_rule_says_who_may_ship_what_it_speaks_of(rule: Rule, shipping: str) -> None:
    east, west = centre("east"), centre("west", services=(Service("ground", Lane(4, 2000)),))
    decision = found(demand("LITH-1"), east, west, rules=(rule,))
    assert decision.parts[0].centre == shipping
    assert (decision.ruled_out == (f"east: rule {rule.name}",)) is (shipping == "west")


def test_a_rule_for_one_line_leaves_the_others_where_they_are_cheapest() -> None:
    rule = Rule("hazmat", skus=("LITH-*",), only_services=("freight",))
    both = centre(services=(GROUND, Service("freight", Lane(6, 3000))))
    wanted = replace(demand("LITH-1"), lines=(LineProgress(1, "LITH-1", 1), LineProgress(2, "B", 1)))
    west = centre("west", services=(GROUND,))
    parts = {part.service: [line.sku for line in part.lines] for part in found(wanted, both, west, rules=(rule,)).parts}
    assert parts == {"freight": ["LITH-1", "B"]}  # one parcel that may hold both


def test_what_no_rule_lets_go_anywhere_needs_a_person() -> None:
    decision = decide(demand("LITH-1"), centre(), rules=(Rule("hazmat", skus=("LITH-*",), only_centres=("west",)),))
    assert isinstance(decision, NoPlan)
    assert decision.exhausted


def test_a_paused_centre_is_not_asked_and_waiting_for_it_helps() -> None:
    decision = decide(demand(), centre(), paused={"east": "paused by ann: flood"})
    assert isinstance(decision, NoPlan)
    assert not decision.exhausted
    assert decision.ruled_out[0] == "east: paused by ann: flood"


# ------------------------------------------------------------------ the policy's hash


def test_a_policy_is_its_content_and_every_field_counts() -> None:
    one = RoutingPolicy("p", (centre(holidays=frozenset({date(2026, 1, 1), date(2026, 12, 25)})),))
    same = RoutingPolicy("p", (centre(holidays=frozenset({date(2026, 12, 25), date(2026, 1, 1)})),))
    assert one.sha256 == same.sha256
    others = [
        replace(one, split_minor=1),
        replace(one, centres=(centre(),)),
        replace(one, centres=(centre(cutoff=time(17, 1)),)),
        replace(one, rules=(Rule("r", not_centres=("east",)),)),
    ]
    assert len({each.sha256 for each in (one, *others)}) == 5
    assert canonical({"b": 1, "a": frozenset({2, 1})}) == b'{"a":[1,2],"b":1}'
