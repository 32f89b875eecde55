"""SSCC numbers, against GS1's own examples."""

from __future__ import annotations

import pytest
from biip.sscc import Sscc
from hypothesis import given
from hypothesis import strategies as st

from kept.documents.sscc import check_digit, is_valid_sscc, sscc

serials = st.integers(min_value=0, max_value=10**9 - 1)


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        ("37610425002123456", 9),  # GS1 General Specifications, 7.9.1: 376104250021234569
        ("629104150021", 3),  # GS1's check digit page: GTIN-13 6291041500213
        ("00000000000000000", 0),
    ],
)
def test_the_check_digit_is_that_of_gs1s_examples(digits: str, expected: int) -> None:
    assert check_digit(digits) == expected


@given(serials, st.integers(0, 9))
def test_every_serial_makes_a_number_that_another_library_accepts(serial: int, extension: int) -> None:
    number = sscc("0614141", extension, serial)
    assert is_valid_sscc(number)
    assert Sscc.parse(number).check_digit == int(number[-1])


@given(serials, st.integers(0, 17), st.integers(1, 9))
def test_one_wrong_digit_is_always_noticed(serial: int, place: int, shift: int) -> None:
    number = sscc("0614141", 0, serial)
    wrong = str((int(number[place]) + shift) % 10)
    assert not is_valid_sscc(number[:place] + wrong + number[place + 1 :])


@given(st.lists(serials, min_size=2, max_size=20, unique=True))
def test_different_serials_make_different_numbers(some: list[int]) -> None:
    assert len({sscc("0614141", 0, serial) for serial in some}) == len(some)


@pytest.mark.parametrize(
    ("prefix", "extension", "serial", "named"),
    [
        ("0614141", 0, 10**9, "1000000000"),
        ("0614141", 10, 1, "10"),
        ("0614141", 0, -1, "-1"),
        ("061", 0, 1, "061"),
        ("06141410614141", 0, 1, "06141410614141"),
        ("06141x1", 0, 1, "06141x1"),
    ],
)
def test_what_makes_no_sscc_is_an_error_that_names_the_value(
    prefix: str, extension: int, serial: int, named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        sscc(prefix, extension, serial)


def test_text_is_no_sscc() -> None:
    assert not is_valid_sscc("")
    assert not is_valid_sscc("٠٠٦١٤١٤١٠٠١٢٣٤٥٦٧٥")
    assert not is_valid_sscc("00614141001234567")
