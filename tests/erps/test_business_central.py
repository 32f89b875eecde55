"""Business Central: the ERPs' suite in both ways of booking tax, and the traps that are its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from kept.connectors.http import HttpTargets
from kept.connectors.registry import build_erp
from kept.ports import Erp, ErpOrderStatus, PermanentFault, SalesOrderLine, TemporaryFault, UnknownResult
from kept.settings import ErpSettings
from tests.conformance.wire import NO_LIMITS
from tests.erps.business_central_standin import BASE_URL, COMPANY, SECRET, TOKEN_URL, Central
from tests.erps.suite import ADDRESS, AT, ErpSuite, order, posting

OPTIONS = {
    "company": COMPANY,
    "client_id": "app",
    "token_url": TOKEN_URL,
    "currency": "EUR",
    "unit": "PCS",
    "shipping_account": "6710",
}
ON_ACCOUNT = {"tax_account": "2300", "no_tax_code": "NOTAX"}
BY_CODE = {"tax_codes": "8=VAT8, 20=VAT20, 0=ZERO"}


class CentralBench:
    """`kept`'s connector over the stand-in, and the stand-in itself to look into."""

    skus = ("S1", "S2")
    blocked_sku = "OLD"
    currency = "EUR"

    def __init__(self, folder: Path, options: Mapping[str, str], central: Central | None = None) -> None:
        secret = folder / "erp"
        secret.write_text(SECRET, encoding="utf-8")
        self.central = central or Central()
        self.targets = HttpTargets(transport=self.central.transport(), shared=NO_LIMITS)
        settings = ErpSettings(
            "business_central", BASE_URL, f"file:{secret}", timeout_s=5, options={**OPTIONS, **options}
        )
        self.erp: Erp = build_erp("main", settings, self.targets)

    def _of(self, kind: str, reference: str) -> list[dict[str, object]]:
        return [row for row in self.central.entities[kind] if str(row["externalDocumentNumber"]).startswith(reference)]

    async def sales(self, reference: str) -> int:
        return len(self._of("salesOrders", reference))

    async def pieces(self, reference: str) -> dict[str, int]:
        (found,) = self.central.entities["salesOrders"] and self._of("salesOrders", reference)
        lines = found["salesOrderLines"]
        assert isinstance(lines, list)
        return {line["lineObjectNumber"]: line["quantity"] for line in lines if line["lineType"] == "Item"}

    async def shipped(self, reference: str) -> dict[str, int]:
        pieces: dict[str, int] = {}
        for shipment in self._of("salesShipments", reference):
            lines = shipment["salesShipmentLines"]
            assert isinstance(lines, list)
            for line in lines:
                if line["lineObjectNumber"] in self.skus:
                    pieces[line["lineObjectNumber"]] = pieces.get(line["lineObjectNumber"], 0) + line["quantity"]
        return pieces

    def lose_next_answer(self) -> None:
        self.central.lose_next = True


class TestBusinessCentral(ErpSuite):
    """The channel's tax on lines of an account."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> CentralBench:
        return CentralBench(tmp_path, ON_ACCOUNT)


class TestBusinessCentralByTaxCode(ErpSuite):
    """The channel's tax by tax codes."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> CentralBench:
        return CentralBench(tmp_path, BY_CODE)

    async def test_an_amended_order_says_what_its_newest_version_says(self, bench: CentralBench) -> None:  # type: ignore[override]  # the same, with a tax that a code gives
        await self.amended_with_a_tax_of(bench, 152)


REFERENCE = "KTEST-000000100"


@pytest.fixture
def bench(tmp_path: Path) -> CentralBench:
    return CentralBench(tmp_path, ON_ACCOUNT)


async def test_a_tax_that_no_code_gives_is_named_and_nothing_is_made(tmp_path: Path) -> None:
    bench = CentralBench(tmp_path, BY_CODE)
    asked = order(bench, REFERENCE, "C-1")
    asked = replace(asked, lines=(replace(asked.lines[0], tax_minor=333), asked.lines[1]), total_minor=4903)
    assert bench.erp.check is not None
    (objection,) = await bench.erp.check.object_to(asked)
    assert objection.code == "tax_unmapped"
    assert "line 1: 333 of 3500 EUR" in objection.evidence
    with pytest.raises(PermanentFault, match="line 1: 333 of 3500 EUR"):
        await bench.erp.booking.book(asked, "key")
    assert await bench.sales(REFERENCE) == 0


