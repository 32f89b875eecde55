"""NetSuite: the ERPs' suite, and the traps that are its own."""

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
)
from kept.settings import ErpSettings, SettingsError
from tests.conformance.wire import NO_LIMITS
from tests.erps.netsuite_standin import BASE_URL, LINE_FIELD, OPTIONS, Refusal, Suite, private_key
from tests.erps.suite import ADDRESS, ErpSuite, order, posting

REFERENCE = "KTEST-000000100"
CUSTOMER = "900"


class SuiteBench:
    """`kept`'s connector over the stand-in, and the stand-in itself to look into."""

    skus = ("S1", "S2")
    blocked_sku = "OLD"
    currency = "EUR"

    def __init__(self, folder: Path, options: Mapping[str, str] | None = None, key: str = "") -> None:
        path = folder / "key.pem"
        path.write_text(key or private_key(), encoding="utf-8")
        self.suite = Suite()
        targets = HttpTargets(transport=self.suite.transport(), shared=NO_LIMITS)
        settings = ErpSettings(
            "netsuite", BASE_URL, f"file:{path}", timeout_s=5, options={**OPTIONS, **(options or {})}
        )
        self.erp: Erp = build_erp("main", settings, targets)

    async def sales(self, reference: str) -> int:
        orders = [each for each in self.suite.orders if each["externalId"] == reference]
        return sum(self.suite.status(each) not in "CH" for each in orders)

    async def pieces(self, reference: str) -> dict[str, int]:
        return self._goods(reference, "quantity")

    async def shipped(self, reference: str) -> dict[str, int]:
        return self._goods(reference, "quantityFulfilled")

    def _goods(self, reference: str, field: str) -> dict[str, int]:
        (found,) = (each for each in self.suite.orders if each["externalId"] == reference)
        skus = {item["id"]: item["itemid"] for item in self.suite.items if item["itemid"] in self.skus}
        lines = [line for line in found["lines"] if line["item"]["id"] in skus and line[field]]
        return {skus[line["item"]["id"]]: int(line[field]) for line in lines}

    def lose_next_answer(self) -> None:
        self.suite.lose_next = True


class TestNetsuite(ErpSuite):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> SuiteBench:
        return SuiteBench(tmp_path)


@pytest.fixture
def bench(tmp_path: Path) -> SuiteBench:
    return SuiteBench(tmp_path)


async def test_discount_tax_and_shipping_are_lines_of_their_own_at_a_price_of_ours(bench: SuiteBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, CUSTOMER), "key")
    (made,) = bench.suite.orders
    assert {line[LINE_FIELD]: (line["item"]["id"], line["quantity"], line["rate"]) for line in made["lines"]} == {
        "line_1": ("11", 2, 19.0),
        "discount_1": ("22", 1, -3.0),
        "tax_1": ("23", 1, 2.8),
        "line_2": ("12", 1, 5.0),
        "shipping": ("21", 1, 5.7),
    }
    assert {line["price"]["id"] for line in made["lines"]} == {"-1"}


async def test_tax_that_is_in_the_price_is_taken_out_of_it_and_stands_alone(bench: SuiteBench) -> None:
    line = SalesOrderLine(1, "S1", 1, 1200, 0, 200, free=False)
    asked = order(bench, REFERENCE, CUSTOMER)
    asked = replace(asked, lines=(line,), shipping_minor=0, total_minor=1200, tax_included=True)
    assert (await bench.erp.booking.book(asked, "key")).total_minor == 1200
    assert bench.erp.orders is not None
    (read,) = await bench.erp.orders.read_orders([REFERENCE])
    assert (read.tax_minor, read.lines[0].net_minor, read.lines[0].tax_minor) == (200, 1000, 200)


async def test_a_tax_that_netsuite_adds_is_seen_and_the_order_deleted_again(bench: SuiteBench) -> None:
    bench.suite.tax = Decimal("0.50")
    asked = order(bench, REFERENCE, CUSTOMER)
    with pytest.raises(
        PermanentFault, match=r"total 4900, the channel's is 4850.*tax 330, the channel's is 280"
    ) as caught:
        await bench.erp.booking.book(asked, "key")
    assert caught.value.code == "total_differs"
    assert bench.suite.orders == []
    bench.suite.tax = Decimal(0)
    assert (await bench.erp.booking.book(asked, "key")).total_minor == 4850


