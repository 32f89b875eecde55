"""The doorbell on Redis Streams: one stream per step and urgency class, one consumer group.

A queue message carries ids only, up to `IDS_PER_MESSAGE` of them, so that a batch costs a few commands.
Redis may lose all of it: the relay rings again. Works with redis-server 6.2 to 8 and Valkey, not on a cluster: one
read spans a step's lanes.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from kept.domain.urgency import Urgency
from kept.engine.delivery import Ring, Rung
from kept.engine.interfaces import BellUnavailable

GROUP = "kept"
# A message is acknowledged when all its deliveries are settled, so a large one would be held up by one
# slow call; 50 costs a fiftieth of a command a delivery already.
IDS_PER_MESSAGE = 50
# Redis answers within milliseconds or is in trouble; XREADGROUP's own block is added to it.
_ANSWER_WITHIN_S = 2.0


# How far the clocks of Redis and PostgreSQL may be apart before rings are taken for lost that are not.
_CLOCKS_DIFFER_BY = timedelta(seconds=5)


def connect(url: str) -> Redis:
    """A client that never repeats a command by itself: a repeated XADD would ring twice."""
    return Redis.from_url(
        url,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=_ANSWER_WITHIN_S + 5,
        socket_connect_timeout=_ANSWER_WITHIN_S,
        health_check_interval=0,
    )


def stream_of(step: str, urgency: int) -> str:
    return f"kept:{{{step}:{urgency}}}"


_P = ParamSpec("_P")
_T = TypeVar("_T")


def _translated(method: Callable[_P, Awaitable[_T]]) -> Callable[_P, Coroutine[Any, Any, _T]]:
    """Redis' failures as BellUnavailable."""

    @functools.wraps(method)
    async def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return await method(*args, **kwargs)
        except (RedisError, OSError, TimeoutError) as error:
            raise BellUnavailable(f"Redis: {type(error).__name__}") from error

    return call


