"""Phones in E.164: read where they can be read for certain, else kept; never lost and never guessed."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kept.connectors.phones import e164

COUNTRIES = st.one_of(
    st.sampled_from(["", "ZZ", "us", "UK", "XK", "001"]), st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS))
)
NUMBERS = st.text("0123456789+-() ./;,#*extTEL:=\u00a0\uff0b\u0663", max_size=40)


@pytest.mark.parametrize(
    ("written", "country", "kept"),
    [
        ("(207) 835-4259", "US", "+12078354259"),
        ("1 207 835 4259", "US", "+12078354259"),
        ("416-967-1111", "US", "+14169671111"),  # Canada's, of the same plan
        ("030 901820", "DE", "+4930901820"),
        ("02 1234 5678", "IT", "+390212345678"),  # Italy keeps its zero
        ("020 7946 0958", "GB", "+442079460958"),
        ("+44 (0)20 7946 0958", "US", "+442079460958"),
        ("+33 4 72 00 00 12", "FR", "+33472000012"),
        ("0049 30 901820", "FR", "+4930901820"),
        ("011 49 30 901820", "US", "+4930901820"),
        ("tel:+1-207-835-4259", "US", "+12078354259"),
        ("\u00a0+1 207 835 4259 ", "US", "+12078354259"),
        ("+1 555 555 0100", "US", "+15555550100"),  # possible: ten digits; no area code so far
    ],
)
def test_a_number_that_is_certain_is_put_into_e164(written: str, country: str, kept: str) -> None:
    assert e164(written, country) == kept


@pytest.mark.parametrize(
    "written",
    ["+1 207-835-4259 ext. 31141", "207 835 4259 x31141", "+12078354259;ext=31141", "(207) 835-4259 Extension 31141"],
)
def test_the_extension_that_leads_to_the_buyer_behind_a_masked_number_is_kept(written: str) -> None:
    assert e164(written, "US") == "+12078354259;ext=31141"


@pytest.mark.parametrize(
    ("written", "country"),
    [
        ("4259", "US"),
        ("+1 207", "US"),
        ("123-456-7890", "US"),  # ten digits, but no number of the plan: whose it is would be guessed
        ("(207) 835-4259", "FR"),  # an American in France
        ("1-800-FLOWERS", "US"),
        ("207 835 4259 (mother)", "US"),
        ("Mrs. Miller 207 835 4259", "US"),
        ("207 835 4259 / 207 835 4260", "US"),
        ("207 835 4259/x207 835 4260", "US"),
        ("+1 207 835 4259, +1 207 835 4260", "US"),
        ("207 835 4259 / +49 30 901820", "US"),
        ("+1 207 835 4259;phone-context=+49", "US"),
        ("n/a", "US"),
        ("-", "US"),
        ("9" * 300, "US"),
    ],
)
def test_what_is_not_one_certain_number_is_kept_as_it_was_written(written: str, country: str) -> None:
    assert e164(f"  {written}\n", country) == written


@pytest.mark.parametrize("country", ["", "ZZ", "UK", "us", "XYZ"])
def test_a_country_that_nobody_knows_leaves_the_national_form_and_reads_the_international_one(country: str) -> None:
    assert e164("(207) 835-4259", country) == "(207) 835-4259"
    assert e164("+1 (207) 835-4259", country) == "+12078354259"


@given(st.one_of(st.text(max_size=30), NUMBERS), COUNTRIES)
@example("+4900301234567", "DE")
@example("+549 011 15 2345 6789", "AR")
def test_nothing_raises_is_lost_or_read_differently_the_second_time(text: str, country: str) -> None:
    once = e164(text, country)
    assert bool(once) == bool(text.strip())
    assert e164(once, country) == once


@given(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)), st.sampled_from(["", " ext. 31141", ";ext=7"]))
def test_every_countrys_own_number_comes_out_the_same_from_each_way_of_writing_it(region: str, extension: str) -> None:
    number = phonenumbers.example_number(region)
    assert number is not None
    wanted = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if extension:
        wanted += ";ext=" + extension.lstrip(" ;ext.=")
    for form in (phonenumbers.PhoneNumberFormat.NATIONAL, phonenumbers.PhoneNumberFormat.INTERNATIONAL):
        assert e164(phonenumbers.format_number(number, form) + extension, region) == wanted


@pytest.mark.parametrize("digits", ["2078354259", "5555550100", "2001111111", "9999999999"])
def test_the_short_way_of_a_north_american_number_ends_where_parsing_would(digits: str) -> None:
    parsed = phonenumbers.parse(f"+1{digits}", None)
    assert e164(f"+1{digits}", "US") == phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