async def test_an_order_that_waits_for_approval_is_not_booked_yet_and_is_approved(bench: SuiteBench) -> None:
    asked = order(bench, REFERENCE, CUSTOMER)
    bench.suite.approves = True
    await bench.erp.booking.book(asked, "key")
    assert [bench.suite.status(each) for each in bench.suite.orders] == ["B"]
    bench.suite.orders[0]["orderStatus"] = "A"
    assert await bench.erp.booking.find_order(REFERENCE) is None


@pytest.mark.parametrize("letter", ["C", "H"])
async def test_an_order_that_was_cancelled_or_closed_there_is_not_booked_over(bench: SuiteBench, letter: str) -> None:
    asked = order(bench, REFERENCE, CUSTOMER)
    await bench.erp.booking.book(asked, "key")
    if letter == "C":
        bench.suite.orders[0]["orderStatus"] = "C"
    for line in bench.suite.orders[0]["lines"]:
        line["isClosed"] = letter == "H"
    with pytest.raises(PermanentFault) as caught:
        await bench.erp.booking.book(asked, "key")
    assert caught.value.code == "cancelled_there"


async def test_a_status_that_is_not_known_is_named(bench: SuiteBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, CUSTOMER), "key")
    bench.suite.status = lambda order: "Z"  # type: ignore[method-assign]  # a letter that NetSuite has not had so far
    with pytest.raises(PermanentFault, match="'Z'") as caught:
        await bench.erp.booking.find_order(REFERENCE)
    assert caught.value.code == "unknown_state"


async def test_the_same_reference_with_another_line_is_a_conflict_that_names_it(bench: SuiteBench) -> None:
    asked = order(bench, REFERENCE, CUSTOMER)
    await bench.erp.booking.book(asked, "key")
    bench.suite.orders[0]["lines"][0]["quantity"] = 7
    with pytest.raises(PermanentFault, match=r"line_1: item S1, 7 x 19") as caught:
        await bench.erp.booking.book(asked, "key")
    assert caught.value.code == "reference_conflict"


async def test_a_line_that_somebody_added_is_a_conflict(bench: SuiteBench) -> None:
    asked = order(bench, REFERENCE, CUSTOMER)
    await bench.erp.booking.book(asked, "key")
    extra = {"line": 9, "item": {"id": "12"}, "quantity": 1, "rate": 0, "isClosed": False, "quantityFulfilled": 0}
    bench.suite.orders[0]["lines"].append(extra)
    with pytest.raises(PermanentFault, match="#9 was not asked for"):
        await bench.erp.booking.book(asked, "key")


async def test_what_it_could_not_take_are_objections_that_name_the_value(tmp_path: Path) -> None:
    bench = SuiteBench(tmp_path, {"unit": "1"})
    bench.suite.items[0]["saleunit"] = "3"
    bench.suite.items[1]["isinactive"] = "T"
    bench.suite.items.pop()
    bench.suite.customers[0] |= {"creditLimit": 100.0, "balance": 100.5}
    assert bench.erp.check is not None
    found = await bench.erp.check.object_to(replace(order(bench, REFERENCE, CUSTOMER), currency="XTS"))
    assert [(objection.code, objection.evidence) for objection in found] == [
        ("currency_unmapped", "XTS"),
        ("sku_unknown", "S2: no active item"),
        ("sku_unknown", "TAX: no active item"),
        ("unit_unmapped", "S1 is sold in the unit 3, not in 1"),
        ("credit_hold", "customer 900 owes 100.5, its credit limit is 100.0"),
    ]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"creditHoldOverride": {"id": "ON"}}, "credit hold is on"),
        ({"creditHoldOverride": {"id": "OFF"}, "creditLimit": 1.0, "balance": 9.0}, ""),
        ({"isInactive": True}, "inactive"),
        ({"creditLimit": 9.0, "balance": 9.0}, ""),
    ],
)
async def test_a_customers_credit_is_as_netsuite_has_it(
    bench: SuiteBench, changed: dict[str, object], words: str
) -> None:
    bench.suite.customers[0] |= changed
    assert bench.erp.credit is not None
    held = await bench.erp.credit.credit_hold(CUSTOMER)
    assert words in held
    assert bool(held) is bool(words)


