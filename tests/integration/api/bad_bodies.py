"""The recorded bad bodies: JSONTestSuite, and what was generated for this project. Nothing of them is ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.fixtures_location import shared_fixtures

Row = dict[str, Any]


def rows(name: str) -> list[Row]:
    """The rows of one generated file."""
    lines = shared_fixtures("bad-input", "generated", name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def json_test_suite() -> Iterator[tuple[str, bytes]]:
    folder = shared_fixtures("bad-input", "json_test_suite")
    for path in sorted(folder.glob("*/*.json")):
        yield path.name, path.read_bytes()


def files() -> Iterator[tuple[str, bytes]]:
    """Files that are bodies as they are: compressed, cut short, and the naughty strings."""
    for path in sorted(shared_fixtures("bad-input", "generated").glob("*.gz")):
        yield path.name, path.read_bytes()
    yield "blns.json", shared_fixtures("bad-input", "blns", "blns.json").read_bytes()


def values() -> Iterator[tuple[str, bytes]]:
    """Values that are bad in a field, each in an order that has that field."""
    for row in rows("unicode_injection.jsonl"):
        raw = row["raw"] if "raw" in row else json.dumps([row["a"], row["b"]])
        yield row["id"], b'{"id": 1, "%b": %b}' % (row.get("field", "note").encode(), raw.encode())
    for row in rows("numbers.jsonl"):
        yield row["id"], b'{"id": 1, "line_items": [{"%b": %b}]}' % (row["field"].encode(), row["token"].encode())
    for row in rows("dates.jsonl"):
        yield row["id"], b'{"id": 1, "created_at": %b}' % json.dumps(row["value"]).encode()
    for row in rows("money.jsonl"):
        yield row["id"], json.dumps(row).encode()
    for row in rows("ssrf_urls.jsonl"):
        yield row["id"], json.dumps({"id": 1, "order_status_url": row["url"]}).encode()


def structures() -> Iterator[tuple[str, bytes | int]]:
    """Bodies of a bad structure; for one above 6 MB only its size, which is all that anybody gets to see."""
    for row in rows("structure.jsonl"):
        size = _size(row)
        if size > 6_000_000:
            yield row["id"], size
        elif (body := _built(row)) is not None:
            yield row["id"], body


def _size(row: Row) -> int:
    return int(row.get("bytes", 0) + 12 * row.get("keys", 0) + 10 * row.get("lines", 0))


def _built(row: Row) -> bytes | None:
    depth: int = row.get("depth", 0)
    match row["kind"]:
        case "nest_obj":
            return b'{"a":' * depth + b"1" + b"}" * depth
        case "nest_arr":
            return b"[" * depth + b"]" * depth
        case "nest_arr_unclosed":
            return b"[" * depth
        case "long_string":
            return b'{"id": "%b"}' % (b"x" * int(row["bytes"]))
        case "many_lines":
            return b'{"lines": [' + b",".join([b'{"sku":1}'] * int(row["lines"])) + b"]}"
        case "many_keys":
            return b"{" + b",".join(b'"k%d":1' % key for key in range(row["keys"])) + b"}"
        case "dup_key" | "dup_key_nested":
            return str(row["raw"]).encode()
        case "encoding":
            return '{"id": 1, "name": "Grüße"}'.encode(str(row["enc"]))
        case _:
            return None
