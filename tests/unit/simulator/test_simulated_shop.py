"""The simulated shop through the real connector: cancels, stock, and its points."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kept.connectors.channels.shopify import build
from kept.connectors.http import HttpTargets
from kept.connectors.traffic import Shared
from kept.engine.quotas import Quotas
from kept.ports import (
    CancelReason,
    Channel,
    ChannelCancel,
    ChannelCancelled,
    Incoming,
    PermanentFault,
    StockOffer,
    TemporaryFault,
)
from kept.settings import ChannelSettings
from kept.simulator.config import WorldConfig
from kept.simulator.faults import Behaviour
from kept.simulator.party import Clock
from kept.simulator.world import channels_running
from tests.conformance.wire import NO_LIMITS
from tests.unit.simulator.conftest import QUICK

WorldMaker = Callable[..., WorldConfig]


@asynccontextmanager
async def shop(
    kept: Any,
    make_world: WorldMaker,
    shared: Shared,
    clock: Clock = time.time,
    world: dict[str, Any] | None = None,
    **changes: Any,
) -> Any:
    """A shop with one order, and its real connector."""
    config = make_world(
        **{"kept_url": kept.url, "rate": 1000, "count": 2, "behaviour": Behaviour.calm()} | (world or {})
    )
    mine = replace(config.channels["shop"], **changes)
    config = replace(config, channels=dict(config.channels) | {"shop": mine})
    async with channels_running(config, clock) as ports:
        await kept.until(lambda hooks: any(hook.account == "shop" for hook in hooks))
        targets = HttpTargets(shared=shared)
        settings = ChannelSettings(
            "shopify", f"http://127.0.0.1:{ports['shop']}", (mine.webhook_secret,), mine.token, requests_at_once=20
        )
        try:
            yield build("shop", settings, targets)
        finally:
            await targets.aclose()


def cancel_of(kept: Any) -> ChannelCancel:
    order = next(json.loads(hook.body) for hook in kept.hooks if hook.account == "shop")
    lines = dict(enumerate(order["line_items"], start=1))
    return ChannelCancel(
        order_ref="K-1",
        channel_order_id=str(order["id"]),
        reason=CancelReason.FRAUD,
        line_ids={number: str(line["id"]) for number, line in lines.items()},
        quantities={number: line["current_quantity"] for number, line in lines.items()},
        whole=True,
    )


async def test_an_order_is_cancelled_once_and_says_so(kept: Any, make_world: WorldMaker) -> None:
    async with shop(kept, make_world, NO_LIMITS) as channel:
        wanted = cancel_of(kept)
        assert isinstance(channel, Channel)
        assert channel.cancel is not None
        assert await channel.cancel.find_cancel(wanted) is None
        for _ in range(2):
            assert await channel.cancel.cancel(wanted, "k") == ChannelCancelled(wanted.channel_order_id)
        assert await channel.cancel.find_cancel(wanted) == ChannelCancelled(wanted.channel_order_id)
        with pytest.raises(PermanentFault):
            await channel.cancel.cancel(replace(wanted, channel_order_id="1"), "k")


LATER = {"delays": replace(QUICK, cancel_job_s=60.0)}


async def test_a_cancel_runs_later_and_is_not_taken_on_twice(kept: Any, make_world: WorldMaker) -> None:
    begun_at = time.time()
    ahead_s = [0.0]
    async with shop(kept, make_world, NO_LIMITS, lambda: begun_at + ahead_s[0], LATER) as channel:
        wanted = cancel_of(kept)
        taken_on = await channel.cancel.cancel(wanted, "k")
        assert taken_on.job_id
        assert await channel.cancel.find_cancel(wanted) is None
        for job_id in (taken_on.job_id, taken_on.job_id.replace("OrderCancelJobResult", "Job")):
            with pytest.raises(TemporaryFault, match="not done it yet"):
                await channel.cancel_jobs.finished(wanted, job_id)
        with pytest.raises(PermanentFault, match=r"INVALID.*being cancelled"):
            await channel.cancel.cancel(wanted, "k2")
        ahead_s[0] = 61.0
        for job_id in (taken_on.job_id, taken_on.job_id.replace("OrderCancelJobResult", "Job")):
            assert await channel.cancel_jobs.finished(wanted, job_id) == ChannelCancelled(wanted.channel_order_id)
        assert await channel.cancel.find_cancel(wanted) == ChannelCancelled(wanted.channel_order_id)


async def test_a_cancel_s_job_may_fail_and_says_why(kept: Any, make_world: WorldMaker) -> None:
    world = {"behaviour": replace(Behaviour.calm(), cancel_jobs_fail=1.0)}
    async with shop(kept, make_world, NO_LIMITS, world=world) as channel:
        wanted = cancel_of(kept)
        with pytest.raises(PermanentFault, match="FAILED, INVALID"):
            await channel.cancel.cancel(wanted, "k")
        assert await channel.cancel.find_cancel(wanted) is None


async def test_what_its_buyer_cancelled_is_found_and_not_cancelled_again(kept: Any, make_world: WorldMaker) -> None:
    world = {"behaviour": replace(Behaviour.calm(), cancels_soon=1.0)}
    begun_at = time.time()
    ahead_s = [0.0]
    async with shop(kept, make_world, NO_LIMITS, lambda: begun_at + ahead_s[0], world) as channel:
        ahead_s[0] = 60.0
        wanted = cancel_of(kept)
        assert await channel.cancel.find_cancel(wanted) == ChannelCancelled(wanted.channel_order_id)
        assert await channel.cancel.cancel(wanted, "k") == ChannelCancelled(wanted.channel_order_id)


async def test_an_order_that_a_message_names_is_read_as_the_list_has_it(kept: Any, make_world: WorldMaker) -> None:
    async with shop(kept, make_world, NO_LIMITS) as channel:
        assert channel.fetch is not None
        assert channel.poll is not None
        wanted = cancel_of(kept)
        number, now = wanted.channel_order_id, datetime.now(UTC)
        listed = (await channel.poll.changed(now - timedelta(hours=1), now + timedelta(hours=1))).orders
        (same,) = (each for each in listed if each.key.startswith(f"{number}:"))
        for kind in ("Order", "FulfillmentOrder"):
            assert await channel.fetch.fetch(f"gid://shopify/{kind}/{number}") == same
            assert await channel.fetch.fetch(f"gid://shopify/{kind}/1") is None


async def test_a_fulfilment_order_s_webhook_leads_to_how_the_order_stands(kept: Any, make_world: WorldMaker) -> None:
    async with shop(kept, make_world, NO_LIMITS) as channel:
        wanted = cancel_of(kept)
        told = {"fulfillment_order": {"id": f"gid://shopify/FulfillmentOrder/{wanted.channel_order_id}"}}
        message = Incoming({"x-shopify-topic": "fulfillment_orders/cancelled"}, json.dumps(told).encode())
        before = await channel.fetch.fetch(channel.fetch.names(message))
        await channel.cancel.cancel(wanted, "k")
        after = await channel.fetch.fetch(channel.fetch.names(message))
        now = datetime.now(UTC)
        orders = [channel.normalise("shop", Incoming(each.headers, each.body), now) for each in (before, after)]
        assert [order.cancelled for order in orders] == [False, True]
        assert orders[0].revision < orders[1].revision


async def test_stock_is_compared_and_swapped(kept: Any, make_world: WorldMaker) -> None:
    async with shop(kept, make_world, NO_LIMITS) as channel:
        push = channel.push_stock.push
        assert await push([StockOffer("SKU-0001", 7), StockOffer("SKU-0002", 3)], "k1") == []
        assert await push([StockOffer("SKU-0001", 9, 7), StockOffer("SKU-0002", 5, 4)], "k2") != []
        (refused,) = await push([StockOffer("SKU-0001", 8, 9), StockOffer("NOTHING", 1)], "k3")
        assert (refused.sku, refused.code) == ("NOTHING", "unknown_item")
        assert await push([StockOffer("SKU-0001", 1, 8)], "k4") == []


async def test_who_does_not_count_the_points_is_throttled_and_who_does_is_not(
    kept: Any, make_world: WorldMaker
) -> None:
    async with shop(kept, make_world, NO_LIMITS, points_per_s=5.0) as channel:
        with pytest.raises(TemporaryFault, match="Throttled"):
            await ask_often(channel, kept)
    async with shop(kept, make_world, Shared(Quotas(None)), points_per_s=5.0) as channel:
        with pytest.raises(TemporaryFault, match="no more calls"):
            await ask_often(channel, kept)


async def ask_often(channel: Channel, kept: Any) -> None:
    assert channel.cancel is not None
    for _ in range(12):  # 10 points each, and 100 in the bucket
        await channel.cancel.find_cancel(cancel_of(kept))
