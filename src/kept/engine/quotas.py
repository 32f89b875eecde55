"""Vendors' quotas as token buckets that all workers share, in Redis, by Redis' own clock.

Who finds no token is told when to come back: each gets a slot of its own, so that nobody waits holding a worker and
thousands do not come back at once. A slot is no promise. Slots of a more urgent class come first, always: while one
of them is ahead, nobody less urgent takes a token.

A bucket begins with one token, or what comes in a second, and not with its whole burst: that may just be spent.
Without Redis each process goes on with a share of the rate, never without a limit.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from kept.domain.urgency import Urgency

log = structlog.get_logger("kept.engine")

# The class of what is being done: a delivery's own, or what a background chore says of itself.
urgency: ContextVar[Urgency] = ContextVar("urgency", default=Urgency.SOON)
# Its deadline, in seconds since the epoch; chores have none.
due_by: ContextVar[float] = ContextVar("due_by", default=math.inf)

# The longest that anybody is sent away for: what was planned may be over, or a person has made room.
WAIT_MAX_S = 300.0
# Redis answers within a millisecond or is in trouble; a call must not wait for it.
ANSWER_WITHIN_S = 0.5
_ASK_AGAIN_S = 1.0
# How many processes may share an account's quota while they can't see each other. More than that is unusual.
PROCESSES_ALONE = 8


@dataclass(frozen=True, slots=True)
class Rate:
    """A vendor's rule: so many calls (or points) a second, after `burst` at once."""

    per_s: float
    burst: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """One quota: its name says whose and of what."""

    name: str
    rate: Rate


@dataclass(frozen=True, slots=True)
class Level:
    """What a vendor's answer says of a bucket; None where it says nothing.

    `refund` is given back of what was taken. `tokens` are left, and can only lower what we believe to have then:
    answers overtake each other. `per_s` and `burst` replace our own. `blocked_s` is how long nothing more will be
    answered.
    """

    tokens: float | None = None
    per_s: float | None = None
    burst: float | None = None
    blocked_s: float | None = None
    refund: float = 0.0


@dataclass(slots=True)
class _State:
    """A bucket's state: tokens at a moment, the vendor's own rate and burst, and the last slot given to each class."""

    tokens: float
    at: float
    per_s: float
    burst: float
    blocked_until: float = 0.0
    slots: list[float] = field(default_factory=lambda: [0.0] * len(Urgency))


class LocalQuotas:
    """Buckets in this process: the rule itself, in Python. `clock` gives seconds."""

    def __init__(self, share: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._share = share
        self._clock = clock
        self._states: dict[str, _State] = {}

    def take(self, buckets: Sequence[Bucket], cost: float, kind: int) -> float:
        """0.0 if every bucket gave `cost` tokens, else the seconds after which to ask again; then none was taken."""
        now = self._clock()
        states = [self._filled(bucket, now) for bucket in buckets]
        if all(_may_take(state, cost, kind, now) for state in states):
            for state in states:
                state.tokens -= cost
            return 0.0
        return max(_slot(state, cost, kind, now) for state in states) - now

    def heed(self, bucket: Bucket, level: Level) -> None:
        """Take in what the vendor said."""
        now = self._clock()
        state = self._filled(bucket, now)
        state.per_s = (level.per_s * self._share) if level.per_s else state.per_s
        state.burst = level.burst or state.burst
        state.tokens = min(state.burst, state.tokens + level.refund)
        if level.tokens is not None:
            state.tokens = min(state.tokens, level.tokens)
        if level.blocked_s is not None:
            state.tokens = 0.0
            state.blocked_until = max(state.blocked_until, now + level.blocked_s)

    def _filled(self, bucket: Bucket, now: float) -> _State:
        state = self._states.get(bucket.name)
        if state is None:
            per_s, burst = bucket.rate.per_s * self._share, bucket.rate.burst
            state = self._states[bucket.name] = _State(min(max(1.0, per_s), burst), now, per_s, burst)
        state.tokens = min(state.burst, state.tokens + max(0.0, now - state.at) * state.per_s)
        state.at = now
        return state


def _may_take(state: _State, cost: float, kind: int, now: float) -> bool:
    ahead = max(state.slots[:kind], default=0.0)
    # More than a whole bucket is given by a full one: it would wait for ever otherwise.
    return now >= state.blocked_until and state.tokens >= min(cost, state.burst) and ahead <= now


def _slot(state: _State, cost: float, kind: int, now: float) -> float:
    """The moment for who finds no tokens: after all slots of its class and of the more urgent ones."""
    behind = max(state.blocked_until, *state.slots[: kind + 1])
    if behind > now:
        slot = behind + cost / state.per_s
    else:
        slot = now + max(0.0, min(cost, state.burst) - state.tokens) / state.per_s
    slot = min(slot, now + WAIT_MAX_S)
    state.slots[kind] = max(state.slots[kind], slot)
    return slot


class Quotas:
    """Buckets shared by everybody on one Redis; without it, this process' share of them.

    `now` stands in for Redis' clock in tests.
    """

    def __init__(
        self,
        redis: Redis | None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float | str] = lambda: "",
    ) -> None:
        self._clock = clock
        self._away_until = float("-inf")
        self._alone = LocalQuotas(1 / PROCESSES_ALONE if redis is not None else 1.0, clock)
        self._take = redis.register_script(_TAKE) if redis is not None else None
        self._heed = redis.register_script(_HEED) if redis is not None else None
        self._shared = True
        self._now = now

    async def take(self, buckets: Sequence[Bucket], cost: float = 1.0) -> float:
        """See `LocalQuotas.take`; the class is that of `urgency`."""
        kind = int(urgency.get())
        if self._take is not None and self._clock() >= self._away_until:
            arguments: list[float | str] = [self._now(), cost, kind]
            for bucket in buckets:
                arguments += [bucket.rate.per_s, bucket.rate.burst]
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    wait_s = float(await self._take(keys=[_key(bucket) for bucket in buckets], args=arguments))
            except (RedisError, OSError, TimeoutError) as error:
                self._note(shared=False, reason=type(error).__name__)
            else:
                self._note(shared=True)
                return wait_s
        return self._alone.take(buckets, cost, kind)

    async def heed(self, bucket: Bucket, level: Level) -> None:
        """Take in what the vendor said of a bucket."""
        self._alone.heed(bucket, level)
        if self._heed is None or self._clock() < self._away_until:
            return
        values = (level.tokens, level.per_s, level.burst, level.blocked_s, level.refund)
        said = ["" if value is None else value for value in values]
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await self._heed(keys=[_key(bucket)], args=[self._now(), bucket.rate.per_s, bucket.rate.burst, *said])
        except (RedisError, OSError, TimeoutError) as error:
            self._note(shared=False, reason=type(error).__name__)

    def _note(self, *, shared: bool, reason: str = "") -> None:
        if not shared:
            self._away_until = self._clock() + _ASK_AGAIN_S
        if shared is not self._shared:
            self._shared = shared
            log.warning("quotas.shared" if shared else "quotas.alone", reason=reason, share=1 / PROCESSES_ALONE)


