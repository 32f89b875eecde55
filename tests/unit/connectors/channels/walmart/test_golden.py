"""Every Walmart payload given: its canonical order as checked by eye, or the exact reason why it is none.

`KEPT_GOLDEN=write` writes what is read today; the difference is then for a person to judge.
"""

from __future__ import annotations

import csv
import os
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from kept.connectors.channels.walmart.mapping import messages_of_file, normalise
from kept.ports import BadMessage
from tests.fixtures_location import shared_fixtures

NOW = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
GOLDEN = Path(__file__).resolve().parents[4] / "golden" / "walmart"
REFUSED = GOLDEN / "refused.json"
Json = dict[str, Any]


def plain(value: Any) -> Any:
    """A value as JSON, without what stands at its default: a field that comes later changes no golden order."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            each.name: plain(getattr(value, each.name))
            for each in fields(value)
            if getattr(value, each.name) != each.default
        }
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return value


def reading(path: Path) -> list[Json]:
    """What a file's messages say: {"order": ...}, or {"refused": the reason}."""
    try:
        messages = messages_of_file(path.read_bytes())
    except BadMessage as error:
        return [{"refused": str(error)}]
    found: list[Json] = []
    for message in messages:
        try:
            found.append({"order": plain(normalise("market", message, NOW))})
        except BadMessage as error:
            found.append({"refused": str(error)})
    return found


def as_json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def golden_of(name: str) -> Path:
    """Where the golden orders of a file lie; those of XML are JSON as well."""
    return GOLDEN / (name if name.endswith(".json") else f"{name}.json")


def rows() -> list[dict[str, str]]:
    with shared_fixtures("MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["channel"] == "walmart"]


def readings() -> dict[str, list[Json]]:
    """By file, without "walmart/"."""
    return {
        row["file"].partition("/")[2]: reading(shared_fixtures(*row["file"].split("/")))
        for row in sorted(rows(), key=lambda row: row["file"])
    }


def test_every_payload_is_its_golden_order_or_is_refused_for_the_exact_reason() -> None:
    read = readings()
    orders = {name: found for name, found in read.items() if any("order" in each for each in found)}
    refused = {name: [each["refused"] for each in found] for name, found in read.items() if name not in orders}
    if os.environ.get("KEPT_GOLDEN") == "write":
        for name, found in orders.items():
            path = golden_of(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(as_json(found))
        REFUSED.write_bytes(as_json(refused))
        pytest.skip("golden files written, nothing compared")
    golden = {str(path.relative_to(GOLDEN)) for path in GOLDEN.rglob("*.json")} - {REFUSED.name}
    assert {str(golden_of(name).relative_to(GOLDEN)) for name in orders} == golden
    for name, found in orders.items():
        assert orjson.loads(as_json(found)) == orjson.loads(golden_of(name).read_bytes()), name
    assert refused == orjson.loads(REFUSED.read_bytes())


def test_no_payload_was_left_out() -> None:
    assert len(rows()) == 57
    assert len(orjson.loads(REFUSED.read_bytes())) == 49
