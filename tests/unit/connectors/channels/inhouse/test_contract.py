"""The published in-house contract says what the code reads and writes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
import yaml
from jsonschema import Draft202012Validator

from kept.api.standing import standing_of
from kept.connectors.channels.inhouse import schemas, telling
from kept.connectors.channels.inhouse.mapping import normalise
from kept.connectors.wire import AddressBody
from kept.domain.events import Package, ShippedLine
from kept.domain.lifecycle import OrderState
from kept.domain.order import OrderContent, Payment
from kept.domain.progress import received
from kept.ports import Acknowledgement, CancelReason, ChannelCancel, Confirmation, Incoming, StockOffer

CONTRACT = Path(__file__).parents[5] / "docs" / "contracts" / "inhouse.openapi.yaml"
NOW = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
Json = dict[str, Any]


@pytest.fixture(scope="module")
def components() -> Json:
    whole: Json = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    components: Json = whole["components"]
    return components


def fits(components: Json, schema: str, value: object) -> None:
    """Raises ValidationError."""
    written = orjson.loads(orjson.dumps(value))
    Draft202012Validator({**components["schemas"][schema], "components": components}).validate(written)


def read(order: object) -> OrderContent:
    content = normalise("app", Incoming({}, orjson.dumps(order)), NOW)
    assert content is not None
    return content


@pytest.mark.parametrize(
    ("schema", "struct"),
    [
        ("Order", schemas.OrderBody),
        ("Line", schemas.LineBody),
        ("Component", schemas.ComponentBody),
        ("Promise", schemas.PromiseBody),
        ("Address", AddressBody),
    ],
)
def test_the_contract_has_the_members_that_are_read_and_demands_those_that_must_be_there(
    components: Json, schema: str, struct: type[msgspec.Struct]
) -> None:
    described = components["schemas"][schema]
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    assert set(described["properties"]) == set(fields)
    assert set(described["required"]) == {name for name, field in fields.items() if field.required}
    assert described["additionalProperties"] is False


def test_words_of_the_contract_are_ours(components: Json) -> None:
    described = components["schemas"]
    assert set(described["Order"]["properties"]["payment"]["enum"]) == {each.value for each in Payment}
    assert set(described["Cancellation"]["properties"]["reason"]["enum"]) == {each.value for each in CancelReason}
    assert set(described["Standing"]["properties"]["state"]["enum"]) == {each.value for each in OrderState}


@pytest.mark.parametrize("name", ["PlainOrder", "FullOrder", "OrderEvent"])
def test_every_example_order_fits_is_read_and_ties(components: Json, name: str) -> None:
    example = components["examples"][name]["value"]
    fits(components, "Event" if name == "OrderEvent" else "Order", example)
    content = read(example)
    assert content.computed_total_minor() == content.total_minor


def test_what_is_told_fits(components: Json) -> None:
    ids, pieces = {1: "L1"}, {1: 2}
    package = Package("006141411234567890", "UPS", "1Z1", 700, (ShippedLine(1, "MUG", 2),))
    fits(components, "Shipment", telling.shipment_json(Confirmation("K-1", "K-1-1", "A-1", NOW, (package,), ids)))
    fits(components, "Acknowledgement", telling.acknowledgement_json(Acknowledgement("K-1", "A-1", ids, pieces)))
    for reason in CancelReason:
        cancel = ChannelCancel("K-1", "A-1", reason, ids, pieces, whole=True)
        fits(components, "Cancellation", telling.cancel_json(cancel))
    fits(components, "Stock", telling.stock_json([StockOffer("MUG", 0, believed=3)], "north"))


def test_where_an_order_stands_fits_and_counts_kits_as_the_sender_does(components: Json) -> None:
    content = read(components["examples"]["FullOrder"]["value"])
    order = received(1, "K7Q2F-000000001", "c-1", content, 7).order
    standing = standing_of(order, ("channel_hold", "wait"))
    fits(components, "Standing", standing)
    assert [(line["id"], line["sku"], line["ordered"]) for line in standing["lines"]] == [
        ("1", "MUG-RED", 2),
        ("2", "TEA-SET", 1),
        ("3", "SAMPLE", 1),
    ]