async def test_an_order_whose_sums_do_not_tie_is_deleted_again_and_the_difference_named(tmp_path: Path) -> None:
    """A cent off by line is within what rounding does; the order's total is not."""
    bench = CentralBench(tmp_path, BY_CODE)
    asked = order(bench, REFERENCE, "C-1")
    asked = replace(asked, lines=(replace(asked.lines[0], tax_minor=281), asked.lines[1]), total_minor=4851)
    with pytest.raises(PermanentFault, match=r"total 4850, the channel's is 4851, -1 EUR") as caught:
        await bench.erp.booking.book(asked, "key")
    assert caught.value.code == "total_differs"
    assert await bench.sales(REFERENCE) == 0


@pytest.mark.parametrize("way", [ON_ACCOUNT, BY_CODE], ids=["account", "code"])
async def test_prices_that_contain_the_tax_come_to_the_same_total(tmp_path: Path, way: dict[str, str]) -> None:
    bench = CentralBench(tmp_path, way)
    lines = (SalesOrderLine(1, "S1", 3, 1080, 0, 240, free=False), SalesOrderLine(2, "S2", 1, 0, 0, 0, free=True))
    asked = replace(order(bench, REFERENCE, "C-1"), lines=lines, tax_included=True, total_minor=3240 + 570)
    booked = await bench.erp.booking.book(asked, "key")
    assert booked.total_minor == asked.total_minor
    assert bench.erp.orders is not None
    (read,) = await bench.erp.orders.read_orders([REFERENCE])
    assert read.tax_minor == 240
    assert {line.line_no: (line.net_minor, line.tax_minor) for line in read.lines} == {1: (3000, 240), 2: (0, 0)}


async def test_a_free_line_costs_nothing_though_the_item_has_a_price(bench: CentralBench) -> None:
    asked = order(bench, REFERENCE, "C-1")
    free = SalesOrderLine(3, "S2", 2, 0, 0, 0, free=True)
    asked = replace(asked, lines=(*asked.lines, free))
    booked = await bench.erp.booking.book(asked, "key")
    assert booked.total_minor == asked.total_minor


async def test_an_order_that_was_posted_whole_is_gone_and_found_by_its_invoices(bench: CentralBench) -> None:
    asked = order(bench, REFERENCE, "C-1")
    booked = await bench.erp.booking.book(asked, "key")
    for part in (posting(bench, REFERENCE, 1, 1), posting(bench, REFERENCE, 1, part=2)):
        await bench.erp.shipments.post_shipment(part, part.reference)
    assert await bench.sales(REFERENCE) == 0
    assert await bench.erp.booking.find_order(REFERENCE) == booked
    assert await bench.erp.booking.book(asked, "key") == booked
    assert bench.erp.orders is not None
    (read,) = await bench.erp.orders.read_orders([REFERENCE])
    assert (read.status, read.total_minor, read.tax_minor) == (ErpOrderStatus.CLOSED, 4850, 280)
    assert (read.invoiced_minor, read.refunded_minor) == (4850, 0)
    assert {line.line_no: (line.sku, line.shipped) for line in read.lines} == {1: ("S1", 2), 2: ("S2", 1)}


async def test_an_invoice_that_was_cancelled_counts_as_refunded_and_a_draft_not_at_all(bench: CentralBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "C-1"), "key")
    for part in (posting(bench, REFERENCE, 1), posting(bench, REFERENCE, 1, 1, part=2)):
        await bench.erp.shipments.post_shipment(part, part.reference)
    first, second = bench.central.entities["salesInvoices"]
    first["status"] = "Canceled"
    bench.central.entities["salesInvoices"].append({**second, "status": "Draft"})
    assert bench.erp.orders is not None
    (read,) = await bench.erp.orders.read_orders([REFERENCE])
    cancelled = 1900 - 150 + 140 + 570  # half of the line, its tax, and the shipping
    assert (read.invoiced_minor, read.refunded_minor) == (4850, cancelled)


async def test_a_currency_without_decimals_is_booked_as_it_is(bench: CentralBench) -> None:
    lines = (SalesOrderLine(1, "S1", 2, 1900, 300, 280, free=False),)
    asked = replace(order(bench, REFERENCE, "C-1"), currency="JPY", lines=lines, total_minor=4350)
    booked = await bench.erp.booking.book(asked, "key")
    assert (booked.total_minor, booked.currency) == (4350, "JPY")


