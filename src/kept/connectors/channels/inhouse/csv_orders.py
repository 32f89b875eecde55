"""CSV -> orders in our own format. Pure. One row is one line of an order; the rows of an order stand together.

What belongs to the order stands in its first row; its other rows repeat it or leave it empty. An order of which any
row is wrong is not taken, and each of its rows is named, so that they can be put right and sent again together.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from kept.connectors.channels.inhouse.columns import COLUMNS, MAY_BE_EMPTY, REQUIRED, Column, WrongCell
from kept.connectors.channels.inhouse.mapping import normalise
from kept.connectors.order_files import BadCell, FileOrder, FileReading
from kept.ports import BadMessage, Incoming

_SEPARATORS = ",;\t|"
_LINE_PLACE = re.compile(r"\$\.lines\[(\d+)\](?:\.(\w+))?")
_NO_TIME = datetime(2000, 1, 1, tzinfo=UTC)  # nothing of an in-house order depends on when it came


@dataclass(frozen=True, slots=True)
class _Row:
    number: int  # the line of the file where the row begins
    cells: Mapping[str, str]


@dataclass(slots=True)
class _Group:
    """The rows of one order."""

    order_id: str
    rows: list[_Row] = field(default_factory=list)
    bad: list[BadCell] = field(default_factory=list)

    def blame(self, row: _Row, column: str, problem: str, advice: str) -> None:
        self.bad.append(BadCell(row.number, self.order_id, column, row.cells.get(column, ""), problem, advice))


def read_csv(text: str) -> FileReading:
    """What a CSV file says."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
    except csv.Error as error:
        return FileReading((), [BadCell(1, "", "", "", f"the header can't be read: {error}", "put the quotes right")])
    wrong = list(_wrong_header(header))
    if wrong:
        return FileReading((), wrong)
    groups, bad = _grouped(reader, header)
    orders = []
    for group in groups:
        order = _order_of(group)
        if order is not None:
            orders.append(order)
        else:
            bad.extend(group.bad)
            bad.extend(_fellows(group))
    return FileReading(orders, sorted(bad, key=lambda cell: cell.row))


def _separator(text: str) -> str:
    """The separator that gives the header most of our columns."""
    head = text.partition("\n")[0]

    def known(separator: str) -> int:
        return sum(name.strip(' "\r').lower() in COLUMNS for name in head.split(separator))

    return max(_SEPARATORS, key=known)


def _wrong_header(header: Sequence[str]) -> Iterator[BadCell]:
    known = ", ".join(COLUMNS)
    if not any(name in COLUMNS for name in header):
        yield BadCell(1, "", "", ",".join(header), "the first line names none of the columns", f"columns are {known}")
        return
    for position, name in enumerate(header):
        if name not in COLUMNS:
            yield BadCell(1, "", name, name, "the column is unknown", f"take it out, or rename it; columns are {known}")
        elif name in header[:position]:
            yield BadCell(1, "", name, name, "the column is there twice", "take one out")
    for name in REQUIRED:
        if name not in header:
            yield BadCell(1, "", name, "", "the column is missing", "add it")


# ------------------------------------------------------------------ rows


def _grouped(reader: Any, header: Sequence[str]) -> tuple[list[_Group], list[BadCell]]:
    """Rows by order, in the file's order, and what belongs to no order."""
    groups: dict[str, _Group] = {}
    strays: list[BadCell] = []
    current: _Group | None = None
    begins = reader.line_num + 1
    try:
        for cells in reader:
            number, begins = begins, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            row = _Row(number, dict(zip(header, (cell.strip() for cell in cells), strict=False)))
            order_id = row.cells.get("order_id", "")
            if not order_id:
                strays.append(
                    BadCell(number, "", "order_id", "", "it is empty", "write the order's id in each of its rows")
                )
                continue
            if current is None or current.order_id != order_id:
                again = order_id in groups
                current = groups.setdefault(order_id, _Group(order_id))
                if again:
                    current.blame(
                        row,
                        "order_id",
                        "the order had rows before, and another order's came between",
                        "let the rows of an order stand together",
                    )
            current.rows.append(row)
            if len(cells) != len(header):
                current.blame(
                    row,
                    "",
                    f"the row has {len(cells)} cells, the header {len(header)}",
                    "put text that has the separator or a quote in it into quotes",
                )
    except csv.Error as error:
        strays.append(
            BadCell(
                begins,
                "",
                "",
                "",
                f"{error}; nothing from this line on was read",
                "put the quotes right: a text in quotes ends with one, and one within is doubled",
            )
        )
        if current is not None:
            current.blame(
                current.rows[-1],
                "",
                "the order may go on in the part that can't be read",
                "send it again with that part",
            )
    return list(groups.values()), strays


