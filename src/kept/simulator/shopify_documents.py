"""What a GraphQL document asks for, as far as the simulated shop has to tell documents apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPERATION = re.compile(r"(?:^|\})\s*(?:query|mutation)\b\s*(\w*)")
_FIRST_FIELD = re.compile(r"\{\s*(\w+)")
_WORD = re.compile(r"\w+")
# An order's own fields that the book of fulfilments alone can't tell: the sale itself has to be looked up.
_OF_THE_SALE = frozenset({"updatedAt", "cancelledAt", "currencyCode"})


@dataclass(frozen=True, slots=True)
class Document:
    """One operation: its name ("" for one without), its first field, and every word in it and its fragments."""

    name: str
    field: str
    words: frozenset[str]

    @property
    def label(self) -> str:
        """What its calls are counted under: two operations over one field are two."""
        return self.name or self.field

    @property
    def asks_for_the_sale(self) -> bool:
        """Whether it selects what only the whole order has, and not just how its fulfilment goes."""
        return not self.words.isdisjoint(_OF_THE_SALE)


def read_document(text: str) -> Document:
    """The document's operation; one that can't be found has no field."""
    operation = _OPERATION.search(text)
    found = _FIRST_FIELD.search(text, operation.end() if operation else 0)
    return Document(operation[1] if operation else "", found[1] if found else "", frozenset(_WORD.findall(text)))
