"""Where workers tell each other, on Redis, that a target is down or refuses us; so that one of them finds out, not all.

What stands here is a hint: without Redis each process has its own circuits all the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from kept.engine.interfaces import BellUnavailable
from kept.engine.quotas import ANSWER_WITHIN_S

_READ_EVERY_S = 1.0  # a call does not cost a command; a second is what a retry waits anyway
# The time after the cool-down in which one worker at a time probes. When it is over everybody may ask.
_PROBING_S = 120.0
_PROBE_S = 20.0  # above the longest attempt: a prober that died is replaced


@dataclass(frozen=True, slots=True)
class Notice:
    """A target that is left alone until `until` (seconds since 1970), and why."""

    target: str
    until: float
    since: float
    reason: str
    access_refused: bool = False


class CircuitBoard:
    """The notices. `now` gives seconds since 1970; clocks of workers may be apart by less than a cool-down."""

    def __init__(self, redis: Redis, now: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._now = now
        self._read: dict[str, tuple[float, Notice | None]] = {}

    async def wait_s(self, target: str) -> float:
        """How long to leave the target alone; 0.0 to ask it. After the cool-down only one worker is told to."""
        notice = await self._notice(target)
        if notice is None:
            return 0.0
        left_s = notice.until - self._now()
        if left_s > 0:
            return left_s
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                probing = await self._redis.set(f"{_key(target)}:probe", "1", nx=True, px=int(_PROBE_S * 1000))
        except (RedisError, OSError, TimeoutError):
            return 0.0
        return 0.0 if probing else _READ_EVERY_S

    async def post(self, notice: Notice) -> None:
        """Tell the others. Of a target that is on the board already, `since` stays."""
        _, known = self._read.get(notice.target, (0.0, None))
        if known is not None:
            notice = replace(notice, since=known.since)
        keep_s = max(0.0, notice.until - self._now()) + _PROBING_S
        self._read[notice.target] = (self._now(), notice)
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S), self._redis.pipeline() as commands:
                commands.set(_key(notice.target), orjson.dumps(asdict(notice)), px=int(keep_s * 1000))
                commands.delete(f"{_key(notice.target)}:probe")
                await commands.execute()
        except (RedisError, OSError, TimeoutError):
            return  # a hint that nobody gets: each finds out for itself

    async def clear(self, target: str) -> None:
        """The target answers again, or a person mended what was wrong."""
        self._read[target] = (self._now(), None)
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await self._redis.delete(_key(target), f"{_key(target)}:probe")
        except (RedisError, OSError, TimeoutError):
            return  # it ends by itself

    async def notices(self) -> list[Notice]:
        """Everything on the board, for people. Raises BellUnavailable without Redis."""
        try:
            keys = [key async for key in self._redis.scan_iter(match=_key("*"), count=500)]
            found = [value for key in keys if not key.endswith(b":probe") and (value := await self._redis.get(key))]
        except (RedisError, OSError, TimeoutError) as error:
            raise BellUnavailable(f"Redis: {type(error).__name__}") from error
        return sorted((Notice(**orjson.loads(value)) for value in found), key=lambda notice: notice.target)

    async def _notice(self, target: str) -> Notice | None:
        read_at, notice = self._read.get(target, (float("-inf"), None))
        if self._now() - read_at < _READ_EVERY_S:
            return notice
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                value = await self._redis.get(_key(target))
        except (RedisError, OSError, TimeoutError):
            value = None
        notice = Notice(**orjson.loads(value)) if value else None
        self._read[target] = (self._now(), notice)
        return notice


def _key(target: str) -> str:
    return f"kept:circuit:{target}"
