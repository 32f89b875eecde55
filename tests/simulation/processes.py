"""The processes of the simulation: workers, reclaimers and relays, around the engine's own code."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kept.engine import work
from kept.engine.delivery import Rung, Settling
from kept.engine.effects import DeliveryEffects

from .flow import FLOW
from .stepper import pause

if TYPE_CHECKING:
    from .world import World

# As kept.engine.runner.Limits and kept.engine.relay.RelayLimits, with a slower tempo where that only adds idle steps.
BLOCK_MS = 5_000
IDLE_MS = 8_000
RECLAIM_EVERY_MS = 4_000
RELAY_EVERY_MS = 800
SWEEP_EVERY = 5  # rounds of the relay
LOST_AFTER = timedelta(seconds=10)
BACKOFF_MS = 500


@dataclass(slots=True)
class Message:
    """A queue message and how many of its deliveries are not settled yet."""

    rung: Rung
    left: int
    open: bool = True


async def worker(world: World, name: str) -> None:
    """Work off whatever rings."""
    while True:
        try:
            for rung in await world.bell.read("*", 2, BLOCK_MS):
                await _work_off(world, rung)
        except OSError:  # the store's and the bell's outages
            await pause(BACKOFF_MS)


async def reclaimer(world: World, name: str) -> None:
    """Work off what dead workers left."""
    while True:
        try:
            for rung in await world.bell.reclaim(IDLE_MS):
                await _work_off(world, rung)
        except OSError:
            await pause(BACKOFF_MS)
        await pause(RECLAIM_EVERY_MS)


async def _work_off(world: World, rung: Rung) -> None:
    """One message, as the runner does it: load, attempt each, settle what has finished, acknowledge last."""
    step = FLOW[rung.stream]
    loaded = await world.store.load(step, rung.delivery_ids)
    message = Message(rung, len(loaded))
    finished: list[Settling] = []
    for item in loaded:
        effects = DeliveryEffects(item.delivery, world.store, world.crossing.clock)
        settling = await work.attempt(step, item, world.ports, effects, world.crossing.clock)
        if settling is None:
            message.left -= 1
            continue
        finished.append(settling)
        if world.stepper.random.random() < 0.5:  # group commits of every size
            await _settle(world, message, finished)
            finished = []
    if finished:
        await _settle(world, message, finished)
    elif message.open:
        await world.bell.ack([message.rung])


async def _settle(world: World, message: Message, finished: list[Settling]) -> None:
    def done() -> list[Rung]:
        message.left -= len(finished)
        message.open = message.left > 0
        return [] if message.open else [message.rung]

    await work.finish(world.store, world.bell, finished, done)


async def relay(world: World, name: str) -> None:
    """As `kept.engine.relay.Relay.run`, which needs an event loop and the machine's clock."""
    beat, rounds = 0, 0
    while True:
        try:
            beat += 1
            if not await world.bell.beat(name, beat):
                await world.store.unring(timedelta(0))
                beat += 1_000
                world.bell.set_beat(name, beat)
            rounds += 1
            if rounds % SWEEP_EVERY == 0:
                await world.store.unring(LOST_AFTER, world.bell.oldest())
            await world.bell.ring(await world.store.due(100))
        except OSError:
            beat = 0
            await pause(BACKOFF_MS)
        await pause(RELAY_EVERY_MS)


BODIES: dict[str, Callable[[World, str], Coroutine[Any, Any, None]]] = {
    "worker": worker,
    "reclaimer": reclaimer,
    "relay": relay,
}
