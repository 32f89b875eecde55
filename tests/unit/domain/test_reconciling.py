"""Three sides, compared to the cent and the unit: each kind of difference is found, named, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kept.domain import events as ev
from kept.domain.erp_orders import ErpLine, ErpOrder, ErpOrderStatus
from kept.domain.lifecycle import OrderState
from kept.domain.progress import Order, evolve
from kept.domain.reconciling import Cause, Difference, differences
from tests.unit.domain.samples import (
    REFERENCE,
    after_shipping,
    booked_order,
    content,
    line,
    order_after,
    shipped,
    up_to_released,
)


def complete() -> Order:
    facts = [*up_to_released(1), shipped(1, (1, "SKU-1", 2), (2, "SKU-2", 1)), *after_shipping(1)]
    return evolve(booked_order(), facts).order


LINES = (ErpLine(1, "SKU-1", 2, 2, 2000, 0), ErpLine(2, "SKU-2", 1, 1, 1000, 0))


def erp(**changes: Any) -> ErpOrder:
    """The order as an ERP has it that agrees on everything."""
    agreed = ErpOrder("SO-1", REFERENCE, ErpOrderStatus.CLOSED, "USD", 3500, 0, LINES)
    return replace(agreed, **changes)


def found(order: Order, theirs: ErpOrder | None, said: Any = None) -> list[Difference]:
    return differences(order, said or order.content, [theirs] if theirs else [])


def test_three_sides_that_agree_differ_on_nothing() -> None:
    order = complete()
    assert order.state is OrderState.COMPLETE
    assert found(order, erp()) == []


def test_an_order_on_its_way_agrees_with_an_erp_that_waits_for_it() -> None:
    waiting = erp(status=ErpOrderStatus.OPEN, lines=tuple(replace(each, shipped=0) for each in LINES))
    assert found(booked_order(), waiting) == []


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"currency": "EUR"}, Difference(Cause.ERP_CURRENCY, "", "USD", "EUR")),
        ({"total_minor": 3499}, Difference(Cause.ERP_TOTAL, "", "35.00 USD", "34.99 USD")),
        ({"tax_minor": 1}, Difference(Cause.ERP_TAX, "", "0.00 USD", "0.01 USD")),
        ({"refunded_minor": 100}, Difference(Cause.ERP_REFUND, "", "0.00 USD", "1.00 USD")),
        ({"status": ErpOrderStatus.OPEN}, Difference(Cause.ERP_STATUS, "", "complete", "open")),
        ({"status": ErpOrderStatus.CANCELLED}, Difference(Cause.ERP_STATUS, "", "complete", "cancelled")),
        (
            {"lines": (replace(LINES[0], quantity=3), LINES[1])},
            Difference(Cause.ERP_QUANTITY, "line 1", "2", "3"),
        ),
        (
            {"lines": (replace(LINES[0], net_minor=1999), LINES[1])},
            Difference(Cause.ERP_AMOUNT, "line 1", "20.00 USD", "19.99 USD"),
        ),
        (
            {"lines": (replace(LINES[0], shipped=1), LINES[1])},
            Difference(Cause.ERP_SHIPPED, "line 1", "2", "1"),
        ),
        (
            {"lines": (*LINES, ErpLine(9, "SKU-9", 1, 0, 0, 0))},
            Difference(Cause.ERP_QUANTITY, "line 9", "0", "1"),
        ),
    ],
    ids=lambda given: given.cause if isinstance(given, Difference) else "",
)
def test_each_thing_that_the_erp_says_otherwise_is_named_with_both_values(
    changes: dict[str, Any], difference: Difference
) -> None:
    assert found(complete(), erp(**changes)) == [difference]


def test_charges_without_a_line_of_ours_are_in_the_totals_only() -> None:
    assert found(complete(), erp(lines=(*LINES, ErpLine(0, "SHIPPING", 1, 0, 500, 0)))) == []


def test_an_order_that_the_erp_lost_or_has_twice_is_named() -> None:
    assert found(complete(), None) == [Difference(Cause.ERP_MISSING, "", "SO-1", "")]
    twice = differences(complete(), content(), [erp(), erp(erp_order_id="SO-2")])
    assert twice == [Difference(Cause.ERP_DOUBLED, "", "SO-1", "SO-1, SO-2")]
    once = [erp(), erp(erp_order_id="SO-2", status=ErpOrderStatus.CANCELLED)]
    assert differences(complete(), content(), once) == []


def test_a_cancelled_order_that_is_open_in_the_erp_is_named_and_one_that_never_got_there_is_not() -> None:
    cancelled = order_after(ev.CancelRequested("channel", 2), ev.OrderCancelled())
    still = erp(status=ErpOrderStatus.OPEN)
    assert found(cancelled, still) == [Difference(Cause.ERP_STATUS, "", "cancelled", "open")]
    assert found(cancelled, None) == []
    assert found(cancelled, erp(status=ErpOrderStatus.CANCELLED)) == []


def test_an_edit_that_came_too_late_is_a_difference_with_the_channel_until_it_is_taken_up() -> None:
    later = content(line(1, 3), line(2, 1), revision=200)
    assert found(complete(), erp(), later) == [
        Difference(Cause.CHANNEL_QUANTITY, "line 1", "2", "3"),
        Difference(Cause.CHANNEL_TOTAL, "", "35.00 USD", "45.00 USD"),
    ]


def test_what_came_back_is_a_refund_that_the_erp_ought_to_have() -> None:
    returned = content(line(1, 1), line(2, 1), revision=200, refunded_minor=1000)
    assert found(complete(), erp(), returned) == [Difference(Cause.ERP_REFUND, "", "10.00 USD", "0.00 USD")]
    assert found(complete(), erp(refunded_minor=1000), returned) == []


def test_a_cancel_at_the_channel_that_we_shipped_all_the_same_is_named_alone() -> None:
    said = content(cancelled=True, revision=200)
    assert found(complete(), erp(), said) == [Difference(Cause.CHANNEL_CANCELLED, "", "complete", "cancelled")]


def test_lines_in_another_order_are_no_difference() -> None:
    said = content(revision=200)
    swapped = replace(said, lines=tuple(replace(one, line_no=3 - one.line_no) for one in said.lines[::-1]))
    assert found(complete(), erp(), swapped) == []


def test_an_order_with_what_needs_no_shipping_may_be_open_in_the_erp() -> None:
    said = content(line(1, 2), line(2, 1), line(3, 1, requires_shipping=False), shipping_minor=500)
    facts = [*up_to_released(1), shipped(1, (1, "SKU-1", 2), (2, "SKU-2", 1)), *after_shipping(1)]
    order = evolve(booked_order(said=said), facts).order
    theirs = erp(status=ErpOrderStatus.OPEN, total_minor=4500, lines=(*LINES, ErpLine(3, "SKU-3", 1, 0, 1000, 0)))
    assert found(order, theirs) == []
