"""What a step says of a delivery. A step returns one of these and persists nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Document:
    """A rendered document, to be kept under its content's hash."""

    sha256: str
    kind: str  # "label", "asn"
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """Facts; the new state selects the next step.

    `about` is the order that the facts belong to when the subject is a message; `content` the order's
    content when the facts bring a new one.
    """

    events: Sequence[Any]
    about: Any = None
    content: Any = None
    documents: Sequence[Document] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """Not ready yet: costs no attempt, but the policy limits how long a delivery may wait in all."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Retry:
    """Failed, may succeed: costs one attempt. Without `delay_s` the policy says how long to wait."""

    reason: str
    delay_s: float | None = None
    code: str = "temporary"


@dataclass(frozen=True, slots=True)
class Reject:
    """Cannot succeed without a person: dead letter at once. `code` groups letters of one cause."""

    reason: str
    code: str


Outcome = Done | Wait | Retry | Reject
