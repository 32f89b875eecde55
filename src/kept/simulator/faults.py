"""What goes wrong in the simulated world, drawn so that the same seed gives the same run.

A fault is a pure function of (seed, party, operation, key, attempt): nothing is remembered, so a party that
was killed and started again goes on with the same faults.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """What happens to one call. APPLIED says which of them still do what was asked."""

    TIMEOUT_BEFORE = "timeout_before"  # nothing done, no answer until the client gives up
    TIMEOUT_AFTER = "timeout_after"  # done, no answer
    CUT_BEFORE = "cut_before"  # nothing done, the connection closes without an answer
    CUT_AFTER = "cut_after"  # done, the connection closes without an answer
    CUT_MIDDLE = "cut_middle"  # done, the connection closes in the middle of the answer's body
    RESET = "reset"  # nothing done, TCP RST
    HTTP_429 = "http_429"  # nothing done, Retry-After: 1
    HTTP_500_BEFORE = "http_500_before"  # nothing done
    HTTP_500_AFTER = "http_500_after"  # done, and the answer says that it was not
    HTTP_503 = "http_503"  # nothing done
    SLOW = "slow"  # done, answered late but within any sane timeout
    TRUNCATED_JSON = "truncated_json"  # done, a well-framed answer whose JSON ends too early


APPLIED = frozenset(
    {
        FaultKind.TIMEOUT_AFTER,
        FaultKind.CUT_AFTER,
        FaultKind.CUT_MIDDLE,
        FaultKind.HTTP_500_AFTER,
        FaultKind.SLOW,
        FaultKind.TRUNCATED_JSON,
    }
)

ALL_KINDS: tuple[FaultKind, ...] = tuple(FaultKind)

# Of three attempts in a row the third is always clean: at most two faults follow each other, so that
# every retried call ends and a run can be waited for.
CLEAN_ATTEMPT_EVERY = 3


def unit(*parts: object) -> float:
    """A number in [0, 1) that depends on the parts and on nothing else."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big") / 2**56


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """How often calls fail, and how. `rate` is the share of calls that draw a fault, from 0 to 1."""

    seed: int = 1
    rate: float = 0.0
    kinds: tuple[FaultKind, ...] = ALL_KINDS
    hold_s: float = 12.0  # beyond the connectors' own 10 s, so that it is the client who gives up
    slow_min_s: float = 0.2
    slow_max_s: float = 2.0

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise ValueError(f"fault rate {self.rate} is not between 0 and 1")

    def draw(self, party: str, operation: str, key: str, attempt: int) -> FaultKind | None:
        """The fault of one call, or None. `attempt` is 0 for the first call of this operation and key."""
        if not self.kinds or attempt % CLEAN_ATTEMPT_EVERY == CLEAN_ATTEMPT_EVERY - 1:
            return None
        if unit(self.seed, "fault", party, operation, key, attempt) >= self.rate:
            return None
        return self.kinds[int(unit(self.seed, "kind", party, operation, key, attempt) * len(self.kinds))]

    def slow_s(self, *parts: object) -> float:
        """How long a slow call takes, in seconds."""
        return self.slow_min_s + (self.slow_max_s - self.slow_min_s) * unit(self.seed, "slow", *parts)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the people and systems of the world behave: the share of orders (or events) that each concerns.

    None of these is an HTTP fault; `FaultPlan` has those.
    """

    # The channels' customers and webhooks
    pending: float = 0.05  # created unpaid, paid later
    edits: float = 0.04  # a newer revision with a corrected address
    cuts: float = 0.03  # a piece is taken off again when the order may be on its way already
    cancels_soon: float = 0.02  # right after the order
    cancels_late: float = 0.02  # when it may be on its way already
    duplicates: float = 0.03  # the same webhook under the same id
    twins: float = 0.02  # the same content under a new id
    late: float = 0.02  # the order's first webhook comes after those that follow it
    updated_first: float = 0.02  # an update overtakes its create
    stale: float = 0.02  # an old revision comes again at the end
    unheard: float = 0.01  # none of the order's webhooks is sent, where the channel can be polled
    unlisted: float = 0.01  # left out by the call that lists orders; then its webhooks are sent
    malformed: float = 0.003  # authentic, and no order at all (an extra message, not an order's own)
    forged: float = 0.003  # a wrong signature (an extra message)
    cancel_jobs_fail: float = 0.0  # of our cancels at a shop: taken on, and not done; each asks for a person
    # The centres
    rejects: float = 0.02  # of orders, each by its one designated centre
    short_picks: float = 0.02  # of orders, each by its one designated centre
    pending_cancels: float = 0.3  # of cancels that come in time: answered by a later event
    shipped_first: float = 0.02  # the shipped event overtakes the accepted event
    event_first: float = 0.02  # the accepted event overtakes the answer to the request
    event_duplicates: float = 0.03  # the same event twice under one id
    event_twins: float = 0.02  # the same event again under a new id

    @classmethod
    def calm(cls) -> Behaviour:
        """A world in which every order is simply bought, shipped and confirmed."""
        return cls(*([0.0] * len(cls.__dataclass_fields__)))


@dataclass(frozen=True, slots=True)
class Luck:
    """Draws for one party's behaviour."""

    seed: int
    behaviour: Behaviour

    def strikes(self, what: str, *parts: object) -> bool:
        """Whether the behaviour `what` (a field of Behaviour) happens for `parts`."""
        share: float = getattr(self.behaviour, what)
        return unit(self.seed, what, *parts) < share
