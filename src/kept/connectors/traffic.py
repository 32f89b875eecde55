"""What goes to a target, and when: the vendor's rates, and what other workers found out about it.

`HttpTarget` asks before each call and tells of each answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus

import structlog

from kept.connectors.answers import retry_after_s
from kept.connectors.circuit import Circuit, CircuitState
from kept.engine.circuit_board import CircuitBoard, Notice
from kept.engine.quotas import Bucket, Level, Quotas, Rate
from kept.ports import CircuitOpen, QuotaSpent
from kept.settings import SettingsError

log = structlog.get_logger("kept.connectors")

# A token that is due sooner is waited for where we stand; to settle and come back costs more.
_SHORT_WAIT_S = 0.25
_SHORT_WAITS_MAX = 4
# We take less than we may: calls that left apart arrive together, and the vendor counts what arrives.
_OF_RATE, _OF_BURST = 0.95, 0.8

# What an answer says of its operation's bucket; None if nothing. Given the headers and the time of day.
ReadLevel = Callable[[Mapping[str, str], datetime], Level | None]


@dataclass(frozen=True, slots=True)
class Rates:
    """A vendor's rate rules: of each operation, by its name, and of the whole account."""

    operations: Mapping[str, Rate] = field(default_factory=dict)
    account: Rate | None = None
    read_level: ReadLevel | None = None

    def times(self, factor: float) -> Rates:
        """The same rules for an account that the vendor allows `factor` times as much."""
        if factor <= 0:
            raise SettingsError(f"rate_factor = {factor:g}: it must be above 0")
        operations = {name: replace(rate, per_s=rate.per_s * factor) for name, rate in self.operations.items()}
        account = replace(self.account, per_s=self.account.per_s * factor) if self.account is not None else None
        return replace(self, operations=operations, account=account)

    def buckets(self, target: str, operation: str) -> list[Bucket]:
        """What a call has to take from; the first bucket is the one that its answer speaks of."""
        rate = self.operations.get(operation)
        own = [Bucket(f"{target}:{operation}", _with_room(rate))] if rate is not None else []
        return [*own, Bucket(target, _with_room(self.account))] if self.account is not None else own


@dataclass(frozen=True, slots=True)
class Shared:
    """What the processes of an installation share."""

    quotas: Quotas
    board: CircuitBoard | None = None


class Traffic:
    """One target's, from one process. `now` gives seconds since 1970."""

    def __init__(
        self, target: str, circuit: Circuit, rates: Rates | None, shared: Shared, now: Callable[[], float] = time.time
    ) -> None:
        self._target = target
        self._circuit = circuit
        self._rates = rates
        self._shared = shared
        self._now = now
        self._noticed = False  # the board has, or had, a notice that nobody took down yet

    async def admit(self, operation: str, cost: float) -> None:
        """Leave to call; raises CircuitOpen or QuotaSpent with the seconds until it is worth coming back."""
        board = self._shared.board
        if board is not None:
            wait_s = await board.wait_s(self._target)
            if wait_s > 0:
                self._noticed = True
                raise CircuitOpen(f"{self._target} is left alone: another worker found it so", retry_after_s=wait_s)
        buckets = self._rates.buckets(self._target, operation) if self._rates is not None else []
        if not buckets:
            return
        for _ in range(_SHORT_WAITS_MAX):
            wait_s = await self._shared.quotas.take(buckets, cost)
            if wait_s == 0:
                return
            if wait_s > _SHORT_WAIT_S:
                break
            await asyncio.sleep(wait_s)
        raise QuotaSpent(f"{self._target}: no more calls of {operation} for {wait_s:.1f} s", retry_after_s=wait_s)

    async def answered(self, operation: str, status: int, headers: Mapping[str, str], now: datetime) -> None:
        """Take in what an answer says of the quota. A 429 says that it is spent, whatever we believed."""
        buckets = self._rates.buckets(self._target, operation) if self._rates is not None else []
        if not buckets:
            return
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            wait_s = retry_after_s(headers.get("retry-after", ""), now)
            fallback_s = 1 / buckets[0].rate.per_s
            await self._shared.quotas.heed(buckets[0], Level(blocked_s=fallback_s if wait_s is None else wait_s))
        assert self._rates is not None
        level = self._rates.read_level(headers, now) if self._rates.read_level is not None else None
        if level is not None:
            await self._shared.quotas.heed(buckets[0], _said(level))

    async def heed(self, operation: str, level: Level) -> None:
        """What an answer's body says of the quota, where the vendor tells it there."""
        buckets = self._rates.buckets(self._target, operation) if self._rates is not None else []
        for bucket in buckets[:1]:
            await self._shared.quotas.heed(bucket, _said(level))

    async def settled(self, before: CircuitState) -> None:
        """A call ended: tell the others if the circuit opened by it, or closed."""
        after, board = self._circuit.state, self._shared.board
        if board is None:
            return
        if after is CircuitState.OPEN and before is not CircuitState.OPEN:
            await self._post(board, self._circuit.why, access_refused=False)
        elif after is CircuitState.CLOSED and (before is not CircuitState.CLOSED or self._noticed):
            self._noticed = False
            await board.clear(self._target)

    async def access_refused(self, reason: str, *, whole_account: bool) -> None:
        """The target refuses us, and somebody must look.

        If it is the whole account, nothing more is asked for a while, but by one probe at a time.
        """
        log.error("target.access_refused", target=self._target, reason=reason, whole_account=whole_account)
        if not whole_account:
            return
        self._circuit.lock_out()
        if self._shared.board is not None:
            await self._post(self._shared.board, reason, access_refused=True)

    async def _post(self, board: CircuitBoard, reason: str, *, access_refused: bool) -> None:
        self._noticed = True
        now = self._now()
        notice = Notice(self._target, now + self._circuit.open_for_s, now, reason[:200], access_refused)
        await board.post(notice)


def _with_room(rate: Rate) -> Rate:
    return Rate(rate.per_s * _OF_RATE, max(1.0, rate.burst * _OF_BURST))


def _said(level: Level) -> Level:
    """A vendor's own rate and burst, with the same room."""
    return replace(
        level,
        per_s=level.per_s * _OF_RATE if level.per_s else None,
        burst=max(1.0, level.burst * _OF_BURST) if level.burst else None,
    )
