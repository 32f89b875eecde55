"""An order's own sums, to tie with the channel's."""

from __future__ import annotations

import pytest

from kept.domain.order import OrderContent
from tests.unit.domain.samples import content, line


def test_tax_on_top_is_part_of_the_total() -> None:
    said = content(line(1, 2, tax_minor=160), shipping_minor=500, shipping_tax_minor=40)
    assert said.computed_total_minor() == 2000 + 160 + 500 + 40


def test_tax_that_prices_contain_is_not_added_again() -> None:
    said = content(line(1, 2, tax_minor=160), tax_included=True, shipping_minor=500, shipping_tax_minor=40)
    assert said.computed_total_minor() == 2000 + 500


def test_a_discount_is_for_the_whole_quantity_and_not_for_each_piece() -> None:
    assert content(line(1, 3, discount_minor=100), shipping_minor=0).computed_total_minor() == 2900


def test_an_order_that_costs_nothing_comes_to_nothing() -> None:
    assert content(line(1, 2, discount_minor=2000), shipping_minor=0).computed_total_minor() == 0


def test_a_line_that_is_no_longer_wanted_costs_nothing() -> None:
    assert content(line(1, 0), line(2, 1), shipping_minor=0).computed_total_minor() == 1000


def test_content_never_changes() -> None:
    said: OrderContent = content()
    with pytest.raises(AttributeError):
        said.total_minor = 1  # type: ignore[misc]  # that it can't be set is what is tested
