"""Our own order format -> ours."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from kept.connectors.channels.inhouse.mapping import normalise
from kept.connectors.channels.inhouse.telling import shipment_json
from kept.domain.events import Package, ShippedLine
from kept.domain.order import OrderContent, Payment
from kept.ports import BadMessage, Confirmation, Incoming, PermanentFault
from tests.fixtures_location import shared_fixtures

NOW = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
ORDER: dict[str, Any] = {
    "id": "A-1001",
    "number": "1001",
    "revision": "2026-11-03T09:30:00.000001Z",
    "currency": "EUR",
    "placed_at": "2026-11-03T10:29:00+01:00",
    "payment": "paid",
    "cancelled": False,
    "test": False,
    "lines": [
        {
            "id": "1",
            "sku": "MUG-RED",
            "title": "Mug, red",
            "quantity": 2,
            "unit_price": "12.50",
            "discount": "0.50",
            "tax": "1.00",
            "requires_shipping": True,
            "weight_g": 350,
        }
    ],
    "shipping": "5.00",
    "shipping_tax": "0.25",
    "tax_included": False,
    "total": "30.75",
    "ship_to": {"name": "Zoë", "line1": "Quai 1", "city": "Lyon", "postal_code": "69002", "country": "FR"},
    "email": "zoe@example.com",
    "promise": {"ship_by": "2026-11-04T16:00:00Z", "deliver_by": "2026-11-06T22:00:00Z", "service": "standard"},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """ORDER with one member replaced: "lines.0.quantity"."""
    order = copy.deepcopy(ORDER)
    *steps, last = path.split(".")
    node: Any = order
    for step in steps:
        node = node[int(step)] if step.isdigit() else node[step]
    node[last] = value
    return order


def read(order: dict[str, Any]) -> OrderContent:
    return read_bytes(json.dumps(order).encode())


def read_bytes(body: bytes) -> OrderContent:
    content = normalise("app", Incoming({}, body), NOW)
    assert content is not None
    return content


def test_an_order_comes_through_and_ties() -> None:
    content = read(ORDER)
    assert (content.account, content.external_id, content.number) == ("app", "A-1001", "1001")
    assert content.revision == 1793698200000001
    assert content.placed_at == datetime(2026, 11, 3, 9, 29, tzinfo=UTC)
    assert content.payment is Payment.PAID
    assert (content.shipping_minor, content.shipping_tax_minor) == (500, 25)
    assert content.computed_total_minor() == content.total_minor == 3075
    (line,) = content.lines
    assert (line.external_id, line.sku, line.quantity, line.weight_g) == ("1", "MUG-RED", 2, 350)
    assert content.ship_to is not None
    assert (content.ship_to.name, content.ship_to.country, content.ship_to.line2) == ("Zoë", "FR", "")


def test_an_order_without_an_address_is_read_and_held_later() -> None:
    assert read(changed("ship_to", None)).ship_to is None


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("lines.0.quantity", True, "$.lines[0].quantity"),
        ("lines.0.quantity", "2", "$.lines[0].quantity"),
        ("lines.0.quantity", 2.0, "$.lines[0].quantity"),
        ("lines.0.quantity", 0, "$.lines[0].quantity"),
        ("lines.0.quantity", 1_000_001, "$.lines[0].quantity"),
        ("lines.0.unit_price", 12.5, "$.lines[0].unit_price"),
        ("lines.0.unit_price", "-1.00", "$.lines[0].unit_price"),
        ("lines.0.unit_price", "1e3", "$.lines[0].unit_price"),
        ("lines.0.unit_price", "12.505", "$.lines[0].unit_price"),
        ("lines.0.colour", "red", "$.lines[0]"),
        ("colour", "red", "$"),
        ("lines", [], "$.lines"),
        ("lines", ORDER["lines"] * 501, "$.lines"),
        ("lines", ORDER["lines"] * 2, "$.lines[1].id"),
        ("cancelled", 0, "$.cancelled"),
        ("payment", "bartered", "$.payment"),
        ("currency", "euro", "$.currency"),
        ("revision", "2026-11-03T09:30:00", "$.revision"),
        ("revision", 1793698200, "$.revision"),
        ("ship_to.country", "France", "$.ship_to.country"),
        ("promise", None, "$.promise"),
        ("lines.0.cancelled_quantity", 3, "$.lines[0].cancelled_quantity"),
        ("lines.0.cancelled_quantity", -1, "$.lines[0].cancelled_quantity"),
        ("lines.0.gift", "yes", "$.lines[0].gift"),
        ("lines.0.kit", [{"sku": ""}], "$.lines[0].kit[0].sku"),
        ("lines.0.kit", [{"sku": "A"}, {"sku": "A"}], "$.lines[0].kit[1].sku"),
        ("lines.0.kit", [{"sku": "A", "quantity": 600_000}], "$.lines[0].kit[0].quantity"),
        ("lines.0.kit", [{"sku": str(n)} for n in range(51)], "$.lines[0].kit"),
        ("refunded", "-1.00", "$.refunded"),
        ("refunded", "1.001", "$.refunded"),
        ("acknowledge_by", "tomorrow", "$.acknowledge_by"),
        ("acknowledge_by", "1889-01-01T00:00:00Z", "$.acknowledge_by"),
        ("hold", None, "$.hold"),
        ("fulfilled_by_channel", 1, "$.fulfilled_by_channel"),
    ],
)
def test_what_is_not_the_format_is_refused_with_its_place(path: str, value: Any, where: str) -> None:
    with pytest.raises(BadMessage) as caught:
        read(changed(path, value))
    assert caught.value.where == where


def test_generated_quantities_are_judged_as_expected() -> None:
    lines = shared_fixtures("bad-input", "generated", "numbers.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["field"] == "qty"]
    assert len(rows) > 20
    body = json.dumps(changed("lines.0.quantity", "HERE"))
    for row in rows:
        message = body.replace('"HERE"', row["token"]).encode("utf-8", "surrogatepass")
        if row["expect"] == "accept":
            assert read_bytes(message).lines[0].quantity == int(row["token"])
        else:
            with pytest.raises(BadMessage):
                read_bytes(message)


# Dates of the generated file that our format allows, though others may not; all others it refuses.
DOCUMENTED_DATES = {
    "2038-01-19T03:14:08Z",
    "2100-01-01T00:00:00Z",
    "2026-01-01 00:00:00Z",
}  # RFC 3339, 5.6: a space for T


def test_generated_dates_are_judged_as_expected() -> None:
    lines = shared_fixtures("bad-input", "generated", "dates.jsonl").read_text(encoding="utf-8").splitlines()
    accepted = set()
    for row in map(json.loads, lines):
        try:
            read(changed("placed_at", row["value"]))
        except BadMessage:
            assert row["expect"] != "accept", row
        else:
            accepted.add(row["value"]) if row["expect"] != "accept" else None
    assert accepted == DOCUMENTED_DATES


def test_generated_money_sums_to_the_cent() -> None:
    lines = shared_fixtures("bad-input", "generated", "money.jsonl").read_text(encoding="utf-8").splitlines()
    for row in map(json.loads, lines):
        order = copy.deepcopy(ORDER) | {"shipping": "0", "shipping_tax": "0", "total": row["total"]}
        order["lines"] = [
            {"id": str(at), "sku": "S", "title": "", "quantity": line["qty"], "unit_price": line["unit_price"]}
            for at, line in enumerate(row["lines"])
        ]
        content = read(order)
        assert content.computed_total_minor() == content.total_minor, row["id"]


def confirmation(line_no: int) -> Confirmation:
    package = Package("006141411234567890", "UPS", "1Z1", 700, (ShippedLine(line_no, "MUG-RED", 2),))
    return Confirmation("K-1", "K-1-1", "A-1001", NOW, (package,), {1: "L1"})


def test_a_shipment_is_told_in_the_senders_own_line_ids() -> None:
    told = shipment_json(confirmation(1))
    assert told["reference"] == "K-1-1"
    assert told["shipped_at"] == "2026-11-03T09:00:00Z"
    assert told["packages"][0]["lines"] == [{"line_no": 1, "sku": "MUG-RED", "quantity": 2, "id": "L1"}]


def test_a_shipment_of_a_line_that_the_order_never_had_is_refused_before_it_is_sent() -> None:
    with pytest.raises(PermanentFault, match="line 2"):
        shipment_json(confirmation(2))