async def test_an_order_that_was_posted_whole_is_never_booked_with_other_content(bench: CentralBench) -> None:
    asked = order(bench, REFERENCE, "C-1")
    await bench.erp.booking.book(asked, "key")
    await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 2, 1), "part")
    with pytest.raises(PermanentFault) as caught:
        await bench.erp.booking.book(replace(asked, total_minor=1), "key")
    assert caught.value.code == "reference_conflict"
    assert await bench.sales(REFERENCE) == 0


async def test_lines_that_an_earlier_try_did_not_come_to_are_added(bench: CentralBench) -> None:
    asked = order(bench, REFERENCE, "C-1")
    await bench.erp.booking.book(asked, "key")
    (made,) = bench.central.entities["salesOrders"]
    del made["salesOrderLines"][2:]
    booked = await bench.erp.booking.book(asked, "key")
    assert booked.total_minor == asked.total_minor
    assert bench.central.count("salesOrders") == 1


async def test_two_orders_under_one_reference_are_for_a_person(bench: CentralBench) -> None:
    asked = order(bench, REFERENCE, "C-1")
    await bench.erp.booking.book(asked, "key")
    (made,) = bench.central.entities["salesOrders"]
    bench.central.entities["salesOrders"].append({**made, "number": "S-ORD9"})
    for look in (bench.erp.booking.find_order(REFERENCE), bench.erp.booking.book(asked, "key")):
        with pytest.raises(PermanentFault, match="S-ORD1001, S-ORD9") as caught:
            await look
        assert caught.value.code == "ambiguous"


async def test_two_processes_that_both_book_are_found_out(tmp_path: Path, bench: CentralBench) -> None:
    """What a lease prevents, and Business Central does not."""
    other = CentralBench(tmp_path, ON_ACCOUNT, bench.central)
    asked = order(bench, REFERENCE, "C-1")
    outcomes = await asyncio.gather(
        bench.erp.booking.book(asked, "key"), other.erp.booking.book(asked, "key"), return_exceptions=True
    )
    assert bench.central.count("salesOrders") == 2
    assert any(isinstance(outcome, PermanentFault) and outcome.code == "ambiguous" for outcome in outcomes)
    with pytest.raises(PermanentFault, match="2 orders under"):
        await bench.erp.booking.find_order(REFERENCE)


async def test_a_reference_that_another_begins_with_is_not_taken_for_it(bench: CentralBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE + "0", "C-1"), "key")
    assert await bench.erp.booking.find_order(REFERENCE) is None


async def test_shipments_of_one_order_at_once_are_posted_one_after_another(bench: CentralBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "C-1"), "key")
    parts = [posting(bench, REFERENCE, 1), posting(bench, REFERENCE, 1, 1, part=2)]
    await asyncio.gather(*(bench.erp.shipments.post_shipment(part, part.reference) for part in parts))
    assert bench.central.count("salesShipments") == 2
    assert await bench.shipped(REFERENCE) == {"S1": 2, "S2": 1}


async def test_more_pieces_than_are_left_are_not_posted(bench: CentralBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "C-1"), "key")
    with pytest.raises(PermanentFault, match="2 left of line 1, and 3 shipped"):
        await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 3), "key")
    assert bench.central.count("salesShipments") == 0


async def test_a_shipment_with_other_pieces_under_our_reference_is_named(bench: CentralBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "C-1"), "key")
    await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 1), "key")
    with pytest.raises(PermanentFault) as caught:
        await bench.erp.shipments.find_shipment(posting(bench, REFERENCE, 2))
    assert caught.value.code == "shipment_differs"


async def test_a_lost_answer_of_a_posting_leaves_a_shipment_that_is_found(bench: CentralBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "C-1"), "key")
    part = posting(bench, REFERENCE, 2, 1)
    for line in bench.central.entities["salesOrders"][0]["salesOrderLines"]:
        assert line["lineType"] == "Comment" or line["shipQuantity"] == line["quantity"]
    bench.lose_next_answer()  # of the header's change: everything else is staged already
    with pytest.raises(UnknownResult):
        await bench.erp.shipments.post_shipment(part, "key")
    assert await bench.erp.shipments.find_shipment(part) is None
    posted = await bench.erp.shipments.post_shipment(part, "key")
    assert await bench.erp.shipments.find_shipment(part) == posted
    assert bench.central.count("salesShipments") == 1


