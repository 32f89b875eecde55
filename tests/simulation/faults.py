"""What can go wrong, where, and how often in one schedule."""

from __future__ import annotations

from collections import Counter
from random import Random

# A process that runs steps or relays may die or stand still on either side of whatever it does.
LIFE = ("crash_before", "crash_after", "freeze_before", "freeze_after", "stall_before", "stall_after")
STORE = ("not_committed", "reply_lost")
BELL = ("bell_down", "reply_lost", "flush", "clock_jump")
REFUSED = ("refused_for_now", "circuit_open", "refused_for_good")
# Sent, and nobody can tell. A cut is noticed at once, a timeout after TIMEOUT_MS.
UNKNOWN = ("cut_undone", "cut_done", "cut_late", "timeout_undone", "timeout_done", "timeout_late")

KINDS_AT: dict[str, tuple[str, ...]] = {
    "load": (*LIFE, *STORE),
    "intend": (*LIFE, *STORE),
    "settle": (*LIFE, *STORE),
    "due": (*LIFE, *STORE),
    "unring": (*LIFE, *STORE),
    "read": (*LIFE, *BELL),
    "reclaim": (*LIFE, *BELL),
    "ring": (*LIFE, *BELL, "duplicate", "ring_lost", "stale_copy"),
    "ack": (*LIFE, *BELL),
    "beat": (*LIFE, *BELL),
    "send": (*LIFE, *REFUSED, *UNKNOWN, "crash_in_flight"),
    "find": (*LIFE, "search_fails"),
}
ALL = tuple((kind, boundary) for boundary, kinds in KINDS_AT.items() for kind in kinds)
_KINDS = tuple(sorted({kind for kind, _ in ALL}))

# Faults end here at the latest, so that every schedule comes to rest and can be judged.
HEAL_AT_MS = 60_000
# More faults than this rarely meet in anything new, and cost time.
STRIKES_MAX = 18
# Idle processes pass some boundaries all the time, and would use up all strikes; others are passed seldom.
_WEIGHT = {"beat": 0.05, "due": 0.2, "unring": 0.3, "read": 0.4, "find": 3.0}


class Faults:
    """Strikes in one schedule. Each schedule has its own kinds and rate, so that faults meet in many ways."""

    def __init__(
        self, random: Random, fired: Counter[tuple[str, str]], only: frozenset[tuple[str, str]] = frozenset()
    ) -> None:
        self._random = random
        self._fired = fired
        self._rate = random.choice((0.03, 0.1, 0.2, 0.35))
        share = random.choice((0.3, 0.7, 1.0))
        enabled = {kind for kind in _KINDS if random.random() < share}
        self._kinds_at = {
            boundary: [k for k in kinds if ((k, boundary) in only if only else k in enabled)]
            for boundary, kinds in KINDS_AT.items()
        }
        self._left = random.randint(1, STRIKES_MAX)

    def draw(self, boundary: str, now_ms: int) -> str:
        """The fault that strikes here and now, or ""."""
        if self._left <= 0 or now_ms >= HEAL_AT_MS:
            return ""
        rate = self._rate * _WEIGHT.get(boundary, 1.0)
        kinds = self._kinds_at[boundary]
        if not kinds or self._random.random() >= rate:
            return ""
        kind = self._random.choice(kinds)
        self._left -= 1
        self._fired[kind, boundary] += 1
        return kind
