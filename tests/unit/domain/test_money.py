"""Amounts are whole minor units, and parts sum to the whole."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kept.domain.money import AMOUNT_MINOR_MAX, MoneyError, allocate, exponent, to_decimal_string, to_minor

AMOUNTS = st.integers(-AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX)
CURRENCIES = st.sampled_from(["JPY", "USD", "KWD", "CLF"])


@pytest.mark.parametrize(("currency", "digits"), [("JPY", 0), ("USD", 2), ("EUR", 2), ("KWD", 3), ("CLF", 4)])
def test_a_currency_has_its_own_number_of_decimals(currency: str, digits: int) -> None:
    assert exponent(currency) == digits


@pytest.mark.parametrize("currency", ["", "US", "usd", "USDX", "ÜSD", "U$D "])
def test_what_is_no_currency_code_is_refused(currency: str) -> None:
    with pytest.raises(MoneyError, match="ISO 4217"):
        exponent(currency)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("10.50", "USD", 1050),
        ("10.5", "USD", 1050),
        ("10", "USD", 1000),
        ("398.0000", "USD", 39800),
        ("1000", "JPY", 1000),
        ("1000.00", "JPY", 1000),
        ("1.234", "KWD", 1234),
        ("1.2", "KWD", 1200),
        ("-0.01", "USD", -1),
        ("+7.00", "USD", 700),
        (".5", "USD", 50),
        ("-.5", "USD", -50),
        ("5.", "USD", 500),
        ("0", "KWD", 0),
        ("007", "USD", 700),
    ],
)
def test_a_decimal_string_becomes_minor_units_of_its_currency(amount: str, currency: str, minor: int) -> None:
    assert to_minor(amount, currency) == minor


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        (".0", "JPY", 0),
        ("-.00", "JPY", 0),
        ("+.0", "JPY", 0),
        (".5", "USD", 50),
        ("-.50", "USD", -50),
        ("5.", "JPY", 5),
    ],
)
def test_an_amount_may_begin_or_end_with_its_point(amount: str, currency: str, minor: int) -> None:
    assert to_minor(amount, currency) == minor


@pytest.mark.parametrize(("amount", "currency"), [("10.505", "USD"), ("1000.5", "JPY"), ("1.2345", "KWD")])
def test_more_decimals_than_the_currency_has_are_refused_and_never_rounded(amount: str, currency: str) -> None:
    with pytest.raises(MoneyError, match="decimals"):
        to_minor(amount, currency)


def test_a_digit_far_behind_the_point_is_not_dropped() -> None:
    with pytest.raises(MoneyError, match="decimals"):
        to_minor("1.000000000000000000000000000001", "USD")


@pytest.mark.parametrize(
    "amount",
    [
        "",
        ".",
        "-",
        "abc",
        "NaN",
        "Infinity",
        "1,000.00",
        "1_000",
        " 10",
        "10 ",
        "10\n",
        "0x10",
        "1e3",
        "1E+2",
        "٣",
        "--1",
    ],
)
def test_what_is_no_plain_decimal_number_is_refused(amount: str) -> None:
    with pytest.raises(MoneyError, match="not a decimal number"):
        to_minor(amount, "USD")


@pytest.mark.parametrize("amount", ["1e9999999", "1e999999999999", "9" * 33, "9" * 5000])
def test_a_hostile_amount_is_refused_without_being_worked_out(amount: str) -> None:
    with pytest.raises(MoneyError, match="not a decimal number"):
        to_minor(amount, "USD")


def test_an_amount_beyond_any_order_is_refused() -> None:
    assert to_minor("1000000000000000", "JPY") == AMOUNT_MINOR_MAX
    with pytest.raises(MoneyError, match="beyond"):
        to_minor("1000000000000001", "JPY")
    with pytest.raises(MoneyError, match="beyond"):
        to_minor("-10000000000000.01", "USD")


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(1050, "USD", "10.50"), (5, "USD", "0.05"), (-5, "USD", "-0.05"), (1000, "JPY", "1000"), (1, "KWD", "0.001")],
)
def test_minor_units_are_written_with_the_currencys_decimals(minor: int, currency: str, text: str) -> None:
    assert to_decimal_string(minor, currency) == text


@given(AMOUNTS, CURRENCIES)
def test_writing_and_reading_an_amount_changes_nothing(minor: int, currency: str) -> None:
    assert to_minor(to_decimal_string(minor, currency), currency) == minor


@given(AMOUNTS, st.lists(st.integers(0, 10**9), min_size=1, max_size=30))
@example(1, [0, 0, 0])
@example(-100, [1, 1, 1])
def test_parts_always_sum_to_the_whole(total: int, weights: list[int]) -> None:
    parts = allocate(total, weights)
    assert sum(parts) == total
    assert len(parts) == len(weights)


@given(st.integers(0, AMOUNT_MINOR_MAX), st.lists(st.integers(0, 10**9), min_size=1, max_size=30))
def test_each_part_is_within_one_unit_of_its_exact_share(total: int, weights: list[int]) -> None:
    whole = sum(weights)
    for part, weight in zip(allocate(total, weights), weights, strict=True):
        if whole:
            assert abs(part * whole - total * weight) < whole


@given(st.integers(0, AMOUNT_MINOR_MAX), st.lists(st.integers(0, 10**9), min_size=1, max_size=30))
def test_a_negative_amount_is_split_as_its_opposite(total: int, weights: list[int]) -> None:
    assert allocate(-total, weights) == [-part for part in allocate(total, weights)]


def test_the_odd_units_go_to_the_largest_remainders_and_then_to_the_earlier_part() -> None:
    assert allocate(100, [1, 1, 1]) == [34, 33, 33]
    assert allocate(10, [1, 2, 4]) == [1, 3, 6]


def test_nothing_goes_to_a_weight_of_nothing_unless_all_are() -> None:
    assert allocate(100, [0, 3, 0]) == [0, 100, 0]
    assert allocate(100, [0, 0, 0]) == [34, 33, 33]


@pytest.mark.parametrize("weights", [[], [1, -1]])
def test_weights_that_make_no_sense_are_refused(weights: list[int]) -> None:
    with pytest.raises(MoneyError, match="allocation"):
        allocate(100, weights)