async def test_an_older_version_that_comes_late_changes_nothing(bench: CentralBench) -> None:
    asked = order(bench, REFERENCE, "C-1")
    await bench.erp.booking.book(asked, "key")
    assert bench.erp.amendment is not None
    newest = replace(asked, lines=asked.lines[:1], total_minor=4350, version=3)
    amended = await bench.erp.amendment.amend(newest, "amend:3")
    assert amended.total_minor == 4350
    assert await bench.erp.amendment.amend(replace(asked, version=2), "amend:2") == amended
    assert await bench.pieces(REFERENCE) == {"S1": 2}


async def test_a_line_that_has_its_tax_changed_alone_is_amended(tmp_path: Path) -> None:
    """An answer does not say which tax code a line has."""
    bench = CentralBench(tmp_path, BY_CODE)
    asked = order(bench, REFERENCE, "C-1")
    await bench.erp.booking.book(asked, "key")
    assert bench.erp.amendment is not None
    newer = replace(asked, lines=(replace(asked.lines[0], tax_minor=700), asked.lines[1]), total_minor=5270, version=2)
    assert (await bench.erp.amendment.amend(newer, "amend")).total_minor == 5270


async def test_what_has_shipped_is_not_amended_away(bench: CentralBench) -> None:
    asked = order(bench, REFERENCE, "C-1")
    await bench.erp.booking.book(asked, "key")
    await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 2), "part")
    assert bench.erp.amendment is not None
    with pytest.raises(PermanentFault) as caught:
        await bench.erp.amendment.amend(replace(asked, lines=asked.lines[1:], total_minor=1070, version=2), "amend")
    assert caught.value.code == "shipped"


async def test_currency_unit_location_and_block_are_objections_that_name_the_value(tmp_path: Path) -> None:
    bench = CentralBench(tmp_path, {**ON_ACCOUNT, "location": "WEST"})
    bench.central.entities["items"][0]["baseUnitOfMeasureCode"] = "BOX"
    bench.central.entities["customers"][0]["blocked"] = "Ship"
    assert bench.erp.check is not None
    found = await bench.erp.check.object_to(replace(order(bench, REFERENCE, "C-1"), currency="XTS"))
    assert {objection.code: objection.evidence for objection in found} == {
        "currency_unmapped": "XTS",
        "unit_unmapped": "S1 is counted in BOX, not in PCS",
        "warehouse_unmapped": "WEST",
        "credit_hold": "customer C-1 is blocked: Ship",
    }


async def test_goods_are_booked_from_the_location_that_the_options_name(tmp_path: Path) -> None:
    bench = CentralBench(tmp_path, {**ON_ACCOUNT, "location": "EAST"})
    await bench.erp.booking.book(order(bench, REFERENCE, "C-1"), "key")
    (made,) = bench.central.entities["salesOrders"]
    places = {line["lineType"]: line.get("locationId", "") for line in made["salesOrderLines"]}
    assert places == {"Comment": "", "Item": bench.central.entities["locations"][0]["id"], "Account": ""}


async def test_one_token_serves_all_calls(bench: CentralBench) -> None:
    await bench.erp.items.check_items(["S1"])
    await bench.erp.booking.find_order(REFERENCE)
    assert bench.central.tokens_given == 1


async def test_a_customer_has_the_buyers_address_and_a_number_of_twenty(bench: CentralBench) -> None:
    number = await bench.erp.customers.resolve_customer("shop", "zoe@example.com", ADDRESS)
    assert len(number) == 20
    (request,) = (request for request in bench.central.requests if request.method == "POST")
    assert orjson.loads(request.content)["city"] == "Lyon"


async def test_an_answer_that_breaks_its_schema_is_a_fault_that_names_the_field(bench: CentralBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "C-1"), "key")
    (made,) = bench.central.entities["salesOrders"]
    made["customerNumber"] = None
    with pytest.raises(TemporaryFault, match="customerNumber"):
        await bench.erp.booking.find_order(REFERENCE)


async def test_the_day_of_posting_is_the_day_of_shipping(bench: CentralBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "C-1"), "key")
    await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 1), "key")
    assert bench.central.entities["salesOrders"][0]["postingDate"] == AT.date().isoformat()
