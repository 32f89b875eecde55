"""Odoo: the ERPs' suite by both of its APIs and in both ways of booking tax, and the traps that are its own."""

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
from tests.erps.odoo_standin import BASE_URL, DATABASE, KEY, LOGIN, Odoo
from tests.erps.suite import ADDRESS, ErpSuite, order, posting

OPTIONS = {
    "database": DATABASE,
    "pricelists": "EUR=2, USD=3",
    "shipping_sku": "SHIPPING",
    "discount_sku": "DISCOUNT",
}
BY_LINE = {"tax_sku": "TAX"}
BY_TAX = {"taxes": "0=4, 8=5, 20=6"}
BY_RPC = {"api": "json-rpc", "login": LOGIN, **BY_LINE}
REFERENCE = "KTEST-000000100"


class OdooBench:
    """`kept`'s connector over the stand-in, and the stand-in itself to look into."""

    skus = ("S1", "S2")
    blocked_sku = "OLD"
    currency = "EUR"

    def __init__(self, folder: Path, options: Mapping[str, str], key: str = KEY) -> None:
        secret = folder / "key"
        secret.write_text(key, encoding="utf-8")
        self.odoo = Odoo()
        targets = HttpTargets(transport=self.odoo.transport(), shared=NO_LIMITS)
        settings = ErpSettings("odoo", BASE_URL, f"file:{secret}", timeout_s=5, options={**OPTIONS, **options})
        self.erp: Erp = build_erp("main", settings, targets)

    async def sales(self, reference: str) -> int:
        orders = self.odoo.all("sale.order")
        return sum(each["client_order_ref"] == reference and each["state"] != "cancel" for each in orders)

    async def pieces(self, reference: str) -> dict[str, int]:
        return self._goods(reference, "product_uom_qty")

    async def shipped(self, reference: str) -> dict[str, int]:
        return self._goods(reference, "qty_delivered")

    def _goods(self, reference: str, field: str) -> dict[str, int]:
        (order_id,) = (each["id"] for each in self.odoo.all("sale.order") if each["client_order_ref"] == reference)
        lines = [line for line in self.odoo.all("sale.order.line") if line["order_id"] == order_id]
        return {line["name"]: int(line[field]) for line in lines if line["name"] in self.skus and line[field]}

    def lose_next_answer(self) -> None:
        self.odoo.lose_next = True


class TestOdoo(ErpSuite):
    """JSON-2, the channel's tax on lines of a product."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> OdooBench:
        return OdooBench(tmp_path, BY_LINE)


class TestOdooByItsOwnTaxes(ErpSuite):
    """The channel's tax by Odoo's taxes."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> OdooBench:
        return OdooBench(tmp_path, BY_TAX)

    async def test_an_amended_order_says_what_its_newest_version_says(self, bench: OdooBench) -> None:  # type: ignore[override]  # the same, with a tax that a percentage gives
        await self.amended_with_a_tax_of(bench, 152)


