"""Telling Amazon of shipments: several packages, parts of items, and what an earlier try did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kept.domain.events import Package, ShippedLine
from kept.ports import AccessRefused, ChannelShipment, Confirmation, PermanentFault, TemporaryFault, UnknownResult
from tests.conformance.amazon import FakeAmazon, errors
from tests.conformance.operations import CONFIRMATION, KEY, PACKAGE
from tests.conformance.wire import Trouble
from tests.unit.connectors.channels.amazon.accounts import Account, open_account

TWO = replace(
    CONFIRMATION,
    packages=(
        replace(PACKAGE, lines=(ShippedLine(1, "S1", 2), ShippedLine(2, "S2", 1))),
        Package("006141411234567906", "Hans im Glück", "HG7", 300, (ShippedLine(2, "S2", 2),)),
    ),
)


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    opened = open_account(tmp_path)
    yield opened
    assert opened.judge.problems == []


async def confirm(account: Account, confirmation: Confirmation) -> ChannelShipment:
    assert account.channel.confirm is not None
    return await account.channel.confirm.confirm(confirmation, KEY)


async def find(account: Account, confirmation: Confirmation) -> ChannelShipment | None:
    assert account.channel.confirm is not None
    return await account.channel.confirm.find(confirmation)


async def test_each_package_is_confirmed_with_its_pieces_under_a_number_of_its_own(account: Account) -> None:
    assert await confirm(account, TWO) == ChannelShipment("1001,1002")
    first, second = account.vendor.packages["1001"], account.vendor.packages["1002"]
    assert (first["carrierCode"], first["trackingNumber"], first["shipDate"]) == (
        "UPS",
        "1Z999",
        "2026-11-03T09:00:00Z",
    )
    assert first["orderItems"] == [{"orderItemId": "11", "quantity": 2}, {"orderItemId": "12", "quantity": 1}]
    assert "carrierName" not in first
    assert (second["carrierCode"], second["carrierName"]) == ("Other", "Hans im Glück")
    assert account.vendor.order()["fulfillment"]["fulfillmentStatus"] == "SHIPPED"
    assert await find(account, TWO) == ChannelShipment("1001,1002")


async def test_parts_of_one_order_have_numbers_that_never_meet(account: Account) -> None:
    one = replace(CONFIRMATION, packages=(replace(PACKAGE, lines=(ShippedLine(2, "S2", 1),)),))
    other = replace(one, fulfilment_ref="K7Q2F-000000123-12")
    assert await confirm(account, one) == ChannelShipment("1001")
    assert await find(account, other) is None
    assert await confirm(account, other) == ChannelShipment("12001")
    assert account.vendor.items["12"][2] == 2


async def test_a_try_that_did_half_is_done_again_and_makes_no_third_package(account: Account) -> None:
    account.wire.troubles.extend([None, Trouble.HTTP_429])
    with pytest.raises(TemporaryFault):
        await confirm(account, TWO)
    assert await find(account, TWO) is None
    assert await confirm(account, TWO) == ChannelShipment("1001,1002")
    assert len(account.vendor.packages) == 2


async def test_what_amazon_calls_fulfilled_already_is_looked_up_and_taken_as_done(account: Account) -> None:
    await confirm(account, TWO)
    account.vendor.refusing.append(errors(400, "InvalidInput", "Failed to create package: order already fulfilled."))
    assert await confirm(account, TWO) == ChannelShipment("1001,1002")


async def test_a_refusal_of_what_is_not_there_stays_a_refusal_with_amazons_code(account: Account) -> None:
    account.vendor.refusing.append(errors(400, "Invalid Input", "Invalid Input"))
    with pytest.raises(PermanentFault, match="InvalidInput") as caught:
        await confirm(account, TWO)
    assert caught.value.code == "InvalidInput"


async def test_a_package_that_was_cancelled_or_has_another_tracking_number_is_not_ours(account: Account) -> None:
    await confirm(account, CONFIRMATION)
    changed = replace(CONFIRMATION, packages=(replace(PACKAGE, tracking="1Z000"),))
    assert await find(account, changed) is None
    shown = account.vendor.order()
    shown["packages"][0]["packageStatus"]["status"] = "CANCELLED"
    account.vendor.order = lambda: shown  # type: ignore[method-assign] # the order as it would be shown
    assert await find(account, CONFIRMATION) is None


@pytest.mark.parametrize(("shipped", "found"), [(3, True), (2, False)])
async def test_without_packages_to_look_at_a_wholly_shipped_order_has_ours(
    account: Account, shipped: int, found: bool
) -> None:
    account.vendor.items = {"11": ["S1", 2, 2, 0], "12": ["S2", 3, shipped, 0]}
    shown = account.vendor.order()
    del shown["packages"]
    account.vendor.order = lambda: shown  # type: ignore[method-assign] # Amazon leaves out what it does not know
    assert (await find(account, CONFIRMATION) is not None) is found


async def test_nothing_shipped_sends_nothing(account: Account) -> None:
    for packages in ((), (replace(PACKAGE, lines=()),)):
        empty = replace(CONFIRMATION, packages=packages)
        assert await confirm(account, empty) == ChannelShipment("")
        assert await find(account, empty) is None
    assert account.wire.requests == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"packages": (replace(PACKAGE, tracking=""),)}, "tracking_missing"),
        ({"packages": (replace(PACKAGE, carrier=""),)}, "carrier_missing"),
        ({"line_ids": {1: "11"}}, "line_unknown"),
        ({"fulfilment_ref": "K7Q2F-000000123"}, "reference_unknown"),
    ],
)
async def test_what_amazon_would_not_take_is_refused_before_anything_is_sent(
    account: Account, change: dict[str, object], code: str
) -> None:
    with pytest.raises(PermanentFault) as caught:
        await confirm(account, replace(CONFIRMATION, **change))  # type: ignore[arg-type] # a test names fields freely
    assert caught.value.code == code
    assert account.wire.requests == []


async def test_an_account_of_several_marketplaces_asks_which_one_the_order_is_of(tmp_path: Path) -> None:
    account = open_account(tmp_path, marketplaces=("A2EUQ1WTGCTBG2", "ATVPDKIKX0DER"))
    await confirm(account, CONFIRMATION)
    assert account.called() == ["GET 5001", "POST shipmentConfirmation"]
    assert b"ATVPDKIKX0DER" in account.wire.requests[-1].content
    with pytest.raises(PermanentFault) as caught:
        await confirm(account, replace(CONFIRMATION, channel_order_id="404"))
    assert caught.value.code == "order_unknown"
    assert account.judge.problems == []


@pytest.mark.parametrize(
    ("status", "code", "fault"),
    [
        (400, "InvalidInput", PermanentFault),
        (403, "Unauthorized", AccessRefused),
        (403, "AccessDenied", AccessRefused),
        (404, "NotFound", PermanentFault),
        (429, "QuotaExceeded", TemporaryFault),
        (500, "InternalFailure", UnknownResult),
        (503, "ServiceUnavailable", TemporaryFault),
    ],
)
async def test_each_documented_refusal_is_its_fault(
    tmp_path: Path, status: int, code: str, fault: type[Exception]
) -> None:
    vendor = FakeAmazon()
    account = open_account(tmp_path, vendor)
    vendor.refusing.append(errors(status, code, "Access to requested resource is denied."))
    with pytest.raises(fault) as caught:
        await confirm(account, CONFIRMATION)
    assert type(caught.value) is fault
    assert account.judge.problems == []
