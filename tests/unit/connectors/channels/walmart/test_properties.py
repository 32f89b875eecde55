"""Whatever is charged and however many: the sums tie and no piece is lost."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kept.domain.money import to_decimal_string
from tests.unit.connectors.channels.walmart.orders import PLACED, charge, line, order, read

CENTS = st.integers(0, 10_000_000)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[dict[str, Any], int, int]:
    """A line, its wanted pieces, and what it costs in cents, tax and shipping included."""
    ordered = draw(st.integers(1, 50))
    cancelled = draw(st.integers(0, ordered - 1))
    goods, tax, shipping, shipping_tax = (draw(CENTS) for _ in range(4))
    discount = draw(st.integers(0, goods))
    charges = [
        charge(dollars(goods), dollars(tax)),
        charge(dollars(-discount), None, "PRODUCT", "SubscriptionDiscount"),
        charge(dollars(shipping), dollars(shipping_tax), "SHIPPING", "Shipping"),
    ]
    statuses = {"Acknowledged": ordered - cancelled, "Cancelled": cancelled}
    body = line("1", ordered, *charges, statuses=statuses)
    return body, ordered - cancelled, goods + tax - discount + shipping + shipping_tax


def dollars(cents: int) -> str:
    return to_decimal_string(cents, "USD")


@given(st.lists(bodies(), min_size=1, max_size=5))
def test_the_total_is_what_was_charged_and_ties(drawn: list[tuple[dict[str, Any], int, int]]) -> None:
    lines = [body | {"lineNumber": str(number)} for number, (body, _, _) in enumerate(drawn, start=1)]
    content = read(order(*lines))
    assert content.total_minor == content.computed_total_minor() == sum(cost for _, _, cost in drawn)
    assert [each.quantity for each in content.lines] == [wanted for _, wanted, _ in drawn]
    assert all(each.unit_price_minor >= 0 and each.discount_minor >= 0 for each in content.lines)


STATES = ["Created", "Acknowledged", "Shipped", "Delivered", "Cancelled", "Refund"]


@given(st.dictionaries(st.sampled_from(STATES), st.integers(1, 9), min_size=1))
def test_pieces_by_state_decide_what_is_wanted_and_whether_all_is_gone(statuses: dict[str, int]) -> None:
    ordered = sum(statuses.values())
    wanted = ordered - statuses.get("Cancelled", 0)
    gone = sum(statuses.get(state, 0) for state in ("Shipped", "Delivered", "Refund"))
    content = read(order(line("1", ordered, statuses=statuses)))
    assert content.lines[0].quantity == wanted
    assert content.cancelled is (wanted == 0)
    assert content.already_shipped is (wanted > 0 and gone == wanted)
    assert (content.acknowledge_by is not None) is ("Created" in statuses)


@given(st.lists(st.tuples(st.integers(0, 10**9), st.booleans()), min_size=1, max_size=5), st.integers(0, 4))
def test_whatever_happens_to_a_line_the_revision_grows(lines: list[tuple[int, bool]], touched: int) -> None:
    def revision(states: list[tuple[int, bool]]) -> int:
        bodies = [
            line(str(number), statusDate=PLACED + at, intentToCancel=str(asked).lower())
            for number, (at, asked) in enumerate(states, start=1)
        ]
        return read(order(*bodies)).revision

    index = touched % len(lines)
    newest = max(at for at, _ in lines)
    moved = [*lines[:index], (newest + 1, lines[index][1]), *lines[index + 1 :]]
    asked = [*lines[:index], (lines[index][0], True), *lines[index + 1 :]]
    assert revision(moved) > revision(lines)
    assert revision(asked) == revision(lines) + (0 if lines[index][1] else 1)
