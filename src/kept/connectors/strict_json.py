"""Reads JSON from outside and refuses what JSON readers disagree about.

Refused: anything but UTF-8, a byte order mark, NaN and Infinity, numbers beyond a double, integers of more
than 20 digits, a name twice in one object, NUL, lone surrogates, nesting beyond 32. Two systems that read
one of these differently (keep the first or the last of two equal names, say) are two truths.

Good bodies take the fast way: orjson reads them, and counting proves that no name was there twice. All
others are read a second time, slowly, to say where the fault is.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import orjson

from kept.ports import BadMessage

DEPTH_MAX = 32  # the deepest real payload has 9 levels
INTEGER_DIGITS_MAX = 20  # an unsigned 64-bit integer's
_INT64_LIMIT = float(2**63)

# White space, and a colon after it: that is either between name and value, or inside a string, and only a
# slow look can tell. The first is sought first, since one byte is found much faster than two.
_SPACED_COLONS = ((b" ", b" :"), (b"\t", b"\t:"), (b"\n", b"\n:"), (b"\r", b"\r:"))

# Possessive, and with a closing quote that may be missing, so that no text is ever looked at twice.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[{}\[\],:]|[^\s"{}\[\],:]++', re.DOTALL)
_UNPAIRED = re.compile("[\ud800-\udfff]")
_INTEGER = re.compile(r"-?[0-9]+")


def parse(body: bytes) -> Any:
    """The value that `body` says. Raises BadMessage whose `where` is "line L column C" (both from 1)."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _read_slowly(body)
    if _is_plain(body, value):
        return value
    return _read_slowly(body)


def _is_plain(body: bytes, value: object) -> bool:
    r"""Whether `value`, read from valid JSON, certainly breaks none of our rules; False means "look closer".

    In valid JSON a quote that no backslash precedes begins or ends a string. So with no white space before
    any colon and no `\":` anywhere, each name ends in one `":`; a string that begins with a colon only adds
    to their number. If there are just as many as names in `value`, then no name was lost as a double.
    """
    if b"\\" in body and (b"\\u0000" in body or b'\\":' in body):
        return False
    if any(space in body and spaced_colon in body for space, spaced_colon in _SPACED_COLONS):
        return False
    names = depth = 0
    level: list[Any] = [value]
    while level:
        depth += 1
        inner: list[Any] = []
        for node in level:
            kind = type(node)
            if kind is dict:
                names += len(node)
                inner.extend(node.values())
            elif kind is list:
                inner.extend(node)
            elif kind is float and not -_INT64_LIMIT < node < _INT64_LIMIT:
                return False  # orjson reads an integer beyond 64 bits as a float
        level = inner
    # The last level holds plain values only, which don't nest.
    return depth <= DEPTH_MAX + 1 and names == body.count(b'":')


def _read_slowly(body: bytes) -> Any:
    if body.startswith(b"\xef\xbb\xbf"):
        raise BadMessage("a byte order mark before the JSON", where="line 1 column 1")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        where = _position(body[: error.start].decode("utf-8", "replace"), None)
        raise BadMessage("the body is not UTF-8", where=where) from error
    _check_depth(text)
    try:
        value = json.loads(text, parse_constant=_let_pass, parse_int=_plain_integer)
    except json.JSONDecodeError as error:
        raise BadMessage(f"not JSON: {error.msg}", where=f"line {error.lineno} column {error.colno}") from error
    _check_tokens(text)
    return value


def _check_depth(text: str) -> None:
    """Nesting within the limit; first of all checks, since the parser calls itself for each level."""
    depth = 0
    for match in _TOKEN.finditer(text):
        lexeme = match[0]
        if lexeme in "{[":
            depth += 1
            if depth > DEPTH_MAX:
                _refuse(f"nested deeper than {DEPTH_MAX} levels", text, match.start())
        elif lexeme in "}]":
            depth -= 1


def _check_tokens(text: str) -> None:
    """What valid JSON may hold and we refuse: doubles, NUL, lone surrogates, huge numbers, NaN."""
    names: list[set[str] | None] = []  # one for each open container; None for an array
    at_name = False
    for match in _TOKEN.finditer(text):
        lexeme, start = match[0], match.start()
        match lexeme[0]:
            case "{":
                names.append(set())
                at_name = True
            case "[":
                names.append(None)
                at_name = False
            case "}" | "]":
                names.pop()
            case ",":
                at_name = names[-1] is not None
            case ":":
                at_name = False
            case '"':
                _check_string(lexeme, text, start, names[-1] if at_name else None)
            case _:
                _check_number(lexeme, text, start)


def _check_string(lexeme: str, text: str, start: int, names: set[str] | None) -> None:
    string: str = json.loads(lexeme)
    if "\x00" in string:
        _refuse("a NUL character in a string", text, start)
    if _UNPAIRED.search(string):
        _refuse("half a surrogate pair in a string", text, start)
    if names is not None:
        if string in names:
            _refuse("the same name twice in one object", text, start)
        names.add(string)


def _check_number(lexeme: str, text: str, start: int) -> None:
    if lexeme in {"true", "false", "null"}:
        return
    if _INTEGER.fullmatch(lexeme):
        if len(lexeme.lstrip("-")) > INTEGER_DIGITS_MAX:
            _refuse(f"an integer of more than {INTEGER_DIGITS_MAX} digits", text, start)
    elif lexeme in {"NaN", "Infinity", "-Infinity"}:
        _refuse(f"{lexeme} is not JSON", text, start)
    elif abs(float(lexeme)) == float("inf"):
        _refuse("a number beyond the range of a double", text, start)


def _plain_integer(digits: str) -> int:
    """As int(), which refuses thousands of digits with ValueError; the token check then says where they are."""
    return int(digits) if len(digits) <= INTEGER_DIGITS_MAX + 1 else 0


def _let_pass(constant: str) -> float:
    """Let NaN and Infinity pass here, so that the token check can say where they are."""
    return float(constant)


def _refuse(message: str, text: str, start: int) -> NoReturn:
    raise BadMessage(message, where=_position(text, start))


def _position(text: str, index: int | None) -> str:
    """ "line L column C" of a character; of the end of `text` when `index` is None."""
    before = text if index is None else text[:index]
    return f"line {before.count(chr(10)) + 1} column {len(before) - before.rfind(chr(10))}"
