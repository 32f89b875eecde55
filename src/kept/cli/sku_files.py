"""Reading SKU mappings from CSV."""

from __future__ import annotations

import csv
import io

from kept.domain.skus import Component

_COLUMNS = ("channel_sku", "sku")
_OPTIONAL = ("quantity", "share")
_WHOLE_MAX = 1_000_000


class WrongRow(Exception):
    """A row that says nothing usable; the text names line, column and value."""


def read_mapping(text: str) -> dict[str, tuple[Component, ...]]:
    """Mappings by the channel's SKU, of CSV with the columns channel_sku, sku and, for kits, quantity and share.

    Several rows of one channel_sku are a kit's components; the first leads. Raises WrongRow for the first fault, as
    half a mapping would book wrong orders.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
    unknown = [name for name in reader.fieldnames or () if name not in (*_COLUMNS, *_OPTIONAL)]
    if missing or unknown:
        wrong = f"lacks {', '.join(missing)}" if missing else f"has the unknown {', '.join(unknown)}"
        raise WrongRow(f"line 1 {wrong}; columns are {', '.join((*_COLUMNS, *_OPTIONAL))}")
    found: dict[str, tuple[Component, ...]] = {}
    try:
        for row in reader:
            where = f"line {reader.line_num}"
            channel_sku, sku = (_text(row, name, where) for name in _COLUMNS)
            component = Component(sku, _whole(row, "quantity", where), _whole(row, "share", where))
            if any(known.sku == sku for known in found.get(channel_sku, ())):
                raise WrongRow(f"{where}: {channel_sku!r} has {sku!r} twice; add up its quantity")
            found[channel_sku] = (*found.get(channel_sku, ()), component)
    except csv.Error as error:
        raise WrongRow(f"line {reader.line_num + 1}: {error}") from error
    return found


def _text(row: dict[str, str | None], name: str, where: str) -> str:
    value = (row[name] or "").strip()
    if not value:
        raise WrongRow(f"{where}: {name} is empty")
    return value


def _whole(row: dict[str, str | None], name: str, where: str) -> int:
    value = (row.get(name) or "1").strip()
    if not (value.isascii() and value.isdecimal() and 1 <= int(value) <= _WHOLE_MAX):
        raise WrongRow(f"{where}: {name} {value!r} is not a whole number from 1 to {_WHOLE_MAX}")
    return int(value)