def _fellows(group: _Group) -> Iterator[BadCell]:
    """The rows of an order that are right and were not taken, for those that are wrong."""
    blamed = {cell.row for cell in group.bad}
    first = min(blamed)
    for row in group.rows:
        if row.number not in blamed:
            problem = f"not taken, as line {first} of the same order is wrong"
            yield BadCell(row.number, group.order_id, "", "", problem, "send all rows of the order again together")


# ------------------------------------------------------------------ orders


def _order_of(group: _Group) -> FileOrder | None:
    """The order that rows make up; None with the reasons in `group.bad`."""
    order: dict[str, Any] = {"lines": []}
    for index, row in enumerate(group.rows):
        line: dict[str, Any] = {}
        for name, column in COLUMNS.items():
            cell = row.cells.get(name, "")
            if not column.of_line and index:
                _same_as_first(group, row, name, cell)
            elif cell:
                _put(group, row, column, cell, line if column.of_line else order)
            elif column.required and name not in MAY_BE_EMPTY:
                group.blame(row, name, "it is empty", column.advice)
        order["lines"].append({"sku": "", "title": ""} | line)
    if group.bad:
        return None
    body = orjson.dumps(_with_defaults(order))
    try:
        normalise("file", Incoming({}, body), _NO_TIME)
    except BadMessage as error:
        _blame_place(group, error)
        return None
    return FileOrder(group.rows[0].number, group.order_id, body)


def _put(group: _Group, row: _Row, column: Column, cell: str, into: dict[str, Any]) -> None:
    try:
        value = column.read(cell)
    except WrongCell as error:
        group.blame(row, column.name, str(error), column.advice)
        return
    *outer, member = column.path
    for name in outer:
        into = into.setdefault(name, {})
    into[member] = value


def _same_as_first(group: _Group, row: _Row, name: str, cell: str) -> None:
    first = group.rows[0]
    if cell and cell != first.cells.get(name, ""):
        group.blame(
            row,
            name,
            f"it differs from line {first.number} of the same order",
            "write the same in each row of the order, or leave all but the first empty",
        )


def _with_defaults(order: dict[str, Any]) -> dict[str, Any]:
    """What JSON demands and CSV may leave out. An address of which nothing is there is none."""
    promise = {"service": ""} | order["promise"]
    address = order.get("ship_to")
    if address is not None:
        address = dict.fromkeys(("name", "line1", "city", "postal_code", "country"), "") | address
    defaults = {"number": order["id"], "shipping": "0", "shipping_tax": "0", "email": ""}
    return defaults | order | {"promise": promise, "ship_to": address}


def _blame_place(group: _Group, error: BadMessage) -> None:
    """Put a fault that was found in the order's JSON down to the cell that it came from."""
    problem = str(error).removesuffix(f" (at {error.where})")
    found = _LINE_PLACE.match(error.where)
    row = group.rows[int(found[1])] if found else group.rows[0]
    path = (found[2] or "",) if found else tuple(error.where.removeprefix("$.").split("."))
    column = next((each for each in COLUMNS.values() if each.path == path and each.of_line == bool(found)), None)
    group.blame(row, column.name if column else "", problem, column.advice if column else "put the order right")
