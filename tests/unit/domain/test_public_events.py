"""What the outside is told: every fact is published or named as internal, and the contract says what is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker

from kept.domain import events as ev
from kept.domain.public_events import (
    INTERNAL,
    PUBLISHED,
    Fact,
    cloud_event,
    event_id,
    fact_named,
    ledger_types,
    ping_event,
    public_types,
)
from tests.unit.domain import samples

CONTRACT: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[3] / "docs" / "contracts" / "events.asyncapi.yaml").read_text(encoding="utf-8")
)
MESSAGES: dict[str, Any] = {message["name"]: message for message in CONTRACT["components"]["messages"].values()}
# One fact of each published kind, with texts that must not get out unasked.
SECRET = "Ada Example, 1 Main St"
FACTS: dict[str, Any] = {
    type(event).__name__: event
    for event in (
        ev.OrderReceived(100, 11),
        ev.OrderRevised(101, 12),
        ev.OrderAmended(102, 13, (1,)),
        ev.ReturnNeeded((ev.ReturnLine(1, "SKU-1", 1),)),
        ev.ErpNotAmended("line 1 has more shipped"),
        ev.OrderRecorded("test order"),
        ev.PaymentAwaited("pending"),
        ev.OrderHeld("channel_hold", SECRET),
        ev.HoldReleased(SECRET),
        ev.OrderAcknowledged("gid"),
        ev.OrderValidated(SECRET),
        samples.routed(samples.EAST_ALL),
        samples.BOOKED,
        ev.QuantityReturned(1, SECRET),
        ev.CancelRequested(SECRET, 12),
        ev.OrderCancelled(),
        ev.OrderCompleted(),
        ev.PartReleased(1, "R"),
        ev.PartAccepted(1),
        ev.PartRejected(1, SECRET),
        samples.shipped(1, (1, "SKU-1", 2)),
        ev.PartCancelled(1, "order cancelled"),
        *samples.after_shipping(1),
    )
}


def fact(kind: str) -> Fact:
    event = FACTS[kind]
    return Fact(
        position=1,
        order_id=1,
        seq=7,
        type=kind,
        part=getattr(event, "part", None) if type(event) in ev.PART_EVENTS else None,
        state="state",
        at=samples.NOW,
        correlation_id="c" * 32,
        data=orjson.loads(orjson.dumps(event)),
        reference=samples.REFERENCE,
        account="shop & co",
        external_id="E1",
        number="#1001",
        content=samples.content(),
    )


def valid(name: str, event: object) -> None:
    schema = {**MESSAGES[name]["payload"], "components": CONTRACT["components"]}
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(event)


def described(schema: Any) -> dict[str, Any]:
    """The members that a schema of the contract describes, its parts included."""
    if "$ref" in schema:
        return described(CONTRACT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    found: dict[str, Any] = {}
    for part in schema.get("allOf", []):
        for name, each in described(part).items():
            found[name] = each if name not in found else {"allOf": [found[name], each]}
    properties: dict[str, Any] = schema.get("properties", {})
    return found | properties


def undescribed(value: Any, schema: Any, path: str = "$") -> Iterator[str]:
    """Members that the contract says nothing of."""
    if "$ref" in schema:
        schema = CONTRACT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, dict):
        known = described(schema)
        for name, each in value.items():
            if name in known:
                yield from undescribed(each, known[name], f"{path}.{name}")
            else:
                yield f"{path}.{name}"
    if isinstance(value, list):
        for each in value:
            yield from undescribed(each, schema["items"], f"{path}[]")


def test_every_fact_of_the_ledger_is_published_or_named_as_internal() -> None:
    assert set(PUBLISHED) | INTERNAL == set(ev.EVENT_TYPES)
    assert not set(PUBLISHED) & INTERNAL
    assert set(FACTS) == set(PUBLISHED)


def test_the_contract_has_a_message_for_every_public_type_and_no_other() -> None:
    assert set(MESSAGES) == {*public_types(), "io.kept.ping"}
    told = {each["$ref"].rpartition("/")[2] for each in CONTRACT["channels"]["events"]["messages"].values()}
    assert told == set(CONTRACT["components"]["messages"])


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_the_contracts_example_fits_its_schema(name: str) -> None:
    example = MESSAGES[name]["examples"][0]
    valid(name, example["payload"])
    assert example["headers"]["webhook-id"] == example["payload"]["id"]
    assert list(undescribed(example["payload"], MESSAGES[name]["payload"])) == []


@pytest.mark.parametrize("kind", sorted(PUBLISHED))
@pytest.mark.parametrize("personal_data", [False, True])
def test_what_is_sent_is_what_the_contract_describes(kind: str, personal_data: bool) -> None:
    event = orjson.loads(orjson.dumps(cloud_event(fact(kind), personal_data=personal_data)))
    valid(event["type"], event)
    assert list(undescribed(event, MESSAGES[event["type"]]["payload"])) == []


@pytest.mark.parametrize("kind", sorted(PUBLISHED))
def test_no_personal_data_is_told_unless_it_is_allowed(kind: str) -> None:
    told = orjson.dumps(cloud_event(fact(kind), personal_data=False)).decode()
    for personal in ("Ada", "Main St", "example.com", "07102"):
        assert personal not in told


def test_the_tests_texts_are_told_where_it_is_allowed() -> None:
    told = [orjson.dumps(cloud_event(fact(kind), personal_data=True)).decode() for kind in sorted(PUBLISHED)]
    assert sum("Ada" in text for text in told) == 9


def test_an_event_names_its_account_order_part_and_number() -> None:
    event = cloud_event(fact("PartShipped"), personal_data=False)
    assert event["id"] == f"evt_{samples.REFERENCE}_7"
    assert event["source"] == "/accounts/shop%20%26%20co"
    assert (event["subject"], event["sequence"]) == (samples.REFERENCE, "0000000007")
    assert event["data"]["fulfilment"] == {"reference": f"{samples.REFERENCE}-1", "number": 1}
    assert "cost_minor" not in orjson.dumps(cloud_event(fact("OrderRouted"), personal_data=True)).decode()


def test_an_id_is_found_again_and_nothing_else_is() -> None:
    assert fact_named(event_id(fact("OrderBooked"))) == (samples.REFERENCE, 7)
    for wrong in ("", "evt_", "evt__7", "evt_K-1_", "evt_K-1_x", "evt_K-1_²", "ping_K-1_7", "evt_K-1_" + "9" * 10):
        assert fact_named(wrong) is None


def test_types_are_chosen_by_their_public_names() -> None:
    assert ledger_types([]) == list(PUBLISHED)
    assert ledger_types(["io.kept.fulfilment.shipped"]) == ["PartShipped"]
    with pytest.raises(KeyError, match=r"io\.kept\.order\.vanished"):
        ledger_types(["io.kept.order.vanished"])


def test_a_ping_fits_the_contract() -> None:
    event = ping_event("ping_1", samples.NOW)
    valid("io.kept.ping", event)
    assert event["data"] == {}
