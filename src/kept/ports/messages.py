"""Messages as they come in, and who may send them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as it came over the wire. Header names are lower case."""

    headers: Mapping[str, str]
    body: bytes


class Verify(Protocol):
    """Checks who sent a message, over its raw bytes, before anything is parsed."""

    def __call__(self, message: Incoming, now: datetime) -> None:
        """Raises NotAuthentic."""
        ...


class Identify(Protocol):
    """The sender's own id of a message, for the inbox' unique key; the same message again has the same id."""

    def __call__(self, message: Incoming) -> str: ...
