"""Reading SKU mappings and safety stock from CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from kept.domain.skus import Component

_WHOLE_MAX = 1_000_000


class WrongRow(Exception):
    """A row that says nothing usable; the text names line, column and value."""


def read_mapping(text: str) -> dict[str, tuple[Component, ...]]:
    """Mappings by the channel's SKU, of CSV with the columns channel_sku, sku and, for kits, quantity and share.

    Several rows of one channel_sku are a kit's components; the first leads. Raises WrongRow for the first fault, as
    half a mapping would book wrong orders.
    """
    found: dict[str, tuple[Component, ...]] = {}
    for where, row in _rows(text, ("channel_sku", "sku"), ("quantity", "share")):
        channel_sku, sku = (_text(row, name, where) for name in ("channel_sku", "sku"))
        component = Component(sku, _whole(row, "quantity", where), _whole(row, "share", where))
        if any(known.sku == sku for known in found.get(channel_sku, ())):
            raise WrongRow(f"{where}: {channel_sku!r} has {sku!r} twice; add up its quantity")
        found[channel_sku] = (*found.get(channel_sku, ()), component)
    return found


def read_safety(text: str) -> dict[tuple[str, str], int]:
    """Pieces kept back by (centre, sku), of CSV with the columns centre, sku and pieces. Raises WrongRow."""
    found: dict[tuple[str, str], int] = {}
    for where, row in _rows(text, ("centre", "sku", "pieces")):
        key = _text(row, "centre", where), _text(row, "sku", where)
        if key in found:
            raise WrongRow(f"{where}: {key[1]!r} at {key[0]!r} is there twice")
        _text(row, "pieces", where)
        found[key] = _whole(row, "pieces", where, least=0)
    return found


def _rows(
    text: str, columns: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[str, dict[str, str | None]]]:
    """Rows with where they stand. Raises WrongRow."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    missing = [name for name in columns if name not in (reader.fieldnames or ())]
    unknown = [name for name in reader.fieldnames or () if name not in (*columns, *optional)]
    if missing or unknown:
        wrong = f"lacks {', '.join(missing)}" if missing else f"has the unknown {', '.join(unknown)}"
        raise WrongRow(f"line 1 {wrong}; columns are {', '.join((*columns, *optional))}")
    try:
        for row in reader:
            yield f"line {reader.line_num}", row
    except csv.Error as error:
        raise WrongRow(f"line {reader.line_num + 1}: {error}") from error


def _text(row: dict[str, str | None], name: str, where: str) -> str:
    value = (row[name] or "").strip()
    if not value:
        raise WrongRow(f"{where}: {name} is empty")
    return value


def _whole(row: dict[str, str | None], name: str, where: str, least: int = 1) -> int:
    value = (row.get(name) or "1").strip()
    if not (value.isascii() and value.isdecimal() and least <= int(value) <= _WHOLE_MAX):
        raise WrongRow(f"{where}: {name} {value!r} is not a whole number from {least} to {_WHOLE_MAX}")
    return int(value)
