"""SAP S/4HANA: the ERPs' suite, and the traps that are its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import orjson
import pytest

from kept.connectors.http import HttpTargets
from kept.connectors.registry import build_erp
from kept.ports import (
    AccessRefused,
    Erp,
    ErpOrderStatus,
    PermanentFault,
    SalesOrderLine,
    StockLevel,
    TemporaryFault,
    UnknownResult,
)
from kept.settings import ErpSettings, SettingsError
from tests.conformance.wire import NO_LIMITS
from tests.erps.sap_s4_standin import BASE_URL, PASSWORD, S4, USER, Refusal
from tests.erps.suite import ErpSuite, order, posting

OPTIONS = {
    "user": USER,
    "sales_organization": "1010",
    "shipping_point": "1010",
    "plant": "1010",
    "currencies": "EUR",
    "price_condition": "PMP0",
    "discount_condition": "DRV1",
    "tax_condition": "ZTAX",
    "shipping_material": "SHIP",
    "rejection_reason": "Z1",
    "customer_grouping": "BPEE",
}
REFERENCE = "KTEST-000000100"
CUSTOMER = "1000001"


class S4Bench:
    """`kept`'s connector over the stand-in, and the stand-in itself to look into."""

    skus = ("S1", "S2")
    blocked_sku = "OLD"
    currency = "EUR"

    def __init__(self, folder: Path, options: Mapping[str, str] | None = None, password: str = PASSWORD) -> None:
        path = folder / "password"
        path.write_text(password, encoding="utf-8")
        self.system = S4()
        targets = HttpTargets(transport=self.system.transport(), shared=NO_LIMITS)
        settings = ErpSettings("sap_s4", BASE_URL, f"file:{path}", timeout_s=5, options={**OPTIONS, **(options or {})})
        self.erp: Erp = build_erp("main", settings, targets)

    async def sales(self, reference: str) -> int:
        orders = [each for each in self.system.orders if each["PurchaseOrderByCustomer"] == reference]
        return sum(any(not item["SalesDocumentRjcnReason"] for item in each["items"]) for each in orders)

    async def pieces(self, reference: str) -> dict[str, int]:
        return self._items(reference, "RequestedQuantity")

    async def shipped(self, reference: str) -> dict[str, int]:
        return self._items(reference, "delivered")

    def _items(self, reference: str, field: str) -> dict[str, int]:
        (found,) = (each for each in self.system.orders if each["PurchaseOrderByCustomer"] == reference)
        return {
            item["Material"]: int(item[field])
            for item in found["items"]
            if item["Material"] in self.skus and item[field]
        }

    def lose_next_answer(self) -> None:
        self.system.lose_next = True


class TestSapS4(ErpSuite):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> S4Bench:
        return S4Bench(tmp_path)

    async def test_an_amended_order_says_what_its_newest_version_says(self, bench: S4Bench) -> None:  # type: ignore[override]  # not built
        assert bench.erp.amendment is None


@pytest.fixture
def bench(tmp_path: Path) -> S4Bench:
    return S4Bench(tmp_path)


async def test_price_discount_and_tax_are_manual_conditions(bench: S4Bench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, CUSTOMER), "key")
    (made,) = bench.system.orders
    conditions = {
        item["SalesOrderItem"]: {
            each["ConditionType"]: each["ConditionRateValue"] for each in item["to_PricingElement"]
        }
        for item in made["items"]
    }
    assert conditions == {
        "10": {"PMP0": "19.00", "DRV1": "-3.00", "ZTAX": "2.80"},
        "20": {"PMP0": "5.00"},
        "990000": {"PMP0": "5.70"},
    }


async def test_goods_for_nothing_have_a_price_of_nothing(bench: S4Bench) -> None:
    line = SalesOrderLine(1, "S1", 1, 0, 0, 0, free=True)
    asked = replace(order(bench, REFERENCE, CUSTOMER), lines=(line,), shipping_minor=0, total_minor=0)
    assert (await bench.erp.booking.book(asked, "key")).total_minor == 0
    (element,) = bench.system.orders[0]["items"][0]["to_PricingElement"]
    assert Decimal(element["ConditionRateValue"]) == 0


