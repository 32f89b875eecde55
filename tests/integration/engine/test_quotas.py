"""Quotas and circuits that workers share, on a real Redis."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis

from kept.connectors.circuit import LOCKED_OUT_S
from kept.connectors.http import HttpTarget, Request
from kept.connectors.traffic import Rates, Shared
from kept.domain.urgency import Urgency
from kept.engine.circuit_board import CircuitBoard, Notice
from kept.engine.quotas import PROCESSES_ALONE, Bucket, Level, LocalQuotas, Quotas, Rate, urgency
from kept.engine.streams import connect
from kept.ports import AccessRefused, CircuitOpen, QuotaSpent, TemporaryFault
from kept.settings import SettingsError

FAST = Bucket("shop:orders", Rate(20.0, 5.0))


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = connect(redis_url)
    yield client
    await client.aclose()


# ------------------------------------------------------------------ quotas


@pytest.mark.parametrize("seed", range(5))
async def test_the_script_is_the_rule(redis: Redis, seed: int) -> None:
    """The Lua in Redis against the same rule in Python, call by call, over made-up times."""
    dice, clock = random.Random(seed), [1_700_000_000.0]
    shared = Quotas(redis, now=lambda: clock[0])
    local = LocalQuotas(clock=lambda: clock[0])
    both = [Bucket("a", Rate(2.0, 6.0)), Bucket("b", Rate(1.0, 9.0))]
    for _ in range(300):
        clock[0] += dice.choice((0.0, 0.125, 0.5, 4.0))  # exact in binary
        kind, cost = dice.choice(tuple(Urgency)), dice.choice((1.0, 1.0, 3.0, 20.0))
        buckets = dice.choice((both, both[:1], both[1:]))
        if dice.random() < 0.1:
            level = dice.choice(
                (Level(tokens=1.0), Level(per_s=4.0, burst=3.0), Level(blocked_s=2.0), Level(refund=2.0))
            )
            local.heed(both[0], level)
            await shared.heed(both[0], level)
        urgency.set(kind)
        assert await shared.take(buckets, cost) == pytest.approx(local.take(buckets, cost, kind), abs=1e-5)


_TAKER = """
import asyncio, sys, time
from kept.engine.quotas import Bucket, Quotas, Rate
from kept.engine.streams import connect
async def main():
    redis = connect(sys.argv[1])
    quotas, bucket = Quotas(redis), Bucket("shop:orders", Rate(20.0, 5.0))
    end = time.time() + 3.0
    while time.time() < end:
        wait = await quotas.take([bucket])
        if wait == 0:
            print(time.time(), flush=True)
        else:
            await asyncio.sleep(wait)
    await redis.aclose()
asyncio.run(main())
"""


async def test_ten_processes_that_start_at_once_stay_within_the_rule(redis_url: str) -> None:
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", _TAKER, redis_url, stdout=asyncio.subprocess.PIPE)
        for _ in range(10)
    ]
    taken: list[float] = []
    for process in processes:
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0
        taken += [float(line) for line in out.split()]
    taken.sort()
    assert len(taken) > 40  # the quota is used
    for index, begin in enumerate(taken):
        for count, end in enumerate(taken[index:], start=1):
            # Printed a moment after it was taken: a process may be held up in between.
            assert count <= 5 + (end - begin + 0.5) * 20


async def test_what_is_urgent_is_served_before_what_came_first(redis: Redis) -> None:
    quotas, served = Quotas(redis), list[Urgency]()

    async def wants(kind: Urgency) -> None:
        urgency.set(kind)
        while wait := await quotas.take([FAST]):
            await asyncio.sleep(wait)
        served.append(kind)

    await quotas.heed(FAST, Level(tokens=0.0))
    waiting = [asyncio.create_task(wants(Urgency.LATER)) for _ in range(10)]
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        while not await redis.hget(b"kept:quota:shop:orders", "s2"):  # they have their slots
            await asyncio.sleep(0)
        waiting += [asyncio.create_task(wants(Urgency.NOW)) for _ in range(10)]
        await asyncio.gather(*waiting)
    # Those that were about to be served when the urgent ones came may be; nobody else.
    assert served[:14].count(Urgency.NOW) == 10


async def test_without_redis_a_process_goes_on_with_its_share_of_the_rate() -> None:
    clock = [0.0]
    dead = connect("redis://127.0.0.1:1/0")
    quotas = Quotas(dead, clock=lambda: clock[0])
    assert [await quotas.take([FAST]) for _ in range(2)] == [0.0, 0.0]  # a second's worth of 20 / 8
    assert await quotas.take([FAST]) == pytest.approx(0.5 * PROCESSES_ALONE / 20.0)
    await dead.aclose()


# ------------------------------------------------------------------ through a target


class Vendor:
    """Allows 5 calls and then 20 a second by its own count, and refuses who has the wrong key."""

    def __init__(self) -> None:
        self.tokens, self.at = 5.0, time.monotonic()
        self.answered: list[int] = []
        self.refusing = False
        self.down = False

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        now = time.monotonic()
        self.tokens, self.at = min(5.0, self.tokens + (now - self.at) * 20.0), now
        status = 401 if self.refusing else 500 if self.down else 200 if self.tokens >= 1 else 429
        self.tokens -= status == 200
        self.answered.append(status)
        headers = {"retry-after": "30"} if status == 429 else {}
        return httpx2.Response(status, stream=httpx2.ByteStream(b"{}"), headers=headers)


@asynccontextmanager
async def worker(vendor: Vendor, redis_url: str) -> AsyncIterator[HttpTarget]:
    """A worker's target: its own connection to Redis, its own circuit."""
    redis = connect(redis_url)
    target = HttpTarget(
        "channel:shop",
        "http://shop.test",
        timeout_s=5,
        requests_at_once=20,
        headers={},
        rates=Rates({"orders": Rate(20.0, 5.0)}),
        shared=Shared(Quotas(redis), CircuitBoard(redis)),
        transport=httpx2.MockTransport(vendor.handle),
    )
    yield target
    await target.aclose()
    await redis.aclose()


