"""What Walmart is told, and how often."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kept.domain.events import Package, ShippedLine
from kept.ports import (
    Acknowledgement,
    CancelReason,
    Channel,
    ChannelCancel,
    ChannelCancelled,
    Confirmation,
    PermanentFault,
    StockOffer,
)
from tests.conformance.walmart import AT, CREATED, ORDER_ID, FakeWalmart
from tests.unit.connectors.channels.walmart.seller import problems, seller

KEY = "K7Q2F-000000123:step:1"
SHIPPED_AT = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
LINES, PIECES = {1: "11", 2: "12"}, {1: 2, 2: 3}
ACKNOWLEDGEMENT = Acknowledgement("K7Q2F-000000123", ORDER_ID, LINES, PIECES)
CANCEL = ChannelCancel("K7Q2F-000000123", ORDER_ID, CancelReason.OUT_OF_STOCK, LINES, PIECES, whole=True)
FIRST = Package("006141411234567890", "UPS", "1Z1", 700, (ShippedLine(1, "S1", 2), ShippedLine(2, "S2", 1)))
SECOND = Package("006141411234567906", "Fed Ex", "7001", 700, (ShippedLine(2, "S2", 2),))


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WALMART_SECRET", "token-of-client")


def confirmation(*packages: Package) -> Confirmation:
    return Confirmation("K7Q2F-000000123", "K7Q2F-000000123-1", ORDER_ID, SHIPPED_AT, packages, LINES)


async def confirm(vendor: FakeWalmart, *packages: Package) -> str:
    port = seller(vendor).confirm
    assert port is not None
    return (await port.confirm(confirmation(*packages), KEY)).shipment_id


async def cancelled(channel: Channel, cancel: ChannelCancel) -> ChannelCancelled:
    assert channel.cancel is not None
    return await channel.cancel.cancel(cancel, KEY)


# ------------------------------------------------------------------ acknowledge


async def test_an_order_is_acknowledged_once_and_as_a_whole() -> None:
    vendor = FakeWalmart(CREATED)
    port = seller(vendor).acknowledge
    assert port is not None
    assert await port.find_acknowledgement(ACKNOWLEDGEMENT) is None
    for _ in range(2):
        await port.acknowledge(ACKNOWLEDGEMENT, KEY)
    assert await port.find_acknowledgement(ACKNOWLEDGEMENT) is not None
    assert vendor.bodies == [("acknowledge", {})]


async def test_an_order_that_walmart_does_not_have_is_no_acknowledged_one() -> None:
    port = seller(FakeWalmart()).acknowledge
    assert port is not None
    unknown = replace(ACKNOWLEDGEMENT, channel_order_id="4711")
    assert await port.find_acknowledgement(unknown) is None
    with pytest.raises(PermanentFault) as caught:
        await port.acknowledge(unknown, KEY)
    assert caught.value.code == "order_unknown"


# ------------------------------------------------------------------ ship


async def test_a_shipment_names_each_line_and_package_and_fits_walmarts_schema() -> None:
    vendor = FakeWalmart()
    assert await confirm(vendor, FIRST, SECOND) == "1Z1,7001"
    ((what, body),) = vendor.bodies
    assert what == "shipping"
    assert problems("us_orders", "OrderShipment", body) == []
    first, second = body["orderShipment"]["orderLines"]["orderLine"]
    assert (first["lineNumber"], first["sellerOrderId"]) == ("11", "K7Q2F-000000123")
    assert first["orderLineStatuses"]["orderLineStatus"] == [
        {
            "status": "Shipped",
            "statusQuantity": {"unitOfMeasurement": "EACH", "amount": "2"},
            "trackingInfo": {
                "shipDateTime": AT,
                "carrierName": {"carrier": "UPS"},
                "methodCode": "Value",
                "trackingNumber": "1Z1",
            },
        }
    ]
    told = second["orderLineStatuses"]["orderLineStatus"]
    assert [each["statusQuantity"]["amount"] for each in told] == ["1", "2"]
    assert [each["trackingInfo"]["carrierName"]["carrier"] for each in told] == ["UPS", "FedEx"]


def test_the_schema_refuses_what_walmart_would() -> None:
    assert problems("us_orders", "OrderShipment", {"orderShipment": {"orderLines": {"orderLine": [{}]}}})
    assert problems("us_orders", "OrderShipment", {"orderShipments": {}})
    line = {"lineNumber": "1", "orderLineStatuses": {"orderLineStatus": [{"status": "Gone"}]}}
    assert problems(
        "us_orders", "OrderCancellationResponse", {"orderCancellation": {"orderLines": {"orderLine": [line]}}}
    )


async def test_pieces_that_stand_under_our_tracking_number_are_not_told_again() -> None:
    vendor = FakeWalmart()
    await confirm(vendor, FIRST)
    await confirm(vendor, FIRST)
    assert len(vendor.bodies) == 1
    await confirm(vendor, FIRST, SECOND)
    (line,) = vendor.bodies[1][1]["orderShipment"]["orderLines"]["orderLine"]
    assert (line["lineNumber"], line["orderLineStatuses"]["orderLineStatus"][0]["statusQuantity"]["amount"]) == (
        "12",
        "2",
    )


async def test_a_shipment_is_found_when_all_of_it_stands() -> None:
    vendor = FakeWalmart()
    port = seller(vendor).confirm
    assert port is not None
    await confirm(vendor, FIRST)
    assert await port.find(confirmation(FIRST)) is not None
    assert await port.find(confirmation(FIRST, SECOND)) is None


async def test_a_line_whose_buyer_asked_to_cancel_is_shipped_with_the_override() -> None:
    vendor = FakeWalmart()
    vendor.asking.add("12")
    await confirm(vendor, FIRST)
    lines = vendor.bodies[0][1]["orderShipment"]["orderLines"]["orderLine"]
    assert [line["intentToCancelOverride"] for line in lines] == [False, True]


@pytest.mark.parametrize(
    ("package", "code"),
    [
        (replace(FIRST, tracking=""), "tracking_missing"),
        (replace(FIRST, carrier="Pigeon Post"), "carrier_unknown"),
        (replace(FIRST, lines=(ShippedLine(9, "S9", 1),)), "line_unknown"),
    ],
)
async def test_what_walmart_would_not_take_is_said_before_it_is_asked(package: Package, code: str) -> None:
    vendor = FakeWalmart()
    with pytest.raises(PermanentFault) as caught:
        await confirm(vendor, package)
    assert caught.value.code == code
    assert vendor.bodies == []


async def test_a_carrier_that_walmart_does_not_list_goes_with_its_tracking_address() -> None:
    vendor = FakeWalmart()
    port = seller(vendor, tracking_url="https://track.example.com/?n={tracking}").confirm
    assert port is not None
    await port.confirm(confirmation(replace(FIRST, carrier="Pigeon Post", tracking="P 1")), KEY)
    body = vendor.bodies[0][1]
    assert problems("us_orders", "OrderShipment", body) == []
    told = body["orderShipment"]["orderLines"]["orderLine"][0]["orderLineStatuses"]["orderLineStatus"][0]
    assert told["trackingInfo"]["carrierName"] == {"otherCarrier": "Pigeon Post"}
    assert told["trackingInfo"]["trackingURL"] == "https://track.example.com/?n=P%201"


async def test_nothing_shipped_is_nothing_told() -> None:
    vendor = FakeWalmart()
    assert await confirm(vendor) == ""
    assert vendor.guids == []


# ------------------------------------------------------------------ cancel


@pytest.mark.parametrize("reason", CancelReason)
async def test_a_cancel_has_walmarts_reason_and_fits_its_schema(reason: CancelReason) -> None:
    vendor = FakeWalmart()
    channel = seller(vendor)
    for _ in range(2):
        assert await cancelled(channel, replace(CANCEL, reason=reason)) == ChannelCancelled(ORDER_ID)
    ((what, body),) = vendor.bodies
    assert what == "cancel"
    assert problems("us_orders", "OrderCancellationResponse", body) == []


async def test_only_what_is_open_is_cancelled() -> None:
    vendor = FakeWalmart()
    await confirm(vendor, replace(FIRST, lines=(ShippedLine(2, "S2", 1),)))
    await cancelled(seller(vendor), CANCEL)
    lines = vendor.bodies[1][1]["orderCancellation"]["orderLines"]["orderLine"]
    amounts = {each["lineNumber"]: each["orderLineStatuses"]["orderLineStatus"][0]["statusQuantity"] for each in lines}
    assert {number: each["amount"] for number, each in amounts.items()} == {"11": "2", "12": "2"}


async def test_a_cancel_is_found_when_nothing_of_it_is_open() -> None:
    vendor = FakeWalmart()
    channel = seller(vendor)
    assert channel.cancel is not None
    assert await channel.cancel.find_cancel(CANCEL) is None
    await cancelled(channel, replace(CANCEL, quantities={1: 2}))
    assert await channel.cancel.find_cancel(CANCEL) is None
    await cancelled(channel, CANCEL)
    assert await channel.cancel.find_cancel(CANCEL) == ChannelCancelled(ORDER_ID)


async def test_a_cancel_of_a_line_that_walmart_never_had_is_refused() -> None:
    with pytest.raises(PermanentFault) as caught:
        await cancelled(seller(FakeWalmart()), replace(CANCEL, line_ids={1: "77", 2: "12"}))
    assert caught.value.code == "line_unknown"


# ------------------------------------------------------------------ stock


async def test_stock_is_set_sku_by_sku_and_fits_walmarts_schema() -> None:
    vendor = FakeWalmart()
    port = seller(vendor).push_stock
    assert port is not None
    assert await port.push([StockOffer("A/1 b", 7)], KEY) == []
    assert vendor.stock == {"A/1 b": 7}
    assert problems("us_inventory", "Inventory", vendor.bodies[0][1]) == []


async def test_an_item_that_walmart_does_not_have_is_refused_by_its_sku() -> None:
    port = seller(FakeWalmart()).push_stock
    assert port is not None
    (refused,) = await port.push([StockOffer("NO", 1)], KEY)
    assert (refused.sku, refused.code) == ("NO", "CONTENT_NOT_FOUND")
