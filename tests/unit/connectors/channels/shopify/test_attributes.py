"""Gifts and money given back, as Shopify's orders tell them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.connectors.channels.test_shopify_mapping import item, money_set, order, read, ties


def gifts(*properties: Any, **changes: Any) -> list[bool]:
    lines = [item(at, properties=each, discount_allocations=[]) for at, each in enumerate(properties, start=1)]
    return [line.gift for line in read(order(line_items=lines, **changes)).lines]


def test_a_line_whose_property_says_so_is_a_gift_and_its_neighbour_is_not() -> None:
    assert gifts([{"name": "Gift Wrap", "value": "Yes"}], [{"name": "Engraving", "value": "gift"}]) == [True, False]


@pytest.mark.parametrize("value", ["", "No", " false ", "0", None, False])
def test_a_gift_property_that_says_no_is_none(value: Any) -> None:
    assert gifts([{"name": "gift", "value": value}]) == [False]


def test_a_gift_message_counts_as_a_yes() -> None:
    assert gifts([{"name": "gift_message", "value": "Happy birthday"}]) == [True]


def test_an_orders_note_attribute_makes_every_line_a_gift() -> None:
    assert gifts([], None, note_attributes=[{"name": "is_gift", "value": True}]) == [True, True]


@pytest.mark.parametrize("properties", [{}, "gift", [1], [["gift", "yes"]], [{"value": "gift"}]])
def test_properties_of_any_shape_lose_no_order(properties: Any) -> None:
    assert gifts(properties) == [False]


def refund(**changes: Any) -> dict[str, Any]:
    return {"refund_line_items": [{"line_item_id": 1, "quantity": 1, "subtotal": 9.5, "total_tax": 0.8}]} | changes


def paid(amount: str, **changes: Any) -> dict[str, Any]:
    return {"kind": "refund", "status": "success", "amount": amount, "currency": "USD"} | changes


def refunded(*refunds: dict[str, Any]) -> int:
    line = item(current_quantity=1, discount_allocations=[])
    return read(order(line_items=[line], refunds=list(refunds), current_total_price="10.00")).refunded_minor


def test_what_went_back_is_what_successful_transactions_paid_out() -> None:
    failed = paid("3.00", status="failure")
    captured = paid("4.00", kind="capture")
    assert refunded(refund(transactions=[paid("5.00"), failed, captured]), refund(transactions=[paid("1.25")])) == 625


def test_a_removal_that_paid_nothing_out_gave_nothing_back() -> None:
    assert refunded(refund(transactions=[])) == 0


def test_transactions_in_the_buyers_currency_are_not_added_to_the_shops() -> None:
    """11.00 EUR are no dollars: what the refund says of its lines counts, with its shipping."""
    shipping = {"kind": "shipping_refund", "amount": "-2.00", "tax_amount": "-0.20"}
    assert refunded(refund(transactions=[paid("11.00", currency="EUR")], order_adjustments=[shipping])) == 1250


def test_a_discrepancy_is_not_given_back() -> None:
    kept = {"kind": "refund_discrepancy", "amount": "3.00", "tax_amount": "0.00"}
    assert refunded(refund(order_adjustments=[kept])) == 730


@pytest.mark.parametrize(
    "told",
    [
        {"order_adjustments": [{"kind": "shipping_refund", "amount": "-1.00", "tax_amount": "-0.08"}]},
        {"refund_shipping_lines": [{"subtotal_amount_set": money_set("1.00"), "tax_amount_set": money_set("0.08")}]},
        {
            "order_adjustments": [{"kind": "shipping_refund", "amount": "-1.00", "tax_amount": "-0.08"}],
            "refund_shipping_lines": [{"subtotal_amount_set": money_set("1.00"), "tax_amount_set": money_set("0.08")}],
        },
    ],
    ids=["as an adjustment", "as a refunded shipping line", "as both"],
)
def test_a_shipping_refund_is_taken_off_once_however_it_is_told(told: dict[str, Any]) -> None:
    shipping = [{"price": "5.00", "title": "Standard", "tax_lines": [{"price": "0.40"}]}]
    content = read(order(shipping_lines=shipping, refunds=[told], current_total_price="24.32"))
    assert (content.shipping_minor, content.shipping_tax_minor) == (400, 32)
    assert ties(content)
