"""Receive: what a centre says becomes facts of the part it is about, whatever order it says it in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kept.domain import events as ev
from kept.domain.lifecycle import OrderState, PartState
from kept.domain.progress import Order, evolve
from kept.engine.interfaces import EffectStanding
from kept.engine.outcome import Done, Outcome, Reject, Wait
from kept.ports import CentreEventKind as Kind
from kept.steps.receive import receive, split_reference
from tests.unit.domain.samples import NOW, REFERENCE, SSCC, booked_order, package, up_to_released
from tests.unit.steps.world import World, centre_message

PART = f"{REFERENCE}-1"
PACKED = (package((1, "SKU-1", 2), (2, "SKU-2", 1)),)
CANCEL = ev.CancelRequested("channel", 2)


def asked_order(*facts: object) -> Order:
    return evolve(booked_order(), [*up_to_released(1), *facts]).order


async def outcome_of(order: Order, kind: Kind, reference: str = PART, **changes: Any) -> Outcome:
    world = World()
    world.shelf.orders.append(order)
    (outcome,) = await receive([centre_message(1, kind, reference, **changes)], world.ports())
    return outcome


async def fact_of(order: Order, kind: Kind, **changes: Any) -> ev.PartEvent:
    outcome = await outcome_of(order, kind, **changes)
    assert isinstance(outcome, Done), outcome
    processed, fact = outcome.events
    assert processed == ev.MessageProcessed()
    assert outcome.about == order
    evolve(order, [fact])  # must be legal
    return fact  # type: ignore[no-any-return]  # outcomes carry any facts


async def test_an_acceptance() -> None:
    assert await fact_of(asked_order(), Kind.ACCEPTED) == ev.PartAccepted(1)


async def test_a_rejection_with_its_reason_and_one_without() -> None:
    assert await fact_of(asked_order(), Kind.REJECTED, reason="damaged") == ev.PartRejected(1, "damaged")
    assert await fact_of(asked_order(), Kind.REJECTED) == ev.PartRejected(1, "no reason given")


async def test_a_shipment_as_packed_and_at_the_centres_own_time() -> None:
    at = NOW - timedelta(hours=3)
    assert await fact_of(asked_order(), Kind.SHIPPED, occurred_at=at, packages=PACKED) == ev.PartShipped(1, at, PACKED)


async def test_a_shipment_is_never_later_than_the_message_that_tells_of_it() -> None:
    at = NOW + timedelta(days=300)
    fact = await fact_of(asked_order(), Kind.SHIPPED, occurred_at=at, packages=PACKED)
    assert fact == ev.PartShipped(1, NOW, PACKED)


async def test_two_cartons_with_one_sscc_are_refused_before_anything_is_written() -> None:
    twice = (package((1, "SKU-1", 2)), package((2, "SKU-2", 1)))
    outcome = await outcome_of(asked_order(), Kind.SHIPPED, packages=twice)
    assert outcome == Reject(f"{PART} has several cartons with one SSCC: ['{SSCC}']", "bad_sscc")


LABELLED = evolve(booked_order(), up_to_released(1)[:1]).order


async def word_for(order: Order, kind: Kind, *, after: timedelta, sent: bool = True, **changes: Any) -> Outcome:
    """What a centre's word comes to, so long after it came."""
    world = World()
    world.shelf.orders.append(order)
    world.clock.now = NOW + after
    if sent:
        world.standings.of[f"{PART}:release:1"] = EffectStanding("unknown", NOW)
    (outcome,) = await receive([centre_message(1, kind, PART, **changes)], world.ports())
    return outcome


