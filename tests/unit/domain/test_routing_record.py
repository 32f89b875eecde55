"""What a decision was made of is kept whole: it can be made again to the byte, and says what would have changed it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kept.domain.progress import LineProgress
from kept.domain.routing import (
    Band,
    CentreProfile,
    Demand,
    Flip,
    Lane,
    Override,
    Plan,
    RoutingPolicy,
    Rule,
    Service,
    Situation,
    plan,
)
from kept.domain.routing.policy import canonical
from kept.domain.routing.record import Record, RecordError, inputs_of, policy_from, read, recorded, verified
from kept.domain.routing.words import explained

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ZONE = ZoneInfo("America/New_York")
GROUND = Service(
    "ground",
    Lane(4, 700, 90),
    Lane(9, 2900, 90),
    (Band(300, Lane(1, 500, 40)),),
    (Override("US", "99", None),),
    time(15, 30),
    frozenset(range(5)),
)
EXPRESS = Service("express", Lane(1, 2500, 200))


def centre(name: str, **changes: object) -> CentreProfile:
    usual = CentreProfile(name, "US", ZONE, time(17), 0, frozenset(range(6)), (GROUND, EXPRESS), "07102")
    return replace(usual, **changes)  # type: ignore[arg-type]  # the tests name real fields


EAST = centre("east", capacity_pieces=40, holidays=frozenset({date(2026, 3, 3)}), piece_minor=35)
WEST = centre("west", postal_code="94607", order_minor=20)
POLICY = RoutingPolicy(
    "peak",
    (EAST, WEST),
    split_minor=150,
    late_day_minor=400,
    scarcity_cap_minor=200,
    rules=(Rule("lithium", skus=("LITH-*",), only_services=("ground",)),),
)


def demand(*lines: tuple[str, int], **changes: object) -> Demand:
    wanted = Demand(
        tuple(LineProgress(number, sku, pieces) for number, (sku, pieces) in enumerate(lines, start=1)),
        dict.fromkeys(range(1, len(lines) + 1), 400),
        "US",
        NOW + timedelta(days=2),
        NOW + timedelta(days=7),
        frozenset(),
        "10001",
        "shop",
    )
    return replace(wanted, **changes)  # type: ignore[arg-type]  # the tests name real fields


def decided(wanted: Demand, situation: Situation, policy: RoutingPolicy = POLICY) -> tuple[Plan, Record]:
    inputs = inputs_of(wanted, situation, policy)
    decision = plan(wanted, situation, policy)
    assert isinstance(decision, Plan)
    return decision, recorded(inputs, policy, decision)


ONE_EACH = {("dear", "A"): 1, ("cheap", "A"): 1}
STOCK = {("east", "A"): 3, ("west", "A"): 30, ("west", "B"): 2, ("east", "LITH-1"): 1, ("north", "A"): 9}
BOOKED = {("east", date(2026, 3, 2)): 38, ("west", date(2026, 3, 2)): 7}


def policy_of(sha256: str) -> RoutingPolicy:
    assert sha256 == POLICY.sha256
    return policy_from(canonical(POLICY))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["A", "B", "LITH-1"]), st.integers(1, 3)), min_size=1, max_size=4),
    st.sampled_from(["10001", "94105", "60601", ""]),
    st.integers(0, 9),
)
def test_a_recorded_decision_is_made_again_to_the_byte(
    lines: list[tuple[str, int]], postal_code: str, days: int
) -> None:
    wanted = demand(*lines, postal_code=postal_code, deliver_by=NOW + timedelta(days=days))
    situation = Situation(NOW, dict(STOCK), booked=dict(BOOKED))
    if not isinstance(plan(wanted, situation, POLICY), Plan):
        return
    _, record = decided(wanted, situation)
    verdict = verified(record.content, policy_of)
    assert verdict.agrees
    assert verdict.recomputed == record.content


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"A":3', b'"A":4'),  # an input: other stock
        (b'"parcel_minor":', b'"parcel_minor":1'),  # the outcome
        (b'"inputs_sha256":"', b'"inputs_sha256":"0'),
    ],
)
def test_a_record_that_somebody_changed_does_not_agree(old: bytes, new: bytes) -> None:
    _, record = decided(demand(("A", 2)), Situation(NOW, dict(STOCK), booked=dict(BOOKED)))
    assert old in record.content
    assert not verified(record.content.replace(old, new, 1), policy_of).agrees


def test_a_record_keeps_what_the_decision_depends_on_and_nothing_else() -> None:
    _, record = decided(demand(("A", 2)), Situation(NOW, dict(STOCK), {"west": "paused by ann"}, dict(BOOKED)))
    told = read(record.content)
    assert told["inputs"]["available"] == {"east": {"A": 3}, "west": {"A": 30}}  # "north" is in no policy
    assert told["inputs"]["booked"] == [["east", "2026-03-02", 38]]  # west's capacity is not limited
    assert told["inputs"]["paused"] == {"west": "paused by ann"}
    assert told["policy_sha256"] == POLICY.sha256


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "a record is no JSON"),
        (b"{}", "a record lacks inputs"),
        (canonical({"version": 9, "policy_sha256": "", "inputs": {}, "inputs_sha256": "", "outcome": {}}), "version 9"),
        (
            canonical({"version": 1, "policy_sha256": POLICY.sha256, "inputs": {}, "inputs_sha256": "", "outcome": {}}),
            "inputs can't be read",
        ),
    ],
)
def test_what_can_not_be_read_is_said(content: bytes, words: str) -> None:
    with pytest.raises(RecordError, match=words):
        verified(content, policy_of)


def test_a_policy_is_read_back_as_it_was_and_a_changed_one_is_refused() -> None:
    written = canonical(POLICY)
    assert policy_from(written) == POLICY
    assert policy_from(written).sha256 == POLICY.sha256
    for broken in (b"{}", written.replace(b'"name":"peak",', b"")):
        with pytest.raises(RecordError, match="a policy can't be read"):
            policy_from(broken)
    with pytest.raises(RecordError, match="is not what it was"):
        policy_from(json.dumps(json.loads(written)).encode())


# ------------------------------------------------------------------ what would have changed it


def test_the_runner_up_would_have_been_taken_for_so_much_less_and_not_for_a_coin_more() -> None:
    dear, cheap = centre("dear", services=(EXPRESS,)), centre("cheap", services=(GROUND,), postal_code="")
    for fastest in (EXPRESS, replace(EXPRESS, domestic=Lane(8, 2500, 200))):  # who wins a tie, and who does not
        policy = RoutingPolicy("t", (replace(dear, services=(fastest,)), cheap), late_day_minor=0)
        wanted, situation = demand(("A", 1), deliver_by=NOW + timedelta(days=20)), Situation(NOW, dict(ONE_EACH))
        decision, _ = decided(wanted, situation, policy)
        (flip,) = decision.flips()
        assert (flip.kind, flip.centre, flip.service) == ("cost", "dear", "express")
        for less, winner in ((flip.by - 1, "cheap"), (flip.by, "dear")):
            assert fastest.domestic is not None
            service = replace(fastest, domestic=replace(fastest.domestic, base_minor=2500 - less))
            again, _ = decided(wanted, situation, replace(policy, centres=(replace(dear, services=(service,)), cheap)))
            assert [part.centre for part in again.parts] == [winner]


def test_the_pieces_that_a_cheaper_centre_lacked_are_counted() -> None:
    """Had it had them, it would have been taken."""
    near, far = centre("near", services=(GROUND,)), centre("far", services=(EXPRESS,))
    policy, stock = RoutingPolicy("t", (far, near), split_minor=5000), {("near", "A"): 1, ("far", "A"): 9}
    decision, _ = decided(demand(("A", 3)), Situation(NOW, dict(stock)), policy)
    flip = next(each for each in decision.flips() if each.kind == "stock")
    assert (flip.centre, flip.by) == ("near", 2)
    for more, winner in ((1, "far"), (2, "near")):
        again, _ = decided(demand(("A", 3)), Situation(NOW, {**stock, ("near", "A"): 1 + more}), policy)
        assert [part.centre for part in again.parts] == [winner]


def test_how_much_later_the_promise_would_have_to_be_is_told_to_the_second() -> None:
    slow, fast = centre("slow", services=(GROUND,)), centre("fast", services=(EXPRESS,))
    policy, stock = RoutingPolicy("t", (fast, slow)), {("slow", "A"): 1, ("fast", "A"): 1}
    wanted = demand(("A", 1), postal_code="94105", deliver_by=NOW + timedelta(days=2))
    decision, _ = decided(wanted, Situation(NOW, dict(stock)), policy)
    flip = next(each for each in decision.flips() if each.kind == "promise")
    assert flip.centre == "slow"
    for seconds, winner in ((flip.by - 1, "fast"), (flip.by, "slow")):
        later = replace(wanted, deliver_by=wanted.deliver_by + timedelta(seconds=seconds))
        again, _ = decided(later, Situation(NOW, dict(stock)), policy)
        assert [part.centre for part in again.parts] == [winner]
    assert isinstance(flip, Flip)


def test_a_decision_in_words_names_centres_costs_and_what_would_have_changed_it() -> None:
    wanted = demand(("A", 2), ("B", 1), deliver_by=NOW + timedelta(days=9))
    _, record = decided(wanted, Situation(NOW, dict(STOCK)))
    words = "\n".join(explained(read(record.content), "USD"))
    assert "west by ground: 2 A, 1 B, leaves Mon 02 Mar 20:30 UTC" in words
    assert "cost 8.28 USD (7.20 USD parcels, 1.08 USD pieces)" in words
    assert "east: 2 pieces by ground for" in words
    assert "had east by ground had 1 piece more, it would have saved 2.63 USD" in words
    _, record = decided(replace(wanted, lines=wanted.lines[:1]), Situation(NOW, dict(STOCK)))
    words = "\n".join(explained(read(record.content), "USD"))
    assert "next best, for" in words
    assert "less, it would have been taken" in words
