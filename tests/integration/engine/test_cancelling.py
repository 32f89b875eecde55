"""Cancels that we decide: an operator's word goes through inbox, ERP and channel, and is told once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import orjson
import pytest

from kept.ports import CancelReason, ChannelCancel, ChannelCancelled, TemporaryFault, UnknownResult
from kept.processes.assembly import utc_now
from kept.store.instructions import Instructions, NotPossible, UnknownOrder
from kept.store.invariants import breaches
from tests.integration.engine.world import ACCOUNT, World
from tests.servers import fetch, until, value_of


@dataclass
class Canceller:
    """A channel that cancels, and whose first answer is lost."""

    honours_key: bool = False
    write_horizon: timedelta = field(default_factory=timedelta)
    told: list[ChannelCancel] = field(default_factory=list)
    searched: int = 0

    async def cancel(self, cancel: ChannelCancel, key: str) -> ChannelCancelled:
        self.told.append(cancel)
        raise UnknownResult("the answer was lost")

    async def find_cancel(self, cancel: ChannelCancel) -> ChannelCancelled | None:
        self.searched += 1
        return ChannelCancelled("X-1") if self.told else None


@dataclass
class Queue:
    """A channel that takes cancels on and does them later: the second look finds each done."""

    honours_key: bool = False
    write_horizon: timedelta = field(default_factory=lambda: timedelta(minutes=2))
    told: list[ChannelCancel] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)

    async def cancel(self, cancel: ChannelCancel, key: str) -> ChannelCancelled:
        self.told.append(cancel)
        return ChannelCancelled("X-1", job_id=f"J-{len(self.told)}")

    async def find_cancel(self, cancel: ChannelCancel) -> ChannelCancelled | None:
        return None

    async def finished(self, cancel: ChannelCancel, job_id: str) -> ChannelCancelled:
        self.looked.append(job_id)
        if len(self.looked) == 1:
            raise TemporaryFault("it is queued")
        return ChannelCancelled("X-1")


def with_canceller(world: World) -> Canceller:
    canceller = Canceller()
    world.change(
        mapped_accounts=frozenset({ACCOUNT}),  # nothing is mapped: every order is held
        channels={ACCOUNT: replace(world.ports.channels[ACCOUNT], cancel=canceller)},
    )
    return canceller


async def test_an_operator_s_cancel_ends_the_order_and_the_channel_hears_of_it_once(world: World) -> None:
    canceller = with_canceller(world)
    instructions = Instructions(world.database, utc_now)
    async with world.shop.relaying():
        world.shop.begin(world.factory)
        await world.sell(1)
        await until(lambda: stands(world, "held"))
        reference = str(await value_of(world.database, "SELECT reference FROM orders"))
        for _ in range(2):  # said twice under one name
            taken = await instructions.take_down(reference, "cancel", "ada", reason="fraud", key="ticket-7")
            await world.bell.ring(taken.rings)
        await until(lambda: stands(world, "cancelled"))
    assert [(told.reason, told.whole) for told in canceller.told] == [(CancelReason.FRAUD, True)]
    assert canceller.searched >= 1
    facts = [row["type"] for row in await fetch(world.database, "SELECT type FROM ledger ORDER BY seq")]
    assert facts == [
        *("OrderReceived", "OrderHeld", "CancelRequested", "PartsStopped"),
        *("OrderWithdrawn", "OrderRetracted", "OrderCancelled"),
    ]
    assert await value_of(world.database, "SELECT cancel_reason FROM orders") == "fraud"
    assert await breaches(world.database) == {}
    with pytest.raises(NotPossible, match="is cancelled"):
        await instructions.take_down(reference, "cancel", "ada", reason="fraud")
    with pytest.raises(UnknownOrder):
        await instructions.take_down("nobody", "cancel", "ada", reason="fraud")


async def test_a_cancel_that_was_taken_on_is_looked_at_by_its_stored_job_until_it_is_done(world: World) -> None:
    with_canceller(world)
    queue = Queue()
    world.change(channels={ACCOUNT: replace(world.ports.channels[ACCOUNT], cancel=queue, cancel_jobs=queue)})
    async with world.shop.relaying():
        world.shop.begin(world.factory)
        await world.sell(1)
        await until(lambda: stands(world, "held"))
        reference = str(await value_of(world.database, "SELECT reference FROM orders"))
        taken = await Instructions(world.database, utc_now).take_down(reference, "cancel", "ada", reason="fraud")
        await world.bell.ring(taken.rings)
        await until(lambda: stands(world, "cancelled"))
    assert len(queue.told) == 1
    assert queue.looked == ["J-1", "J-1"]
    assert await breaches(world.database) == {}


async def test_a_released_hold_is_remembered_by_the_code_that_was_seen(world: World) -> None:
    with_canceller(world)
    async with world.shop.relaying():
        world.shop.begin(world.factory)
        await world.sell(1)
        await until(lambda: stands(world, "held"))
        reference = str(await value_of(world.database, "SELECT reference FROM orders"))
        taken = await Instructions(world.database, utc_now).take_down(reference, "release", "ada")
        await world.bell.ring(taken.rings)

        async def held_again() -> bool:
            return await value_of(world.database, "SELECT count(*) FROM ledger WHERE type = 'OrderHeld'") == 2

        await until(held_again)  # the SKUs are still unmapped, which is no matter of opinion
    assert await value_of(world.database, "SELECT accepted_holds FROM orders") == ["sku_unmapped"]
    released = (await fetch(world.database, "SELECT data FROM ledger WHERE type = 'HoldReleased'"))[0]
    assert orjson.loads(released["data"])["by"] == "operator ada"


async def stands(world: World, state: str) -> bool:
    return await world.states() == {state: 1}
