"""ERPNext: the ERPs' suite, and the traps that are its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

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
from tests.erps.erpnext_standin import API_KEY, BASE_URL, SECRET, Next, Refusal
from tests.erps.suite import ADDRESS, ErpSuite, order, posting

OPTIONS = {
    "api_key": API_KEY,
    "company": "Kept Ltd",
    "currencies": "EUR, USD",
    "shipping_account": "Shipping - K",
    "tax_account": "Tax - K",
    "discount_account": "Discount - K",
    "warehouse": "Stores - K",
}
REFERENCE = "KTEST-000000100"


class NextBench:
    """`kept`'s connector over the stand-in, and the stand-in itself to look into."""

    skus = ("S1", "S2")
    blocked_sku = "OLD"
    currency = "EUR"

    def __init__(self, folder: Path, options: Mapping[str, str] | None = None, secret: str = SECRET) -> None:
        path = folder / "secret"
        path.write_text(secret, encoding="utf-8")
        self.site = Next()
        targets = HttpTargets(transport=self.site.transport(), shared=NO_LIMITS)
        settings = ErpSettings("erpnext", BASE_URL, f"file:{path}", timeout_s=5, options={**OPTIONS, **(options or {})})
        self.erp: Erp = build_erp("main", settings, targets)

    async def sales(self, reference: str) -> int:
        orders = self.site.all("Sales Order")
        return sum(each["kept_reference"] == reference and each["docstatus"] != 2 for each in orders)

    async def pieces(self, reference: str) -> dict[str, int]:
        return self._lines(reference, "qty")

    async def shipped(self, reference: str) -> dict[str, int]:
        return self._lines(reference, "delivered_qty")

    def _lines(self, reference: str, field: str) -> dict[str, int]:
        (found,) = (each for each in self.site.all("Sales Order") if each["kept_reference"] == reference)
        return {line["item_code"]: int(line[field]) for line in found["items"] if line[field]}

    def lose_next_answer(self) -> None:
        self.site.lose_next = True


class TestErpNext(ErpSuite):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> NextBench:
        return NextBench(tmp_path)

    async def test_an_amended_order_says_what_its_newest_version_says(self, bench: NextBench) -> None:  # type: ignore[override]  # a submitted order's charges can't be changed there
        assert bench.erp.amendment is None


@pytest.fixture
def bench(tmp_path: Path) -> NextBench:
    return NextBench(tmp_path)


async def test_discount_tax_and_shipping_are_charges_whose_amount_is_stated(bench: NextBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "C-1"), "key")
    (made,) = bench.site.all("Sales Order")
    charges = {charge["description"]: (charge["account_head"], charge["tax_amount"]) for charge in made["taxes"]}
    assert charges == {
        "Kept discount 1": ("Discount - K", -3.0),
        "Kept tax 1": ("Tax - K", 2.8),
        "Kept shipping": ("Shipping - K", 5.7),
    }
    assert [(line["kept_line"], line["rate"], line["qty"]) for line in made["items"]] == [(1, 19.0, 2), (2, 5.0, 1)]


async def test_tax_that_is_in_the_price_is_taken_out_of_it_and_stands_alone(bench: NextBench) -> None:
    line = SalesOrderLine(1, "S1", 1, 1200, 0, 200, free=False)
    asked = replace(
        order(bench, REFERENCE, "C-1"), lines=(line,), shipping_minor=0, total_minor=1200, tax_included=True
    )
    assert (await bench.erp.booking.book(asked, "key")).total_minor == 1200
    assert bench.erp.orders is not None
    (read,) = await bench.erp.orders.read_orders([REFERENCE])
    assert (read.tax_minor, read.lines[0].net_minor, read.lines[0].tax_minor) == (200, 1000, 200)


async def test_a_draft_with_other_sums_is_deleted_and_made_anew_once_they_tie(bench: NextBench) -> None:
    bench.site.adds = Decimal("0.50")
    asked = order(bench, REFERENCE, "C-1")
    with pytest.raises(PermanentFault, match="total 4900, the channel's is 4850") as caught:
        await bench.erp.booking.book(asked, "key")
    assert caught.value.code == "total_differs"
    assert bench.site.all("Sales Order") == []
    bench.site.adds = Decimal(0)
    assert (await bench.erp.booking.book(asked, "key")).total_minor == 4850


async def test_a_draft_that_was_never_submitted_is_brought_to_its_end(bench: NextBench) -> None:
    asked = order(bench, REFERENCE, "C-1")
    await bench.erp.booking.book(asked, "key")
    bench.site.all("Sales Order")[0]["docstatus"] = 0
    assert await bench.erp.booking.find_order(REFERENCE) is None
    await bench.erp.booking.book(asked, "key")
    assert [each["docstatus"] for each in bench.site.all("Sales Order")] == [1]


async def test_an_order_that_was_cancelled_there_is_not_booked_over(bench: NextBench) -> None:
    asked = order(bench, REFERENCE, "C-1")
    await bench.erp.booking.book(asked, "key")
    bench.site.all("Sales Order")[0]["docstatus"] = 2
    with pytest.raises(PermanentFault) as caught:
        await bench.erp.booking.book(asked, "key")
    assert caught.value.code == "cancelled_there"


