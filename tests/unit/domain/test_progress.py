"""What each fact makes of an order, of its parts and of stock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from kept.domain import events as ev
from kept.domain.lifecycle import RESERVING, TERMINAL, IllegalTransition, OrderState, PartState
from kept.domain.progress import Order, StockMove, evolve, shippable
from tests.unit.domain.samples import (
    BOOKED,
    EAST_ALL,
    EAST_FIRST,
    REFERENCE,
    WEST_SECOND,
    after_shipping,
    begun,
    booked_order,
    content,
    line,
    names,
    order_after,
    planned,
    reserved,
    routed,
    shipped,
    up_to_released,
)

VALIDATED = ev.OrderValidated("C-1")
CANCEL = ev.CancelRequested("channel", 12)
ALL = shipped(1, (1, "SKU-1", 2), (2, "SKU-2", 1))


# ------------------------------------------------------------------ the straight path


def test_a_new_order_is_its_first_fact() -> None:
    birth = begun()
    assert names(birth.entries) == ["OrderReceived"]
    assert (birth.order.seq, birth.order.state, birth.order.reference) == (1, OrderState.RECEIVED, REFERENCE)
    assert [(one.line_no, one.ordered, one.open) for one in birth.order.lines] == [(1, 2, 2), (2, 1, 1)]
    assert birth.stock == ()


def test_an_order_goes_from_its_receipt_to_its_end_without_a_detour() -> None:
    facts = [
        VALIDATED,
        routed(EAST_ALL),
        BOOKED,
        *up_to_released(1),
        ev.PartAccepted(1),
        ALL,
        *after_shipping(1),
    ]
    done = evolve(begun().order, facts)
    assert names(done.entries) == [
        "OrderValidated",
        "OrderRouted",
        "OrderBooked",
        "PartReady",
        "PartLabelled",
        "PartReleased",
        "PartAccepted",
        "PartShipped",
        "PartAdvised",
        "PartConfirmed",
        "PartPosted",
        "OrderCompleted",
    ]
    assert [entry.seq for entry in done.entries] == list(range(2, 14))
    assert [entry.state for entry in done.entries if entry.part == 1] == [
        "ready",
        "labelled",
        "released",
        "accepted",
        "shipped",
        "advised",
        "confirmed",
        "posted",
    ]
    order = done.order
    assert (order.state, order.customer_id, order.erp_order_id) == (OrderState.COMPLETE, "C-1", "SO-1")
    assert [(one.shipped, one.cancelled) for one in order.lines] == [(2, 0), (1, 0)]
    assert order.part(1).sscc
    assert order.part(1).label_sha256 == "pdf"
    assert order.part(1).shipment == ALL


def test_facts_one_by_one_and_facts_at_once_make_the_same_order() -> None:
    facts = [VALIDATED, routed(EAST_FIRST, WEST_SECOND), BOOKED, *up_to_released(2), ev.PartRejected(2, "no")]
    one_by_one = begun().order
    for fact in facts:
        one_by_one = evolve(one_by_one, [fact]).order
    assert one_by_one == evolve(begun().order, facts).order


def test_no_facts_change_nothing() -> None:
    order = booked_order()
    assert evolve(order, []) == evolve(order, [])
    assert evolve(order, []).order is order


def test_only_pieces_that_must_be_shipped_are_followed() -> None:
    lines = shippable([line(1, 2), line(2, 1, requires_shipping=False), line(3, 0)])
    assert [one.line_no for one in lines] == [1]


# ------------------------------------------------------------------ parts


def test_each_part_goes_its_own_way_and_the_last_one_ends_the_order() -> None:
    order = booked_order(EAST_FIRST, WEST_SECOND)
    assert [part.state for part in order.parts] == [PartState.READY, PartState.READY]
    assert [order.part_reference(part.number) for part in order.parts] == [f"{REFERENCE}-1", f"{REFERENCE}-2"]
    second = [*up_to_released(2), shipped(2, (2, "SKU-2", 1)), *after_shipping(2)]
    order = evolve(order, second).order
    assert (order.state, order.part(2).state) == (OrderState.BOOKED, PartState.POSTED)
    first = [*up_to_released(1), shipped(1, (1, "SKU-1", 2)), *after_shipping(1)]
    assert evolve(order, first).order.state is OrderState.COMPLETE


def test_a_part_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyError, match=f"{REFERENCE} has no part 3"):
        booked_order().part(3)


def test_a_shipment_counts_its_pieces_over_all_packages() -> None:
    order = evolve(booked_order(), up_to_released(1)).order
    one, other = shipped(1, (1, "SKU-1", 1)), shipped(1, (1, "SKU-1", 1), (2, "SKU-2", 1))
    both = ev.PartShipped(1, one.shipped_at, (*one.packages, *other.packages))
    order = evolve(order, [both]).order
    assert [one.shipped for one in order.lines] == [2, 1]
    assert not order.part(1).shipped_short


def test_routing_reserves_and_shipping_takes_off_the_shelf() -> None:
    done = evolve(begun().order, [VALIDATED, routed(EAST_ALL), BOOKED, *up_to_released(1), ALL])
    at = ALL.shipped_at
    assert done.stock == (
        StockMove("east", "SKU-1", 2),
        StockMove("east", "SKU-2", 1),
        StockMove("east", "SKU-1", -2, -2, at),
        StockMove("east", "SKU-2", -1, -1, at),
    )


# ------------------------------------------------------------------ rejections and short picks


@pytest.mark.parametrize("before", [[], [ev.PartAccepted(1)]], ids=["asked", "accepted"])
def test_a_rejected_part_goes_back_to_routing_without_that_centre(before: Sequence[Any]) -> None:
    order = evolve(booked_order(), [*up_to_released(1), *before]).order
    done = evolve(order, [ev.PartRejected(1, "damaged")])
    assert names(done.entries) == ["PartRejected", "QuantityReturned"]
    assert done.order.state is OrderState.VALIDATED
    assert done.order.refused() == {"east"}
    assert [(one.line_no, one.open) for one in done.order.unrouted()] == [(1, 2), (2, 1)]
    assert done.stock == (StockMove("east", "SKU-1", -2), StockMove("east", "SKU-2", -1))


def test_a_rejected_orders_second_way_needs_no_second_booking() -> None:
    order = evolve(booked_order(), [*up_to_released(1), ev.PartRejected(1, "damaged")]).order
    again = evolve(order, [routed(planned("west", (1, "SKU-1", 2), (2, "SKU-2", 1)))]).order
    assert [part.number for part in again.parts] == [1, 2]
    assert again.erp_order_id == "SO-1"
    done = evolve(again, [BOOKED])
    assert names(done.entries) == ["OrderBooked", "PartReady"]
    assert done.order.part(2).state is PartState.READY


def test_a_rejection_while_other_pieces_are_routed_anew_sends_only_its_own_back() -> None:
    order = evolve(booked_order(EAST_FIRST, WEST_SECOND), [*up_to_released(1), *up_to_released(2)]).order
    order = evolve(order, [ev.PartRejected(2, "no"), routed(planned("south", (2, "SKU-2", 1)))]).order
    assert order.state is OrderState.ROUTED
    order = evolve(order, [ev.PartRejected(1, "no")]).order
    assert order.state is OrderState.VALIDATED
    assert [(one.line_no, one.open) for one in order.unrouted()] == [(1, 2)]
    order = evolve(order, [routed(planned("south", (1, "SKU-1", 2))), BOOKED]).order
    assert [part.state for part in order.parts[2:]] == [PartState.READY, PartState.READY]


def test_a_second_rejection_while_the_first_waits_for_routing_is_a_fact_of_its_own() -> None:
    order = evolve(booked_order(EAST_FIRST, WEST_SECOND), [*up_to_released(1), *up_to_released(2)]).order
    order = evolve(order, [ev.PartRejected(1, "no")]).order
    done = evolve(order, [ev.PartRejected(2, "no")])
    assert names(done.entries) == ["PartRejected", "QuantityReturned"]
    assert done.order.state is OrderState.VALIDATED
    assert [(one.line_no, one.open) for one in done.order.unrouted()] == [(1, 2), (2, 1)]
    assert done.order.refused() == {"east", "west"}


def test_a_short_pick_returns_what_is_missing_and_asks_that_centre_no_more() -> None:
    order = evolve(booked_order(), up_to_released(1)).order
    done = evolve(order, [shipped(1, (1, "SKU-1", 1), (2, "SKU-2", 1))])
    assert names(done.entries) == ["PartShipped", "QuantityReturned"]
    assert done.order.state is OrderState.VALIDATED
    assert done.order.refused() == {"east"}
    assert [(one.line_no, one.open) for one in done.order.unrouted()] == [(1, 1)]
    assert reserved((*begun().stock, *done.stock)) == {("east", "SKU-1"): -2, ("east", "SKU-2"): -1}
    assert sum(move.on_hand for move in done.stock) == -2


def test_a_short_shipped_order_ends_when_the_rest_has_shipped_too() -> None:
    order = evolve(booked_order(), [*up_to_released(1), shipped(1, (1, "SKU-1", 1), (2, "SKU-2", 1))]).order
    order = evolve(order, after_shipping(1)).order
    assert order.state is OrderState.VALIDATED
    rest = [routed(planned("west", (1, "SKU-1", 1))), BOOKED, *up_to_released(2), shipped(2, (1, "SKU-1", 1))]
    order = evolve(order, [*rest, *after_shipping(2)]).order
    assert order.state is OrderState.COMPLETE
    assert [(one.shipped, one.cancelled) for one in order.lines] == [(2, 0), (1, 0)]


# ------------------------------------------------------------------ revisions


def test_a_revision_replaces_content_and_lines() -> None:
    newer = content(line(1, 5), revision=200)
    order = order_after(VALIDATED, ev.OrderRevised(200, 12), new=newer)
    assert (order.state, order.content, order.message_id) == (OrderState.RECEIVED, newer, 12)
    assert [(one.line_no, one.ordered) for one in order.lines] == [(1, 5)]


def test_a_revision_that_changes_nothing_is_still_a_fact() -> None:
    order = booked_order()
    done = evolve(order, [ev.RevisionIgnored(90, 13, "older revision")])
    assert done.order.seq == order.seq + 1
    assert (done.order.state, done.order.content, done.order.parts) == (order.state, order.content, order.parts)


def test_a_fact_that_the_state_does_not_allow_is_an_error_and_no_bypass_exists() -> None:
    with pytest.raises(IllegalTransition):
        evolve(begun().order, [BOOKED])
    with pytest.raises(IllegalTransition):
        evolve(booked_order(), [ALL])


# ------------------------------------------------------------------ cancels

REJECTED_ONCE = [*up_to_released(1), ev.PartRejected(1, "no")]
WEST_ALL = planned("west", (1, "SKU-1", 2), (2, "SKU-2", 1))
TO_BOOKED = [VALIDATED, routed(EAST_ALL), BOOKED]
TO_TWO = [VALIDATED, routed(EAST_FIRST, WEST_SECOND), BOOKED]
SHORT = shipped(1, (1, "SKU-1", 1), (2, "SKU-2", 1))
BEFORE_CANCEL: dict[str, list[Any]] = {
    "received": [],
    "pending": [ev.PaymentAwaited("pending")],
    "held": [ev.OrderHeld("total_mismatch", "1 and 2")],
    "validated": [VALIDATED],
    "routed": [VALIDATED, routed(EAST_ALL)],
    "routed in two": [VALIDATED, routed(EAST_FIRST, WEST_SECOND)],
    "ready": TO_BOOKED,
    "labelled": [*TO_BOOKED, *up_to_released(1)[:1]],
    "released": [*TO_BOOKED, *up_to_released(1)],
    "accepted": [*TO_BOOKED, *up_to_released(1), ev.PartAccepted(1)],
    "shipped": [*TO_BOOKED, *up_to_released(1), ALL],
    "advised": [*TO_BOOKED, *up_to_released(1), ALL, *after_shipping(1)[:1]],
    "confirmed": [*TO_BOOKED, *up_to_released(1), ALL, *after_shipping(1)[:2]],
    "rejected, to be routed anew": [*TO_BOOKED, *REJECTED_ONCE],
    "rejected, routed anew": [*TO_BOOKED, *REJECTED_ONCE, routed(WEST_ALL)],
    "rejected, booked anew": [*TO_BOOKED, *REJECTED_ONCE, routed(WEST_ALL), BOOKED],
    "short, to be routed anew": [*TO_BOOKED, *up_to_released(1), SHORT],
    "short, routed anew": [*TO_BOOKED, *up_to_released(1), SHORT, routed(planned("west", (1, "SKU-1", 1)))],
    "short and posted": [*TO_BOOKED, *up_to_released(1), SHORT, *after_shipping(1)],
    "one part posted, one asked": [
        *TO_TWO,
        *up_to_released(1),
        shipped(1, (1, "SKU-1", 2)),
        *after_shipping(1),
        *up_to_released(2),
    ],
    "one part asked, one ready": [*TO_TWO, *up_to_released(1)],
    "one part asked, one planned": [
        *TO_TWO,
        *up_to_released(1),
        *up_to_released(2),
        ev.PartRejected(2, "no"),
        routed(planned("south", (2, "SKU-2", 1))),
    ],
}
# What may become of a part that is being stopped.
ENDINGS: dict[str, Callable[[Order, int], list[Any]]] = {
    "stopped at once": lambda order, n: [ev.PartCancelled(n, "stopped by the centre")],
    "asked, stopped later": lambda order, n: [ev.InterceptAsked(n), ev.PartCancelled(n, "stopped")],
    "asked, rejected": lambda order, n: [ev.InterceptAsked(n), ev.PartRejected(n, "no")],
    "asked, shipped all the same": lambda order, n: [ev.InterceptAsked(n), whole(order, n), *after_shipping(n)],
    "rejected before we asked": lambda order, n: [ev.PartRejected(n, "no")],
    "shipped before we asked": lambda order, n: [whole(order, n), *after_shipping(n)],
}


def whole(order: Order, number: int) -> ev.PartShipped:
    """The shipment of everything that a part holds."""
    return shipped(number, *((one.line_no, one.sku, one.quantity) for one in order.part(number).lines))


def finish(order: Order, ending: str) -> tuple[Order, list[StockMove]]:
    """Let a cancelled order come to its end: parts being stopped end as told, shipped ones are reported."""
    moves: list[StockMove] = []
    reporting = {PartState.SHIPPED: 0, PartState.ADVISED: 1, PartState.CONFIRMED: 2}
    for part in order.parts:
        facts: list[Any] = []
        if part.state is PartState.WITHDRAWING:
            facts = ENDINGS[ending](order, part.number)
        elif part.state in reporting:
            facts = after_shipping(part.number)[reporting[part.state] :]
        done = evolve(order, facts)
        order = done.order
        moves.extend(done.stock)
    if order.state is OrderState.WITHDRAWING:
        some_shipped = any(one.shipped for one in order.lines)
        order = evolve(order, [ev.OrderCompleted() if some_shipped else ev.OrderCancelled()]).order
    return order, moves


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("before", BEFORE_CANCEL)
def test_a_cancel_ends_legally_wherever_it_strikes(before: str, ending: str) -> None:
    begun_so = evolve(begun().order, BEFORE_CANCEL[before])
    cancelled = evolve(begun_so.order, [CANCEL])
    order, moves = finish(cancelled.order, ending)
    moves = [*begun_so.stock, *cancelled.stock, *moves]

    assert order.state in TERMINAL
    assert all(part.state in TERMINAL for part in order.parts)
    assert all(one.open == 0 for one in order.lines)
    pieces_shipped = sum(one.shipped for one in order.lines)
    assert order.state is (OrderState.COMPLETE if pieces_shipped else OrderState.CANCELLED)
    assert reserved(moves) == {}
    assert -sum(move.on_hand for move in moves) == pieces_shipped


@pytest.mark.parametrize("before", BEFORE_CANCEL)
def test_a_cancelled_order_waits_for_somebody_or_has_a_step(before: str) -> None:
    order = evolve(evolve(begun().order, BEFORE_CANCEL[before]).order, [CANCEL]).order
    assert order.state in {OrderState.CANCELLING, OrderState.WITHDRAWING}
    assert (order.state is OrderState.CANCELLING) == any(part.open for part in order.parts)
    assert not any(part.state in RESERVING - {PartState.WITHDRAWING} for part in order.parts)


@pytest.mark.parametrize("end", [OrderState.COMPLETE, OrderState.CANCELLED, OrderState.RECORDED], ids=str)
def test_an_order_that_has_ended_takes_no_cancel(end: OrderState) -> None:
    ways: dict[OrderState, list[Any]] = {
        OrderState.COMPLETE: [*TO_BOOKED, *up_to_released(1), ALL, *after_shipping(1)],
        OrderState.CANCELLED: [CANCEL, ev.OrderCancelled()],
        OrderState.RECORDED: [ev.OrderRecorded("test order")],
    }
    order = order_after(*ways[end])
    assert order.state is end
    with pytest.raises(IllegalTransition):
        evolve(order, [CANCEL])


def test_planned_parts_are_dropped_at_once_because_nobody_was_told() -> None:
    done = evolve(order_after(VALIDATED, routed(EAST_FIRST, WEST_SECOND)), [CANCEL])
    assert names(done.entries) == ["CancelRequested", "PartCancelled", "PartCancelled", "PartsStopped"]
    assert done.order.state is OrderState.WITHDRAWING


def test_shipped_after_the_cancel_is_recorded_reported_and_completes_the_order() -> None:
    order = evolve(booked_order(), [*up_to_released(1), CANCEL, ev.InterceptAsked(1)]).order
    done = evolve(order, [ALL, *after_shipping(1)])
    assert names(done.entries) == ["PartShipped", "PartAdvised", "PartConfirmed", "PartPosted", "OrderCompleted"]
    assert [(one.shipped, one.cancelled) for one in done.order.lines] == [(2, 0), (1, 0)]


def test_shipped_short_after_the_cancel_completes_with_the_rest_cancelled_and_nothing_routed() -> None:
    order = evolve(booked_order(), [*up_to_released(1), CANCEL]).order
    done = evolve(order, [SHORT, *after_shipping(1), ev.OrderCompleted()])
    assert "QuantityReturned" not in names(done.entries)
    assert "PartsStopped" in names(done.entries)
    assert [(one.shipped, one.cancelled) for one in done.order.lines] == [(1, 1), (1, 0)]
