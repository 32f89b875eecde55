"""What a decision is made of: the demand, the situation at the moment, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from kept.domain.progress import LineProgress

Stock = MutableMapping[tuple[str, str], int]  # (centre, sku) -> pieces that may still be promised


@dataclass(frozen=True, slots=True)
class Demand:
    """What has to be shipped, where to and by when."""

    lines: tuple[LineProgress, ...]
    weights_g: Mapping[int, int]  # line_no -> of one piece
    country: str
    ship_by: datetime
    deliver_by: datetime
    refused: frozenset[str]
    postal_code: str = ""
    account: str = ""

    @property
    def pieces(self) -> int:
        return sum(line.open for line in self.lines)


@dataclass(slots=True)
class Situation:
    """What is so at the moment of a decision. `take` counts what was decided, so that the next order of a batch can't
    have it."""

    now: datetime
    available: Stock
    paused: Mapping[str, str] = field(default_factory=dict)  # centre -> why it is not asked
    booked: MutableMapping[tuple[str, date], int] = field(default_factory=dict)  # pieces that leave on a day there


class RuledOut(StrEnum):
    """Why a centre, or one of its services, was not asked."""

    REFUSED = "refused"  # it rejected this order, or shipped it short
    PAUSED = "paused"
    RULE = "rule"  # of market or hazmat
    SERVICE = "service"  # none goes there
    CAPACITY = "capacity"  # full for as long as its calendar goes
    PROMISE = "promise"  # too late
    STOCK = "stock"  # nothing of what is asked


@dataclass(frozen=True, slots=True)
class Candidate:
    """A centre with its best service for this demand, or what ruled it out. Costs are of all that it could ship."""

    centre: str
    service: str = ""
    ruled_out: RuledOut | None = None
    detail: str = ""
    ships_at: datetime | None = None
    delivers_at: datetime | None = None
    km: int | None = None
    pieces: int = 0  # of the demand that it has
    parcel_minor: int = 0
    pieces_minor: int = 0
    late_minor: int = 0
    scarcity_minor: int = 0


@dataclass(frozen=True, slots=True)
class Costs:
    """What a plan comes to; `scarcity_minor` is nobody's bill, and is only weighed."""

    parcels_minor: int
    pieces_minor: int
    split_minor: int
    late_minor: int
    scarcity_minor: int

    @property
    def total_minor(self) -> int:
        return self.parcels_minor + self.pieces_minor + self.split_minor + self.late_minor

    @property
    def weighed_minor(self) -> int:
        return self.total_minor + self.scarcity_minor


@dataclass(frozen=True, slots=True)
class Flip:
    """The least change of one kind by which another plan would have been made."""

    kind: str  # "cost": minor units less; "stock": pieces more; "promise": seconds later
    centre: str
    service: str
    by: int
    saves_minor: int  # what the other plan weighs less, had it been so; 0 for "cost"


@dataclass(frozen=True, slots=True)
class NoPlan:
    """Nobody can ship it now; why, by centre. `exhausted` when every centre has refused or may not: waiting won't
    help."""

    candidates: tuple[Candidate, ...]
    exhausted: bool
    missing: tuple[tuple[str, int], ...] = ()  # SKUs, and how many pieces no centre has

    @property
    def ruled_out(self) -> tuple[str, ...]:
        short = tuple(f"{sku}: {pieces} more than there are" for sku, pieces in self.missing)
        return (*words_of(self.candidates), *short)


def words_of(candidates: tuple[Candidate, ...]) -> tuple[str, ...]:
    """ "east: refused before" for each that was ruled out."""
    return tuple(f"{each.centre}: {each.detail}" for each in candidates if each.ruled_out is not None)
