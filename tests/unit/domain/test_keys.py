"""A retry, a replay and a second worker all say the same."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.domain.keys import effect_key, fulfilment_reference, order_reference, traceparent

W3C_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01")


def test_references_name_the_installation_the_order_and_the_part() -> None:
    assert order_reference("K7Q2F", 123) == "K7Q2F-000000123"
    assert fulfilment_reference("K7Q2F-000000123", 2) == "K7Q2F-000000123-2"


@given(st.integers(1, 10**12), st.integers(1, 10**12))
def test_two_orders_never_share_a_reference(one: int, other: int) -> None:
    assert (order_reference("K7Q2F", one) == order_reference("K7Q2F", other)) == (one == other)


def test_an_order_is_not_taken_for_a_part_of_another() -> None:
    assert order_reference("K", 1) != fulfilment_reference(order_reference("K", 1), 1)


def test_a_key_is_the_same_however_often_it_is_made() -> None:
    assert effect_key("K7Q2F-000000123-2", "release") == "K7Q2F-000000123-2:release:1"
    assert effect_key("R", "release") == effect_key("R", "release", 1)


def test_operation_subject_and_version_each_make_another_key() -> None:
    keys = {effect_key("R", "book"), effect_key("R", "withdraw"), effect_key("S", "book"), effect_key("R", "book", 2)}
    assert len(keys) == 4


def test_a_trace_is_the_correlation_id_itself() -> None:
    correlation_id = "0123456789abcdef0123456789abcdef"
    assert traceparent(correlation_id, "book:1").split("-")[1] == correlation_id


def test_a_correlation_id_written_as_a_uuid_is_the_same_trace() -> None:
    plain, dashed = "0123456789abcdef0123456789abcdef", "01234567-89ab-cdef-0123-456789abcdef"
    assert traceparent(plain, "s") == traceparent(dashed, "s")


@pytest.mark.parametrize("correlation_id", ["", "order 7", "ä", "0123456789ABCDEF0123456789ABCDEF", "f" * 31])
def test_a_foreign_correlation_id_still_makes_a_valid_header(correlation_id: str) -> None:
    assert W3C_TRACEPARENT.fullmatch(traceparent(correlation_id, "s"))


def test_a_retry_is_the_same_span_and_another_call_is_another() -> None:
    assert traceparent("c", "book:1") == traceparent("c", "book:1")
    assert traceparent("c", "book:1") != traceparent("c", "book:2")


def test_the_all_zero_trace_id_that_w3c_forbids_is_never_sent() -> None:
    assert traceparent("0" * 32, "s").split("-")[1] != "0" * 32
