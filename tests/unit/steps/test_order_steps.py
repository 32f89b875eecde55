"""Route, book and withdraw: stock is promised once, the ERP holds one order, and lets go of a cancelled one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from kept.domain import events as ev
from kept.domain.lifecycle import OrderState
from kept.domain.progress import Order, evolve
from kept.engine.interfaces import EffectStanding
from kept.engine.outcome import Done, Outcome, Reject, Wait
from kept.ports import Acknowledged, Acknowledgement, BookedOrder
from kept.steps.acknowledge import acknowledge
from kept.steps.book import book, book_key
from kept.steps.ports import Ports
from kept.steps.route import demand_of, route
from kept.steps.withdraw import withdraw
from tests.unit.domain.samples import (
    EAST_ALL,
    NOW,
    REFERENCE,
    booked_order,
    content,
    line,
    order_after,
    routed,
    shipped,
    up_to_released,
)
from tests.unit.steps.world import World, booked

VALIDATED = ev.OrderValidated("C-1")
CANCEL = ev.CancelRequested("channel", 2)
BOOK = f"{REFERENCE}:book:1"


def facts(outcome: Outcome) -> Sequence[object]:
    assert isinstance(outcome, Done), outcome
    return outcome.events


# ------------------------------------------------------------------ route


async def test_routing_reserves_at_the_cheapest_centre_and_names_the_policy() -> None:
    order, world = order_after(VALIDATED), World()
    world.stock.pieces = {(centre, sku): 9 for centre in ("east", "west") for sku in ("SKU-1", "SKU-2")}
    (outcome,) = await route([order], world.ports())
    (fact,) = facts(outcome)
    assert isinstance(fact, ev.OrderRouted)
    assert [part.centre for part in fact.parts] == ["east"]
    assert (fact.late, fact.policy) == (False, "cheapest")
    assert evolve(order, [fact]).order.state is OrderState.ROUTED


async def test_a_batch_asks_for_stock_once_and_promises_each_piece_once() -> None:
    world = World()
    world.stock.pieces = {("east", "SKU-1"): 3, ("west", "SKU-1"): 2}
    orders = [order_after(VALIDATED, said=content(line(1, 2), external_id=name)) for name in "abc"]
    first, second, third = await route(orders, world.ports())
    assert [fact.parts[0].centre for fact in (*facts(first), *facts(second)) if isinstance(fact, ev.OrderRouted)] == [
        "east",
        "west",
    ]
    assert third == Wait(NOW + timedelta(seconds=60), "not in stock: west: not in stock; SKU-1: 1 more than there are")
    assert world.stock.asked == [{"SKU-1"}]


async def test_a_paused_centre_is_left_out_and_an_order_that_only_it_has_waits() -> None:
    world = World()
    world.stock.pieces = {("east", "SKU-1"): 9, ("west", "SKU-1"): 9}
    world.stock.closed = {"east": "paused by ann: flood"}
    (routed_west,) = await route([order_after(VALIDATED, said=content(line(1, 2)))], world.ports())
    (fact,) = facts(routed_west)
    assert isinstance(fact, ev.OrderRouted)
    assert [part.centre for part in fact.parts] == ["west"]
    assert fact.ruled_out == ("east: paused by ann: flood",)
    del world.stock.pieces["west", "SKU-1"]
    (waits,) = await route([order_after(VALIDATED, said=content(line(1, 2)))], world.ports())
    assert isinstance(waits, Wait)
    assert "paused by ann: flood" in waits.reason


async def test_an_order_that_every_centre_refused_needs_a_person() -> None:
    rejected = [*up_to_released(1), ev.PartRejected(1, "no")]
    order = evolve(booked_order(), rejected).order
    order = evolve(order, [routed(replace(EAST_ALL, centre="west")), ev.OrderBooked("SO-1", adopted=True)]).order
    order = evolve(order, [*up_to_released(2), ev.PartRejected(2, "no")]).order
    world = World()
    world.stock.pieces = {("east", "SKU-1"): 9, ("east", "SKU-2"): 9}
    (outcome,) = await route([order], world.ports())
    assert outcome == Reject("no centre is left: east: refused before; west: refused before", "no_centre_left")


async def test_only_what_no_centre_has_is_routed_again() -> None:
    order = evolve(booked_order(), [*up_to_released(1), shipped(1, (1, "SKU-1", 1), (2, "SKU-2", 1))]).order
    demand = demand_of(order)
    assert [(one.line_no, one.open) for one in demand.lines] == [(1, 1)]
    assert demand.refused == {"east"}
    assert demand.weights_g == {1: 500, 2: 500}


# ------------------------------------------------------------------ book


def routed_order() -> Order:
    return order_after(VALIDATED, routed(EAST_ALL))


async def test_booking_tells_the_erp_the_channels_own_amounts_under_one_key() -> None:
    world = World()
    outcome = await book(routed_order(), world.ports())
    assert facts(outcome) == [ev.OrderBooked(f"SO-{REFERENCE}", adopted=False)]
    (asked,) = world.book.performed
    assert (asked.effect.key, asked.effect.target, asked.effect.operation) == (BOOK, "erp:main", "book")
    assert asked.searchable
    request = asked.effect.request
    assert (request.reference, request.customer_id, request.total_minor) == (REFERENCE, "C-1", 3500)
    assert [(one.line_no, one.quantity, one.unit_price_minor) for one in request.lines] == [(1, 2, 1000), (2, 1, 1000)]


async def test_lines_that_are_no_longer_wanted_are_not_booked() -> None:
    world = World()
    order = order_after(VALIDATED, routed(EAST_ALL), said=content(line(1, 2), line(2, 1), line(3, 0)))
    await book(order, world.ports())
    assert [one.line_no for one in world.book.performed[0].effect.request.lines] == [1, 2]


async def test_an_order_that_the_erp_has_already_is_adopted() -> None:
    world = World()
    world.book.answers[BOOK] = booked("found", 3500)
    assert facts(await book(routed_order(), world.ports())) == [ev.OrderBooked("SO-found", adopted=False)]
    assert world.erp.orders == {}


async def test_an_order_that_was_routed_anew_is_not_booked_again() -> None:
    order = evolve(booked_order(), [*up_to_released(1), ev.PartRejected(1, "no")]).order
    order = evolve(order, [routed(replace(EAST_ALL, centre="west"))]).order
    world = World()
    assert facts(await book(order, world.ports())) == [ev.OrderBooked("SO-1", adopted=True)]
    assert world.book.performed == []


@pytest.mark.parametrize(("total", "currency"), [(3499, "USD"), (3500, "EUR")])
async def test_an_erp_order_of_another_total_needs_a_person_and_shows_both(total: int, currency: str) -> None:
    world = World()
    world.book.answers[BOOK] = booked("found", total, currency)
    outcome = await book(routed_order(), world.ports())
    (held,) = facts(outcome)
    assert isinstance(held, ev.OrderHeld)
    assert held.code == "erp_total_differs"
    assert f"{total} {currency}, ours 3500 USD" in held.evidence
    assert evolve(routed_order(), [held]).order.state is OrderState.HELD


async def test_an_erp_order_whose_total_was_put_right_there_goes_on_when_it_is_let_go() -> None:
    world = World()
    world.book.answers[BOOK] = booked("found", 3499, "USD")
    world.erp.orders[REFERENCE] = BookedOrder("SO-found", 3500, "USD")
    assert facts(await book(routed_order(), world.ports())) == [ev.OrderBooked("SO-found", adopted=False)]


# ------------------------------------------------------------------ withdraw


def stopped_order(*facts_before: object, erp_order_id: str = "") -> Order:
    """An order whose parts have stopped."""
    order = order_after(VALIDATED, *facts_before, CANCEL)
    assert order.state is OrderState.WITHDRAWING
    return replace(order, erp_order_id=erp_order_id)


def standing(world: World, status: str, settled_at: timedelta) -> None:
    world.standings.of[BOOK] = EffectStanding(status, NOW + settled_at)


async def test_an_order_that_the_erp_never_heard_of_is_cancelled_without_a_call() -> None:
    world = World()
    assert facts(await withdraw(stopped_order(), world.ports())) == [ev.OrderCancelled()]
    assert world.book.performed == []


async def test_a_booking_that_was_refused_leaves_nothing_to_withdraw() -> None:
    world = World()
    standing(world, "refused", timedelta(hours=1))
    assert facts(await withdraw(stopped_order(routed(EAST_ALL)), world.ports())) == [ev.OrderCancelled()]
    assert world.erp.withdrawn == set()


async def test_a_booked_order_is_withdrawn_and_cancelled() -> None:
    world = World()
    order = stopped_order(erp_order_id="SO-1")
    assert facts(await withdraw(order, world.ports())) == [ev.OrderCancelled()]
    assert world.erp.withdrawn == {REFERENCE}
    assert world.book.keys == [f"{REFERENCE}:withdraw:1"]


@pytest.mark.parametrize("status", ["intended", "unknown"])
async def test_a_booking_under_way_is_waited_for_until_it_can_no_longer_arrive(status: str) -> None:
    world = World()
    world.erp.write_horizon = timedelta(minutes=2)
    standing(world, status, timedelta(seconds=20))
    order = stopped_order(routed(EAST_ALL))
    until = NOW + timedelta(seconds=20, minutes=2)
    assert await withdraw(order, world.ports()) == Wait(until, "the booking that was under way may still arrive")
    world.clock.now = until
    assert facts(await withdraw(order, world.ports())) == [ev.OrderCancelled()]
    assert world.erp.withdrawn == set()


@pytest.mark.parametrize("status", ["intended", "unknown"])
async def test_a_booking_that_did_arrive_is_found_and_withdrawn(status: str) -> None:
    world = World()
    standing(world, status, timedelta(0))
    world.erp.orders[REFERENCE] = booked(REFERENCE, 3500)
    assert facts(await withdraw(stopped_order(routed(EAST_ALL)), world.ports())) == [ev.OrderCancelled()]
    assert world.erp.withdrawn == {REFERENCE}


async def test_a_confirmed_booking_that_our_ledger_missed_is_withdrawn_at_once() -> None:
    world = World()
    standing(world, "confirmed", timedelta(hours=1))
    world.erp.orders[REFERENCE] = booked(REFERENCE, 3500)
    await withdraw(stopped_order(routed(EAST_ALL)), world.ports())
    assert world.erp.withdrawn == {REFERENCE}


async def test_an_order_of_which_something_shipped_is_completed_with_the_rest_withdrawn() -> None:
    shipped_short = [shipped(1, (1, "SKU-1", 1)), ev.PartAdvised(1, "A", "d"), ev.PartConfirmed(1, "F")]
    order = evolve(booked_order(), [*up_to_released(1), CANCEL, *shipped_short, ev.PartPosted(1, "D")]).order
    assert order.state is OrderState.WITHDRAWING
    world = World()
    assert facts(await withdraw(order, world.ports())) == [ev.OrderCompleted()]
    assert world.erp.withdrawn == {REFERENCE}
    assert book_key(order.reference, order.version) == BOOK


# ------------------------------------------------------------------ acknowledge

BY = NOW + timedelta(hours=4)


@dataclass
class Desk:
    """A channel's end for acknowledgements."""

    honours_key: bool = False
    told: list[tuple[Acknowledgement, str]] = field(default_factory=list)

    async def acknowledge(self, acknowledgement: Acknowledgement, key: str) -> Acknowledged:
        self.told.append((acknowledgement, key))
        return Acknowledged(acknowledgement.channel_order_id)

    async def find_acknowledgement(self, acknowledgement: Acknowledgement) -> Acknowledged | None:
        return None


