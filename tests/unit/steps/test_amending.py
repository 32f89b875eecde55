"""Edits after routing: what the ERP has is brought up to date once, whatever was under way, and nothing is lost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from kept.domain import events as ev
from kept.domain.lifecycle import STOPPING, OrderState
from kept.domain.order import OrderContent
from kept.domain.progress import Order, evolve
from kept.domain.revisions import facts_of_revision
from kept.engine.interfaces import EffectStanding
from kept.engine.outcome import Done, Outcome, Wait
from kept.ports import BookedOrder
from kept.steps.book import book
from kept.steps.route import route
from kept.steps.withdraw import withdraw
from tests.unit.domain.samples import (
    BOOKED,
    EAST_ALL,
    EAST_FIRST,
    NOW,
    REFERENCE,
    WEST_SECOND,
    booked_order,
    content,
    line,
    order_after,
    planned,
    routed,
    shipped,
    up_to_released,
)
from tests.unit.steps.world import World

BOOK = f"{REFERENCE}:book:1"
EAST_ONE = planned("east", (1, "SKU-1", 1), (2, "SKU-2", 1))


def facts(outcome: Outcome) -> Sequence[ev.LedgerEvent]:
    assert isinstance(outcome, Done), outcome
    return outcome.events


EDITED = content(line(1, 1), line(2, 1), revision=200)


def edited(order: Order, *, routed_to: ev.PlannedPart = EAST_ONE) -> Order:
    """The order after an edit, validated and routed again."""
    facts = facts_of_revision(order, EDITED, 12, amendable=True)
    stopping = evolve(order, facts, EDITED).order
    stops = [ev.PartCancelled(part.number, "stopped") for part in stopping.parts if part.state in STOPPING]
    return evolve(stopping, [*stops, ev.OrderValidated("C-1"), routed(routed_to)]).order


async def test_an_amended_order_is_amended_in_the_erp_once() -> None:
    order, world = edited(booked_order()), World()
    assert order.state is OrderState.ROUTED
    outcome = await book(order, world.ports())
    assert world.book.keys == [f"{REFERENCE}:amend:2"]
    request = world.book.performed[0].effect.request
    assert [(one.line_no, one.quantity) for one in request.lines] == [(1, 1), (2, 1)]
    assert (request.version, request.total_minor) == (2, EDITED.total_minor)
    assert facts(outcome) == [ev.OrderBooked("SO-K7Q2F-000000001", adopted=False)]
    after = evolve(order, facts(outcome)).order
    assert (after.state, after.booked_version) == (OrderState.BOOKED, 2)
    again = evolve(after, [*up_to_released(2), ev.PartRejected(2, "no"), routed(EAST_ONE)]).order
    assert facts(await book(again, world.ports())) == [ev.OrderBooked("SO-K7Q2F-000000001", adopted=True)]
    assert len(world.book.keys) == 1


async def test_an_order_amended_while_its_booking_was_under_way_amends_what_arrived() -> None:
    order, world = edited(order_after(ev.OrderValidated("C-1"), routed(EAST_ALL))), World()
    world.standings.of[BOOK] = EffectStanding("unknown", NOW)
    world.erp.orders[REFERENCE] = BookedOrder("SO-9", 1, "USD")
    outcome = await book(order, world.ports())
    assert world.book.keys == [f"{REFERENCE}:amend:2"]
    assert isinstance(outcome, Done)


async def test_an_order_amended_while_its_booking_may_still_arrive_waits_for_it() -> None:
    order, world = edited(order_after(ev.OrderValidated("C-1"), routed(EAST_ALL))), World()
    world.standings.of[BOOK] = EffectStanding("unknown", NOW + timedelta(seconds=20))
    outcome = await book(order, world.ports())
    assert isinstance(outcome, Wait)
    assert outcome.until == NOW + timedelta(seconds=20)
    world.clock.now = outcome.until
    assert isinstance(await book(order, world.ports()), Done)
    assert world.book.keys == [f"{REFERENCE}:book:2"]


async def test_an_order_whose_booking_was_refused_and_then_amended_is_booked_as_it_is_now() -> None:
    order, world = edited(order_after(ev.OrderValidated("C-1"), routed(EAST_ALL))), World()
    world.standings.of[BOOK] = EffectStanding("refused", NOW)
    assert isinstance(await book(order, world.ports()), Done)
    assert world.book.keys == [f"{REFERENCE}:book:2"]


@pytest.mark.parametrize(
    ("said", "beyond"),
    [
        (EDITED, "line 1: 2, not 1"),
        (content(line(1, 2), revision=200), "line 2: 1, not 0"),
        (content(line(1, 2), line(2, 0), revision=200), "line 2: 1, not 0"),
    ],
    ids=["fewer", "left out", "none"],
)
async def test_what_shipped_beyond_an_edit_stays_in_the_erp_and_is_said(said: OrderContent, beyond: str) -> None:
    released = evolve(booked_order(), up_to_released(1)).order
    asked = evolve(released, facts_of_revision(released, said, 12, amendable=True), said).order
    shipped_all = shipped(1, (1, "SKU-1", 2), (2, "SKU-2", 1))
    order = evolve(asked, [shipped_all, ev.OrderValidated("C-1"), routed()]).order
    world = World()
    not_amended, booked = facts(await book(order, world.ports()))
    assert not_amended == ev.ErpNotAmended(f"more shipped than the channel still counts: {beyond}")
    assert isinstance(booked, ev.OrderBooked)
    assert world.book.keys == []
    assert evolve(order, [not_amended, booked]).order.booked_version == 2


async def test_an_order_with_nothing_left_to_route_keeps_the_parts_that_it_has() -> None:
    order = evolve(booked_order(EAST_FIRST, WEST_SECOND), up_to_released(1)).order
    fewer = content(line(1, 2), line(2, 0), revision=200)
    stopping = evolve(order, facts_of_revision(order, fewer, 12, amendable=True), fewer).order
    left = evolve(stopping, [ev.PartCancelled(2, "stopped"), ev.OrderValidated("C-1")]).order
    (outcome,) = await route([left], World().ports())
    (fact,) = facts(outcome)
    assert isinstance(fact, ev.OrderRouted)
    assert fact.parts == ()
    assert evolve(left, [fact, BOOKED]).order.state is OrderState.BOOKED


async def test_a_cancel_after_an_edit_looks_for_what_any_version_booked() -> None:
    order, world = edited(order_after(ev.OrderValidated("C-1"), routed(EAST_ALL))), World()
    world.standings.of[BOOK] = EffectStanding("confirmed", NOW)
    world.erp.orders[REFERENCE] = BookedOrder("SO-9", 1, "USD")
    cancelling = evolve(order, [ev.CancelRequested("channel", 13)]).order
    assert cancelling.state is OrderState.WITHDRAWING
    await withdraw(cancelling, world.ports())
    assert world.book.keys == [f"{REFERENCE}:withdraw:1"]
