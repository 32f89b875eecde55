"""The newest revision wins, a cancel is always heard, and nothing is silently lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kept.domain import events as ev
from kept.domain.lifecycle import OrderState, PartState
from kept.domain.order import OrderContent, Payment
from kept.domain.progress import LineProgress, Order, evolve
from kept.domain.revisions import facts_of_revision
from tests.unit.domain.samples import (
    ADDRESS,
    BOOKED,
    EAST_ALL,
    EAST_FIRST,
    WEST_SECOND,
    after_shipping,
    booked_order,
    content,
    line,
    order_after,
    planned,
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
def test_a_change_after_routing_is_recorded_as_too_late_where_the_erp_takes_none(state: str) -> None:
    assert ignored(order_after(*OPEN[state]), NEWER) == f"too late: the order is {state}"


def test_a_change_after_a_rejection_is_too_late_there_as_well_for_the_erp_has_the_order() -> None:
    order = evolve(booked_order(), [*up_to_released(1), ev.PartRejected(1, "no")]).order
    assert order.state is OrderState.VALIDATED
    assert ignored(order, NEWER) == "too late: the order is validated"


def test_the_echo_of_our_own_confirmation_is_recognised() -> None:
    order = evolve(booked_order(), [*up_to_released(1), shipped(1, (1, "SKU-1", 2), (2, "SKU-2", 1))]).order
    echo = content(revision=300, already_shipped=True)
    assert ignored(order, echo) == "nothing that is still to ship differs"


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


# ------------------------------------------------------------------ after routing


def amended(order: Order, said: OrderContent, message_id: int = 12) -> Order:
    """The order after a revision that must amend it."""
    facts = facts_of_revision(order, said, message_id, amendable=True)
    assert [type(fact) for fact in facts] == [ev.OrderAmended]
    return evolve(order, facts, said).order


def states(order: Order) -> list[PartState]:
    return [part.state for part in order.parts]


def two_parts() -> Order:
    return booked_order(EAST_FIRST, WEST_SECOND)


def test_fewer_pieces_of_a_planned_part_are_routed_anew_at_once() -> None:
    order = order_after(*OPEN["routed"])
    after = amended(order, content(line(1, 1), line(2, 1), revision=200))
    assert (after.state, states(after)) == (OrderState.RECEIVED, [PartState.CANCELLED])
    assert [(one.line_no, one.open) for one in after.unrouted()] == [(1, 1), (2, 1)]
    assert (after.version, after.revision, after.message_id) == (2, 200, 12)


def test_only_the_part_that_an_edit_touches_is_stopped() -> None:
    after = amended(two_parts(), content(line(1, 2), line(2, 0), revision=200))
    assert (after.state, states(after)) == (OrderState.AMENDING, [PartState.READY, PartState.WITHDRAWING])
    stopped = evolve(after, [ev.PartCancelled(2, "never asked of the centre")]).order
    assert (stopped.state, stopped.unrouted()) == (OrderState.RECEIVED, ())


def test_of_several_parts_with_a_line_the_one_least_begun_is_stopped() -> None:
    order = evolve(
        booked_order(planned("east", (1, "SKU-1", 1)), planned("west", (1, "SKU-1", 1)), said=content(line(1, 2))),
        up_to_released(2),
    ).order
    after = amended(order, content(line(1, 1), revision=200))
    assert states(after) == [PartState.WITHDRAWING, PartState.RELEASED]


def test_another_address_stops_every_part_and_another_telephone_number_none() -> None:
    moved = replace(ADDRESS, line1="2 Side St")
    assert states(amended(two_parts(), content(revision=200, ship_to=moved))) == [PartState.WITHDRAWING] * 2
    called = replace(ADDRESS, phone="+15550001")
    assert ignored(two_parts(), content(revision=200, ship_to=called)) == "nothing that is still to ship differs"


def test_what_is_added_is_routed_beside_what_is_on_its_way() -> None:
    after = amended(two_parts(), content(line(1, 3), line(2, 1), line(3, 2), revision=200))
    assert (after.state, states(after)) == (OrderState.RECEIVED, [PartState.READY] * 2)
    assert [(one.line_no, one.open) for one in after.unrouted()] == [(1, 1), (3, 2)]


def test_an_edit_that_loses_the_race_leaves_a_return_on_record() -> None:
    released = evolve(two_parts(), [*up_to_released(1), *up_to_released(2)]).order
    after = amended(released, content(line(1, 2), line(2, 0), revision=200))
    asked = evolve(after, [ev.InterceptAsked(2)]).order
    done = evolve(asked, [shipped(2, (2, "SKU-2", 1))])
    assert [type(entry.event) for entry in done.entries] == [ev.PartShipped, ev.ReturnNeeded, ev.AmendmentSettled]
    assert done.entries[1].event == ev.ReturnNeeded((ev.ReturnLine(2, "SKU-2", 1),))
    assert done.order.lines[1] == LineProgress(2, "SKU-2", ordered=1, shipped=1)


def test_every_line_taken_off_is_a_cancel() -> None:
    gone = content(line(1, 0), line(2, 0), revision=200)
    (fact,) = facts_of_revision(two_parts(), gone, 12, amendable=True)
    assert isinstance(fact, ev.CancelRequested)


def test_what_came_back_with_the_rest_taken_off_is_a_cancel_of_the_rest() -> None:
    order = evolve(two_parts(), [*up_to_released(1), shipped(1, (1, "SKU-1", 2))]).order
    gone = content(line(1, 0), line(2, 0), revision=200)
    (fact,) = facts_of_revision(order, gone, 12, amendable=True)
    assert isinstance(fact, ev.CancelRequested)


def test_an_edit_cancelled_meanwhile_is_a_cancel() -> None:
    after = amended(two_parts(), content(line(1, 2), line(2, 0), revision=200))
    cancelling = evolve(after, facts_of_revision(after, cancel(300), 13, amendable=True), cancel(300)).order
    assert (cancelling.state, states(cancelling)) == (OrderState.CANCELLING, [PartState.WITHDRAWING] * 2)


def test_lines_in_another_order_are_the_same_lines() -> None:
    said = content(line(1, 2), line(2, 1))
    swapped = replace(
        said, revision=200, lines=tuple(replace(one, line_no=3 - one.line_no) for one in said.lines[::-1])
    )
    assert ignored(two_parts(), swapped) == "nothing that is still to ship differs"


def test_a_number_of_a_line_that_was_dropped_is_never_given_again() -> None:
    said = content(line(1, 2), line(2, 1), line(3, 1))
    order = booked_order(EAST_FIRST, WEST_SECOND, planned("west", (3, "SKU-3", 1)), said=said)
    dropped = amended(order, content(line(1, 2), line(2, 1), revision=200))
    settled = evolve(dropped, [ev.PartCancelled(3, "stopped")]).order
    added = replace(line(3, 4, sku="SKU-4"), external_id="new")
    after = amended(settled, content(line(1, 2), line(2, 1), added, revision=300), 13)
    assert after.numbering == (1, 2, 4)
    assert [one.line_no for one in after.content.lines] == [1, 2, 4]
    assert [(one.line_no, one.sku, one.open) for one in after.unrouted()] == [(4, "SKU-4", 4)]


def test_what_came_back_after_it_shipped_changes_nothing() -> None:
    order = evolve(two_parts(), [*up_to_released(1), shipped(1, (1, "SKU-1", 2))]).order
    returned = content(line(1, 1), line(2, 1), revision=200)
    (fact,) = facts_of_revision(order, returned, 12, amendable=True)
    assert fact == ev.RevisionIgnored(200, 12, "nothing that is still to ship differs")


def test_an_edit_that_a_newer_word_took_back_does_not_apply_when_it_comes_late() -> None:
    order = two_parts()
    as_before = content(revision=300)
    heard = evolve(order, facts_of_revision(order, as_before, 12, amendable=True)).order
    assert ignored(heard, content(line(1, 1), line(2, 1), revision=200)) == "older revision"


def test_a_buyers_request_for_one_line_is_named_where_it_changes_nothing() -> None:
    asked = content(line(1, 2), line(2, 1, cancel_requested=True), revision=200)
    assert ignored(two_parts(), asked) == "the buyer asks to cancel line 2: the order is booked"


@pytest.mark.parametrize("changes", [{"test": True}, {"fulfilled_by_channel": True}, {"ship_to": None}])
def test_an_order_that_is_not_ours_to_ship_any_more_is_not_amended(changes: dict[str, Any]) -> None:
    said = content(line(1, 1), line(2, 1), revision=200, **changes)
    (fact,) = facts_of_revision(two_parts(), said, 12, amendable=True)
    assert fact == ev.RevisionIgnored(200, 12, "too late: the order is booked")
