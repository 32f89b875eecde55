"""Business Central: options, taxes, lines, codes, and the guide."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import httpx2
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.connectors import erp_amounts, oauth
from kept.connectors.erps.business_central import build, codes, mapping
from kept.connectors.erps.business_central.options import Options, options_of
from kept.connectors.http import HttpTarget, HttpTargets, Refused, Request
from kept.ports import AccessRefused, Fault, PermanentFault, SalesOrderLine, TemporaryFault
from kept.settings import ErpSettings, SettingsError
from tests.conformance.operations import ORDER
from tests.conformance.wire import answer

GIVEN = {
    "company": "6f9a1f42-5b0f-4b6e-9a56-1d2f3e4c5b6a",
    "client_id": "app",
    "tenant": "contoso",
    "currency": "EUR",
    "unit": "PCS",
    "shipping_account": "6710",
    "tax_codes": "19=STANDARD, 7=REDUCED, 0=ZERO",
}
BY_CODE = options_of("options", GIVEN)
ON_ACCOUNT = replace(BY_CODE, tax_codes=(), tax_account="2300", no_tax_code="NONE")
GUIDE = (Path(__file__).parents[4] / "docs" / "guides" / "business-central.md").read_text(encoding="utf-8")


# ------------------------------------------------------------------ options


def test_codes_are_in_capitals_as_business_central_keeps_them() -> None:
    options = options_of("options", {**GIVEN, "unit": "pcs", "tax_codes": "0=zero", "location": "east"})
    assert (options.unit, options.tax_codes, options.location) == ("PCS", ((Decimal(0), "ZERO"),), "EAST")


def test_the_options_are_read() -> None:
    assert BY_CODE.token_url == "https://login.microsoftonline.com/contoso/oauth2/v2.0/token"
    assert BY_CODE.tax_codes == ((Decimal(19), "STANDARD"), (Decimal(7), "REDUCED"), (Decimal(0), "ZERO"))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"company": ""}, "options.company is not set"),
        ({"company": "CRONUS"}, "options.company is 'CRONUS'"),
        ({"unit": ""}, "options.unit is not set"),
        ({"shipping_account": ""}, "options.shipping_account is not set"),
        ({"tenant": ""}, "options.tenant is not set"),
        ({"colour": "red"}, "options.colour is not known"),
        ({"tax_codes": ""}, "either tax_codes or tax_account"),
        ({"tax_account": "2300"}, "either tax_codes or tax_account"),
        ({"tax_account": "2300", "tax_codes": ""}, "options.no_tax_code is not set"),
        ({"tax_codes": "19"}, "'19' is not written PERCENT=CODE"),
        ({"tax_codes": "NaN=X"}, "'NaN=X' is not written PERCENT=CODE"),
        ({"tax_codes": "101=X"}, "'101=X' is not written PERCENT=CODE"),
    ],
)
def test_an_option_that_is_missing_or_wrong_is_named(changed: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(named)):
        options_of("options", {**GIVEN, **changed})


async def test_the_settings_that_the_guide_shows_open_an_erp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTRAL_CLIENT_SECRET", "secret")
    (shown,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    targets = HttpTargets()
    erp = build("main", ErpSettings(**tomllib.loads(shown)["erps"]["main"]), targets)
    assert all((erp.amendment, erp.check, erp.credit, erp.orders))
    assert (erp.warehouses, erp.invoices) == (None, None)
    await targets.aclose()


# ------------------------------------------------------------------ money and taxes


@pytest.mark.parametrize(
    ("minor", "currency", "units"), [(4850, "EUR", "48.50"), (500, "JPY", "500"), (5, "KWD", "0.005")]
)
def test_money_has_the_decimals_of_its_currency_both_ways(minor: int, currency: str, units: str) -> None:
    assert erp_amounts.units(minor, currency) == Decimal(units)
    assert erp_amounts.minor(Decimal(units), currency) == minor


def test_the_largest_amount_goes_through_a_double_unchanged() -> None:
    largest = erp_amounts.units(10**15 - 1, "EUR")
    assert orjson.dumps(float(largest)) == b"9999999999999.99"


def test_an_amount_that_its_currency_can_not_have_is_a_fault() -> None:
    with pytest.raises(PermanentFault, match="more than the 2 decimals of EUR"):
        erp_amounts.minor(Decimal("1.005"), "EUR")


@pytest.mark.parametrize(
    ("net", "tax", "code"),
    [(1000, 190, "STANDARD"), (1000, 70, "REDUCED"), (1000, 0, "ZERO"), (1003, 190, "STANDARD"), (1000, 120, None)],
)
def test_the_tax_code_is_the_one_whose_percentage_gives_the_tax(net: int, tax: int, code: str | None) -> None:
    assert erp_amounts.tax_code_of(net, tax, BY_CODE.tax_codes) == code


def test_of_two_codes_that_are_near_the_nearer_is_taken() -> None:
    assert erp_amounts.tax_code_of(10, 1, BY_CODE.tax_codes) == "REDUCED"


# ------------------------------------------------------------------ lines


def lines(options: Options, *lines: SalesOrderLine, tax_included: bool = False) -> dict[int, mapping.Wanted]:
    return mapping.wanted_lines(replace(ORDER, lines=lines or ORDER.lines, tax_included=tax_included), options)


def test_our_line_number_is_in_theirs_and_the_tax_stands_behind_its_line() -> None:
    found = lines(ON_ACCOUNT)
    assert {sequence: (line.kind, line.number) for sequence, line in found.items()} == {
        1: ("Comment", ""),
        10_000: ("Item", "S1"),
        10_001: ("Account", "2300"),
        90_000_000: ("Account", "6710"),
    }
    assert [mapping.line_no_of(sequence) for sequence in found] == [0, 1, 0, 0]


def test_quantity_and_unit_are_said_before_the_price() -> None:
    """Each is validated in turn, and would bring the item's own price back."""
    names = list(lines(ON_ACCOUNT)[10_000].json())
    assert names.index("unitOfMeasureCode") < names.index("quantity") < names.index("unitPrice")
    assert names.index("unitPrice") < names.index("discountAmount")


