"""SKU mapping: renaming, kits and their money, and how the channel is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.domain.order import OrderContent
from kept.domain.skus import Component, in_channel_pieces, mapped, unmapped
from tests.unit.domain import samples

KIT = (Component("BOX", 1, share=3), Component("PEN", 4, share=1))


def sold(*lines: object) -> OrderContent:
    return samples.content(*lines)  # type: ignore[arg-type]  # lines of samples.line


def test_without_a_mapping_a_sku_is_ours_unless_the_account_requires_one() -> None:
    content = sold(samples.line(1, 2))
    assert mapped(content, {}, required=False) is content
    held = mapped(content, {}, required=True)
    assert unmapped(held) == ["SKU-1"]
    assert [line.sku for line in held.lines] == ["SKU-1"]


def test_a_line_without_a_sku_or_no_longer_wanted_is_not_unmapped() -> None:
    content = sold(replace(samples.line(1, 1), sku=""), samples.line(2, 0))
    assert unmapped(mapped(content, {}, required=True)) == []


def test_a_renamed_sku_keeps_the_channels_name_beside_it() -> None:
    line = mapped(sold(samples.line(1, 2)), {"SKU-1": (Component("OURS"),)}, required=True).lines[0]
    assert (line.sku, line.channel_sku, line.quantity, line.kit_pieces, line.unmapped) == ("OURS", "SKU-1", 2, 0, False)


def test_a_kit_becomes_its_components_and_the_lines_are_numbered_anew() -> None:
    content = sold(samples.line(1, 2), samples.line(2, 1))
    after = mapped(content, {"SKU-1": KIT}, required=False)
    assert [(line.line_no, line.sku, line.quantity, line.kit_pieces, line.kit_lead) for line in after.lines] == [
        (1, "BOX", 2, 1, True),
        (2, "PEN", 8, 4, False),
        (3, "SKU-2", 1, 0, False),
    ]
    assert {line.external_id for line in after.lines[:2]} == {content.lines[0].external_id}


@given(
    quantity=st.integers(0, 50),
    unit=st.integers(0, 10**7),
    discount=st.integers(0, 10**6),
    tax=st.integers(0, 10**6),
    kit=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 100)), min_size=1, max_size=5),
)
def test_a_kits_money_is_shared_to_the_last_minor_unit(
    quantity: int, unit: int, discount: int, tax: int, kit: list[tuple[int, int]]
) -> None:
    line = samples.line(
        1, quantity, unit_price_minor=unit, discount_minor=min(discount, unit * quantity), tax_minor=tax
    )
    components = tuple(Component(f"C{index}", *each) for index, each in enumerate(kit))
    before = sold(line)
    after = mapped(before, {"SKU-1": components}, required=False)
    assert after.computed_total_minor() == before.computed_total_minor()
    assert sum(each.tax_minor for each in after.lines) == tax
    assert all(each.unit_price_minor >= 0 and each.discount_minor >= 0 for each in after.lines)


@pytest.mark.parametrize(
    ("packages", "told"),
    [
        ([((1, "BOX", 2), (2, "PEN", 8), (3, "SKU-2", 1))], [[(1, "SKU-1", 2), (3, "SKU-2", 1)]]),
        ([((1, "BOX", 1),), ((2, "PEN", 8),), ((1, "BOX", 1),)], [[(1, "SKU-1", 1)], [(1, "SKU-1", 1)]]),
        ([((2, "PEN", 4),)], []),
    ],
    ids=["all at once", "over several packages", "only what does not lead"],
)
def test_the_channel_is_told_of_kits_by_their_lead(
    packages: list[tuple[tuple[int, str, int], ...]], told: list[list[tuple[int, str, int]]]
) -> None:
    content = mapped(sold(samples.line(1, 2), samples.line(2, 1)), {"SKU-1": KIT}, required=False)
    found = in_channel_pieces([samples.package(*lines) for lines in packages], content)
    assert [[(line.line_no, line.sku, line.quantity) for line in package.lines] for package in found] == told


def test_a_kit_with_several_leads_counts_whole_ones_over_packages() -> None:
    content = mapped(sold(samples.line(1, 2)), {"SKU-1": (Component("PAIR", 2), Component("BOX"))}, required=False)
    packages = [samples.package((1, "PAIR", 3)), samples.package((1, "PAIR", 1))]
    found = in_channel_pieces(packages, content)
    assert [[line.quantity for line in package.lines] for package in found] == [[1], [1]]


def test_without_kits_packages_stay_as_they_are() -> None:
    packages = (samples.package((1, "SKU-1", 1)),)
    assert in_channel_pieces(packages, sold(samples.line(1, 1))) == packages