async def test_what_a_location_has_goes_down_with_what_is_posted(bench: SuiteBench) -> None:
    assert bench.erp.warehouses is not None
    assert StockLevel("S1", 1000) in (await bench.erp.warehouses.warehouse_stock("7")).levels
    await bench.erp.booking.book(order(bench, REFERENCE, CUSTOMER), "key")
    await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 2), "part")
    assert StockLevel("S1", 998) in (await bench.erp.warehouses.warehouse_stock("7")).levels
    assert (await bench.erp.warehouses.warehouse_stock("8")).levels == ()
    with pytest.raises(PermanentFault, match="'NOWHERE'") as caught:
        await bench.erp.warehouses.warehouse_stock("NOWHERE")
    assert caught.value.code == "warehouse_unmapped"


async def test_many_items_and_a_quote_are_asked_for_in_pages(bench: SuiteBench) -> None:
    bench.suite.items += [{"id": str(5000 + n), "itemid": f"N{n}", "isinactive": "F"} for n in range(1200)]
    bench.suite.items.append({"id": "9000", "itemid": "O'NEILL", "isinactive": "F"})
    asked = [f"N{n}" for n in range(1200)] + ["O'NEILL"]
    assert all(check.saleable for check in await bench.erp.items.check_items(asked))
    bench.suite.stock = {str(5000 + n): n for n in range(1200)}
    assert bench.erp.warehouses is not None
    assert len((await bench.erp.warehouses.warehouse_stock("7")).levels) == 1200


async def test_only_what_is_said_goes_of_a_transformation_that_takes_all(bench: SuiteBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, CUSTOMER), "key")
    await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 1), "part")
    assert await bench.shipped(REFERENCE) == {"S1": 1}


async def test_more_pieces_than_are_left_are_refused_and_nothing_is_posted(bench: SuiteBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, CUSTOMER), "key")
    with pytest.raises(PermanentFault, match="2 left of line 1, and 3 shipped") as caught:
        await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 3), "part")
    assert caught.value.code == "not_open"
    assert bench.suite.fulfilments == []


async def test_a_fulfilment_with_other_pieces_under_our_reference_is_a_difference(bench: SuiteBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, CUSTOMER), "key")
    await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 1), "part")
    with pytest.raises(PermanentFault) as caught:
        await bench.erp.shipments.find_shipment(posting(bench, REFERENCE, 2))
    assert caught.value.code == "shipment_differs"


async def test_who_comes_second_with_a_shipment_finds_the_first_ones(
    bench: SuiteBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes, so no lock of ours between them: the first posts between the second's look and its request."""
    await bench.erp.booking.book(order(bench, REFERENCE, CUSTOMER), "key")
    part, fulfil = posting(bench, REFERENCE, 2, 1), bench.suite._fulfil

    def first(*given: dict[str, object]) -> None:
        fulfil(*given)
        fulfil(*given)

    monkeypatch.setattr(bench.suite, "_fulfil", first)
    posted = await bench.erp.shipments.post_shipment(part, "key")
    assert await bench.erp.shipments.find_shipment(part) == posted
    assert len(bench.suite.fulfilments) == 1


async def test_an_older_version_that_comes_late_changes_nothing(bench: SuiteBench) -> None:
    asked = order(bench, REFERENCE, CUSTOMER)
    await bench.erp.booking.book(asked, "key")
    assert bench.erp.amendment is not None
    newest = replace(asked, lines=asked.lines[:1], total_minor=4350, version=3)
    amended = await bench.erp.amendment.amend(newest, "amend:3")
    assert amended.total_minor == 4350
    assert await bench.erp.amendment.amend(replace(asked, version=2), "amend:2") == amended
    assert await bench.pieces(REFERENCE) == {"S1": 2}


async def test_an_order_of_which_something_went_is_amended_no_more(bench: SuiteBench) -> None:
    asked = order(bench, REFERENCE, CUSTOMER)
    await bench.erp.booking.book(asked, "key")
    await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 1), "part")
    assert bench.erp.amendment is not None
    with pytest.raises(PermanentFault) as caught:
        await bench.erp.amendment.amend(replace(asked, lines=asked.lines[1:], total_minor=1070, version=2), "amend")
    assert caught.value.code == "shipped"


async def test_a_withdrawal_keeps_the_shipping_and_the_tax_of_what_went(bench: SuiteBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, CUSTOMER), "key")
    await bench.erp.shipments.post_shipment(posting(bench, REFERENCE, 1), "part")
    await bench.erp.withdrawal.withdraw(REFERENCE, "withdraw")
    assert {line[LINE_FIELD] for line in bench.suite.orders[0]["lines"] if line["isClosed"]} == {"line_1", "line_2"}
    assert bench.erp.orders is not None
    (read,) = await bench.erp.orders.read_orders([REFERENCE])
    assert (read.status, read.lines[0].shipped) == (ErpOrderStatus.CLOSED, 1)


