"""A sale is the same order by webhook and by query."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.connectors.channels.shopify.mapping import LISTED, messages_of_file, normalise
from kept.domain.order import OrderContent
from kept.ports import BadMessage, Incoming
from tests.unit.connectors.channels.shopify.sales import SaleOfShop, SoldLine

NOW = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
PLAIN = SaleOfShop((SoldLine(1, 2, 1000, grams=350), SoldLine(2, 1, 500, sku=None, ships=False)), shipping=700)


def by_webhook(sale: SaleOfShop) -> OrderContent:
    return read(Incoming({"x-shopify-topic": "orders/updated"}, json.dumps(sale.resource()).encode()))


def by_query(sale: SaleOfShop) -> OrderContent:
    return read_node(sale.node())


def read_node(node: dict[str, Any]) -> OrderContent:
    return read(Incoming(LISTED, json.dumps(node).encode()))


def read(message: Incoming) -> OrderContent:
    content = normalise("shop", message, NOW)
    assert content is not None
    return content


@st.composite
def sold_lines(draw: st.DrawFn, number: int) -> SoldLine:
    """Whole amounts: what went back with removed pieces is a part of what the line had."""
    quantity = draw(st.integers(1, 9))
    price = draw(st.integers(0, 100_000))
    discounts = tuple(draw(st.lists(st.integers(0, price * quantity // 2), max_size=2)))
    taxes = tuple(draw(st.lists(st.integers(0, 5_000), max_size=3)))
    removed = draw(st.integers(0, quantity))
    everything = removed == quantity
    gone_discount = sum(discounts) if everything else draw(st.integers(0, sum(discounts))) if removed else 0
    gone_tax = sum(taxes) if everything else draw(st.integers(0, sum(taxes))) if removed else 0
    return SoldLine(
        number,
        quantity,
        price,
        removed,
        sku=draw(st.sampled_from([None, "", "MUG-RED", "É-1"])),
        ships=draw(st.booleans()),
        grams=draw(st.integers(0, 50_000)),
        discounts=discounts,
        taxes=taxes,
        removed_discount=min(gone_discount, price * removed),
        removed_tax=gone_tax,
        attributes=draw(st.sampled_from([(), (("Gift", "yes"),), (("Engraving", "Ada"),)])),
    )


@st.composite
def sales(draw: st.DrawFn) -> SaleOfShop:
    lines = tuple(draw(sold_lines(number)) for number in range(1, draw(st.integers(1, 4)) + 1))
    shipping = draw(st.integers(0, 3_000))
    return SaleOfShop(
        lines,
        number=draw(st.integers(1, 10**13)),
        currency=draw(st.sampled_from(["USD", "JPY", "KWD"])),
        shipping=shipping,
        shipping_back=draw(st.integers(0, shipping)),
        shipping_tax=draw(st.integers(0, 500)),
        shipping_title=draw(st.sampled_from(["Standard", "Overnight"])),
        tip=draw(st.sampled_from([0, 0, 125])),
        duties=draw(st.sampled_from([None, 0, 350])),
        paid_back=draw(st.integers(0, 9_999)),
        taxes_included=draw(st.booleans()),
        financial=draw(st.sampled_from(["PAID", "PENDING", "AUTHORIZED", "PARTIALLY_REFUNDED", "VOIDED", None])),
        fulfilment=draw(st.sampled_from(["UNFULFILLED", "FULFILLED", "PARTIALLY_FULFILLED", "IN_PROGRESS"])),
        cancelled_at=draw(st.sampled_from([None, "2026-11-03T13:30:00Z"])),
        test=draw(st.booleans()),
        email=draw(st.sampled_from([None, "zoe@example.com"])),
        address=draw(st.booleans()),
        attributes=draw(st.sampled_from([(), (("is_gift", "true"),)])),
    )


@given(sales())
def test_a_sale_is_the_same_order_by_webhook_and_by_query(sale: SaleOfShop) -> None:
    listed = by_query(sale)
    assert listed == by_webhook(sale)
    assert listed.total_minor == sale.total


def test_a_plain_sale_by_query_is_what_was_sold() -> None:
    content = by_query(PLAIN)
    assert (content.external_id, content.number, content.revision) == ("5001", "#5001", 1793714401000000)
    assert (content.total_minor, content.computed_total_minor(), content.shipping_minor) == (3200, 3200, 700)
    first, second = content.lines
    assert (first.external_id, first.sku, first.quantity, first.weight_g) == ("1", "S", 2, 350)
    assert (second.sku, second.requires_shipping) == ("", False)
    assert content.ship_to is not None
    assert (content.ship_to.name, content.ship_to.region, content.ship_to.country) == ("Zoë Weiß", "KY", "US")


def test_a_tip_that_is_a_line_is_known_by_its_amount_and_not_added_again() -> None:
    tip = SoldLine(3, 1, 125, sku=None, ships=False, is_tip=True)
    sale = replace(PLAIN, lines=(*PLAIN.lines, tip), tip=125)
    content = by_query(sale)
    assert content == by_webhook(sale)
    assert content.computed_total_minor() == content.total_minor == 3325


# ------------------------------------------------------------------ holds


def test_a_held_fulfilment_order_holds_the_order_and_says_why() -> None:
    held = by_query(replace(PLAIN, held=("HIGH_RISK_OF_FRAUD", "AWAITING_PAYMENT")))
    assert held.hold == "Shopify holds its fulfilment: awaiting payment, high risk of fraud"
    assert replace(held, hold="") == by_webhook(PLAIN)


def test_an_order_all_on_hold_is_held_though_no_reason_is_told() -> None:
    assert by_query(replace(PLAIN, fulfilment="ON_HOLD")).hold == "Shopify holds its fulfilment: no reason given"


def test_a_hold_that_was_released_holds_nothing() -> None:
    node = PLAIN.node()
    node["fulfillmentOrders"]["nodes"] = [{"status": "OPEN", "fulfillmentHolds": [{"reason": "OTHER"}]}]
    assert read_node(node).hold == ""


# ------------------------------------------------------------------ weights, refusals, files


@pytest.mark.parametrize(
    ("value", "unit", "grams"),
    [(2.5, "KILOGRAMS", 2500), (350, "GRAMS", 350), (1, "POUNDS", 454), (10, "OUNCES", 283), (0.0, "OUNCES", 0)],
)
def test_weights_are_grams_to_the_nearest(value: float, unit: str, grams: int) -> None:
    node = PLAIN.node()
    node["lineItems"]["nodes"][0]["weight"] = {"value": value, "unit": unit}
    assert read_node(node).lines[0].weight_g == grams


def test_an_unknown_unit_of_weight_is_refused_with_its_place() -> None:
    node = PLAIN.node()
    node["lineItems"]["nodes"][1]["weight"] = {"value": 1, "unit": "STONE"}
    with pytest.raises(BadMessage, match="unknown unit of weight 'STONE'") as caught:
        read_node(node)
    assert caught.value.where == "$.lineItems.nodes[1].weight.unit"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"updatedAt": "2026-11-03"}, "$.updatedAt"),
        ({"currencyCode": "usd"}, "$.currency"),
        ({"displayFinancialStatus": "BARTERED"}, "$.financial_status"),
        ({"refunds": [{"id": "gid://shopify/Refund/1"}]}, "$.refunds[0]"),
        ({"totalTipReceivedSet": {"shopMoney": {"amount": "NaN"}}}, "$.totalTipReceivedSet.shopMoney.amount"),
        (
            {"shippingLines": {"nodes": [], "pageInfo": {"hasNextPage": True}}},
            "$.shippingLines.pageInfo.hasNextPage",
        ),
    ],
)
def test_a_node_that_can_not_be_read_is_refused_with_its_place(change: dict[str, Any], where: str) -> None:
    with pytest.raises(BadMessage) as caught:
        read_node(PLAIN.node() | change)
    assert caught.value.where == where


def test_a_polled_order_is_known_as_one_in_a_file() -> None:
    (message,) = messages_of_file(json.dumps(PLAIN.node()).encode())
    assert read(message) == by_query(PLAIN)
