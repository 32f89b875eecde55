"""Planted bugs in the rules of the engine. Each is a context in which the engine has the bug."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from kept.engine import work
from kept.engine.delivery import Ring, Rung, Settling
from kept.engine.effects import ClaimLost, DeliveryEffects
from kept.engine.interfaces import Bell, EffectRecord, Store
from kept.ports import Effect

from . import processes
from .stepper import pause
from .world import World

Bugged = AbstractContextManager[Any]
_perform: Callable[..., Awaitable[Any]] = DeliveryEffects.perform
_intend = DeliveryEffects._intend
_guard_resend = DeliveryEffects._guard_resend
_observe: Callable[..., None] = DeliveryEffects._observe


def relay_never_rings() -> Bugged:
    async def relay(world: World, name: str) -> None:
        while True:
            await pause(60_000)

    return patch.dict(processes.BODIES, relay=relay)


def acknowledges_before_the_commit() -> Bugged:
    async def finish(
        store: Store, bell: Bell, settlings: Sequence[Settling], finished: Callable[[], Sequence[Rung]]
    ) -> list[Ring]:
        await bell.ack(finished())
        rings = await store.settle(settlings)
        await bell.ring(rings)
        return rings

    return patch.object(work, "finish", finish)


def new_key_per_attempt() -> Bugged:
    async def perform(self: DeliveryEffects, effect: Effect, send: Any, **how: Any) -> Any:
        renamed = replace(effect, key=f"{effect.key}:{self.delivery.attempts}")
        return await _perform(self, renamed, send, **how)

    return patch.object(DeliveryEffects, "perform", perform)


def sends_again_without_a_search() -> Bugged:
    async def look_up(self: DeliveryEffects, *_: object) -> None:
        return None

    return patch.object(DeliveryEffects, "_look_up", look_up)


def ignores_the_write_horizon() -> Bugged:
    async def perform(self: DeliveryEffects, effect: Effect, send: Any, **how: Any) -> Any:
        return await _perform(self, effect, send, **{**how, "write_horizon": timedelta(0)})

    return patch.object(DeliveryEffects, "perform", perform)


def judges_an_empty_search_by_its_end() -> Bugged:
    """Found by this simulation in the engine itself (then seed 57658): the search ran before the horizon
    ended, the comparison after it."""

    def guard(
        self: DeliveryEffects,
        effect: Effect,
        record: EffectRecord,
        searched_at: datetime | None,
        honours_key: bool,
        horizon: timedelta,
    ) -> None:
        compared_at = self.clock() if searched_at is not None else None
        _guard_resend(self, effect, record, compared_at, honours_key, horizon)

    return patch.object(DeliveryEffects, "_guard_resend", guard)


def takes_an_unknown_result_for_a_refusal() -> Bugged:
    def observe(
        self: DeliveryEffects, effect: Effect, record: EffectRecord, begun: datetime, status: str, **more: Any
    ) -> None:
        _observe(self, effect, record, begun, "refused" if status == "unknown" else status, **more)

    return patch.object(DeliveryEffects, "_observe", observe)


def sends_again_where_only_a_person_can_tell() -> Bugged:
    def guard(self: DeliveryEffects, *_: object) -> None:
        return

    return patch.object(DeliveryEffects, "_guard_resend", guard)


def sends_before_the_intent() -> Bugged:
    async def perform(self: DeliveryEffects, effect: Effect, send: Any, **how: Any) -> Any:
        answer = await send()

        async def answered() -> Any:
            return answer

        return await _perform(self, effect, answered, **how)

    return patch.object(DeliveryEffects, "perform", perform)


def sends_again_what_is_confirmed() -> Bugged:
    async def intend(self: DeliveryEffects, effect: Effect, digest: str, **how: Any) -> EffectRecord:
        record = await _intend(self, effect, digest, **how)
        return replace(record, resolved="new") if record.resolved == "confirmed" else record

    return patch.object(DeliveryEffects, "_intend", intend)


def goes_on_without_the_claim() -> Bugged:
    async def intend(self: DeliveryEffects, effect: Effect, digest: str, **how: Any) -> EffectRecord:
        try:
            return await _intend(self, effect, digest, **how)
        except ClaimLost:
            return EffectRecord(self.delivery.epoch, "new", digest, 1, self.clock(), None)

    return patch.object(DeliveryEffects, "_intend", intend)