def _key(bucket: Bucket) -> str:
    return f"kept:quota:{bucket.name}"


# The same rule as LocalQuotas, over hashes. ARGV[1] is the time in seconds, "" for Redis' own.
_COMMON = """
local now = tonumber(ARGV[1])
if not now then local t = redis.call('TIME'); now = t[1] + t[2] / 1000000 end
local function filled(key, per_s, burst)
  local h = redis.call('HMGET', key, 'tokens', 'at', 'per_s', 'burst', 'blocked', 's0', 's1', 's2')
  local s = {per_s = tonumber(h[3]) or per_s, burst = tonumber(h[4]) or burst, blocked = tonumber(h[5]) or 0,
             own_per_s = h[3], own_burst = h[4],
             slots = {tonumber(h[6]) or 0, tonumber(h[7]) or 0, tonumber(h[8]) or 0}}
  local tokens, at = tonumber(h[1]) or math.min(math.max(1, s.per_s), s.burst), tonumber(h[2]) or now
  s.tokens = math.min(s.burst, tokens + math.max(0, now - at) * s.per_s)
  return s
end
local function save(key, s)
  redis.call('HSET', key, 'tokens', tostring(s.tokens), 'at', string.format('%.6f', now),
             'blocked', string.format('%.6f', s.blocked),
             's0', string.format('%.6f', s.slots[1]), 's1', string.format('%.6f', s.slots[2]),
             's2', string.format('%.6f', s.slots[3]))
  if s.own_per_s then redis.call('HSET', key, 'per_s', s.own_per_s) end
  if s.own_burst then redis.call('HSET', key, 'burst', s.own_burst) end
  redis.call('EXPIRE', key, 86400)
end
"""
_TAKE = (
    _COMMON
    + f"""
local cost, kind, states, free = tonumber(ARGV[2]), tonumber(ARGV[3]), {{}}, true
for i, key in ipairs(KEYS) do
  local s = filled(key, tonumber(ARGV[2 + 2 * i]), tonumber(ARGV[3 + 2 * i]))
  local ahead = 0
  for j = 1, kind do ahead = math.max(ahead, s.slots[j]) end
  free = free and now >= s.blocked and s.tokens >= math.min(cost, s.burst) and ahead <= now
  states[i] = s
end
local last = now
for i, key in ipairs(KEYS) do
  local s = states[i]
  if free then
    s.tokens = s.tokens - cost
  else
    local behind, slot = s.blocked, 0
    for j = 1, kind + 1 do behind = math.max(behind, s.slots[j]) end
    if behind > now then slot = behind + cost / s.per_s
    else slot = now + math.max(0, math.min(cost, s.burst) - s.tokens) / s.per_s end
    slot = math.min(slot, now + {WAIT_MAX_S})
    s.slots[kind + 1] = math.max(s.slots[kind + 1], slot)
    last = math.max(last, slot)
  end
  save(key, s)
end
if free then return '0' end
return string.format('%.6f', last - now)
"""
)
_HEED = (
    _COMMON
    + """
local s = filled(KEYS[1], tonumber(ARGV[2]), tonumber(ARGV[3]))
local tokens, per_s, burst, blocked = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
if per_s and per_s > 0 then s.per_s = per_s; s.own_per_s = ARGV[5] end
if burst and burst > 0 then s.burst = burst; s.own_burst = ARGV[6] end
s.tokens = math.min(s.burst, s.tokens + tonumber(ARGV[8]))
if tokens then s.tokens = math.min(s.tokens, tokens) end
if blocked then s.tokens = 0; s.blocked = math.max(s.blocked, now + blocked) end
save(KEYS[1], s)
return 1
"""
)
