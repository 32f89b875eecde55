"""What a file of orders says: the orders that can be taken, and what is wrong with the rest, cell by cell."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_VALUE_CHARS_MAX = 200
# A spreadsheet runs a cell that begins so as a formula (OWASP, "CSV Injection").
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_COLUMNS = ("line", "order_id", "column", "value", "problem", "what_to_do")


@dataclass(frozen=True, slots=True)
class FileOrder:
    """One order of a file, as a message would have brought it. `row` is the line where it begins, from 1."""

    row: int
    order_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class BadCell:
    """What is wrong in a file: where, which value, why, and what to do. `column` is "" for a whole row."""

    row: int
    order_id: str
    column: str
    value: str
    problem: str
    advice: str


@dataclass(frozen=True, slots=True)
class FileReading:
    """What a file says. An order is in `orders` whole or not at all."""

    orders: Sequence[FileOrder]
    bad: Sequence[BadCell]


# Reads a file by its name (for its suffix) and content; pure. A file that can't be read at all has one bad cell.
ReadOrderFile = Callable[[str, bytes], FileReading]


def errors_csv(bad: Sequence[BadCell]) -> bytes:
    """The error file: UTF-8 with a byte order mark, as spreadsheets want it, and no cell that they would run."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(_COLUMNS)
    for cell in bad:
        texts = (cell.order_id, cell.column, cell.value, cell.problem, cell.advice)
        writer.writerow([str(cell.row), *map(_harmless, texts)])
    return b"\xef\xbb\xbf" + text.getvalue().encode("utf-8", "replace")


def _harmless(text: str) -> str:
    """Short, and shown as text whatever it begins with."""
    short = text if len(text) <= _VALUE_CHARS_MAX else text[:_VALUE_CHARS_MAX] + "..."
    return "'" + short if short.lstrip(" ").startswith(_FORMULA_STARTS) else short