async def test_a_record_that_somebody_saved_meanwhile_is_temporary(
    bench: SuiteBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(*_: object) -> None:
        raise Refusal(400, "RCRD_HAS_BEEN_CHANGED", "Record has been changed")

    await bench.erp.booking.book(order(bench, REFERENCE, CUSTOMER), "key")
    monkeypatch.setattr(bench.suite, "_change", overtaken)
    with pytest.raises(TemporaryFault, match="RCRD_HAS_BEEN_CHANGED"):
        await bench.erp.withdrawal.withdraw(REFERENCE, "withdraw")


async def test_a_buyer_is_a_customer_under_an_external_id(tmp_path: Path) -> None:
    bench = SuiteBench(tmp_path, {"subsidiary": "2"})
    made = await bench.erp.customers.resolve_customer("shop", "zoe@example.com", ADDRESS)
    (sent,) = (request for request in bench.suite.requests if request.url.path.endswith("/customer"))
    body = orjson.loads(sent.content)
    assert (body["companyName"], body["email"], body["subsidiary"]) == ("Zoë Weiß", "zoe@example.com", {"id": "2"})
    assert body["externalId"].startswith("kept-")
    assert made == bench.suite.customers[-1]["id"]


async def test_a_name_that_another_customer_has_is_a_refusal_and_no_customer_of_ours(
    bench: SuiteBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(*_: object) -> None:
        raise Refusal(400, "DUP_ENTITY", "A customer record with this ID already exists.")

    monkeypatch.setattr(bench.suite, "_add_customer", taken)
    with pytest.raises(PermanentFault) as caught:
        await bench.erp.customers.resolve_customer("shop", "zoe@example.com", ADDRESS)
    assert caught.value.code == "exists"


async def test_one_token_serves_all_calls_and_a_new_one_is_fetched_when_it_is_over(bench: SuiteBench) -> None:
    await bench.erp.booking.book(order(bench, REFERENCE, CUSTOMER), "key")
    assert bench.suite.tokens_given == 1
    bench.suite.token = "another"
    await bench.erp.items.check_items(["S1"])
    assert bench.suite.tokens_given == 2


async def test_a_certificate_that_is_not_ours_is_our_account_at_fault(tmp_path: Path) -> None:
    with pytest.raises(AccessRefused, match="invalid_client") as caught:
        await SuiteBench(tmp_path, {"certificate_id": "other"}).erp.items.check_items(["S1"])
    assert caught.value.whole_account


async def test_an_answer_that_breaks_its_schema_is_a_fault_that_names_the_field(bench: SuiteBench) -> None:
    bench.suite.book(REFERENCE)
    bench.suite.orders[0]["entity"] = None
    with pytest.raises(TemporaryFault, match="entity"):
        await bench.erp.booking.find_order(REFERENCE)


async def test_a_line_that_breaks_its_schema_is_a_fault_that_names_the_field(bench: SuiteBench) -> None:
    bench.suite.book(REFERENCE)
    bench.suite.orders[0]["lines"][0]["isClosed"] = "perhaps"
    with pytest.raises(TemporaryFault, match="isClosed"):
        await bench.erp.booking.find_order(REFERENCE)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"location": ""}, "options.location is not set"),
        ({"colour": "red"}, "options.colour is not known"),
        ({"currencies": "EURO=4"}, "'EURO=4' is not written CURRENCY=ID"),
        ({"currencies": "EUR=four"}, "'four' is not an internal id"),
        ({"location": "East"}, "options.location: 'East' is not an internal id"),
        ({"line_field": "kept_line"}, "'kept_line'; a column field's id is custcol..."),
        ({"algorithm": "RS256"}, "'RS256'; it is one of PS256"),
        ({"algorithm": "PS256"}, "erps.main.token is no private key in PEM that signs PS256"),
    ],
)
def test_an_option_that_is_missing_or_wrong_is_named(changed: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        SuiteBench(tmp_path, changed)
    assert words in str(caught.value)


def test_a_key_that_is_none_is_named_and_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        SuiteBench(tmp_path, key="not-a-key-at-all")
    assert "erps.main.token" in str(caught.value)
    assert "not-a-key" not in str(caught.value)
