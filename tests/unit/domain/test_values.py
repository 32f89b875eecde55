"""Changing a copy of a frozen value."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kept.domain.values import changed
from tests.unit.domain import samples


def test_a_changed_copy_is_what_replace_makes_and_leaves_the_original() -> None:
    order = samples.booked_order()
    before = replace(order)
    assert changed(order, seq=99, customer_id="C-9") == replace(order, seq=99, customer_id="C-9")
    assert changed(order) == order == before
    assert changed(order.lines[0], shipped=1) == replace(order.lines[0], shipped=1)


def test_an_unknown_field_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="Order has no field colour"):
        changed(samples.booked_order(), seq=1, colour="red")
