"""`kept channels normalise`: any payload tried on the spot."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from typer.testing import CliRunner

from kept.cli import app
from kept.simulator.orders import make_sale
from kept.simulator.payloads import Version, inhouse_order, shopify_order

SALE = make_sale(seed=3, seq=1, now=datetime(2026, 11, 3, tzinfo=UTC))


def tried(kind: str, *files: Path) -> tuple[int, list[dict[str, Any]]]:
    ended = CliRunner().invoke(app, ["channels", "normalise", "--type", kind, *map(str, files)])
    return ended.exit_code, json.loads(ended.stdout) if ended.stdout else []


def written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_an_order_is_printed_in_the_one_schema(tmp_path: Path) -> None:
    shop = written(tmp_path, "shop.json", orjson.dumps(shopify_order(SALE, Version(age_s=1))))
    own = written(tmp_path, "own.json", orjson.dumps(inhouse_order(SALE, Version(age_s=1))))
    for kind, path in (("shopify", shop), ("inhouse", own)):
        code, (reading,) = tried(kind, path)
        assert code == 0
        assert reading["file"] == str(path)
        assert [line["quantity"] for line in reading["order"]["lines"]] == [line.quantity for line in SALE.lines]


def test_a_list_of_orders_is_read_one_by_one(tmp_path: Path) -> None:
    order = shopify_order(SALE, Version(age_s=1))
    path = written(tmp_path, "list.json", orjson.dumps({"orders": [order, {**order, "id": 2}, {"id": 3}]}))
    code, readings = tried("shopify", path)
    assert code == 1
    assert [sorted(reading) for reading in readings] == [
        ["file", "order"],
        ["file", "order"],
        ["error", "file", "where"],
    ]
    assert "required field" in readings[2]["error"]


def test_what_cannot_be_read_is_told_with_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, "broken.json", b'{"id": 1,\n "lines": [1, 2\n}')
    code, (reading,) = tried("inhouse", path)
    assert code == 1
    assert reading["where"] == "line 3 column 1"


def test_a_file_that_is_not_there_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    own = written(tmp_path, "own.json", orjson.dumps(inhouse_order(SALE, Version(age_s=1))))
    code, readings = tried("inhouse", tmp_path / "none.json", own)
    assert code == 1
    assert readings[0]["error"] == "No such file or directory"
    assert readings[1]["order"]["external_id"]


def test_an_unknown_type_is_a_usage_error_that_names_the_known_ones() -> None:
    ended = CliRunner().invoke(app, ["channels", "normalise", "--type", "ebay", "x.json"])
    assert ended.exit_code == 2
    assert "known are" in ended.output
    assert "shopify" in CliRunner().invoke(app, ["channels", "types"]).stdout.split()
