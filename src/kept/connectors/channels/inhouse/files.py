"""Files of orders in our own format: CSV, or NDJSON with an order (or a CloudEvent with one) a line. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from kept.connectors import strict_json
from kept.connectors.channels.inhouse.csv_orders import read_csv
from kept.connectors.channels.inhouse.mapping import normalise
from kept.connectors.order_files import BadCell, FileOrder, FileReading
from kept.ports import BadMessage, Incoming

CSV_SUFFIXES = (".csv", ".tsv")
NDJSON_SUFFIXES = (".ndjson", ".jsonl")
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_SAVE_AS = 'save it as UTF-8 (in a spreadsheet: "CSV UTF-8")'
_NO_TIME = datetime(2000, 1, 1, tzinfo=UTC)  # nothing of an in-house order depends on when it came
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")


def read_file(name: str, body: bytes) -> FileReading:
    """See `kept.connectors.order_files.ReadOrderFile`."""
    suffix = "." + name.rpartition(".")[2].lower()
    if suffix not in (*CSV_SUFFIXES, *NDJSON_SUFFIXES):
        known = ", ".join((*CSV_SUFFIXES, *NDJSON_SUFFIXES))
        return _unreadable(1, "the kind of file is unknown", f"name it *{known.replace(', ', ', *')}")
    if not body.strip():
        return _unreadable(1, "the file is empty", "send it again with its orders")
    if body.startswith(_UTF16_BOMS):
        return _unreadable(1, "the file is UTF-16", _SAVE_AS)
    body = body.removeprefix(_UTF8_BOM)
    if suffix in NDJSON_SUFFIXES:
        return _read_ndjson(body)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        row = body.count(b"\n", 0, error.start) + 1
        return _unreadable(row, f"byte 0x{body[error.start]:02x} is not UTF-8; nothing was taken", _SAVE_AS)
    if "\x00" in text:
        return _unreadable(text.count("\n", 0, text.index("\x00")) + 1, "a NUL character; nothing was taken", _SAVE_AS)
    return read_csv(text)


def messages_of_file(body: bytes) -> list[Incoming]:
    """One order as a webhook brings it, one on each line, or the orders of a CSV file. Raises BadMessage."""
    body = body.removeprefix(_UTF8_BOM)
    lines = [line for line in body.split(b"\n") if line.strip()]
    if body.lstrip()[:1] in {b"{", b"["}:
        is_ndjson = len(lines) > 1 and all(line.lstrip()[:1] == b"{" and line.rstrip()[-1:] == b"}" for line in lines)
        return [Incoming({}, line) for line in lines] if is_ndjson else [Incoming({}, body)]
    reading = read_file("orders.csv", body)
    if reading.bad:
        cell = reading.bad[0]
        where = f"line {cell.row}" + (f" column {cell.column}" if cell.column else "")
        raise BadMessage(f"{cell.problem}; {cell.advice}", where=where)
    return [Incoming({}, order.body) for order in reading.orders]


def _unreadable(row: int, problem: str, advice: str) -> FileReading:
    return FileReading((), [BadCell(row, "", "", "", problem, advice)])


# ------------------------------------------------------------------ NDJSON


def _read_ndjson(body: bytes) -> FileReading:
    orders: list[FileOrder] = []
    bad: list[BadCell] = []
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            content = normalise("file", Incoming({}, line.strip()), _NO_TIME)
        except BadMessage as error:
            bad.append(_bad_line(number, line.strip(), error))
        else:
            assert content is not None, "every in-house message is an order"
            orders.append(FileOrder(number, content.external_id, line.strip()))
    return FileReading(orders, bad)


def _bad_line(number: int, line: bytes, error: BadMessage) -> BadCell:
    problem = str(error).removesuffix(f" (at {error.where})")
    try:
        value = strict_json.parse(line)
    except BadMessage:
        _, _, column = error.where.partition(" column ")  # the line within the line is always the first
        return BadCell(number, "", column, "", problem, "put the JSON right at this character of the line")
    root = "$.data" if error.where.startswith("$.data") else "$"
    return BadCell(
        number, _scalar_at(value, f"{root}.id"), error.where, _scalar_at(value, error.where), problem, "put it right"
    )


def _scalar_at(value: Any, where: str) -> str:
    """The text, number or word that stands at a JSON path; "" where there is none."""
    for name, index in _STEP.findall(where):
        if name and isinstance(value, dict):
            value = value.get(name)
        elif index and isinstance(value, list) and int(index) < len(value):
            value = value[int(index)]
        else:
            return ""
    return str(value) if isinstance(value, str | int | float) else ""
