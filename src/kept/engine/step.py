"""A step: accepts one state, decides, returns an outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from kept.domain.lifecycle import State
from kept.engine.outcome import Outcome
from kept.engine.retry import DEFAULT_RETRY, RetryPolicy

Subject = TypeVar("Subject")
RunMany = Callable[[Sequence[Any], Any], Awaitable[Sequence[Outcome]]]
RunOne = Callable[[Any, Any], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Each:
    """A step written for one subject: the runner runs many at once and settles whichever is finished."""

    one: RunOne


def each(run: RunOne) -> Each:
    """Lift a step that is written for one subject."""
    return Each(run)


@dataclass(frozen=True, slots=True)
class Step(Generic[Subject]):
    """One step of the flow. `name` is stored with deliveries and facts and so is never renamed."""

    name: str
    accepts: State  # in any other state the delivery is already done: drop it
    run: RunMany | Each
    retry: RetryPolicy = DEFAULT_RETRY
