"""What the simulated ledger keeps: the columns of PostgreSQL's tables that the engine's promise rests on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from kept.domain.lifecycle import OrderState


@dataclass(slots=True)
class DeliveryRow:
    """A row of `deliveries`."""

    id: int
    order_id: int
    step: str
    due_at: datetime
    queued_at: datetime | None
    epoch: int = 0
    claimed_until: datetime | None = None
    attempts: int = 0
    waiting_since: datetime | None = None
    claims: int = 0  # the auditor's own count of claims, whatever the rules make of the epoch
    holder: str = ""  # the auditor's own note of who claimed last

    def held(self, now: datetime) -> bool:
        return self.claimed_until is not None and self.claimed_until > now


@dataclass(slots=True)
class EffectRow:
    """A row of `effects`."""

    key: str
    request_hash: str
    status: str
    attempt: int
    last_sent_at: datetime
    downstream_id: str = ""
    answer: bytes | None = None


class Fact(NamedTuple):
    """What a step has to say. `about` is the document that it got from a target."""

    kind: str
    about: str = ""


class Event(NamedTuple):
    """A row of the ledger."""

    seq: int
    fact: Fact


class SimOrder(NamedTuple):
    """An order as loaded for a step."""

    id: int
    reference: str
    state: OrderState
    seq: int


@dataclass(slots=True)
class OrderRow:
    """An order with its ledger."""

    id: int
    reference: str
    state: OrderState
    seq: int = 0
    events: list[Event] = field(default_factory=list)

    def loaded(self) -> SimOrder:
        return SimOrder(self.id, self.reference, self.state, self.seq)


@dataclass(slots=True)
class Letter:
    """A row of `dead_letters`."""

    order_id: int
    step: str
    code: str
    reason: str
    resolved: bool = False


class Broken(BaseException):
    """The engine broke its promise. No `except Exception` of the engine may take it for a fault."""