def with_desk(world: World, desk: Desk | None) -> Ports:
    ports = world.ports()
    return replace(ports, channels={name: replace(each, acknowledge=desk) for name, each in ports.channels.items()})


async def test_a_channel_that_wants_to_hear_is_told_before_anything_else() -> None:
    kit = line(2, 6, kit_pieces=3, kit_lead=True)
    rest = line(3, 2, kit_pieces=1)
    order, desk, world = (
        order_after(said=content(line(1, 2), kit, rest, line(4, 0), acknowledge_by=BY)),
        Desk(),
        World(),
    )
    assert order.state is OrderState.UNACKNOWLEDGED
    outcome = await acknowledge(order, with_desk(world, desk))
    assert facts(outcome) == [ev.OrderAcknowledged(order.content.external_id)]
    ((told, key),) = desk.told
    assert key == f"{REFERENCE}:acknowledge:1"
    assert told.quantities == {1: 2, 2: 2}
    assert set(told.line_ids) == {1, 2}
    assert evolve(order, facts(outcome)).order.state is OrderState.RECEIVED


async def test_an_order_that_was_acknowledged_meanwhile_is_not_told_again() -> None:
    order, desk = order_after(said=content(acknowledge_by=BY)), Desk()
    newer = content(revision=order.content.revision + 1)
    revised = evolve(order, [ev.OrderRevised(newer.revision, 2)], newer).order
    assert revised.state is OrderState.UNACKNOWLEDGED
    assert facts(await acknowledge(revised, with_desk(World(), desk))) == [ev.OrderAcknowledged("")]
    assert desk.told == []


async def test_a_channel_without_acknowledgement_is_told_nothing() -> None:
    order = order_after(said=content(acknowledge_by=BY))
    assert facts(await acknowledge(order, with_desk(World(), None))) == [ev.OrderAcknowledged("")]


async def test_an_account_that_is_gone_is_named() -> None:
    order = order_after(said=content(acknowledge_by=BY, account="closed"))
    outcome = await acknowledge(order, World().ports())
    assert outcome == Reject("channel account 'closed' is no longer configured", "unknown_account")
