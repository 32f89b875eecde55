"""A delivery: one step that must still be taken for one subject. PostgreSQL keeps it; queues carry its id."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from kept.engine.outcome import Document
from kept.observe.correlation import Call


@dataclass(slots=True)
class Delivery:
    """A delivery as loaded. `epoch` is the fencing number: a settlement counts only if it still matches."""

    id: int
    step: str
    urgency: int
    deadline: datetime  # the subject's ship-by: the most urgent goes first within a batch
    attempts: int
    waiting_since: datetime | None
    epoch: int
    correlation_id: str


class Ring(NamedTuple):
    """What a queue message says: this delivery of this step waits to be worked on."""

    delivery_id: int
    step: str
    urgency: int
    loaded: Loaded | None = None  # with its subject as just committed, for a worker that goes on at once


@dataclass(frozen=True, slots=True)
class Rung:
    """A queue message as read: ids only. `receipt` is what acknowledges it."""

    stream: str
    receipt: str
    delivery_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A delivery with its subject, ready to be worked on."""

    delivery: Delivery
    subject: Any


@dataclass(frozen=True, slots=True)
class EffectResult:
    """What became of one try of an effect. `status`: confirmed, refused or unknown."""

    key: str
    status: str
    attempt: int
    epoch: int
    at: datetime
    duration_ms: int
    downstream_id: str
    answer: bytes | None  # JSON of the target's answer when confirmed
    adopted: bool  # found at the target instead of sent
    error: str
    asked: bool = True  # False: the target was not even asked, and the effect stands as it did


@dataclass(frozen=True, slots=True)
class Advance:
    """The step is done: write its facts and whatever follows from them."""

    events: tuple[Any, ...]
    about: Any
    content: Any
    documents: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class Reschedule:
    """Not done yet: try again at `due_at`."""

    due_at: datetime
    attempts: int
    waiting_since: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Bury:
    """A dead letter: visible, kept, replayable."""

    reason: str
    code: str
    attempts: int


Settlement = Advance | Reschedule | Bury


@dataclass(eq=False, slots=True)
class Settling:
    """A delivery on its way to its settlement, with everything that was observed while working on it."""

    delivery: Delivery
    subject: Any
    settlement: Settlement
    effects: list[EffectResult] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
