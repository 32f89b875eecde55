"""The newest revision wins, a cancel is always heard, and nothing is silently lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kept.domain import events as ev
from kept.domain.lifecycle import OrderState
from kept.domain.order import OrderContent, Payment
from kept.domain.progress import Order, evolve
from kept.domain.revisions import facts_of_revision
from tests.unit.domain.samples import (
    BOOKED,
    EAST_ALL,
    after_shipping,
    booked_order,
    content,
    line,
    order_after,
    routed,
    shipped,
    up_to_released,
)

NEWER = content(line(1, 3), revision=200)
BEFORE_ROUTING: dict[str, list[Any]] = {
    "received": [],
    "pending": [ev.PaymentAwaited("pending")],
    "held": [ev.OrderHeld("total_mismatch", "")],
    "validated": [ev.OrderValidated("C-1")],
}
OPEN = BEFORE_ROUTING | {
    "routed": [ev.OrderValidated("C-1"), routed(EAST_ALL)],
    "booked": [ev.OrderValidated("C-1"), routed(EAST_ALL), BOOKED],
}
ENDED = {
    "complete": [*OPEN["booked"], *up_to_released(1), shipped(1, (1, "SKU-1", 2), (2, "SKU-2", 1)), *after_shipping(1)],
    "cancelled": [ev.CancelRequested("channel", 2), ev.OrderCancelled()],
    "cancelling": [*OPEN["booked"], ev.CancelRequested("channel", 2)],
    "recorded": [ev.OrderRecorded("test order")],
}


def cancel(revision: int = 200) -> OrderContent:
    return content(cancelled=True, revision=revision)


def ignored(order: Order, said: OrderContent) -> str:
    """The reason for which a revision was ignored; it must be the only fact, and legal."""
    (fact,) = facts_of_revision(order, said, 12)
    assert isinstance(fact, ev.RevisionIgnored)
    assert (fact.revision, fact.message_id) == (said.revision, 12)
    assert evolve(order, [fact], said).order.content is order.content
    return fact.reason


@pytest.mark.parametrize("state", BEFORE_ROUTING)
def test_a_newer_revision_applies_until_centres_are_chosen(state: str) -> None:
    order = order_after(*BEFORE_ROUTING[state])
    facts = facts_of_revision(order, NEWER, 12)
    assert facts == [ev.OrderRevised(200, 12)]
    assert evolve(order, facts, NEWER).order.state is OrderState.RECEIVED


@pytest.mark.parametrize("state", OPEN | ENDED)
def test_an_older_revision_is_recorded_and_changes_nothing(state: str) -> None:
    order = order_after(*(OPEN | ENDED)[state])
    assert ignored(order, replace(NEWER, revision=99)) == "older revision"


@pytest.mark.parametrize("state", OPEN | ENDED)
def test_the_same_revision_again_changes_nothing(state: str) -> None:
    order = order_after(*(OPEN | ENDED)[state])
    assert ignored(order, replace(NEWER, revision=100)) == "same revision"


def test_of_two_words_of_the_same_moment_the_one_with_the_money_counts() -> None:
    unpaid = order_after(ev.PaymentAwaited("pending"), said=content(payment=Payment.PENDING))
    paid = replace(unpaid.content, payment=Payment.PAID)
    (fact,) = facts_of_revision(unpaid, paid, 7)
    assert fact == ev.OrderRevised(paid.revision, 7)
    settled = evolve(unpaid, [fact], paid).order
    assert facts_of_revision(settled, unpaid.content, 8) == [ev.RevisionIgnored(paid.revision, 8, "same revision")]


@pytest.mark.parametrize("state", ["routed", "booked"])
def test_a_change_after_routing_is_recorded_as_too_late(state: str) -> None:
    assert ignored(order_after(*OPEN[state]), NEWER) == f"too late: the order is {state}"


def test_a_change_after_a_rejection_is_too_late_as_well_for_the_erp_has_the_order() -> None:
    order = evolve(booked_order(), [*up_to_released(1), ev.PartRejected(1, "no")]).order
    assert order.state is OrderState.VALIDATED
    assert ignored(order, NEWER) == "too late: the order is validated"


def test_the_echo_of_our_own_confirmation_is_recognised() -> None:
    order = evolve(booked_order(), [*up_to_released(1), shipped(1, (1, "SKU-1", 2), (2, "SKU-2", 1))]).order
    echo = content(revision=300, already_shipped=True)
    assert ignored(order, echo) == "nothing that ships differs"


@pytest.mark.parametrize(
    "said",
    [
        content(revision=300, already_shipped=True),
        content(revision=300, payment=Payment.REFUNDED),
        content(revision=300, payment=Payment.VOIDED),
    ],
)
def test_an_order_given_up_elsewhere_after_routing_is_stopped(said: OrderContent) -> None:
    (fact,) = facts_of_revision(booked_order(), said, 12)
    assert isinstance(fact, ev.CancelRequested)
    assert evolve(booked_order(), [fact], said).order.state is OrderState.CANCELLING


@pytest.mark.parametrize(
    "changed",
    [
        content(line(1, 1), line(2, 1), revision=200),
        content(line(1, 2, sku="SKU-9"), line(2, 1), revision=200),
        content(revision=200, ship_to=None),
    ],
    ids=["quantity", "sku", "address"],
)
def test_what_would_ship_differently_is_never_taken_for_an_echo(changed: OrderContent) -> None:
    assert ignored(booked_order(), changed).startswith("too late")


@pytest.mark.parametrize("state", OPEN)
def test_a_cancel_is_taken_up_while_the_order_is_open(state: str) -> None:
    order = order_after(*OPEN[state])
    facts = facts_of_revision(order, cancel(), 12)
    assert facts == [ev.CancelRequested("channel", 12)]
    assert evolve(order, facts, cancel()).order.state in {OrderState.CANCELLING, OrderState.WITHDRAWING}


@pytest.mark.parametrize("revision", [1, 100])
def test_a_cancel_that_newer_news_overtook_is_still_a_cancel(revision: int) -> None:
    assert facts_of_revision(booked_order(), cancel(revision), 12) == [ev.CancelRequested("channel", 12)]


@pytest.mark.parametrize("state", ENDED)
def test_a_cancel_of_what_has_ended_or_is_ending_is_recorded(state: str) -> None:
    order = order_after(*ENDED[state])
    assert ignored(order, cancel()).startswith("too late")


def test_the_money_arriving_moves_a_pending_order_on() -> None:
    order = order_after(ev.PaymentAwaited("pending"), said=content(payment=Payment.PENDING))
    paid = content(revision=200)
    assert evolve(order, facts_of_revision(order, paid, 12), paid).order.content.payment is Payment.PAID


def test_two_revisions_end_at_the_newer_one_in_either_order() -> None:
    newest = content(line(1, 4), revision=300)
    contents = []
    for said in ([NEWER, newest], [newest, NEWER]):
        order = order_after()
        for one in said:
            order = evolve(order, facts_of_revision(order, one, 12), one).order
        contents.append(order.content)
    assert contents == [newest, newest]