async def test_the_same_reference_with_another_line_is_a_conflict_that_names_it(bench: NextBench) -> None:
    asked = order(bench, REFERENCE, "C-1")
    await bench.erp.booking.book(asked, "key")
    bench.site.all("Sales Order")[0]["items"][0]["item_code"] = "S2"
    with pytest.raises(PermanentFault, match=r"line 1: S2 2\S* x 19\S*, asked S1 2 x 19") as caught:
        await bench.erp.booking.book(asked, "key")
    assert caught.value.code == "reference_conflict"


async def test_a_deadlock_is_temporary_and_nothing_was_done(bench: NextBench, monkeypatch: pytest.MonkeyPatch) -> None:
    def deadlocked(*_: object) -> None:
        raise Refusal(508, "QueryDeadlockError", "Deadlock found when trying to get lock")

    monkeypatch.setattr(bench.site, "_insert", deadlocked)
    with pytest.raises(TemporaryFault, match="QueryDeadlockError"):
        await bench.erp.booking.book(order(bench, REFERENCE, "C-1"), "key")


async def test_an_exception_that_erpnext_did_not_foresee_leaves_no_telling(
    bench: NextBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise Refusal(500, "KeyError", "'gl'")

    monkeypatch.setattr(bench.site, "_insert", broken)
    with pytest.raises(UnknownResult):
        await bench.erp.booking.book(order(bench, REFERENCE, "C-1"), "key")


async def test_currency_unit_country_and_block_are_objections_that_name_the_value(bench: NextBench) -> None:
    bench.site.documents["Item"]["S1"]["stock_uom"] = "Box"
    bench.site.documents["Customer"]["C-1"]["is_frozen"] = 1
    assert bench.erp.check is not None
    asked = replace(order(bench, REFERENCE, "C-1"), currency="XTS", ship_to=replace(ADDRESS, country="AQ"))
    found = await bench.erp.check.object_to(asked)
    assert {objection.code: objection.evidence for objection in found} == {
        "currency_unmapped": "XTS",
        "unit_unmapped": "S1 is counted in Box, not in Nos",
        "country_unmapped": "AQ",
        "credit_hold": "customer C-1 is frozen",
    }


async def test_what_a_warehouse_has_goes_down_with_what_is_posted(bench: NextBench) -> None:
    assert bench.erp.warehouses is not None
    assert StockLevel("S1", 1000) in (await bench.erp.warehouses.warehouse_stock("Stores - K")).levels
    await bench.erp.booking.book(order(bench, REFERENCE, "C-1"), "key")
    await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 2), "part")
    assert StockLevel("S1", 998) in (await bench.erp.warehouses.warehouse_stock("Stores - K")).levels
    for unknown in ("NOWHERE", "All - K"):
        with pytest.raises(PermanentFault, match=unknown) as caught:
            await bench.erp.warehouses.warehouse_stock(unknown)
        assert caught.value.code == "warehouse_unmapped"


async def test_more_pieces_than_are_left_are_refused_and_nothing_is_posted(bench: NextBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "C-1"), "key")
    with pytest.raises(PermanentFault) as caught:
        await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 3), "part")
    assert caught.value.code == "not_open"
    assert bench.site.all("Delivery Note") == []


async def test_a_delivery_note_with_other_pieces_under_our_reference_is_a_difference(bench: NextBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "C-1"), "key")
    await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 1), "part")
    with pytest.raises(PermanentFault) as caught:
        await bench.erp.shipments.find_shipment(posting(bench, REFERENCE, 2))
    assert caught.value.code == "shipment_differs"


async def test_a_lost_answer_of_a_posting_leaves_a_shipment_that_is_found(bench: NextBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "C-1"), "key")
    part = posting(bench, REFERENCE, 2, 1)
    bench.lose_next_answer()
    with pytest.raises(UnknownResult):
        await bench.erp.shipments.post_shipment(part, "key")
    posted = await bench.erp.shipments.find_shipment(part)
    assert posted is not None
    assert await bench.erp.shipments.post_shipment(part, "key") == posted
    assert bench.site.count("Delivery Note") == 1


async def test_an_order_of_which_something_went_is_closed_and_not_cancelled(bench: NextBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "C-1"), "key")
    await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 1), "part")
    await bench.erp.withdrawal.withdraw(REFERENCE, "withdraw")
    assert bench.erp.orders is not None
    (read,) = await bench.erp.orders.read_orders([REFERENCE])
    assert read.status is ErpOrderStatus.CLOSED


async def test_a_secret_that_is_refused_is_our_account_at_fault(tmp_path: Path) -> None:
    with pytest.raises(AccessRefused) as caught:
        await NextBench(tmp_path, secret="wrong").erp.items.check_items(["S1"])
    assert caught.value.whole_account


async def test_an_answer_that_breaks_its_schema_is_a_fault_that_names_the_field(bench: NextBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "C-1"), "key")
    bench.site.all("Sales Order")[0]["customer"] = None
    with pytest.raises(TemporaryFault, match="customer"):
        await bench.erp.booking.find_order(REFERENCE)


async def test_a_status_that_is_not_known_is_a_fault_that_names_it(bench: NextBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "C-1"), "key")
    bench.site.all("Sales Order")[0]["status"] = "Parked"
    with pytest.raises(PermanentFault, match="'Parked'") as caught:
        await bench.erp.booking.find_order(REFERENCE)
    assert caught.value.code == "unknown_state"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"company": ""}, "options.company is not set"),
        ({"colour": "red"}, "options.colour is not known"),
    ],
)
def test_an_option_that_is_missing_or_wrong_is_named(changed: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        NextBench(tmp_path, changed)
    assert words in str(caught.value)
