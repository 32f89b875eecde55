"""Changing a copy of a frozen value."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

_Value = TypeVar("_Value")


@cache
def _fields(kind: Any) -> tuple[tuple[str, Any, Any], ...]:
    """Name, getter and setter of each slot."""
    slots = [(name, getattr(kind, name)) for name in kind.__slots__]
    return tuple((name, slot.__get__, slot.__set__) for name, slot in slots)


def changed(value: _Value, **changes: Any) -> _Value:
    """A copy with other values in some fields: `dataclasses.replace` for slotted values, at half of its cost.

    The ledger's fold makes some thirty copies an order. Raises TypeError for a field that is not there.
    """
    kind: Any = type(value)
    fields = _fields(kind)
    made: _Value = object.__new__(kind)
    found = 0
    for name, get, put in fields:
        if name in changes:
            put(made, changes[name])
            found += 1
        else:
            put(made, get(value))
    if found != len(changes):
        unknown = changes.keys() - {name for name, _, _ in fields}
        raise TypeError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
    return made
