"""The ASN tells the real pack or nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import jsonschema
import pytest

from kept.documents.asn import AdvanceShipNotice, PackedCarton, PackedLine, asn_json
from kept.documents.sscc import sscc
from kept.domain.order import Address
from tests.fixtures_location import shared_fixtures

CARTON = PackedCarton(sscc("0614141", 0, 7), "1Z999", 1200, (PackedLine(1, "SKU-1", 2, ("LOT9",)),))
NOTICE = AdvanceShipNotice(
    asn_id="K7Q2F-000000123-1-ASN",
    order_ref="K7Q2F-000000123",
    fulfilment_ref="K7Q2F-000000123-1",
    channel_order_number="#1001",
    purpose="original",
    status="final",
    centre="east",
    carrier="UPS",
    service="ground",
    shipped_at=datetime(2026, 11, 23, 8, 30, tzinfo=UTC),
    ship_from=Address("Kept East", "1 Dock Rd", "", "Newark", "NJ", "07102", "US"),
    ship_to=Address("Ada", "1 St", "", "Berlin", "", "10623", "DE"),
    cartons=(CARTON,),
)


def test_the_notice_is_a_cloudevent_with_the_cartons_as_packed() -> None:
    event = json.loads(asn_json(NOTICE))
    assert event["specversion"] == "1.0"
    assert event["type"] == "org.kept.asn.v1"
    assert event["subject"] == "K7Q2F-000000123-1"
    assert event["time"] == "2026-11-23T08:30:00Z"
    (carton,) = event["data"]["cartons"]
    assert carton["sscc"] == CARTON.sscc
    assert carton["lines"] == [{"line_no": 1, "sku": "SKU-1", "quantity": 2, "lots": ["LOT9"]}]


def test_the_envelope_fits_the_published_schema() -> None:
    schema = shared_fixtures("webhooks", "cloudevents", "cloudevents.schema.json")
    jsonschema.validate(json.loads(asn_json(NOTICE)), json.loads(schema.read_text()))


def test_the_same_notice_is_the_same_bytes() -> None:
    assert asn_json(NOTICE) == asn_json(replace(NOTICE))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"cartons": ()}, "no carton"),
        ({"cartons": (replace(CARTON, lines=()),)}, CARTON.sscc),
        ({"cartons": (replace(CARTON, sscc="123"),)}, "123"),
        ({"cartons": (CARTON, CARTON)}, "2 cartons"),
        ({"cartons": (replace(CARTON, lines=(PackedLine(1, "SKU-1", 0),)),)}, "0 x SKU-1"),
        ({"purpose": "maybe"}, "maybe"),
        ({"shipped_at": datetime(2026, 11, 23)}, "time zone"),
    ],
)
def test_a_pack_that_can_not_be_is_an_error_that_names_the_value(change: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        asn_json(replace(NOTICE, **change))  # type: ignore[arg-type]  # fields by name, from the table above