@pytest.mark.parametrize(
    ("kind", "changes", "state"),
    [
        (Kind.ACCEPTED, {}, PartState.ACCEPTED),
        (Kind.SHIPPED, {"packages": PACKED}, PartState.SHIPPED),
        (Kind.REJECTED, {}, PartState.REJECTED),
    ],
)
async def test_the_centres_word_settles_a_release_whose_answer_never_came(
    kind: Kind, changes: dict[str, Any], state: PartState
) -> None:
    outcome = await word_for(LABELLED, kind, after=timedelta(seconds=30), **changes)
    assert isinstance(outcome, Done)
    assert outcome.events[:2] == [ev.MessageProcessed(), ev.PartReleased(1, "")]
    assert outcome.about == LABELLED
    assert evolve(LABELLED, outcome.events[1:]).order.part(1).state is state


async def test_a_word_on_what_was_never_sent_waits_and_asks_less_often() -> None:
    assert isinstance(await word_for(LABELLED, Kind.ACCEPTED, after=timedelta(seconds=29)), Wait)
    later = await word_for(LABELLED, Kind.ACCEPTED, after=timedelta(seconds=31), sent=False)
    assert later == Wait(NOW + timedelta(seconds=61), f"our request {PART} is not settled yet")
    planned = await word_for(booked_order(), Kind.ACCEPTED, after=timedelta(seconds=31))
    assert isinstance(planned, Wait)


async def test_a_word_that_contradicts_the_request_is_refused_though_it_proves_the_release() -> None:
    outcome = await word_for(LABELLED, Kind.SHIPPED, after=timedelta(seconds=30), packages=(package((7, "SKU-1", 1)),))
    assert isinstance(outcome, Reject)
    assert outcome.code == "contradicts_request"


async def test_a_cancellation_answers_our_intercept() -> None:
    stopping = asked_order(CANCEL, ev.InterceptAsked(1))
    assert await fact_of(stopping, Kind.CANCELLED) == ev.PartCancelled(1, "stopped by the centre")


async def test_a_cancel_refused_changes_nothing_until_the_shipment_comes() -> None:
    stopping = asked_order(CANCEL, ev.InterceptAsked(1))
    assert await fact_of(stopping, Kind.CANCEL_REFUSED) == ev.CentreEventIgnored(1, "cancel refused while intercepting")


@pytest.mark.parametrize("labelled", [False, True], ids=["ready", "labelled"])
@pytest.mark.parametrize("kind", [Kind.ACCEPTED, Kind.REJECTED, Kind.SHIPPED, Kind.CANCELLED])
async def test_an_answer_that_outran_our_own_bookkeeping_waits_a_moment(kind: Kind, labelled: bool) -> None:
    order = evolve(booked_order(), up_to_released(1)[:1] if labelled else []).order
    outcome = await outcome_of(order, kind)
    assert outcome == Wait(NOW + timedelta(seconds=1), f"our request {PART} is not settled yet")


@pytest.mark.parametrize(
    "reference",
    ["", "-", "nonsense", REFERENCE, f"{REFERENCE}-", f"{REFERENCE}-2", f"{REFERENCE}-0", f"{REFERENCE}-x", "X-1-1"],
)
async def test_a_reference_that_is_none_of_ours_needs_a_person(reference: str) -> None:
    outcome = await outcome_of(asked_order(), Kind.ACCEPTED, reference)
    assert outcome == Reject(f"east has no request {reference!r} of ours", "unknown_reference")


async def test_a_centre_may_not_speak_for_another() -> None:
    outcome = await outcome_of(asked_order(), Kind.SHIPPED, source="west", packages=PACKED)
    assert outcome == Reject(f"west has no request {PART!r} of ours", "unknown_reference")


async def test_a_centre_that_is_no_longer_configured_is_named() -> None:
    outcome = await outcome_of(asked_order(), Kind.ACCEPTED, source="gone")
    assert outcome == Reject("centre 'gone' is no longer configured", "unknown_centre")