async def test_tax_that_is_in_the_price_is_taken_out_of_it_and_stands_alone(bench: S4Bench) -> None:
    line = SalesOrderLine(1, "S1", 1, 1200, 0, 200, free=False)
    asked = order(bench, REFERENCE, CUSTOMER)
    asked = replace(asked, lines=(line,), shipping_minor=0, total_minor=1200, tax_included=True)
    assert (await bench.erp.booking.book(asked, "key")).total_minor == 1200
    assert bench.erp.orders is not None
    (read,) = await bench.erp.orders.read_orders([REFERENCE])
    assert (read.tax_minor, read.lines[0].net_minor, read.lines[0].tax_minor) == (200, 1000, 200)


async def test_an_order_with_other_sums_is_deleted_and_made_anew_once_they_tie(bench: S4Bench) -> None:
    bench.system.surcharge = Decimal("0.50")
    asked = order(bench, REFERENCE, CUSTOMER)
    with pytest.raises(PermanentFault, match="total 4900, the channel's is 4850") as caught:
        await bench.erp.booking.book(asked, "key")
    assert caught.value.code == "total_differs"
    assert bench.system.orders == []
    bench.system.surcharge = Decimal(0)
    assert (await bench.erp.booking.book(asked, "key")).total_minor == 4850


async def test_one_token_serves_all_changes_and_a_new_one_is_fetched_when_it_is_over(bench: S4Bench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, CUSTOMER), "key")
    await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 1), "part")
    assert bench.system.tokens_given == 1
    bench.system.csrf = "another=="
    await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 1, part=2), "part")
    assert bench.system.tokens_given == 2


async def test_two_orders_under_one_reference_are_ambiguous(bench: S4Bench) -> None:
    for _ in range(2):
        bench.system.book(REFERENCE)
    with pytest.raises(PermanentFault, match="4001, 4002") as caught:
        await bench.erp.booking.find_order(REFERENCE)
    assert caught.value.code == "ambiguous"


async def test_an_order_whose_items_were_rejected_there_is_not_booked_over(bench: S4Bench) -> None:
    asked = order(bench, REFERENCE, CUSTOMER)
    await bench.erp.booking.book(asked, "key")
    for item in bench.system.orders[0]["items"]:
        item["SalesDocumentRjcnReason"] = "50"
    with pytest.raises(PermanentFault) as caught:
        await bench.erp.booking.book(asked, "key")
    assert caught.value.code == "cancelled_there"


async def test_the_same_reference_with_another_item_is_a_conflict_that_names_it(bench: S4Bench) -> None:
    asked = order(bench, REFERENCE, CUSTOMER)
    await bench.erp.booking.book(asked, "key")
    bench.system.orders[0]["items"][0]["RequestedQuantity"] = "7"
    with pytest.raises(PermanentFault, match="item 10: S1 7") as caught:
        await bench.erp.booking.book(asked, "key")
    assert caught.value.code == "reference_conflict"


async def test_a_document_that_somebody_works_on_is_temporary(bench: S4Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: object) -> None:
        raise Refusal(400, "V1/042", "Sales document 4001 is currently being processed (by user ANNA)")

    await bench.erp.booking.book(order(bench, REFERENCE, CUSTOMER), "key")
    monkeypatch.setattr(bench.system, "_add_delivery", locked)
    with pytest.raises(TemporaryFault, match="V1/042"):
        await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 1), "part")


async def test_currency_unit_and_block_are_objections_that_name_the_value(bench: S4Bench) -> None:
    bench.system.products[0]["BaseUnit"] = "BOX"
    bench.system.partners[0]["DeliveryIsBlockedForCustomer"] = "01"
    assert bench.erp.check is not None
    found = await bench.erp.check.object_to(replace(order(bench, REFERENCE, CUSTOMER), currency="XTS"))
    assert {objection.code: objection.evidence for objection in found} == {
        "currency_unmapped": "XTS",
        "unit_unmapped": "S1 is counted in BOX, not in PC",
        "credit_hold": "customer 1000001: delivery block 01",
    }


