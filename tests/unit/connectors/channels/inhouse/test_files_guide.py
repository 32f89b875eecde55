"""The guide to order files names the columns that are read, and its example is read."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from kept.connectors.channels.inhouse.columns import COLUMNS, REQUIRED
from kept.connectors.channels.inhouse.files import read_file
from kept.connectors.channels.inhouse.mapping import normalise
from kept.ports import Incoming

GUIDE = (Path(__file__).parents[5] / "docs" / "guides" / "order-files.md").read_text(encoding="utf-8")


def test_the_guides_table_has_every_column_and_marks_those_that_must_be_there() -> None:
    rows = [row.split("|")[1] for row in re.findall(r"^\| .* \| (?:line|order|each row) \|.*$", GUIDE, re.MULTILINE)]
    named = [name.strip() for row in rows for name in row.split(",")]
    assert {name.strip("*") for name in named} == set(COLUMNS)
    assert {name.strip("*") for name in named if name.startswith("**")} == set(REQUIRED)


def test_the_guides_example_is_an_order_that_ties() -> None:
    (example,) = re.findall(r"^(order_id,.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    reading = read_file("orders.csv", example.encode())
    assert reading.bad == []
    (order,) = reading.orders
    content = normalise("app", Incoming({}, order.body), datetime(2026, 11, 3, tzinfo=UTC))
    assert content is not None
    assert len(content.lines) == 2
    assert content.computed_total_minor() == content.total_minor
