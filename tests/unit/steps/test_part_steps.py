"""Label, release, intercept, advise, confirm and post: one centre's part of an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import orjson
import pytest

from kept.documents.sscc import is_valid_sscc
from kept.domain import events as ev
from kept.domain.lifecycle import PartState
from kept.domain.order import Promise
from kept.domain.progress import Order, evolve
from kept.domain.subjects import PartOf
from kept.engine.interfaces import EffectStanding
from kept.engine.outcome import Done, Outcome, Reject, Wait
from kept.ports import InterceptAnswer
from kept.steps.advise import advise
from kept.steps.confirm import confirm
from kept.steps.intercept import intercept
from kept.steps.label import label, label_content
from kept.steps.post import post
from kept.steps.release import release
from tests.unit.domain.samples import (
    EAST_FIRST,
    NOW,
    REFERENCE,
    SSCC,
    WEST_SECOND,
    booked_order,
    content,
    line,
    package,
    planned,
    shipped,
    up_to_released,
)
from tests.unit.steps.world import World

PART = f"{REFERENCE}-1"
CANCEL = ev.CancelRequested("channel", 2)


def done(outcome: Outcome) -> Done:
    assert isinstance(outcome, Done), outcome
    return outcome


def fact(outcome: Outcome, order: Order) -> object:
    """The only fact of an outcome; it must be legal."""
    (one,) = done(outcome).events
    evolve(order, [one])
    return one


def shipped_order(*packages: ev.Package) -> Order:
    shipment = ev.PartShipped(1, NOW, packages) if packages else shipped(1, (1, "SKU-1", 2), (2, "SKU-2", 1))
    return evolve(booked_order(), [*up_to_released(1), shipment]).order


# ------------------------------------------------------------------ label


async def test_each_part_of_a_batch_gets_its_own_sscc_and_both_forms_of_its_label() -> None:
    world = World()
    order = booked_order(EAST_FIRST, WEST_SECOND)
    outcomes = await label([PartOf(order, 1), PartOf(order, 2)], world.ports())
    numbers: list[str] = []
    for number, outcome in enumerate(outcomes, start=1):
        labelled = fact(outcome, order)
        assert isinstance(labelled, ev.PartLabelled)
        assert labelled.part == number
        assert is_valid_sscc(labelled.sscc)
        assert labelled.sscc.startswith("10614141")
        numbers.append(labelled.sscc)
        documents = done(outcome).documents
        assert [document.media_type for document in documents] == ["application/pdf", "x-application/zpl"]
        assert labelled.documents == tuple(sha256(document.content).hexdigest() for document in documents)
    assert len(set(numbers)) == 2


async def test_a_serial_is_never_drawn_twice() -> None:
    world = World()
    subject = PartOf(booked_order(), 1)
    first = done((await label([subject], world.ports()))[0]).events[0]
    second = done((await label([subject], world.ports()))[0]).events[0]
    assert first.sscc != second.sscc


def test_a_label_shows_a_few_lines_and_no_more() -> None:
    lines = [line(number, number) for number in range(1, 10)]
    order = booked_order(planned("east", *((n, f"SKU-{n}", n) for n in range(1, 10))), said=content(*lines))
    shown = label_content(PartOf(order, 1), SSCC, World().ports())
    assert shown.lines_summary[:3] == ("1 x SKU-1", "2 x SKU-2", "3 x SKU-3")
    assert len(shown.lines_summary) <= 4
    assert shown.ship_by_date == "2026-03-04"


async def test_a_centre_that_is_no_longer_configured_stops_no_other_label() -> None:
    world = World()
    del world.centres["west"]
    order = booked_order(EAST_FIRST, WEST_SECOND)
    here, gone = await label([PartOf(order, 1), PartOf(order, 2)], world.ports())
    assert isinstance(here, Done)
    assert gone == Reject("centre 'west' is no longer configured", "unknown_centre")


# ------------------------------------------------------------------ release


async def test_a_release_asks_the_centre_for_the_parts_own_lines_under_one_key() -> None:
    world = World()
    order = evolve(booked_order(EAST_FIRST, WEST_SECOND), up_to_released(1)[:1]).order
    assert fact(await release(PartOf(order, 1), world.ports()), order) == ev.PartReleased(1, "east-0")
    (asked,) = world.book.performed
    assert (asked.effect.key, asked.effect.target) == (f"{PART}:release:1", "centre:east")
    assert asked.searchable
    request = asked.effect.request
    assert (request.reference, request.order_reference, request.sscc) == (PART, REFERENCE, SSCC)
    assert [(one.line_no, one.sku, one.quantity) for one in request.lines] == [(1, "SKU-1", 2)]


async def test_a_release_to_a_centre_that_is_no_longer_configured_needs_a_person() -> None:
    world = World()
    del world.centres["east"]
    outcome = await release(PartOf(booked_order(), 1), world.ports())
    assert outcome == Reject("centre 'east' is no longer configured", "unknown_centre")


# ------------------------------------------------------------------ intercept


def withdrawing() -> Order:
    order = evolve(booked_order(), [*up_to_released(1), CANCEL]).order
    assert order.part(1).state is PartState.WITHDRAWING
    return order


def world_with(status: str, settles_in: timedelta = timedelta(0), answer: str = "cancelled") -> World:
    world = World()
    world.standings.of[f"{PART}:release:1"] = EffectStanding(status, NOW + settles_in)
    world.interceptor.answer = InterceptAnswer(answer)
    return world


@pytest.mark.parametrize("world", [World(), world_with("refused")], ids=["never intended", "refused"])
async def test_a_centre_that_was_never_asked_is_not_asked_to_stop(world: World) -> None:
    order = withdrawing()
    outcome = await intercept(PartOf(order, 1), world.ports())
    assert fact(outcome, order) == ev.PartCancelled(1, "never asked of the centre")
    assert world.interceptor.asked == []


@pytest.mark.parametrize("status", ["intended", "unknown", "confirmed"])
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("cancelled", ev.PartCancelled(1, "stopped by the centre")),
        ("pending", ev.InterceptAsked(1)),
        ("too_late", ev.InterceptAsked(1)),
        ("unknown", ev.PartCancelled(1, "the centre never had it")),
    ],
)
async def test_the_centres_answer_decides_in_whatever_standing_the_release_was(
    status: str, answer: str, expected: ev.PartEvent
) -> None:
    order, world = withdrawing(), world_with(status, answer=answer)
    assert fact(await intercept(PartOf(order, 1), world.ports()), order) == expected
    assert world.interceptor.asked == [(PART, f"{PART}:intercept:1")]


@pytest.mark.parametrize("status", ["intended", "unknown"])
async def test_a_release_under_way_that_the_centre_does_not_know_is_waited_for(status: str) -> None:
    order, world = withdrawing(), world_with(status, timedelta(seconds=20), "unknown")
    until = NOW + timedelta(seconds=20)
    outcome = await intercept(PartOf(order, 1), world.ports())
    assert outcome == Wait(until, "the request that was under way may still arrive")
    world.clock.now = until
    outcome = await intercept(PartOf(order, 1), world.ports())
    assert fact(outcome, order) == ev.PartCancelled(1, "the centre never had it")


async def test_an_intercept_at_a_centre_that_is_no_longer_configured_needs_a_person() -> None:
    world = world_with("confirmed")
    del world.centres["east"]
    outcome = await intercept(PartOf(withdrawing(), 1), world.ports())
    assert outcome == Reject("centre 'east' is no longer configured", "unknown_centre")


# ------------------------------------------------------------------ advise


async def test_the_asn_says_what_was_packed_and_not_what_was_planned() -> None:
    other = "106141411234567903"
    packed = (package((1, "SKU-1", 1)), package((2, "SKU-2", 1), sscc=other))
    order = shipped_order(*packed)
    (outcome,) = await advise([PartOf(order, 1)], World().ports())
    (document,) = done(outcome).documents
    advised = done(outcome).events[0]
    assert advised == ev.PartAdvised(1, f"{PART}-ASN", sha256(document.content).hexdigest())
    assert document.kind == "asn"
    notice = orjson.dumps(orjson.loads(document.content)).decode()
    assert SSCC in notice
    assert other in notice


async def test_a_pack_that_makes_no_asn_needs_a_person_and_stops_no_other() -> None:
    bad = shipped_order(package((1, "SKU-1", 2), (2, "SKU-2", 1), sscc="123"))
    first, second = await advise([PartOf(bad, 1), PartOf(shipped_order(), 1)], World().ports())
    assert isinstance(first, Reject)
    assert first.code == "bad_pack"
    assert PART in first.reason
    assert isinstance(second, Done)


async def test_an_asn_of_a_centre_that_is_no_longer_configured_needs_a_person() -> None:
    world = World()
    del world.centres["east"]
    (outcome,) = await advise([PartOf(shipped_order(), 1)], world.ports())
    assert outcome == Reject("centre 'east' is no longer configured", "unknown_centre")


# ------------------------------------------------------------------ confirm


def advised_order() -> Order:
    return evolve(shipped_order(), [ev.PartAdvised(1, "A", "d")]).order


async def test_the_channel_learns_what_shipped_in_its_own_line_ids() -> None:
    world, order = World(), advised_order()
    outcome = await confirm(PartOf(order, 1), world.ports())
    assert fact(outcome, order) == ev.PartConfirmed(1, f"F-{PART}")
    (asked,) = world.book.performed
    assert (asked.effect.key, asked.effect.target) == (f"{PART}:confirm:1", "channel:shop")
    assert asked.effect.request.line_ids == {1: "L1", 2: "L2"}
    assert asked.effect.request.channel_order_id == "E1"


async def test_a_channel_that_cannot_be_told_is_not_told() -> None:
    world, order = World(told=None), advised_order()
    assert fact(await confirm(PartOf(order, 1), world.ports()), order) == ev.PartConfirmed(1, "")
    assert world.book.performed == []


async def test_an_account_that_is_no_longer_configured_needs_a_person() -> None:
    outcome = await confirm(PartOf(advised_order(), 1), World(channels=set()).ports())
    assert outcome == Reject("channel account 'shop' is no longer configured", "unknown_account")


# ------------------------------------------------------------------ post


async def test_the_erp_learns_each_parts_shipment_under_its_own_reference() -> None:
    world, order = World(), evolve(advised_order(), [ev.PartConfirmed(1, "F")]).order
    outcome = await post(PartOf(order, 1), world.ports())
    assert fact(outcome, order) == ev.PartPosted(1, f"D-{PART}")
    (asked,) = world.book.performed
    assert (asked.effect.key, asked.effect.request.order_reference) == (f"{PART}:post:1", REFERENCE)


async def test_every_effect_of_an_order_has_a_key_of_its_own() -> None:
    world = World()
    order = evolve(booked_order(EAST_FIRST, WEST_SECOND), [*up_to_released(1)[:1], *up_to_released(2)[:1]]).order
    for number in (1, 2):
        await release(PartOf(order, number), world.ports())
    keys: Sequence[str] = world.book.keys
    assert len(set(keys)) == len(keys) == 2


def test_a_batch_step_that_asks_for_effects_is_told_that_this_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="each"):
        _ = replace(World().ports(), effects=None).own_effects


def test_the_label_shows_the_date_of_the_centres_own_clock() -> None:
    midnight_utc = datetime(2026, 3, 5, 2, tzinfo=UTC)  # the evening before in New York
    said = content(line(1, 1), promise=Promise(midnight_utc, midnight_utc, "ground"))
    order = booked_order(planned("east", (1, "SKU-1", 1)), said=said)
    assert label_content(PartOf(order, 1), SSCC, World().ports()).ship_by_date == "2026-03-04"