class Streams:
    """`kept.engine.interfaces.Bell` on Redis Streams."""

    def __init__(self, redis: Redis, consumer: str) -> None:
        self._redis = redis
        self._consumer = consumer  # unique per process: a dead one's messages are claimed by name

    @_translated
    async def ring(self, rings: Sequence[Ring]) -> None:
        """Put the deliveries into their streams. Raises RedisError; the relay then rings later."""
        if not rings:
            return
        by_stream: dict[str, list[int]] = defaultdict(list)
        for ring in rings:
            by_stream[stream_of(ring.step, ring.urgency)].append(ring.delivery_id)
        pipeline = self._redis.pipeline(transaction=False)
        for stream, ids in by_stream.items():
            for start in range(0, len(ids), IDS_PER_MESSAGE):
                chunk = ids[start : start + IDS_PER_MESSAGE]
                pipeline.xadd(stream, {"d": ",".join(map(str, chunk))})
        await pipeline.execute()

    @_translated
    async def read(self, step: str, count: int, block_ms: int) -> list[Rung]:
        """Messages of a step, at most `count` a lane, the most urgent lane first."""
        streams: dict[Any, Any] = {stream_of(step, urgency): ">" for urgency in Urgency}
        try:
            answer = await self._redis.xreadgroup(GROUP, self._consumer, streams, count, block_ms)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            await self.create_groups(step)
            return []
        lanes = {_text(stream): entries for stream, entries in _pairs(answer)}
        return [rung for stream in streams for rung in _rungs(stream, lanes.get(stream, []))]

    @_translated
    async def create_groups(self, step: str) -> None:
        """Make the step's streams and groups, from the streams' beginning, if they are not there."""
        for urgency in Urgency:
            try:
                await self._redis.xgroup_create(stream_of(step, urgency), GROUP, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    @_translated
    async def ack(self, rungs: Sequence[Rung]) -> None:
        """Acknowledge and delete messages that have nothing left to do."""
        if not rungs:
            return
        by_stream: dict[str, list[str]] = defaultdict(list)
        for rung in rungs:
            by_stream[rung.stream].append(rung.receipt)
        pipeline = self._redis.pipeline(transaction=False)
        for stream, receipts in by_stream.items():
            pipeline.xack(stream, GROUP, *receipts)
            pipeline.xdel(stream, *receipts)
        await pipeline.execute()

    @_translated
    async def keep(self, rungs: Iterable[Rung]) -> None:
        """Tell Redis that these messages are still being worked on, so that nobody claims them."""
        by_stream: dict[str, list[str]] = defaultdict(list)
        for rung in rungs:
            by_stream[rung.stream].append(rung.receipt)
        for stream, receipts in by_stream.items():
            await self._redis.xclaim(stream, GROUP, self._consumer, 0, list[Any](receipts), justid=True)

    @_translated
    async def reclaim(self, step: str, idle_ms: int) -> list[Rung]:
        """Take over messages that a dead worker left, following the cursor to the end."""
        taken: list[Rung] = []
        for urgency in Urgency:
            stream, cursor = stream_of(step, urgency), "0-0"
            while True:
                try:
                    answer = await self._redis.xautoclaim(stream, GROUP, self._consumer, idle_ms, cursor, count=100)
                except ResponseError as error:
                    if "NOGROUP" not in str(error):
                        raise
                    await self.create_groups(step)
                    break
                cursor = _text(answer[0])
                # Redis 6.2 returns nothing in place of a deleted message and leaves it pending.
                taken.extend(_rungs(stream, [entry for entry in answer[1] if entry and entry[0] and entry[1]]))
                if cursor == "0-0":
                    break
        return taken

    @_translated
    async def depth(self, steps: Iterable[str]) -> dict[str, int]:
        """Messages in each step's streams, read or not."""
        keys = [(step, stream_of(step, urgency)) for step in steps for urgency in Urgency]
        pipeline = self._redis.pipeline(transaction=False)
        for _, stream in keys:
            pipeline.xlen(stream)
        depths: dict[str, int] = defaultdict(int)
        for (step, _), length in zip(keys, await pipeline.execute(), strict=True):
            depths[step] += int(length)
        return dict(depths)

    @_translated
    async def oldest(self, steps: Iterable[str]) -> dict[tuple[str, int], datetime]:
        """When the oldest message of each stream that has one was put in, by Redis' clock, less its possible error."""
        lanes = [(step, int(urgency)) for step in steps for urgency in Urgency]
        pipeline = self._redis.pipeline(transaction=False)
        for step, urgency in lanes:
            pipeline.xrange(stream_of(step, urgency), count=1)
        found = {}
        for lane, entries in zip(lanes, await pipeline.execute(), strict=True):
            if entries:
                put_in_ms = int(_text(entries[0][0]).split("-")[0])
                found[lane] = datetime.fromtimestamp(put_in_ms / 1000, UTC) - _CLOCKS_DIFFER_BY
        return found

    @_translated
    async def beat(self, expected: int) -> bool:
        """Count one beat of this consumer's own. False when Redis does not remember the last one."""
        key = f"kept:{{beat:{self._consumer}}}"
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.incr(key)
        pipeline.expire(key, 86_400)
        return int((await pipeline.execute())[0]) == expected

    @_translated
    async def set_beat(self, value: int) -> None:
        """Begin counting at `value`."""
        await self._redis.set(f"kept:{{beat:{self._consumer}}}", value, ex=86_400)

    @_translated
    async def ping(self) -> None:
        """Ask Redis for an answer. Raises BellUnavailable."""
        await self._redis.ping()

    async def aclose(self) -> None:
        try:
            await self._redis.aclose()
        except RedisError:  # closing a connection to a Redis that is gone has nothing left to lose
            return


def _rungs(stream: str, entries: Iterable[tuple[bytes, dict[bytes, bytes]]]) -> list[Rung]:
    return [
        Rung(stream, _text(entry_id), tuple(int(part) for part in fields[b"d"].split(b",")))
        for entry_id, fields in entries
    ]


def _pairs(answer: object) -> Iterable[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]:
    """XREADGROUP's answer as pairs: a list under RESP2, a dict of lists of lists under RESP3."""
    if isinstance(answer, dict):
        return [(stream, [entry for chunk in chunks for entry in chunk]) for stream, chunks in answer.items()]
    return answer or []  # type: ignore[return-value]  # redis-py types the answer as Any of both protocols


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
