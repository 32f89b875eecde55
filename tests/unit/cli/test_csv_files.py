"""SKU mappings as CSV: read whole, or refused with line, column and value."""

from __future__ import annotations

import pytest

from kept.cli.csv_files import WrongRow, read_mapping, read_safety
from kept.domain.skus import Component


def test_renamed_skus_and_kits_are_read() -> None:
    text = "\ufeffchannel_sku,sku,quantity,share\nA-US,A,,\nKIT,BOX,1,3\nKIT,PEN,4,1\n"
    assert read_mapping(text) == {
        "A-US": (Component("A"),),
        "KIT": (Component("BOX", 1, 3), Component("PEN", 4, 1)),
    }


def test_two_columns_are_enough_and_their_order_is_free() -> None:
    assert read_mapping('sku,channel_sku\n"A, large",A-US\n') == {"A-US": (Component("A, large"),)}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1 lacks channel_sku, sku; columns are channel_sku, sku, quantity, share"),
        ("channel_sku\nA\n", "line 1 lacks sku"),
        ("channel_sku,sku,price\nA,B,1\n", "line 1 has the unknown price"),
        ("channel_sku,sku\nA-US,A\n,B\n", "line 3: channel_sku is empty"),
        ("channel_sku,sku\nA-US\n", "line 2: sku is empty"),
        ("channel_sku,sku,quantity\nA-US,A,0\n", "line 2: quantity '0' is not a whole number from 1 to 1000000"),
        ("channel_sku,sku,share\nA-US,A,1.5\n", "line 2: share '1.5' is not a whole number"),
        ("channel_sku,sku\nA-US,A\nA-US,A\n", "line 3: 'A-US' has 'A' twice"),
        ('channel_sku,sku\nA-US,"A"x\n', "line 2: "),
    ],
)
def test_a_wrong_row_is_named(text: str, says: str) -> None:
    with pytest.raises(WrongRow) as refused:
        read_mapping(text)
    assert says in str(refused.value)


def test_safety_stock_is_read_by_centre_and_sku() -> None:
    text = "centre,sku,pieces\neast,S1,3\nwest,S1,0\n"
    assert read_safety(text) == {("east", "S1"): 3, ("west", "S1"): 0}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("centre,sku\neast,S1\n", "line 1 lacks pieces"),
        ("centre,sku,pieces,colour\n", "unknown colour"),
        ("centre,sku,pieces\neast,S1,-1\n", "line 2: pieces '-1' is not a whole number from 0"),
        ("centre,sku,pieces\neast,S1,\n", "line 2: pieces is empty"),
        ("centre,sku,pieces\neast,S1,1\neast,S1,2\n", "line 3: 'S1' at 'east' is there twice"),
    ],
)
def test_a_row_of_safety_stock_that_says_nothing_usable_is_named(text: str, words: str) -> None:
    with pytest.raises(WrongRow) as caught:
        read_safety(text)
    assert words in str(caught.value)