class TestOdooByJsonRpc(ErpSuite):
    """The API that older versions have."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> OdooBench:
        return OdooBench(tmp_path, BY_RPC)


@pytest.fixture
def bench(tmp_path: Path) -> OdooBench:
    return OdooBench(tmp_path, BY_LINE)


async def test_discount_tax_and_shipping_are_lines_of_their_own(bench: OdooBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "1"), "key")
    lines = {line["name"]: (line["product_uom_qty"], line["price_unit"]) for line in bench.odoo.all("sale.order.line")}
    assert lines == {
        "S1": (2.0, 19.0),
        "Discount on line 1": (1.0, -3.0),
        "Tax on line 1": (1.0, 2.8),
        "S2": (1.0, 5.0),
        "Shipping": (1.0, 5.7),
    }


async def test_tax_that_is_in_the_price_is_taken_out_of_it_and_stands_alone(bench: OdooBench) -> None:
    line = SalesOrderLine(1, "S1", 1, 1200, 0, 200, free=False)
    asked = replace(order(bench, REFERENCE, "1"), lines=(line,), shipping_minor=0, total_minor=1200, tax_included=True)
    assert (await bench.erp.booking.book(asked, "key")).total_minor == 1200
    assert bench.erp.orders is not None
    (read,) = await bench.erp.orders.read_orders([REFERENCE])
    assert (read.tax_minor, read.lines[0].net_minor, read.lines[0].tax_minor) == (200, 1000, 200)


async def test_a_tax_that_no_tax_of_the_options_gives_is_named_and_nothing_is_made(tmp_path: Path) -> None:
    bench = OdooBench(tmp_path, BY_TAX)
    asked = order(bench, REFERENCE, "1")
    odd = replace(asked, lines=(replace(asked.lines[0], tax_minor=500), asked.lines[1]), total_minor=5070)
    assert bench.erp.check is not None
    (objection,) = await bench.erp.check.object_to(odd)
    assert (objection.code, objection.evidence) == ("tax_unmapped", "line 1: 500 of 3500 EUR (minor units)")
    with pytest.raises(PermanentFault, match="500 of 3500") as caught:
        await bench.erp.booking.book(odd, "key")
    assert caught.value.code == "tax_unmapped"
    assert bench.odoo.count("sale.order") == 0


async def test_a_quotation_with_other_sums_is_taken_back_and_made_anew_once_they_tie(tmp_path: Path) -> None:
    bench = OdooBench(tmp_path, BY_TAX)
    asked = order(bench, REFERENCE, "1")
    lines = (replace(asked.lines[0], tax_minor=281), asked.lines[1])  # a cent off is near enough for the code
    with pytest.raises(PermanentFault, match="the channel's is 281") as caught:
        await bench.erp.booking.book(replace(asked, lines=lines, total_minor=4851), "key")
    assert caught.value.code == "total_differs"
    assert bench.odoo.count("sale.order") == bench.odoo.count("sale.order.line") == 0
    assert (await bench.erp.booking.book(asked, "key")).total_minor == 4850


async def test_a_quotation_that_was_never_confirmed_is_brought_to_its_end(bench: OdooBench) -> None:
    asked = order(bench, REFERENCE, "1")
    await bench.erp.booking.book(asked, "key")
    bench.odoo.all("sale.order")[0]["state"] = "draft"
    assert await bench.erp.booking.find_order(REFERENCE) is None
    await bench.erp.booking.book(asked, "key")
    assert [each["state"] for each in bench.odoo.all("sale.order")] == ["sale"]


async def test_an_order_that_was_cancelled_there_is_not_booked_over(bench: OdooBench) -> None:
    asked = order(bench, REFERENCE, "1")
    await bench.erp.booking.book(asked, "key")
    bench.odoo.all("sale.order")[0]["state"] = "cancel"
    with pytest.raises(PermanentFault) as caught:
        await bench.erp.booking.book(asked, "key")
    assert caught.value.code == "cancelled_there"


async def test_the_same_reference_with_another_line_is_a_conflict_that_names_it(bench: OdooBench) -> None:
    asked = order(bench, REFERENCE, "1")
    await bench.erp.booking.book(asked, "key")
    bench.odoo.all("sale.order.line")[0]["product_uom_qty"] = 7.0
    with pytest.raises(PermanentFault, match=r"line_1: 7\S* x 19") as caught:
        await bench.erp.booking.book(asked, "key")
    assert caught.value.code == "reference_conflict"


async def test_two_orders_under_one_reference_are_ambiguous(bench: OdooBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "1"), "key")
    bench.odoo.records["sale.order"][99] = {**bench.odoo.all("sale.order")[0], "id": 99, "name": "S00099"}
    with pytest.raises(PermanentFault, match="S00001, S00099") as caught:
        await bench.erp.booking.find_order(REFERENCE)
    assert caught.value.code == "ambiguous"


async def test_currency_sku_and_unit_are_objections_that_name_the_value(bench: OdooBench) -> None:
    bench.odoo.all("product.product")[0]["uom_id"] = [7, "Dozens"]
    bench.odoo.add_product("S2")
    assert bench.erp.check is not None
    found = await bench.erp.check.object_to(replace(order(bench, REFERENCE, "1"), currency="XTS"))
    assert {objection.code: objection.evidence for objection in found} == {
        "currency_unmapped": "XTS",
        "unit_unmapped": "S1 is counted in Dozens, not in Units",
        "sku_unknown": "S2: 2 active products",
    }
    assert [(check.known, check.saleable) for check in await bench.erp.items.check_items(["S2"])] == [(True, False)]


async def test_what_a_warehouse_has_goes_down_with_what_is_posted(bench: OdooBench) -> None:
    assert bench.erp.warehouses is not None
    before = await bench.erp.warehouses.warehouse_stock("WH")
    assert StockLevel("S1", 1000) in before.levels
    await bench.erp.booking.book(order(bench, REFERENCE, "1"), "key")
    await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 2), "part")
    assert StockLevel("S1", 998) in (await bench.erp.warehouses.warehouse_stock("WH")).levels
    with pytest.raises(PermanentFault, match="'NOWHERE'") as caught:
        await bench.erp.warehouses.warehouse_stock("NOWHERE")
    assert caught.value.code == "warehouse_unmapped"


async def test_a_question_of_odoos_posts_nothing_and_is_named(bench: OdooBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "1"), "key")
    bench.odoo.asks = ["expiry.picking.confirmation"]
    with pytest.raises(PermanentFault, match=r"expiry\.picking\.confirmation") as caught:
        await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 2), "part")
    assert caught.value.code == "needs_answer"
    assert bench.odoo.count("shipments") == 0
    bench.odoo.asks = []
    await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 2), "part")
    assert bench.odoo.count("shipments") == 1


async def test_a_backorder_that_copied_the_reference_is_no_shipment(bench: OdooBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "1"), "key")
    first, second = posting(bench, REFERENCE, 1), posting(bench, REFERENCE, 1, 1, part=2)
    posted = await bench.erp.shipments.post_shipment(first, "one")
    assert [picking["origin"] for picking in bench.odoo.all("stock.picking")] == [first.reference] * 2
    assert await bench.erp.shipments.find_shipment(first) == posted
    assert await bench.erp.shipments.find_shipment(second) is None
    assert await bench.erp.shipments.post_shipment(second, "two") != posted
    assert await bench.erp.shipments.find_shipment(first) == posted


async def test_more_pieces_than_are_left_are_refused_and_nothing_is_posted(bench: OdooBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "1"), "key")
    with pytest.raises(PermanentFault) as caught:
        await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 3), "part")
    assert caught.value.code == "nothing_to_ship"
    assert bench.odoo.count("shipments") == 0


async def test_a_delivery_with_other_pieces_under_our_reference_is_a_difference(bench: OdooBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "1"), "key")
    await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 1), "part")
    with pytest.raises(PermanentFault) as caught:
        await bench.erp.shipments.find_shipment(posting(bench, REFERENCE, 2))
    assert caught.value.code == "shipment_differs"


async def test_a_lost_answer_of_a_validation_leaves_a_shipment_that_is_found(bench: OdooBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "1"), "key")
    part = posting(bench, REFERENCE, 2, 1)
    bench.lose_next_answer()  # of the write: staged, and not validated
    with pytest.raises(UnknownResult):
        await bench.erp.shipments.post_shipment(part, "key")
    assert await bench.erp.shipments.find_shipment(part) is None
    posted = await bench.erp.shipments.post_shipment(part, "key")
    assert await bench.erp.shipments.find_shipment(part) == posted
    assert bench.odoo.count("shipments") == 1


async def test_an_older_version_that_comes_late_changes_nothing(bench: OdooBench) -> None:
    asked = order(bench, REFERENCE, "1")
    await bench.erp.booking.book(asked, "key")
    assert bench.erp.amendment is not None
    newest = replace(asked, lines=asked.lines[:1], total_minor=4350, version=3)
    amended = await bench.erp.amendment.amend(newest, "amend:3")
    assert amended.total_minor == 4350
    assert await bench.erp.amendment.amend(replace(asked, version=2), "amend:2") == amended
    assert await bench.pieces(REFERENCE) == {"S1": 2}


async def test_an_amendment_adds_a_line_once(bench: OdooBench) -> None:
    asked = order(bench, REFERENCE, "1")
    await bench.erp.booking.book(asked, "key")
    assert bench.erp.amendment is not None
    more = (*asked.lines, SalesOrderLine(3, "S2", 2, 500, 0, 0, free=False))
    newer = replace(asked, lines=more, total_minor=5850, version=2)
    for _ in range(2):
        assert (await bench.erp.amendment.amend(newer, "amend:2")).total_minor == 5850
    assert len(bench.odoo.all("sale.order.line")) == 6


async def test_what_has_shipped_is_not_amended_away(bench: OdooBench) -> None:
    asked = order(bench, REFERENCE, "1")
    await bench.erp.booking.book(asked, "key")
    await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 2), "part")
    assert bench.erp.amendment is not None
    with pytest.raises(PermanentFault) as caught:
        await bench.erp.amendment.amend(replace(asked, lines=asked.lines[1:], total_minor=1070, version=2), "amend")
    assert caught.value.code == "shipped"


async def test_an_order_that_is_delivered_whole_is_closed(bench: OdooBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "1"), "key")
    await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 2, 1), "part")
    assert bench.erp.orders is not None
    (read,) = await bench.erp.orders.read_orders([REFERENCE])
    assert read.status is ErpOrderStatus.CLOSED


async def test_an_amount_with_the_noise_of_a_double_is_its_cents(bench: OdooBench) -> None:
    """A running Odoo answered 2.7999999999999988 for a tax of 2.80."""
    await bench.erp.booking.book(order(bench, REFERENCE, "1"), "key")
    tax = next(line for line in bench.odoo.all("sale.order.line") if line["name"] == "Tax on line 1")
    tax["price_unit"] = 2.7999999999999988
    assert (await bench.erp.booking.book(order(bench, REFERENCE, "1"), "key")).total_minor == 4850


async def test_a_key_that_is_refused_is_our_account_at_fault(tmp_path: Path) -> None:
    for options in (BY_LINE, BY_RPC):
        with pytest.raises((AccessRefused, PermanentFault)) as caught:
            await OdooBench(tmp_path, options, key="wrong").erp.items.check_items(["S1"])
        assert caught.value.code in ("Unauthorized", "login")


async def test_a_customer_and_an_address_are_made_once_and_apart(bench: OdooBench) -> None:
    customer = await bench.erp.customers.resolve_customer("shop", "zoe@example.com", ADDRESS)
    await bench.erp.booking.book(order(bench, REFERENCE, customer), "key")
    await bench.erp.booking.book(order(bench, "KTEST-000000101", customer), "key")
    (first, second) = bench.odoo.all("sale.order")
    assert first["partner_shipping_id"] == second["partner_shipping_id"] != int(customer)
    assert bench.odoo.records["res.partner"][first["partner_shipping_id"]]["city"] == "Lyon"


async def test_an_answer_that_breaks_its_schema_is_a_fault_that_names_the_field(bench: OdooBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "1"), "key")
    bench.odoo.all("sale.order")[0]["state"] = None
    with pytest.raises(TemporaryFault, match="state"):
        await bench.erp.booking.find_order(REFERENCE)


async def test_a_state_that_is_not_known_is_a_fault_that_names_it(bench: OdooBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, "1"), "key")
    bench.odoo.all("sale.order")[0]["state"] = "parked"
    with pytest.raises(PermanentFault, match="'parked'") as caught:
        await bench.erp.booking.find_order(REFERENCE)
    assert caught.value.code == "unknown_state"


async def test_before_version_19_taxes_have_their_older_name_and_stock_its_older_call(tmp_path: Path) -> None:
    bench = OdooBench(tmp_path, {**BY_RPC, "version": "18"})
    assert bench.erp.warehouses is not None
    levels = (await bench.erp.warehouses.warehouse_stock("WH")).levels
    assert StockLevel("S1", 1000) in levels
    with pytest.raises(PermanentFault, match="'tax_id'"):  # the stand-in is a 19
        await bench.erp.booking.book(order(bench, REFERENCE, "1"), "key")


def test_the_largest_price_goes_through_json_unchanged() -> None:
    assert orjson.dumps(float(Decimal("9999999999999.99"))) == b"9999999999999.99"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"database": ""}, "options.database is not set"),
        ({"colour": "red"}, "options.colour is not known"),
        ({"tax_sku": ""}, "set either tax_sku, or taxes"),
        ({"taxes": "8=5"}, "set either tax_sku, or taxes"),
        ({"pricelists": "EURO=2"}, "'EURO=2' is not written CURRENCY=ID"),
        ({"pricelists": "EUR=two"}, "'two' is not a number of Odoo's"),
        ({"tax_sku": "", "taxes": "8=A"}, "'A' is not a number of Odoo's"),
        ({"version": "18"}, "options.login is not set"),
        ({"version": "12"}, "17 is the oldest"),
        ({"api": "soap"}, "it is json-2 (from version 19 on) or json-rpc"),
        ({"api": "json-2", "version": "18", "login": "kept"}, "it is json-2 (from version 19 on) or json-rpc"),
    ],
)
def test_an_option_that_is_missing_or_wrong_is_named(changed: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        OdooBench(tmp_path, {**BY_LINE, **changed})
    assert words in str(caught.value)
