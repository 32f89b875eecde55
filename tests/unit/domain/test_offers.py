"""What a channel may sell: buffers, percentages, kits; never more than there is, never less than nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.domain.offers import PIECES_MAX, OfferPolicy, offers
from kept.domain.skus import Component

KIT = {"KIT": (Component("A", 2), Component("B", 1))}


@pytest.mark.parametrize(
    ("pieces", "policy", "offered"),
    [
        (10, OfferPolicy(), 10),
        (10, OfferPolicy(buffer=3), 7),
        (2, OfferPolicy(buffer=3), 0),
        (9, OfferPolicy(percent=50), 4),
        (9, OfferPolicy(percent=50, buffer=1), 3),
        (9, OfferPolicy(percent=0), 0),
        (2 * PIECES_MAX, OfferPolicy(), PIECES_MAX),
    ],
)
def test_what_is_kept_back(pieces: int, policy: OfferPolicy, offered: int) -> None:
    assert offers({"A": pieces}, {}, policy) == {"A": offered}


def test_a_kit_is_sold_as_often_as_its_scarcest_component_allows() -> None:
    assert offers({"A": 9, "B": 7}, KIT, OfferPolicy(mapped_only=True)) == {"KIT": 4}
    assert offers({"A": 9}, KIT, OfferPolicy(mapped_only=True)) == {"KIT": 0}
    assert offers({"A": 9, "B": 7}, KIT, OfferPolicy()) == {"A": 9, "B": 7, "KIT": 4}


@given(
    free=st.dictionaries(st.sampled_from("AB"), st.integers(0, 50)),
    buffer=st.integers(0, 20),
    percent=st.integers(0, 100),
)
def test_never_more_than_there_is(free: dict[str, int], buffer: int, percent: int) -> None:
    offered = offers(free, KIT, OfferPolicy(buffer, percent))
    assert all(0 <= offered[sku] <= pieces for sku, pieces in free.items())
    assert offered["KIT"] * 2 <= free.get("A", 0)
    assert offered["KIT"] <= free.get("B", 0)
