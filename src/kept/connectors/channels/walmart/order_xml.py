"""Walmart's XML -> the JSON of the same order. Pure, and strict: no document type, no entities, bounded depth.

JSON is what we ask for (`Accept: application/json`); XML is what older examples and exports are written in.
Names lose their namespace prefix, text stays text, and what can repeat or does is a list.
"""

from __future__ import annotations

from typing import Any, NoReturn
from xml.parsers import expat

from kept.connectors.strict_json import DEPTH_MAX
from kept.ports import BadMessage

# Elements that are lists in JSON, however many there are of them: parent and child.
_LISTS = frozenset(
    {
        ("elements", "order"),
        ("orderLines", "orderLine"),
        ("charges", "charge"),
        ("orderLineStatuses", "orderLineStatus"),
        ("refundCharges", "refundCharge"),
    }
)
_LEAF_CHARS_MAX = 10_000  # of one element's text; the longest in real orders is a tracking address


def is_xml(body: bytes) -> bool:
    return body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"


def parse(body: bytes) -> tuple[str, Any]:
    """The root's name and its content. Raises BadMessage with "line L column C" (both from 1)."""
    return _Reader().read(body)


class _Reader:
    def __init__(self) -> None:
        self._parser = expat.ParserCreate(encoding="UTF-8")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.buffer_text = True
        self._open: list[tuple[str, dict[str, Any], list[str]]] = []
        self._root: tuple[str, Any] = ("", None)

    def read(self, body: bytes) -> tuple[str, Any]:
        try:
            self._parser.Parse(body, True)
        except expat.ExpatError as error:
            where = f"line {error.lineno} column {error.offset + 1}"
            raise BadMessage(f"not XML: {expat.ErrorString(error.code)}", where=where) from error
        return self._root

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= DEPTH_MAX:
            self._refuse(f"nested deeper than {DEPTH_MAX} levels")
        self._open.append((name.rpartition(":")[2], {}, []))

    def _text(self, text: str) -> None:
        if not self._open:
            return
        parts = self._open[-1][2]
        parts.append(text)
        if sum(map(len, parts)) > _LEAF_CHARS_MAX:
            self._refuse(f"an element with more than {_LEAF_CHARS_MAX} characters")

    def _end(self, _: str) -> None:
        name, children, text = self._open.pop()
        written = "".join(text).strip()
        if children and written:
            self._refuse(f"text between the elements of {name!r}")
        value: Any = children or written
        if not self._open:
            self._root = (name, value)
            return
        parent, siblings, _text = self._open[-1]
        if name not in siblings:
            siblings[name] = [value] if (parent, name) in _LISTS else value
        elif isinstance(siblings[name], list):
            siblings[name].append(value)
        else:
            siblings[name] = [siblings[name], value]  # the schema says whether there may be two

    def _doctype(self, *_: object) -> None:
        self._refuse("a document type, which could define entities, is not accepted")

    def _refuse(self, message: str) -> NoReturn:
        parser = self._parser
        where = f"line {parser.CurrentLineNumber} column {parser.CurrentColumnNumber + 1}"
        raise BadMessage(message, where=where)
