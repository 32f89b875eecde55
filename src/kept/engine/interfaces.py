"""What the engine needs of the ledger and the doorbell. PostgreSQL and Redis are one way to give it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from kept.engine.delivery import Loaded, Ring, Rung, Settling
from kept.engine.step import Step


class StoreUnavailable(ConnectionError):
    """PostgreSQL can't be reached or is shutting down: try again later; nothing of the call may be assumed."""


class BellUnavailable(ConnectionError):
    """Redis can't be reached or refuses writes: the relay rings later."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A change about to be made outside, to be committed before it is sent."""

    delivery_id: int
    epoch: int  # of the claim or, before the first intent, as loaded
    claimed: bool  # this worker holds the claim already
    key: str
    target: str
    operation: str
    request_hash: str
    correlation_id: str
    resend: bool = False  # an earlier try is unresolved, and it was decided to send again all the same


@dataclass(frozen=True, slots=True)
class EffectRecord:
    """An effect as the ledger knows it, after an intent was committed.

    `resolved` is the status before this try: "new", "refused" (surely not done), "confirmed", or
    "unresolved" (an earlier try may have been sent).
    """

    epoch: int
    resolved: str
    request_hash: str
    attempt: int
    last_sent_at: datetime  # an earlier try's request left no later than this
    answer: bytes | None


@dataclass(frozen=True, slots=True)
class EffectStanding:
    """Where an effect stands. Until `settled_at` a call that nobody answered for may still be under way."""

    status: str  # intended, confirmed, refused, unknown
    settled_at: datetime


class IntentLedger(Protocol):
    """Writes intents ahead and claims their deliveries."""

    async def intend(self, intent: Intent) -> EffectRecord | None:
        """The effect's record, committed; None when another worker owns the delivery now."""
        ...


class Store(Protocol):
    """The truth."""

    async def load(self, step: Step[object], delivery_ids: Sequence[int]) -> list[Loaded]:
        """Those of the deliveries that still wait for this step, most urgent first.

        A delivery that another worker holds is put back to be rung when its claim ends; one that is
        finished or superseded is left out.
        """
        ...

    async def settle(self, settlings: Sequence[Settling]) -> list[Ring]:
        """Settle in one transaction; what has to be rung for now. Stale settlements change nothing
        but what was observed of their effects."""
        ...

    async def hand_back(self, delivery_ids: Sequence[int]) -> None:
        """Let the relay ring again for deliveries that this worker will not finish."""
        ...

    async def due(self, limit: int) -> list[Ring]:
        """Take up to `limit` deliveries that are due and not rung for."""
        ...

    async def unring(self, older_than: timedelta, oldest: Mapping[tuple[str, int], datetime] | None = None) -> int:
        """Mark deliveries whose ring was lost, and that nobody holds, as not rung for; how many.

        Lost is what was rung longer ago than `older_than` and, where `oldest` tells when the oldest message
        in a stream (step, urgency) was rung, before that.
        """
        ...


class Bell(Protocol):
    """The doorbell: may lose everything at any moment without harm."""

    async def ring(self, rings: Sequence[Ring]) -> None: ...

    async def read(self, step: str, count: int, block_ms: int) -> list[Rung]: ...

    async def ack(self, rungs: Sequence[Rung]) -> None: ...