async def test_a_message_that_cannot_be_read_is_a_dead_letter_of_its_own() -> None:
    world = World()
    world.shelf.orders.append(asked_order())
    good = centre_message(1, Kind.ACCEPTED, PART)
    bad = centre_message(2, Kind.ACCEPTED, PART)
    object.__setattr__(bad, "body", b"{")
    first, second = await receive([bad, good], world.ports())
    assert isinstance(first, Reject)
    assert first.code == "bad_message"
    assert isinstance(second, Done)


@pytest.mark.parametrize(
    ("line", "why"),
    [((1, "SKU-1", 3), "3 shipped, 2 asked for"), ((7, "SKU-1", 1), "for line 7"), ((1, "SKU-2", 1), "asked for was")],
)
async def test_a_shipment_that_contradicts_the_request_needs_a_person(line: tuple[int, str, int], why: str) -> None:
    outcome = await outcome_of(asked_order(), Kind.SHIPPED, packages=(package(line),))
    assert isinstance(outcome, Reject)
    assert outcome.code == "contradicts_request"
    assert why in outcome.reason


async def test_goods_that_ship_after_the_part_was_given_up_need_a_person() -> None:
    rejected = asked_order(ev.PartRejected(1, "no"))
    outcome = await outcome_of(rejected, Kind.SHIPPED, packages=PACKED)
    assert outcome == Reject("part 1 was shipped although it is rejected", "contradicts_request")


async def test_goods_that_ship_after_the_order_was_cancelled_have_a_legal_record() -> None:
    stopping = asked_order(CANCEL)
    fact = await fact_of(stopping, Kind.SHIPPED, packages=PACKED)
    assert isinstance(fact, ev.PartShipped)
    after = evolve(stopping, [fact]).order
    assert (after.state, after.part(1).state) == (OrderState.CANCELLING, PartState.SHIPPED)


async def test_a_rejection_that_races_our_cancel_ends_the_part() -> None:
    stopping = asked_order(CANCEL)
    after = evolve(stopping, [await fact_of(stopping, Kind.REJECTED)]).order
    assert (after.state, after.part(1).state) == (OrderState.WITHDRAWING, PartState.REJECTED)


async def test_what_a_centre_says_in_one_breath_is_judged_one_after_the_other() -> None:
    world = World()
    world.shelf.orders.append(asked_order())
    said = [
        centre_message(1, Kind.ACCEPTED, PART),
        centre_message(2, Kind.SHIPPED, PART, packages=PACKED),
        centre_message(3, Kind.SHIPPED, PART, packages=PACKED),
        centre_message(4, Kind.ACCEPTED, PART),
    ]
    outcomes = await receive(said, world.ports())
    facts = [type(outcome.events[1]).__name__ for outcome in outcomes if isinstance(outcome, Done)]
    assert facts == ["PartAccepted", "PartShipped", "CentreEventIgnored", "CentreEventIgnored"]
    assert [outcome.about.seq for outcome in outcomes if isinstance(outcome, Done)] == [7, 8, 9, 10]
    assert world.shelf.asked == 1


async def test_a_shipment_that_overtakes_the_acceptance_counts() -> None:
    world = World()
    world.shelf.orders.append(asked_order())
    said = [centre_message(1, Kind.SHIPPED, PART, packages=PACKED), centre_message(2, Kind.ACCEPTED, PART)]
    outcomes = await receive(said, world.ports())
    assert [type(o.events[1]) for o in outcomes if isinstance(o, Done)] == [ev.PartShipped, ev.CentreEventIgnored]


@pytest.mark.parametrize(
    ("reference", "split"),
    [
        ("K7Q2F-000000001-2", ("K7Q2F-000000001", 2)),
        ("a-b-c-17", ("a-b-c", 17)),
        ("K7Q2F-000000001", ("K7Q2F", 0)),
        ("x-²", ("x", 0)),
        ("x-1000000", ("x", 0)),
        ("", ("", 0)),
    ],
)
def test_a_parts_reference_is_its_orders_and_its_number(reference: str, split: tuple[str, int]) -> None:
    assert split_reference(reference) == split
