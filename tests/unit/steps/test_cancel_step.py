"""Cancel and instruct: what we decide not to ship, the channel hears of; an operator's word is judged by the state."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from kept.domain import events as ev
from kept.domain.instructions import Instruction
from kept.domain.lifecycle import OrderState
from kept.domain.order import OrderContent
from kept.domain.progress import Order, evolve
from kept.domain.revisions import facts_of_revision
from kept.domain.subjects import Message
from kept.engine.outcome import Done, Outcome, Reject
from kept.ports import CancelReason, ChannelCancelled, PermanentFault, TemporaryFault
from kept.steps.cancel import cancel
from kept.steps.instruct import instruct
from kept.steps.validate import validate
from kept.steps.withdraw import withdraw
from tests.unit.domain.samples import (
    NOW,
    REFERENCE,
    after_shipping,
    booked_order,
    content,
    line,
    order_after,
    shipped,
    up_to_released,
)
from tests.unit.steps.world import Canceller, Jobs, World

BY_US = ev.CancelRequested("operator ada", 2, "out_of_stock")
UNWANTED = content(line(1, 2, cancel_requested=True), line(2, 1, cancel_requested=True))


def done(outcome: Outcome) -> Done:
    assert isinstance(outcome, Done), outcome
    return outcome


async def retracting(*facts: ev.LedgerEvent) -> Order:
    """An order after these facts and the withdrawal that follows."""
    order = order_after(*facts)
    assert order.state is OrderState.WITHDRAWING
    order = evolve(order, done(await withdraw(order, World().ports())).events).order
    assert order.state is OrderState.RETRACTING
    return order


# ------------------------------------------------------------------ cancel


async def test_the_channel_hears_of_every_open_piece_and_why() -> None:
    order, world = await retracting(BY_US), World(canceller=Canceller())
    outcome = done(await cancel(order, world.ports()))
    assert outcome.events == [ev.OrderRetracted("X-1"), ev.OrderCancelled()]
    assert evolve(order, outcome.events).order.state is OrderState.CANCELLED
    assert world.canceller is not None
    (told,) = world.canceller.told
    assert (told.reason, told.whole) == (CancelReason.OUT_OF_STOCK, True)
    assert (told.quantities, told.line_ids) == ({1: 2, 2: 1}, {1: "L1", 2: "L2"})
    assert world.book.keys == [f"{REFERENCE}:cancel:1"]


async def test_what_shipped_is_not_cancelled_and_the_order_ends_as_complete() -> None:
    facts = [*up_to_released(1), shipped(1, (1, "SKU-1", 1)), BY_US, *after_shipping(1)]
    order = evolve(booked_order(), facts).order
    order = evolve(order, done(await withdraw(order, World().ports())).events).order
    world = World(canceller=Canceller())
    outcome = done(await cancel(order, world.ports()))
    assert isinstance(outcome.events[-1], ev.OrderCompleted)
    assert world.canceller is not None
    assert world.canceller.told[0].quantities == {1: 1, 2: 1}
    assert not world.canceller.told[0].whole


async def test_a_kit_is_cancelled_by_the_channel_s_own_pieces() -> None:
    said = content(line(1, 4, kit_pieces=2, kit_lead=True, external_id="K"), line(2, 2, kit_pieces=1, external_id="K"))
    order = order_after(BY_US, said=said)
    order = evolve(order, [ev.OrderWithdrawn()]).order
    world = World(canceller=Canceller())
    await cancel(order, world.ports())
    assert world.canceller is not None
    assert (world.canceller.told[0].line_ids, world.canceller.told[0].quantities) == ({1: "K"}, {1: 2})


async def test_a_channel_that_has_no_call_for_it_is_told_nothing() -> None:
    order = await retracting(BY_US)
    assert done(await cancel(order, World().ports())).events == [ev.OrderRetracted(""), ev.OrderCancelled()]


async def test_a_refused_cancel_of_what_is_cancelled_already_is_done() -> None:
    order = await retracting(BY_US)
    refusal = PermanentFault("it is cancelled", code="INVALID")
    known = ChannelCancelled("by the buyer")
    world = World(canceller=Canceller(refusal=refusal, known=known))
    assert done(await cancel(order, world.ports())).events[0] == ev.OrderRetracted("by the buyer")
    with pytest.raises(PermanentFault, match="it is cancelled"):
        await cancel(order, World(canceller=Canceller(refusal=refusal)).ports())


async def test_a_cancel_that_was_only_taken_on_is_waited_for_and_told_once() -> None:
    order = await retracting(BY_US)
    jobs = Jobs()
    canceller = Canceller(answer=ChannelCancelled("X-1", job_id="J-1"), write_horizon=timedelta(minutes=2))
    world = World(canceller=canceller, cancel_jobs=jobs)
    for _ in range(2):
        with pytest.raises(TemporaryFault):
            await cancel(order, world.ports())
    jobs.done = ChannelCancelled("X-1")
    assert done(await cancel(order, world.ports())).events == [ev.OrderRetracted("X-1"), ev.OrderCancelled()]
    assert jobs.looked == ["J-1", "J-1", "J-1"]
    assert {one.write_horizon for one in world.book.performed} == {timedelta(minutes=2)}
    assert len(canceller.told) == 1


async def test_a_channel_s_own_cancel_is_not_told_to_it() -> None:
    order = order_after(ev.CancelRequested("channel", 2))
    assert done(await withdraw(order, World().ports())).events == [ev.OrderCancelled()]


# ------------------------------------------------------------------ the buyer's wish


async def test_a_buyer_s_request_is_granted_before_anything_is_done() -> None:
    world = World(canceller=Canceller(), cancel_on_request={"shop"})
    order = order_after(said=UNWANTED)
    (fact,) = done(await validate(order, world.ports())).events
    assert fact == ev.CancelRequested("buyer", order.message_id, "buyer")
    assert evolve(order, [fact]).order.state is OrderState.WITHDRAWING


@pytest.mark.parametrize(
    ("world", "said"),
    [
        (World(cancel_on_request={"shop"}), UNWANTED),
        (World(canceller=Canceller()), UNWANTED),
        (
            World(canceller=Canceller(), cancel_on_request={"shop"}),
            content(line(1, 2), line(2, 1, cancel_requested=True)),
        ),
    ],
    ids=["no call for it", "not wished by the seller", "only a part of the order"],
)
async def test_a_buyer_s_request_that_is_not_granted_is_held_and_may_be_refused(
    world: World, said: OrderContent
) -> None:
    order = order_after(said=said)
    (held,) = done(await validate(order, world.ports())).events
    assert isinstance(held, ev.OrderHeld)
    assert held.code == "cancel_requested"
    released = evolve(order, [held, ev.HoldReleased("operator ada", "cancel_requested")]).order
    assert done(await validate(released, world.ports())).events == [ev.OrderValidated("C-shop")]


def test_a_request_after_routing_stops_the_order_where_that_is_wished() -> None:
    order = evolve(booked_order(), up_to_released(1)).order
    said = replace(UNWANTED, revision=101)
    assert facts_of_revision(order, said, 7, honours_requests=True) == [ev.CancelRequested("buyer", 7, "buyer")]
    assert isinstance(facts_of_revision(order, said, 7)[0], ev.RevisionIgnored)


# ------------------------------------------------------------------ instruct


def word(action: str, *, reason: str = "", code: str = "", reference: str = REFERENCE) -> Message:
    body = Instruction(reference, action, "ada", reason=reason, code=code).to_body()
    return Message(9, "operator", {}, body, NOW, "corr-9")


async def test_an_operator_s_cancel_is_a_fact_with_its_reason() -> None:
    world = World()
    world.shelf.orders = [order_after()]
    (outcome,) = await instruct([word("cancel", reason="fraud")], world.ports())
    assert done(outcome).events == [ev.MessageProcessed(), ev.CancelRequested("operator ada", 9, "fraud")]


async def test_two_words_in_one_breath_are_judged_one_after_the_other() -> None:
    world = World()
    world.shelf.orders = [order_after()]
    first, second = await instruct([word("cancel", reason="fraud"), word("cancel", reason="other")], world.ports())
    assert isinstance(done(first).events[1], ev.CancelRequested)
    assert done(second).events == [ev.MessageIgnored("cancel: the order is withdrawing")]


async def test_a_hold_is_let_go_for_the_cause_that_the_operator_saw() -> None:
    world = World()
    held = order_after(ev.OrderHeld("total_mismatch", "1 and 2"), said=content(total_minor=1))
    world.shelf.orders = [held]
    (outcome,) = await instruct([word("release", code="total_mismatch")], world.ports())
    released = evolve(held, done(outcome).events[1:]).order
    assert (released.state, released.accepted_holds) == (OrderState.RECEIVED, ("total_mismatch",))
    assert done(await validate(released, world.ports())).events == [ev.OrderValidated("C-shop")]


async def test_a_cause_that_is_no_matter_of_opinion_holds_the_order_again() -> None:
    said = content(line(1, 2, sku=""), line(2, 1))
    said = replace(said, lines=(replace(said.lines[0], sku=""), said.lines[1]))
    order = order_after(
        ev.OrderHeld("sku_missing", "line 1"), ev.HoldReleased("operator ada", "sku_missing"), said=said
    )
    (fact,) = done(await validate(order, World().ports())).events
    assert isinstance(fact, ev.OrderHeld)
    assert fact.code == "sku_missing"


def test_a_newer_revision_is_judged_anew() -> None:
    held = order_after(ev.OrderHeld("total_mismatch", "1 and 2"), ev.HoldReleased("operator ada", "total_mismatch"))
    revised = evolve(held, [ev.OrderRevised(101, 3)], content(revision=101)).order
    assert revised.accepted_holds == ()


async def test_a_word_about_an_order_that_can_t_be_told_so_is_ignored_and_one_about_none_is_refused() -> None:
    world = World()
    world.shelf.orders = [order_after()]
    ignored, unknown = await instruct([word("release"), word("cancel", reference="K7Q2F-9")], world.ports())
    assert done(ignored).events == [ev.MessageIgnored("release: the order is received")]
    assert isinstance(unknown, Reject)
