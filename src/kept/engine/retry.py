"""Retry policy as a value: how often, how long between, how long in all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential delays with jitter: `base_s * 2^n`, at most `cap_s`, spread over +-`jitter` of it.

    With the defaults eleven attempts span about eight minutes, longer than a restart of anything and
    shorter than a person's patience; `wait_max` bounds waiting, which costs no attempts.
    """

    attempts_max: int = 11
    base_s: float = 1.0
    cap_s: float = 120.0
    jitter: float = 0.2
    wait_max: timedelta = timedelta(days=3)

    def delay_s(self, delivery_id: int, attempts: int) -> float:
        """Seconds before attempt number `attempts + 1`. Same delivery and attempt, same delay.

        The jitter is drawn from the delivery's id, so that a crowd that failed together spreads out and
        a test can foretell it.
        """
        nominal = min(self.base_s * 2 ** max(0, attempts - 1), self.cap_s)
        draw = int.from_bytes(blake2b(f"{delivery_id}:{attempts}".encode(), digest_size=4).digest()) / 2**32
        return float(nominal * (1 + self.jitter * (2 * draw - 1)))


DEFAULT_RETRY = RetryPolicy()
