"""The REST centre: its events, its stock, its answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from kept.connectors.centres.rest.client import RestCentre
from kept.connectors.centres.rest.mapping import read_event
from kept.connectors.http import HttpTarget
from kept.domain.events import Package, ShippedLine
from kept.ports import (
    BadMessage,
    CentreEvent,
    CentreEventKind,
    Incoming,
    Intercept,
    InterceptAnswer,
    PermanentFault,
    StockLevel,
    TemporaryFault,
    UnknownResult,
)
from tests.conformance.operations import KEY, PART, REQUEST
from tests.conformance.vendors import FakeCentre
from tests.conformance.wire import answer

AT = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
PACKAGE: dict[str, Any] = {
    "sscc": "006141411234567890",
    "carrier": "SimPost",
    "tracking": "SIM1",
    "weight_g": 700,
    "lines": [{"line_no": 1, "sku": "S1", "quantity": 2}],
}


def event(**changes: Any) -> Incoming:
    body = {"type": "fulfilment.accepted", "reference": PART, "occurred_at": "2026-11-03T09:00:00Z"} | changes
    return Incoming({}, json.dumps(body).encode())


def centre_over(transport: httpx2.AsyncBaseTransport) -> RestCentre:
    return RestCentre(
        HttpTarget("centre:east", "http://c.test", timeout_s=5, requests_at_once=4, headers={}, transport=transport)
    )


def answering(status: int, body: object) -> RestCentre:
    return centre_over(httpx2.MockTransport(lambda request: answer(status, body)))


@pytest.mark.parametrize("kind", CentreEventKind)
def test_every_kind_of_event_is_read(kind: CentreEventKind) -> None:
    assert read_event(event(type=f"fulfilment.{kind.value}", reason="r")) == CentreEvent(kind, PART, AT, "r")


def test_a_shipment_brings_its_packages() -> None:
    read = read_event(event(type="fulfilment.shipped", packages=[PACKAGE]))
    assert read.packages == (Package("006141411234567890", "SimPost", "SIM1", 700, (ShippedLine(1, "S1", 2),)),)


def test_members_that_we_do_not_know_are_let_pass() -> None:
    assert read_event(event(picker="Ann")).kind is CentreEventKind.ACCEPTED


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"type": "fulfilment.lost"}, "$.type"),
        ({"type": None}, "$.type"),
        ({"reference": ""}, "$.reference"),
        ({"occurred_at": "yesterday"}, "$.occurred_at"),
        ({"occurred_at": "1969-01-01T00:00:00Z"}, "$.occurred_at"),
        ({"packages": [PACKAGE]}, "$.packages"),
        ({"type": "fulfilment.shipped", "packages": [PACKAGE | {"sscc": "1"}]}, "$.packages[0].sscc"),
        ({"type": "fulfilment.shipped", "packages": [PACKAGE | {"lines": []}]}, "$.packages[0].lines"),
        ({"type": "fulfilment.shipped", "packages": [PACKAGE | {"weight_g": -1}]}, "$.packages[0].weight_g"),
    ],
)
def test_what_is_no_event_is_refused_with_its_place(changes: dict[str, Any], where: str) -> None:
    with pytest.raises(BadMessage) as caught:
        read_event(event(**changes))
    assert caught.value.where == where


def test_an_unknown_type_is_named_in_the_refusal() -> None:
    with pytest.raises(BadMessage, match=r"fulfilment\.lost"):
        read_event(event(type="fulfilment.lost"))


async def test_stock_is_read_with_the_centres_own_time() -> None:
    snapshot = await centre_over(FakeCentre().transport()).stock()
    assert (snapshot.as_of, snapshot.levels) == (AT, (StockLevel("S1", 7),))


async def test_a_count_below_zero_is_an_empty_shelf() -> None:
    body = {"as_of": "2026-11-03T10:00:00+01:00", "levels": [{"sku": "S1", "on_hand": -3}]}
    snapshot = await answering(200, body).stock()
    assert (snapshot.as_of, snapshot.levels) == (AT, (StockLevel("S1", 0),))


@pytest.mark.parametrize("levels", [[{"sku": "S1", "on_hand": 1}] * 2, [{"sku": "S1", "on_hand": "1"}], None])
async def test_stock_that_can_not_be_right_is_no_answer(levels: object) -> None:
    with pytest.raises(TemporaryFault):
        await answering(200, {"as_of": "2026-11-03T09:00:00Z", "levels": levels}).stock()


@pytest.mark.parametrize("word", InterceptAnswer)
async def test_every_answer_to_an_intercept_is_read(word: InterceptAnswer) -> None:
    assert await answering(200, {"answer": word.value}).intercept(PART, KEY) == Intercept(word)


async def test_a_word_that_the_contract_does_not_have_is_no_answer() -> None:
    with pytest.raises(UnknownResult, match="'maybe'"):
        await answering(200, {"answer": "maybe"}).intercept(PART, KEY)


async def test_a_404_to_an_intercept_is_no_proof_that_the_request_never_came() -> None:
    with pytest.raises(PermanentFault):
        await answering(404, {}).intercept(PART, KEY)


async def test_the_request_on_the_wire_is_the_contracts() -> None:
    centre = FakeCentre()
    await centre_over(centre.transport()).request(REQUEST, KEY)
    asked = centre.documents["requests"][PART]["asked"]
    assert asked.pop("ship_to")["country"] == "FR"
    assert asked == {
        "order_reference": "K7Q2F-000000123",
        "service": "ground",
        "ship_by": "2026-11-03T09:00:00Z",
        "sscc": "006141411234567890",
        "label_sha256": "ab" * 32,
        "lines": [{"line_no": 1, "sku": "S1", "quantity": 2}],
    }


async def test_a_request_cancelled_before_it_came_is_refused_with_its_code() -> None:
    with pytest.raises(PermanentFault) as caught:
        await answering(409, {"code": "cancelled", "detail": "was cancelled"}).request(REQUEST, KEY)
    assert caught.value.code == "cancelled"
