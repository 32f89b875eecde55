"""The correlation id of what is being worked on, and the calls made for it.

Both travel by context variable, so that a connector needs no parameter for them.
"""

from __future__ import annotations

import uuid
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")


@dataclass(frozen=True, slots=True)
class Call:
    """One call to a system outside, as the timeline shows it. Holds no bodies: those have personal data."""

    at: datetime
    target: str
    operation: str  # method and path
    status: int | None  # None: no answer
    duration_ms: int
    error: str


# The engine binds a fresh list for each delivery and stores what the connectors put in.
calls: ContextVar[list[Call] | None] = ContextVar("calls", default=None)


def new_correlation_id() -> str:
    """A fresh id. We mint our own and never trust a caller's."""
    return str(uuid.uuid4())


def record_call(call: Call) -> None:
    """Put a call into the current delivery's list, if there is one."""
    bound = calls.get()
    if bound is not None:
        bound.append(call)
