"""Every recorded Shopify order becomes an order of ours, and its money ties wherever the payload's own does."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from kept.connectors.channels.shopify.mapping import normalise
from kept.domain.order import OrderContent, Payment
from kept.ports import BadMessage, Incoming
from tests.fixtures_location import shared_fixtures

NOW = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
Json = dict[str, Any]

# Files of MANIFEST.csv with kind order or order_list that hold no whole order, and what they hold instead.
NO_ORDER_IN = {
    "shopify/rest_2022-04/order.test_34.json": "the empty answer to a DELETE",
    "shopify/rest_2026-07/order.test_3.json": "a list with ?fields=created_at,id,name,total-price only",
}
# Orders whose own numbers don't tie, and why. None: each current_total_price is what its parts come to.
DONT_TIE: dict[str, str] = {}


def rows() -> list[dict[str, str]]:
    with shared_fixtures("MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        return [
            row
            for row in csv.DictReader(file)
            if row["channel"] == "shopify" and row["kind"] in {"order", "order_list"}
        ]


def orders_in(name: str) -> Iterator[Json]:
    """The orders of one file: bare, {"order": ...} or {"orders": [...]}."""
    body = json.loads(shared_fixtures(*name.split("/")).read_bytes())
    if "orders" in body:
        yield from body["orders"]
    elif body:
        yield body.get("order", body)


def message(order: Json, topic: str = "orders/updated") -> Incoming:
    return Incoming({"x-shopify-topic": topic}, json.dumps(order).encode())


def recorded() -> Iterator[tuple[str, Json]]:
    for row in rows():
        if row["file"] not in NO_ORDER_IN:
            for order in orders_in(row["file"]):
                yield row["file"], order


def normalised(order: Json) -> OrderContent:
    content = normalise("shop", message(order), NOW)
    assert content is not None
    return content


def wanted_pieces(order: Json) -> list[int]:
    """By `current_quantity`; payloads of 2022-04 have none, and say in their refunds what was taken off."""
    refunded: dict[int, int] = {}
    for refund in order["refunds"]:
        for row in refund["refund_line_items"]:
            refunded[row["line_item_id"]] = refunded.get(row["line_item_id"], 0) + row["quantity"]
    return [
        item.get("current_quantity", item["quantity"] - refunded.get(item["id"], 0)) for item in order["line_items"]
    ]


def test_all_recorded_orders_are_found() -> None:
    assert len(rows()) == 36
    found = [name for name, _ in recorded()]
    assert len(found) == 34 == sum(int(row["orders"]) for row in rows())


def test_every_recorded_order_normalises_with_its_ids_quantities_and_currency() -> None:
    for name, order in recorded():
        content = normalised(order)
        assert content.external_id == str(order["id"]), name
        assert content.number == order["name"], name
        assert content.currency == order["currency"], name
        assert content.account == "shop"
        assert [line.external_id for line in content.lines] == [str(item["id"]) for item in order["line_items"]]
        wanted = wanted_pieces(order)
        assert [line.quantity for line in content.lines] == wanted, name
        assert [line.sku for line in content.lines] == [item["sku"] or "" for item in order["line_items"]], name
        assert [line.line_no for line in content.lines] == list(range(1, len(wanted) + 1))
        assert content.already_shipped == (order["fulfillment_status"] == "fulfilled"), name
        assert (content.ship_to is None) == (order.get("shipping_address") is None), name
        expected = datetime.fromisoformat(order["updated_at"])
        assert content.revision == int(expected.timestamp()) * 1_000_000, name


def test_every_recorded_orders_money_ties() -> None:
    untied = {}
    for name, order in recorded():
        content = normalised(order)
        assert content.total_minor == int(Decimal(order["current_total_price"]) * 100)
        if content.computed_total_minor() != content.total_minor:
            untied[name] = content.computed_total_minor() - content.total_minor
    assert set(untied) == set(DONT_TIE), untied


def test_the_total_that_ties_is_the_current_one_and_the_original_is_another() -> None:
    """The most recorded order was partly refunded: only the current total fits the pieces that are left."""
    name, order = next(
        (name, order) for name, order in recorded() if order["id"] == 450789469 and order.get("current_total_price")
    )
    content = normalised(order)
    assert content.total_minor == 19965, name
    assert order["total_price"] == "598.94"
    assert [(line.quantity, line.discount_minor, line.tax_minor) for line in content.lines] == [
        (0, 0, 0),
        (1, 333, 398),
        (0, 0, 0),
    ]


def test_recorded_payment_states_are_read_by_the_table() -> None:
    seen = {order["financial_status"]: normalised(order).payment for _, order in recorded()}
    assert seen == {
        "paid": Payment.PAID,
        "partially_paid": Payment.PENDING,
        "partially_refunded": Payment.PAID,
    }


def test_recorded_files_without_an_order_are_refused_with_the_missing_field() -> None:
    for name in NO_ORDER_IN:
        for order in orders_in(name):
            with pytest.raises(BadMessage, match="missing required field"):
                normalise("shop", message(order), NOW)


def test_a_recorded_address_comes_through() -> None:
    _, order = next((name, order) for name, order in recorded() if order["id"] == 450789469)
    address = normalised(order).ship_to
    assert address is not None
    assert (address.name, address.line1, address.city) == ("Bob Norman", "Chestnut Street 92", "Louisville")
    assert (address.region, address.postal_code, address.country) == ("KY", "40202", "US")