async def test_what_a_plant_has_goes_down_with_what_is_posted(bench: S4Bench) -> None:
    assert bench.erp.warehouses is not None
    assert StockLevel("S1", 1000) in (await bench.erp.warehouses.warehouse_stock("1010")).levels
    await bench.erp.booking.book(order(bench, REFERENCE, CUSTOMER), "key")
    await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 2), "part")
    assert StockLevel("S1", 998) in (await bench.erp.warehouses.warehouse_stock("1010/101A")).levels
    assert (await bench.erp.warehouses.warehouse_stock("1020")).levels == ()
    with pytest.raises(PermanentFault, match="'NOWHERE'") as caught:
        await bench.erp.warehouses.warehouse_stock("NOWHERE")
    assert caught.value.code == "warehouse_unmapped"


async def test_a_delivery_that_was_made_and_not_named_is_gone_on_with(bench: S4Bench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, CUSTOMER), "key")
    part = posting(bench, REFERENCE, 2, 1)
    bench.lose_next_answer()  # of the delivery's creation
    with pytest.raises(UnknownResult):
        await bench.erp.shipments.post_shipment(part, "key")
    assert await bench.erp.shipments.find_shipment(part) is None
    posted = await bench.erp.shipments.post_shipment(part, "key")
    assert await bench.erp.shipments.find_shipment(part) == posted
    assert len(bench.system.deliveries) == bench.system.count("shipments") == 1


async def test_more_pieces_than_are_left_are_refused_and_nothing_is_posted(bench: S4Bench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, CUSTOMER), "key")
    with pytest.raises(PermanentFault) as caught:
        await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 3), "part")
    assert caught.value.code == "VL/363"
    assert bench.system.deliveries == []


async def test_a_delivery_with_other_pieces_under_our_reference_is_a_difference(bench: S4Bench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, CUSTOMER), "key")
    await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 1), "part")
    with pytest.raises(PermanentFault) as caught:
        await bench.erp.shipments.find_shipment(posting(bench, REFERENCE, 2))
    assert caught.value.code == "shipment_differs"


async def test_an_order_of_which_something_went_keeps_it_and_is_closed(bench: S4Bench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, CUSTOMER), "key")
    await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 1), "part")
    await bench.erp.withdrawal.withdraw(REFERENCE, "withdraw")
    assert bench.erp.orders is not None
    (read,) = await bench.erp.orders.read_orders([REFERENCE])
    assert (read.status, read.lines[0].shipped) == (ErpOrderStatus.CLOSED, 1)


async def test_a_buyers_number_fits_its_field(bench: S4Bench) -> None:
    asked = order(bench, REFERENCE, CUSTOMER)
    number = await bench.erp.customers.resolve_customer("shop", "zoe@example.com", asked.ship_to)
    assert len(number) == 10
    sent = [request for request in bench.system.requests if request.url.path.endswith("A_BusinessPartner")]
    assert orjson.loads(sent[0].content)["LastName"] == "Weiß"


async def test_a_password_that_is_refused_is_our_account_at_fault(tmp_path: Path) -> None:
    with pytest.raises(AccessRefused) as caught:
        await S4Bench(tmp_path, password="wrong").erp.items.check_items(["S1"])
    assert caught.value.whole_account


async def test_an_answer_that_breaks_its_schema_is_a_fault_that_names_the_field(bench: S4Bench) -> None:
    bench.system.book(REFERENCE)
    bench.system.orders[0]["SoldToParty"] = None
    with pytest.raises(TemporaryFault, match="SoldToParty"):
        await bench.erp.booking.find_order(REFERENCE)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"plant": ""}, "options.plant is not set"),
        ({"colour": "red"}, "options.colour is not known"),
        ({"customer": "1000001"}, "set either customer or customer_grouping"),
    ],
)
def test_an_option_that_is_missing_or_wrong_is_named(changed: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        S4Bench(tmp_path, changed)
    assert words in str(caught.value)