def test_tax_on_an_account_is_taken_out_of_prices_that_contain_it() -> None:
    found = lines(ON_ACCOUNT, SalesOrderLine(1, "S1", 3, 1080, 100, 230, free=False), tax_included=True)
    goods, tax = found[10_000], found[10_001]
    assert round(goods.unit_price * goods.quantity - goods.discount, 2) == Decimal("29.10")
    assert round(tax.unit_price * tax.quantity, 2) == Decimal("2.30")


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


@st.composite
def sold_lines(draw: st.DrawFn) -> SalesOrderLine:
    quantity, price = draw(st.integers(1, 900)), draw(st.integers(0, 100_000))
    discount = draw(st.integers(0, quantity * price))
    tax = draw(st.integers(0, quantity * price - discount))
    return SalesOrderLine(1, "S1", quantity, price, discount, tax, free=price == 0)


@given(st.lists(sold_lines(), min_size=1, max_size=5), st.integers(0, 5000), st.integers(0, 1000), st.booleans())
def test_tax_on_an_account_comes_to_the_channels_sums_whatever_they_are(
    sold: list[SalesOrderLine], shipping: int, shipping_tax: int, tax_included: bool
) -> None:
    shipping += shipping_tax if tax_included else 0
    numbered = tuple(replace(line, line_no=number) for number, line in enumerate(sold, start=1))
    asked = replace(
        ORDER, lines=numbered, shipping_minor=shipping, shipping_tax_minor=shipping_tax, tax_included=tax_included
    )
    paid = shipping + sum(line.quantity * line.unit_price_minor - line.discount_minor for line in sold)
    tax = shipping_tax + sum(line.tax_minor for line in sold)
    wanted = mapping.wanted_lines(asked, ON_ACCOUNT)
    sums = {sequence: _cents(line.unit_price * line.quantity - line.discount) for sequence, line in wanted.items()}
    assert sum(sums.values()) == erp_amounts.units(paid if tax_included else paid + tax, "EUR")
    assert sum(value for sequence, value in sums.items() if mapping.is_tax(sequence)) == erp_amounts.units(tax, "EUR")


