"""A circuit breaker: a target that looks down is left alone for a while, then asked by one call.

Closed: every call may go. Open: none may, until the cool-down is over. Half-open: one probe may, and its
result closes the circuit or opens it again for twice as long.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from kept.ports import CircuitOpen

FAILURES_TO_OPEN = 5  # fewer would open on the ordinary flicker of a healthy target
COOL_DOWN_FIRST_S = 1.0  # a restart of a target takes about that long
COOL_DOWN_MAX_S = 30.0  # a target that came back is found within half a minute
LOCKED_OUT_S = 60.0  # a target that refuses us: somebody has to mend that, which takes minutes
PROBE_WAIT_S = 1.0  # while a probe is out, asking again sooner tells nothing


class CircuitState(StrEnum):
    """Where a circuit stands."""

    CLOSED = "closed"  # FAILURES_TO_OPEN failures in a row move it to OPEN
    OPEN = "open"  # the end of the cool-down moves it to HALF_OPEN
    HALF_OPEN = "half_open"  # the probe's result moves it to CLOSED or back to OPEN


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave for one call. Its result counts only in the generation that gave it."""

    generation: int
    probe: bool


class Circuit:
    """One target's circuit. Not thread-safe: it belongs to one event loop. `clock` gives monotonic seconds."""

    def __init__(self, target: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._target = target
        self._clock = clock
        self._failures = 0
        self._cool_down_s = COOL_DOWN_FIRST_S
        self._open_until: float | None = None
        self._probing = False
        self.why = ""  # it opened last
        # Rises whenever the circuit opens or closes: results of calls that began before say nothing new.
        self._generation = 0

    @property
    def state(self) -> CircuitState:
        if self._open_until is None:
            return CircuitState.CLOSED
        if self._probing or self._clock() >= self._open_until:
            return CircuitState.HALF_OPEN
        return CircuitState.OPEN

    def admit(self) -> Permit:
        """Leave to make one call; end it with `settle` or `abandon`. Raises CircuitOpen."""
        if self._open_until is None:
            return Permit(self._generation, probe=False)
        left_s = self._open_until - self._clock()
        if left_s > 0 or self._probing:
            wait_s = left_s if left_s > 0 else PROBE_WAIT_S
            raise CircuitOpen(
                f"{self._target} {self.why}; not asked before {wait_s:.1f} s are over", retry_after_s=wait_s
            )
        self._probing = True
        return Permit(self._generation, probe=True)

    def settle(self, permit: Permit, *, down: bool) -> None:
        """Note a call's result: `down` if the target looked down (no connection, no answer in time, 5xx)."""
        if permit.generation != self._generation:
            return
        if not down:
            self._close()
            return
        self._failures += 1
        if permit.probe:
            self._open(min(self._cool_down_s * 2, COOL_DOWN_MAX_S), "still fails")
        elif self._failures >= FAILURES_TO_OPEN:
            self._open(COOL_DOWN_FIRST_S, f"failed {FAILURES_TO_OPEN} times in a row")

    def lock_out(self) -> None:
        """Note that the target refuses us, whatever is asked."""
        self._open(LOCKED_OUT_S, "refuses our access")

    @property
    def open_for_s(self) -> float:
        """Seconds until a probe may go; 0.0 if any call may."""
        return 0.0 if self._open_until is None else max(0.0, self._open_until - self._clock())

    @property
    def left_alone_for_s(self) -> float | None:
        """Seconds until a probe may go, 0.0 if it may now; None while any call may."""
        return None if self._open_until is None else self.open_for_s

    def abandon(self, permit: Permit) -> None:
        """Note that a call was cancelled by us and says nothing about the target; the next one may probe."""
        if permit.probe and permit.generation == self._generation:
            self._probing = False

    def _open(self, cool_down_s: float, why: str) -> None:
        self.why = why
        self._cool_down_s = cool_down_s
        self._open_until = self._clock() + cool_down_s
        self._probing = False
        self._generation += 1

    def _close(self) -> None:
        self._failures = 0
        if self._open_until is not None:
            self._open_until = None
            self._probing = False
            self._cool_down_s = COOL_DOWN_FIRST_S
            self._generation += 1
