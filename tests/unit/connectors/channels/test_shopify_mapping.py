"""Shopify's order -> ours: money, payment, promise, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from kept.connectors.channels.shopify.mapping import identify, normalise
from kept.connectors.zones import end_of_day, zone_of
from kept.domain.order import OrderContent, Payment
from kept.ports import BadMessage, Incoming

NOW = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
Json = dict[str, Any]


def item(number: int = 1, **changes: Any) -> Json:
    return {
        "id": number,
        "quantity": 2,
        "price": "10.00",
        "sku": f"S{number}",
        "title": "Thing",
        "grams": 100,
    } | changes


def order(**changes: Any) -> Json:
    return {
        "id": 5001,
        "name": "#1001",
        "currency": "USD",
        "created_at": "2026-11-03T08:00:00-05:00",
        "updated_at": "2026-11-03T08:00:01.5-05:00",
        "financial_status": "paid",
        "fulfillment_status": None,
        "total_price": "20.00",
        "line_items": [item(discount_allocations=[])],
    } | changes


def read(body: Json, topic: str = "orders/create") -> OrderContent:
    content = normalise("shop", Incoming({"x-shopify-topic": topic}, json.dumps(body).encode()), NOW)
    assert content is not None
    return content


def money_set(amount: str) -> Json:
    return {"shop_money": {"amount": amount}, "presentment_money": {"amount": "999.99"}}


def ties(content: OrderContent) -> bool:
    return content.computed_total_minor() == content.total_minor


# ------------------------------------------------------------------ money


def test_a_plain_order_ties() -> None:
    content = read(order())
    assert (content.total_minor, content.lines[0].unit_price_minor) == (2000, 1000)
    assert ties(content)


def test_line_discounts_and_tax_on_top() -> None:
    line = item(
        discount_allocations=[{"amount": "1.50"}, {"amount": "0.50"}], tax_lines=[{"price": "1.08"}, {"price": "0.36"}]
    )
    content = read(order(line_items=[line], total_price="19.44"))
    assert (content.lines[0].discount_minor, content.lines[0].tax_minor) == (200, 144)
    assert ties(content)


def test_tax_that_prices_contain_is_booked_and_not_added() -> None:
    line = item(discount_allocations=[], tax_lines=[{"price": "3.19"}])
    content = read(order(line_items=[line], taxes_included=True))
    assert (content.tax_included, content.lines[0].tax_minor) == (True, 319)
    assert ties(content)


def test_an_order_discount_of_an_old_payload_is_spread_by_price_to_the_cent() -> None:
    lines = [item(1, quantity=1, price="33.33"), item(2, quantity=1, price="33.33"), item(3, quantity=1, price="33.34")]
    content = read(order(line_items=lines, total_discounts="10.00", total_price="90.00"))
    assert [line.discount_minor for line in content.lines] == [333, 333, 334]
    assert ties(content)


def test_an_old_payloads_own_line_discount_is_not_spread_again() -> None:
    lines = [item(1, quantity=1, total_discount="2.00"), item(2, quantity=1)]
    content = read(order(line_items=lines, total_discounts="3.00", total_price="17.00"))
    assert sum(line.discount_minor for line in content.lines) == 300
    assert content.lines[0].discount_minor >= 200
    assert ties(content)


def test_removed_pieces_take_with_them_what_the_refund_says() -> None:
    line = item(current_quantity=1, discount_allocations=[{"amount": "1.01"}], tax_lines=[{"price": "1.53"}])
    refund = {"refund_line_items": [{"line_item_id": 1, "quantity": 1, "subtotal": 9.49, "total_tax": 0.76}]}
    content = read(order(line_items=[line], refunds=[refund], total_price="20.52", current_total_price="10.27"))
    assert (content.lines[0].quantity, content.lines[0].discount_minor, content.lines[0].tax_minor) == (1, 50, 77)
    assert ties(content)


def test_removed_pieces_without_a_usable_refund_share_alike() -> None:
    line = item(current_quantity=1, discount_allocations=[{"amount": "1.01"}], tax_lines=[{"price": "0.03"}])
    refund = {"refund_line_items": [{"line_item_id": 1, "quantity": 1, "subtotal": 99, "total_tax": 0}]}
    for refunds in ([], [refund]):
        content = read(order(line_items=[line], refunds=refunds, current_total_price="9.51"))
        assert (content.lines[0].discount_minor, content.lines[0].tax_minor) == (51, 2)
        assert ties(content)


def test_pieces_refunded_in_a_payload_without_current_quantities_are_not_wanted() -> None:
    refund = {"refund_line_items": [{"line_item_id": 1, "quantity": 1}]}
    assert read(order(refunds=[refund])).lines[0].quantity == 1


def test_shipping_is_less_its_discount_and_its_refund_and_removed_lines_are_out() -> None:
    shipping = [
        {
            "price": "7.00",
            "title": "Standard",
            "discount_allocations": [{"amount": "2.00"}],
            "tax_lines": [{"price": "0.40"}],
        },
        {"price": "50.00", "title": "Courier", "is_removed": True},
    ]
    refund = {"order_adjustments": [{"kind": "shipping_refund", "amount": "-1.00", "tax_amount": "-0.08"}]}
    content = read(order(shipping_lines=shipping, refunds=[refund], current_total_price="24.32"))
    assert (content.shipping_minor, content.shipping_tax_minor) == (400, 32)
    assert content.promise.service == "Standard"
    assert ties(content)


def test_the_current_shipping_price_already_has_its_refund() -> None:
    shipping = [{"price": "7.00", "current_discounted_price_set": money_set("4.00"), "tax_lines": []}]
    refund = {"order_adjustments": [{"kind": "shipping_refund", "amount": "-3.00"}]}
    content = read(order(shipping_lines=shipping, refunds=[refund], current_total_price="24.00"))
    assert content.shipping_minor == 400
    assert ties(content)


def test_duties_and_tips_count_once_as_part_of_shipping() -> None:
    content = read(
        order(
            current_total_duties_set=money_set("3.00"),
            current_total_additional_fees_set=money_set("3.00"),
            total_tip_received="1.00",
            total_price="24.00",
        )
    )
    assert content.shipping_minor == 400
    assert ties(content)


def test_a_tip_that_is_a_line_is_not_added_again() -> None:
    tip = item(
        2,
        quantity=1,
        price="1.00",
        sku=None,
        requires_shipping=False,
        tip_payment_gateway="card",
        discount_allocations=[],
    )
    content = read(
        order(line_items=[item(discount_allocations=[]), tip], total_tip_received="1.00", total_price="21.00")
    )
    assert ties(content)
    assert not content.lines[1].requires_shipping


def test_duties_that_prices_include_are_not_added() -> None:
    assert ties(read(order(duties_included=True, current_total_duties_set=money_set("3.00"))))


def test_a_total_that_does_not_tie_is_kept_beside_the_parts() -> None:
    content = read(order(total_price="19.99"))
    assert (content.total_minor, content.computed_total_minor()) == (1999, 2000)


def test_yen_with_decimal_zeros_and_dinars_with_three_digits() -> None:
    yen = read(order(currency="JPY", line_items=[item(price="1050.00")], total_price="2100"))
    assert (yen.total_minor, yen.lines[0].unit_price_minor) == (2100, 1050)
    dinars = read(order(currency="KWD", line_items=[item(price="1.234")], total_price="2.468"))
    assert (dinars.total_minor, ties(dinars)) == (2468, True)


# ------------------------------------------------------------------ the rest of an order


@pytest.mark.parametrize(
    ("status", "total", "payment"),
    [
        ("pending", "20.00", Payment.PENDING),
        ("authorized", "20.00", Payment.AUTHORISED),
        ("partially_paid", "20.00", Payment.PENDING),
        ("paid", "20.00", Payment.PAID),
        ("partially_refunded", "20.00", Payment.PAID),
        ("refunded", "0.00", Payment.REFUNDED),
        ("voided", "20.00", Payment.VOIDED),
        ("expired", "20.00", Payment.VOIDED),
        ("paid", "0.00", Payment.FREE),
        ("pending", "0.00", Payment.FREE),
        (None, "20.00", Payment.PENDING),
        (None, "0.00", Payment.PENDING),
    ],
)
def test_payment_states(status: str | None, total: str, payment: Payment) -> None:
    assert read(order(financial_status=status, total_price=total)).payment is payment


def test_revision_is_the_update_time_in_microseconds_and_ids_are_strings() -> None:
    content = read(order())
    assert content.revision == 1793710801500000
    assert (content.external_id, content.lines[0].external_id) == ("5001", "1")
    assert content.placed_at == datetime(2026, 11, 3, 13, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("title", "deliver_days"),
    [
        ("Standard", 5),
        ("Free Shipping", 5),
        ("Express", 2),
        ("2-Day Air", 2),
        ("Overnight", 1),
        ("Next Day", 1),
        ("DHL Paket", 5),
    ],
)
def test_the_shipping_methods_name_is_the_promise(title: str, deliver_days: int) -> None:
    content = read(order(shipping_lines=[{"price": "0.00", "title": title}]))
    assert content.promise.service == title
    assert content.promise.deliver_by == end_of_day(content.placed_at, deliver_days, zone_of(content.ship_to))
    assert content.placed_at < content.promise.ship_by <= content.promise.deliver_by


def test_missing_sku_and_address_are_left_for_the_validate_step() -> None:
    content = read(order(line_items=[item(sku=None, requires_shipping=False)]))
    assert (content.lines[0].sku, content.lines[0].requires_shipping, content.ship_to) == ("", False, None)


def test_cancelled_test_and_fulfilled_are_flags() -> None:
    content = read(order(cancelled_at="2026-11-03T09:00:00Z", test=True, fulfillment_status="fulfilled"))
    assert content.cancelled
    assert content.test
    assert content.already_shipped
    assert not read(order(fulfillment_status="partial")).already_shipped


# ------------------------------------------------------------------ topics and ids


@pytest.mark.parametrize(
    "topic", ["orders/create", "orders/updated", "orders/paid", "orders/cancelled", "orders/edited"]
)
def test_order_topics_are_read(topic: str) -> None:
    assert read(order(), topic).external_id == "5001"


@pytest.mark.parametrize(
    "topic", ["orders/delete", "orders/risk_assessment_changed", "products/update", "app/uninstalled"]
)
def test_other_topics_say_nothing_about_an_order(topic: str) -> None:
    assert normalise("shop", Incoming({"x-shopify-topic": topic}, b'{"id":1}'), NOW) is None


def test_an_edit_that_carries_no_order_says_nothing() -> None:
    message = Incoming({"x-shopify-topic": "orders/edited"}, b'{"order_edit":{"id":1,"order_id":2}}')
    assert normalise("shop", message, NOW) is None


def test_the_webhooks_id_identifies_it_and_else_its_topic_and_body() -> None:
    assert identify(Incoming({"x-shopify-webhook-id": "w-1"}, b"{}")) == "w-1"
    bare = identify(Incoming({"x-shopify-topic": "orders/create"}, b"{}"))
    assert bare == identify(Incoming({"x-shopify-topic": "orders/create"}, b"{}"))
    assert bare != identify(Incoming({"x-shopify-topic": "orders/paid"}, b"{}"))


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"financial_status": "bartered"}, "$.financial_status"),
        ({"currency": "usd"}, "$.currency"),
        ({"updated_at": None}, "$.updated_at"),
        ({"updated_at": "2026-11-03T09:00:00"}, "$.updated_at"),
        ({"created_at": "0001-01-01T00:00:00+14:00"}, "$.created_at"),
        ({"created_at": "9999-12-31T23:59:59-14:00"}, "$.created_at"),
        ({"total_price": "1e3e"}, "$.total_price"),
        ({"id": 0}, "$.id"),
        ({"id": True}, "$.id"),
        ({"line_items": None}, "$.line_items"),
        ({"line_items": [item(quantity=True)]}, "$.line_items[0].quantity"),
        ({"line_items": [item(quantity="2")]}, "$.line_items[0].quantity"),
        ({"line_items": [item(quantity=-1)]}, "$.line_items[0].quantity"),
        ({"line_items": [item(current_quantity=3)]}, "$.line_items[0].current_quantity"),
        ({"line_items": [item(price="10.005")]}, "$.line_items[0].price"),
    ],
)
def test_what_can_not_be_read_is_refused_with_its_place(change: Json, where: str) -> None:
    with pytest.raises(BadMessage) as caught:
        read(order(**change))
    assert caught.value.where == where


def test_a_body_without_a_topic_is_refused() -> None:
    with pytest.raises(BadMessage, match="x-shopify-topic"):
        normalise("shop", Incoming({}, json.dumps(order()).encode()), NOW)


def test_a_body_that_is_no_object_is_refused() -> None:
    with pytest.raises(BadMessage):
        normalise("shop", Incoming({"x-shopify-topic": "orders/create"}, b"[]"), NOW)
