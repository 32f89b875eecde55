"""Token buckets as a vendor keeps them: so many calls at once, and so many a second after that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kept.simulator.party import Clock


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_s` calls a second, `burst` at once."""

    per_s: float
    burst: int


@dataclass(slots=True)
class Quotas:
    """One account's buckets, by operation. `speed` makes them refill so many times faster than the vendor's own do."""

    rates: Mapping[str, Rate]
    clock: Clock
    speed: float = 1.0
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)  # operation -> (tokens, as of)

    def take(self, operation: str) -> bool:
        """Whether the operation had a token left; an operation without a rate always has."""
        rate = self.rates.get(operation)
        if rate is None:
            return True
        now_s = self.clock()
        tokens, at_s = self._left.get(operation, (float(rate.burst), now_s))
        tokens = min(rate.burst, tokens + (now_s - at_s) * rate.per_s * self.speed)
        allowed = tokens >= 1
        self._left[operation] = (tokens - 1 if allowed else tokens, now_s)
        return allowed

    def left(self, operation: str) -> int:
        """Whole tokens that were left after the last call."""
        tokens, _ = self._left.get(operation, (0.0, 0.0))
        return int(tokens)
