"""Strict JSON, held against JSONTestSuite and the bodies made up for this project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.connectors import strict_json
from kept.ports import BadMessage
from tests.fixtures_location import shared_fixtures

# y_ files that we refuse on purpose, and why.
_REFUSED_THOUGH_VALID = {
    "y_object_duplicated_key.json": "the same name twice",
    "y_object_duplicated_key_and_value.json": "the same name twice",
    "y_object_escaped_null_in_key.json": "NUL",
    "y_string_null_escape.json": "NUL",
}
# i_ files that RFC 8259 leaves open and that we read; all others of them we refuse.
_READ_THOUGH_OPEN = {"i_number_real_underflow.json"}


def suite(folder: str) -> list[Path]:
    return sorted(shared_fixtures("bad-input", "json_test_suite", folder).glob("*.json"))


def generated(name: str) -> list[dict[str, Any]]:
    path = shared_fixtures("bad-input", "generated", name)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_body_of_the_suite_is_read_or_refused_with_its_place() -> None:
    files = suite("test_parsing")
    assert len(files) > 200
    for file in files:
        body = file.read_bytes()
        if must_read(file.name):
            strict_json.parse(body)
            continue
        with pytest.raises(BadMessage) as caught:
            strict_json.parse(body)
        assert caught.value.where.startswith("line "), file.name


def must_read(name: str) -> bool:
    if name[0] == "i":
        return name in _READ_THOUGH_OPEN
    return name[0] == "y" and name not in _REFUSED_THOUGH_VALID


def test_what_valid_bodies_say_is_what_the_standard_library_reads() -> None:
    for file in suite("test_parsing"):
        if must_read(file.name):
            assert strict_json.parse(file.read_bytes()) == json.loads(file.read_bytes()), file.name


def test_transform_suite_ends_in_a_value_or_a_bad_message() -> None:
    refused = set()
    for file in suite("test_transform"):
        try:
            strict_json.parse(file.read_bytes())
        except BadMessage:
            refused.add(file.name)
    assert {"object_same_key_different_values.json", "string_with_escaped_NULL.json"} <= refused
    assert not {"number_1.0.json", "number_10000000000000000999.json", "object_key_nfc_nfd.json"} & refused


def test_big_integers_of_twenty_digits_keep_every_digit() -> None:
    assert strict_json.parse(b"[10000000000000000999, -99999999999999999999]") == [
        10000000000000000999,
        -99999999999999999999,
    ]


def test_deep_bodies_are_read_to_32_levels_and_refused_beyond() -> None:
    for row in generated("structure.jsonl"):
        depth = row.get("depth")
        if depth is None:
            continue
        kind = row["kind"]
        if kind == "nest_obj":
            body = b'{"a":' * depth + b"1" + b"}" * depth
        else:
            body = b"[" * depth + (b"]" * depth if kind == "nest_arr" else b"")
        if depth <= strict_json.DEPTH_MAX and kind != "nest_arr_unclosed":
            strict_json.parse(body)
        else:
            with pytest.raises(BadMessage):
                strict_json.parse(body)


def test_generated_doubles_and_encodings_are_refused() -> None:
    for row in generated("structure.jsonl"):
        if row["kind"].startswith("dup_key"):
            with pytest.raises(BadMessage, match="same name twice"):
                strict_json.parse(row["raw"].encode())
        elif row["kind"] == "encoding":
            with pytest.raises(BadMessage):
                strict_json.parse('{"name":"Zoë"}'.encode(row["enc"]))


def test_generated_strings_come_through_unchanged_or_are_refused() -> None:
    refused = set()
    for row in generated("unicode_injection.jsonl"):
        if "raw" not in row:
            continue  # pairs of equal-looking strings, which are for whoever compares
        body = f'{{"{row.get("field", "note")}":{row["raw"]}}}'.encode()
        try:
            assert strict_json.parse(body) == json.loads(body)
        except BadMessage:
            refused.add(row.get("cp"))
    assert refused == {"U+0000", "U+D800", "U+DFFF"}


@pytest.mark.parametrize(
    ("body", "message", "where"),
    [
        (b'\xef\xbb\xbf{"a":1}', "byte order mark", "line 1 column 1"),
        (b'{"a":\n "\xff"}', "not UTF-8", "line 2 column 3"),
        (b'{"a":1,\n"b":NaN}', "NaN is not JSON", "line 2 column 5"),
        (b'{"a":1,"b":2,"a":3}', "same name twice", "line 1 column 14"),
        (b'{"a" :1,"b":2,"a":3}', "same name twice", "line 1 column 15"),
        (b'{"a":1,"b":{"x":[{"y":1,"y":2}]}}', "same name twice", "line 1 column 25"),
        (b'{"a":1,"\\u0061":2}', "same name twice", "line 1 column 8"),
        (b'{"a":"x\\u0000"}', "NUL", "line 1 column 6"),
        (b'{"a":"\\ud800"}', "surrogate", "line 1 column 6"),
        (b'{"a":1e400}', "beyond the range", "line 1 column 6"),
        (b'{"a":' + b"9" * 21 + b"}", "more than 20 digits", "line 1 column 6"),
        (b'{"a":' + b"9" * 5000 + b"}", "more than 20 digits", "line 1 column 6"),
        (b"", "not JSON", "line 1 column 1"),
        (b'{"a":1}x', "not JSON", "line 1 column 8"),
    ],
)
def test_a_refusal_says_what_and_where(body: bytes, message: str, where: str) -> None:
    with pytest.raises(BadMessage, match=message) as caught:
        strict_json.parse(body)
    assert caught.value.where == where


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":"\\u0022:"}',  # an escaped quote and colon must not stand in for the lost name
        b'{"a":1,"a":"\\":"}',
        b'{"a":1,"a":":"}',
        b'{"a":1,"a" :2}',
        b'{"a":1,"a"\n:2}',
        b'{"a\\\\":1,"a\\\\":2}',
        b'[{"x":1},{"a":":","a":1}]',
    ],
)
def test_no_way_of_writing_hides_a_doubled_name_from_the_fast_way(body: bytes) -> None:
    with pytest.raises(BadMessage, match="same name twice"):
        strict_json.parse(body)


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert strict_json.parse(rb'{"a":"\\u0000"}') == {"a": "\\u0000"}


_names = st.text(alphabet='a":\\ \t', max_size=3)
_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**19), 10**19), st.text(alphabet='b":\\ ,{}[]', max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_names, inner, max_size=3)),
    max_leaves=10,
)


@given(_values, st.sampled_from([None, 1]), st.booleans())
def test_any_value_is_read_back_however_it_is_spaced(value: object, indent: int | None, spaced: bool) -> None:
    separators = (" , ", " : ") if spaced else (",", ":")
    body = json.dumps(value, indent=indent, separators=separators).encode()
    assert strict_json.parse(body) == value


@given(st.lists(st.tuples(_names, _values), min_size=1, max_size=4), st.booleans())
def test_any_object_with_a_name_twice_is_refused(members: list[tuple[str, object]], spaced: bool) -> None:
    colon = " :" if spaced else ":"
    twice = [*members, members[0]]
    text = "{" + ",".join(json.dumps(name) + colon + json.dumps(value) for name, value in twice) + "}"
    with pytest.raises(BadMessage, match="same name twice"):
        strict_json.parse(text.encode())