READ = Request("GET", "/orders", name="orders")


async def ask(target: HttpTarget) -> Any:
    return await target.call(READ, lambda answer: answer)


async def test_the_vendor_never_has_to_refuse_ten_workers(redis_url: str) -> None:
    vendor = Vendor()

    async def work(target: HttpTarget, calls: int) -> None:
        while calls:
            try:
                await ask(target)
                calls -= 1
            except QuotaSpent as spent:
                await asyncio.sleep(spent.retry_after_s or 0)

    async with asyncio.timeout(60), AsyncExitStack() as stack:
        targets = [await stack.enter_async_context(worker(vendor, redis_url)) for _ in range(10)]
        await asyncio.gather(*(work(target, 4) for target in targets))
    assert vendor.answered == [200] * 40


async def test_a_429_all_the_same_keeps_every_worker_away_for_as_long_as_it_says(redis_url: str) -> None:
    vendor = Vendor()
    vendor.tokens = -1000.0  # somebody else spent the quota
    async with worker(vendor, redis_url) as one, worker(vendor, redis_url) as other:
        with pytest.raises(TemporaryFault):
            await ask(one)
        for target in (one, other):
            with pytest.raises(QuotaSpent) as spent:
                await ask(target)
            assert 20 < (spent.value.retry_after_s or 0) <= 31
    assert vendor.answered == [429]


async def test_one_worker_that_is_refused_tells_the_others_and_one_probe_ends_it(redis_url: str) -> None:
    vendor = Vendor()
    vendor.refusing = True
    async with worker(vendor, redis_url) as one, worker(vendor, redis_url) as other:
        with pytest.raises(AccessRefused):
            await ask(one)
        for target in (one, other):
            with pytest.raises(CircuitOpen) as left_alone:
                await ask(target)
            assert 0 < (left_alone.value.retry_after_s or 0) <= LOCKED_OUT_S
        assert vendor.answered == [401]
        redis = connect(redis_url)
        (notice,) = await CircuitBoard(redis).notices()
        assert (notice.target, notice.access_refused) == ("channel:shop", True)
        # A person mended the credentials and says so.
        vendor.refusing = False
        await CircuitBoard(redis).clear("channel:shop")
        async with worker(vendor, redis_url) as third:
            assert await ask(third) == {}
        assert await CircuitBoard(redis).notices() == []
        await redis.aclose()


async def test_a_probe_that_is_refused_again_never_takes_the_notice_down(redis: Redis, redis_url: str) -> None:
    vendor, now = Vendor(), [time.time()]
    vendor.refusing = True
    board = Watched(redis, lambda: now[0])
    clock = [0.0]
    target = HttpTarget(
        "channel:shop",
        "http://shop.test",
        timeout_s=5,
        requests_at_once=20,
        headers={},
        shared=Shared(Quotas(None), board),
        clock=lambda: clock[0],
        transport=httpx2.MockTransport(vendor.handle),
    )
    for _ in range(3):
        with pytest.raises(AccessRefused):
            await ask(target)
        now[0] += LOCKED_OUT_S + 1
        clock[0] += LOCKED_OUT_S + 1
    assert board.cleared == 0
    (notice,) = await CircuitBoard(redis).notices()
    assert notice.since == pytest.approx(now[0] - 3 * (LOCKED_OUT_S + 1), abs=30)
    vendor.refusing = False
    assert await ask(target) == {}
    assert board.cleared == 1
    await target.aclose()


class Watched(CircuitBoard):
    """Counts how often a notice is taken down."""

    cleared = 0

    async def clear(self, target: str) -> None:
        self.cleared += 1
        await super().clear(target)


async def test_after_the_cool_down_one_worker_probes_and_the_others_wait_for_it(redis: Redis) -> None:
    now = [1_700_000_000.0]
    one, other = CircuitBoard(redis, lambda: now[0]), CircuitBoard(redis, lambda: now[0])
    await one.post(Notice("channel:shop", now[0] + 30, now[0], "down"))
    assert await other.wait_s("channel:shop") == 30
    now[0] += 31
    assert [await one.wait_s("channel:shop"), await other.wait_s("channel:shop")] == [0.0, 1.0]
    await one.clear("channel:shop")
    now[0] += 1
    assert [await one.wait_s("channel:shop"), await other.wait_s("channel:shop")] == [0.0, 0.0]


def test_an_account_that_is_allowed_more_has_the_same_bursts_and_we_leave_room() -> None:
    rates = Rates({"orders": Rate(2.0, 5.0)}, account=Rate(1.0, 1.0)).times(10)
    assert [bucket.rate for bucket in rates.buckets("shop", "orders")] == [Rate(19.0, 4.0), Rate(9.5, 1.0)]
    with pytest.raises(SettingsError, match="rate_factor = 0"):
        rates.times(0)