def test_a_tax_that_no_price_of_five_decimals_gives_is_a_fault() -> None:
    with pytest.raises(PermanentFault, match="can't be stated as 99999 pieces"):
        lines(ON_ACCOUNT, SalesOrderLine(1, "S1", 99_999, 1000, 0, 1, free=False))


def test_a_reference_that_is_too_long_is_a_fault_and_never_cut() -> None:
    with pytest.raises(PermanentFault) as caught:
        mapping.header_json(replace(ORDER, reference="K" * 36), ON_ACCOUNT)
    assert caught.value.code == "reference_too_long"


def test_a_reference_that_would_not_stay_as_it_is_is_a_fault() -> None:
    with pytest.raises(PermanentFault) as caught:
        mapping.header_json(replace(ORDER, reference="k7q2f-1"), ON_ACCOUNT)
    assert caught.value.code == "reference_case"


@pytest.mark.parametrize(
    ("number", "ours"), [("K-1", True), ("K-1-2", True), ("K-12", False), ("K-1A", False), ("", False)]
)
def test_a_document_is_ours_by_the_orders_reference_or_a_shipments(number: str, ours: bool) -> None:
    assert mapping.is_ours(number, "K-1") is ours


def test_quotes_in_a_filter_are_doubled() -> None:
    assert mapping.any_of("number", ["A'1", "B"]) == "number eq 'A''1' or number eq 'B'"


# ------------------------------------------------------------------ codes


def fault(status: int, body: object, method: str = "POST") -> Fault | None:
    request = Request(method, "/companies(1)/salesOrders", name="POST salesOrders")
    return codes.read_refusal(Refused("erp:main", request, status, {}, orjson.dumps(body)))


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "Application_DialogException", PermanentFault),
        (400, "BadRequest_NotFound", PermanentFault),
        (400, "Internal_EntityWithSameKeyExists", PermanentFault),
        (400, "Internal_ServerError", TemporaryFault),
        (409, "Request_EntityChanged", TemporaryFault),
        (401, "Authentication_InvalidCredentials", AccessRefused),
        (403, "Authorization_RequestDenied", AccessRefused),
        (403, "Application_DialogException", AccessRefused),
        (400, "Something_New", PermanentFault),
    ],
)
def test_an_error_is_classed_by_its_name_and_named(status: int, code: str, kind: type[Fault]) -> None:
    found = fault(status, {"error": {"code": code, "message": "No.  CorrelationId:  1"}})
    assert type(found) is kind
    assert code in str(found)


def test_rights_concern_one_kind_of_call_and_credentials_all() -> None:
    rights = fault(403, {"error": {"code": "Authorization_RequestDenied", "message": ""}})
    credentials = fault(401, {"error": {"code": "Unknown", "message": ""}})
    assert isinstance(rights, AccessRefused)
    assert isinstance(credentials, AccessRefused)
    assert (rights.whole_account, credentials.whole_account) == (False, True)


@pytest.mark.parametrize("status", [408, 429, 500, 503, 504])
def test_what_broke_or_is_busy_is_judged_by_its_status(status: int) -> None:
    assert fault(status, {"error": {"code": "Application_DialogException", "message": ""}}) is None


def test_a_message_that_quotes_the_buyer_is_masked() -> None:
    found = fault(
        400, {"error": {"code": "Application_DialogException", "message": "zoe@example.com +33 1 23 45 67 89"}}
    )
    assert "zoe" not in str(found)
    assert "45 67" not in str(found)


async def test_a_token_that_is_refused_says_why_without_the_ids() -> None:
    body = {"error": "invalid_client", "error_description": "AADSTS7000215: app 2f1c2a52"}
    transport = httpx2.MockTransport(lambda request: answer(401, body))
    target = HttpTarget(
        "erp:main:token",
        "http://login.test",
        timeout_s=5,
        requests_at_once=1,
        headers={},
        read_refusal=oauth.read_refusal,
        transport=transport,
    )
    with pytest.raises(AccessRefused, match="invalid_client") as caught:
        await target.call(Request("POST", "/token", form={}, reads_only=True), lambda body: body)
    assert "2f1c2a52" not in str(caught.value)
    await target.aclose()
