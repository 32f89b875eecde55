"""Changes that we want outside, written ahead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Effect:
    """One change that we want outside, written ahead. Same key and same request, however often it is tried."""

    key: str
    target: str  # which system: "erp:main", "centre:east", "channel:shop"
    operation: str
    request: Any  # a value that orjson can write; its hash guards the key against a second content


class Effects(Protocol):
    """Performs effects so that a retry, a replay or a second worker never does one twice."""

    async def perform(
        self,
        effect: Effect,
        send: Callable[[], Awaitable[Answer]],
        *,
        answer_type: type[Answer],
        find: Callable[[], Awaitable[Answer | None]] | None,
        honours_key: bool,
        write_horizon: timedelta = timedelta(0),
    ) -> Answer:
        """The target's answer: from `send`, from `find` (adopted), or as stored by an earlier try.

        `find` looks the effect up at the target by our reference. `honours_key` says that the target does
        one thing per key however often it is asked. `write_horizon` is how late a lost request may still
        apply; with neither key nor horizon over, nothing is sent again. Raises the connector's faults.
        """
        ...
