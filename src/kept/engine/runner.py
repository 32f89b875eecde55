"""A worker: reads what rings, runs steps in batches, settles whatever has finished in group commits.

One loop a step, one settler a process. A slow call holds up nobody else: deliveries of a step written
for one subject settle as they finish. When PostgreSQL or Redis is gone, loops back off and go on; what
was in flight is worked off again, under the same keys.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from kept.engine.delivery import Loaded, Rung, Settling
from kept.engine.effects import DeliveryEffects
from kept.engine.handover import HandOver
from kept.engine.interfaces import BellUnavailable, IntentLedger, Store
from kept.engine.outcome import Outcome
from kept.engine.settle import settle
from kept.engine.step import Each, Step
from kept.engine.streams import Streams
from kept.engine.work import attempt, explain, finish, given_up
from kept.observe.correlation import Call, calls, correlation_id

log = structlog.get_logger("kept.engine")


@dataclass(frozen=True, slots=True)
class Limits:
    """Every number of the runner that bounds something, and why it is what it is."""

    messages_per_read: int = 8  # times 50 ids: a batch of up to 400 amortises its statements fully
    kept_max: int = 400  # per step: a batch to go on with at once; more is rung for, so that others can help
    attempt_s: float = 18.0  # of a step for one subject, all its calls together: below the lease of its claim
    in_flight_max: int = 800  # per step: two batches, so that one slow call never idles the loop
    settle_max: int = 500  # larger group commits gain nothing and hold locks longer
    settles_at_once: int = 2  # one is written while PostgreSQL works on the other
    block_ms: int = 1000  # how long an idle loop waits: the most that a stop has to wait for it
    idle_ms: int = 8000  # a message untouched for this long belongs to a dead worker
    keep_every_s: float = 2.0  # a third of the idle time and less
    reclaim_every_s: float = 2.0
    backoff_max_s: float = 2.0
    drain_s: float = 6.0  # below the 10 s in which Ctrl-C must end everything


@dataclass(eq=False, slots=True)
class _Message:
    """A queue message and how many of its deliveries are not settled yet."""

    rung: Rung
    left: int = 0


_NO_RUNG = Rung("", "", ())


@dataclass(eq=False, slots=True)
class _Item:
    settling: Settling
    message: _Message
    done: asyncio.Event | None = None
    replaced: bool = False  # stands for a settlement that could not be written


@dataclass(slots=True)
class Counters:
    """What this process has done since it started."""

    settled: int = 0
    faults: int = 0
    reclaimed: int = 0
    by_step: dict[str, int] = field(default_factory=dict)


class Runner:
    """Works off deliveries until asked to stop."""

    def __init__(
        self,
        flow: Mapping[str, Step[Any]],
        ports: Callable[[DeliveryEffects | None], Any],
        store: Store,
        ledger: IntentLedger,
        bell: Streams,
        clock: Callable[[], datetime],
        limits: Limits | None = None,
    ) -> None:
        self._flow = flow
        self._ports = ports
        self._store = store
        self._ledger = ledger
        self._bell = bell
        self._clock = clock
        self._limits = limits or Limits()
        self._handover = HandOver(bell, flow, self._limits.kept_max)
        self._kept: set[int] = set()  # deliveries gone on with at once, begun and not settled yet
        self._open: set[_Message] = set()
        self._finished: deque[_Item] = deque()
        self._settle_now = asyncio.Event()
        self._in_flight: dict[str, set[asyncio.Task[None]]] = {name: set() for name in flow}
        self._settling = 0  # groups being committed
        self._stopping = asyncio.Event()
        self.counters = Counters()

    async def run(self) -> None:
        """Work until `stop`; then finish what is in flight, or hand it back. Raises what broke a loop."""
        loops = [asyncio.create_task(self._serve(step)) for step in self._flow.values()]
        settlers = [self._settle_loop] * self._limits.settles_at_once
        upkeep = [asyncio.create_task(loop()) for loop in (*settlers, self._keep_loop, self._reclaim_loop)]
        stop = asyncio.create_task(self._stopping.wait())
        everything: set[asyncio.Task[Any]] = {stop, *loops, *upkeep}
        ended, _ = await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
        self._stopping.set()
        await asyncio.gather(*loops, return_exceptions=True)
        await self._drain()
        for task in upkeep:
            task.cancel()
        await asyncio.gather(*upkeep, return_exceptions=True)
        for task in ended - {stop}:
            task.result()  # a loop that ended before it was asked to is a bug: let the supervisor see it

    def stop(self) -> None:
        """Take no more work. `run` returns when what is in flight is finished or handed back."""
        self._stopping.set()

    # ------------------------------------------------------------------ reading

    async def _serve(self, step: Step[Any]) -> None:
        """The loop of one step."""
        backoff_s = 0.05
        reading: asyncio.Task[list[Rung]] | None = None
        while not self._stopping.is_set():
            try:
                await self._room(step.name)
                # Never cancelled: what Redis gave to a cancelled read would lie idle until it is claimed.
                reading = reading or asyncio.create_task(self._read(step.name))
                await self._anything(step.name, reading)
                if self._stopping.is_set():
                    break  # what came meanwhile is handed back
                if reading.done():
                    finished, reading = reading, None
                    rungs = finished.result()
                    if rungs:
                        await self._begin(step, rungs)
                kept = self._handover.take(step.name, self._limits.kept_max)
                if kept:
                    await self._go_on(step, kept)
                backoff_s = 0.05
            except (OSError, TimeoutError) as error:
                self.counters.faults += 1
                log.warning("loop.backoff", step=step.name, error=type(error).__name__, wait_s=backoff_s)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), backoff_s)
                backoff_s = min(backoff_s * 2, self._limits.backoff_max_s)
        if reading is not None:
            with contextlib.suppress(OSError, TimeoutError):
                self._open.update(_Message(rung, len(rung.delivery_ids)) for rung in await reading)

    async def _read(self, step: str) -> list[Rung]:
        return await self._bell.read(step, self._limits.messages_per_read, self._limits.block_ms)

    async def _anything(self, step: str, reading: asyncio.Task[list[Rung]]) -> None:
        """Until the read is over or something was kept for going on at once."""
        kept = asyncio.create_task(self._handover.wait(step))
        try:
            await asyncio.wait({reading, kept}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            kept.cancel()

    async def _go_on(self, step: Step[Any], kept: Sequence[Loaded]) -> None:
        """Work on deliveries that this worker's own settlements made due."""
        self._kept.update(loaded.delivery.id for loaded in kept)
        nobodys = _Message(_NO_RUNG)
        await self._start(step, kept, {loaded.delivery.id: nobodys for loaded in kept})

    async def _room(self, step: str) -> None:
        """Wait until the step has room for another batch."""
        while len(self._in_flight[step]) > self._limits.in_flight_max // 2 and not self._stopping.is_set():
            await asyncio.sleep(0.005)

    async def _begin(self, step: Step[Any], rungs: Sequence[Rung]) -> None:
        """Load what the messages ask for and start it."""
        messages = [_Message(rung) for rung in rungs]
        owner = {delivery_id: message for message in messages for delivery_id in message.rung.delivery_ids}
        loaded = await self._store.load(step, list(owner))
        for item in loaded:
            owner[item.delivery.id].left += 1
        self._open.update(messages)
        await self._ack(self._take_finished(messages))
        await self._start(step, loaded, owner)

    async def _start(self, step: Step[Any], loaded: Sequence[Loaded], owner: Mapping[int, _Message]) -> None:
        """Start each, or run all at once, as the step is written."""
        if isinstance(step.run, Each):
            for item in loaded:
                task = asyncio.create_task(self._one(step, item, owner[item.delivery.id]))
                self._in_flight[step.name].add(task)
                task.add_done_callback(self._in_flight[step.name].discard)
        elif loaded:
            try:
                await self._many(step, loaded, owner)
            except BaseException:
                self._forget(owner[item.delivery.id] for item in loaded)
                raise

    def _leave(self, items: Sequence[_Item]) -> None:
        """Leave deliveries to whoever is rung for them next."""
        self._kept.difference_update(item.settling.delivery.id for item in items)
        self._forget(item.message for item in items)

    def _forget(self, messages: Iterable[_Message]) -> None:
        """Stop keeping messages from being claimed: what they ask for is worked off again by somebody."""
        self._open.difference_update(messages)

    # ------------------------------------------------------------------ running

    async def _one(self, step: Step[Any], loaded: Loaded, message: _Message) -> None:
        """One delivery of a step that is written for one subject."""
        correlation_id.set(loaded.delivery.correlation_id)
        made: list[Call] = []
        calls.set(made)
        effects = DeliveryEffects(loaded.delivery, self._ledger, self._clock)
        try:
            async with asyncio.timeout(self._limits.attempt_s):
                settling = await attempt(step, loaded, self._ports, effects, self._clock)
        except TimeoutError:
            # Whatever was sent has no answer: it stays an intent, and is looked for before anything is sent again.
            settling = given_up(step, loaded, effects, self._clock, self._limits.attempt_s)
        if settling is None:
            message.left -= 1
            self._kept.discard(loaded.delivery.id)
            return
        settling.calls.extend(made)
        self._put(_Item(settling, message))

    async def _many(self, step: Step[Any], loaded: Sequence[Loaded], owner: Mapping[int, _Message]) -> None:
        """A batch of a step that decides over many subjects; waits until it is settled."""
        outcomes = await self._outcomes(step, loaded)
        now = self._clock()
        done = asyncio.Event()
        for index, (item, outcome) in enumerate(zip(loaded, outcomes, strict=True)):
            settlement = settle(outcome, item.delivery, step.retry, now=now)
            settling = Settling(item.delivery, item.subject, settlement)
            last = index == len(loaded) - 1
            self._put(_Item(settling, owner[item.delivery.id], done if last else None))
        await done.wait()

    async def _outcomes(self, step: Step[Any], loaded: Sequence[Loaded]) -> Sequence[Outcome]:
        """The batch's outcomes; a subject that breaks the batch is found by halving and fails alone."""
        assert not isinstance(step.run, Each)
        try:
            return await step.run([item.subject for item in loaded], self._ports(None))
        except (OSError, TimeoutError):
            raise
        except Exception as fault:  # noqa: BLE001 - becomes an outcome by the same rule as for one subject
            if len(loaded) == 1:
                return [explain(fault, step, loaded[0], self._clock())]
            half = len(loaded) // 2
            first = await self._outcomes(step, loaded[:half])
            return [*first, *await self._outcomes(step, loaded[half:])]

    # ------------------------------------------------------------------ settling

    def _put(self, item: _Item) -> None:
        self._finished.append(item)
        self._settle_now.set()

    async def _settle_loop(self) -> None:
        while True:
            await self._settle_now.wait()
            self._settle_now.clear()
            while self._finished:
                self._settling += 1
                count = min(len(self._finished), self._limits.settle_max)
                await self._settle_group([self._finished.popleft() for _ in range(count)])
                self._settling -= 1

    async def _settle_group(self, items: list[_Item]) -> None:
        """One group commit. A poisonous settlement is found by halving; a lost server is left to redelivery."""
        try:
            await finish(self._store, self._handover, [item.settling for item in items], lambda: self._count(items))
        except BellUnavailable as error:
            # Committed; what follows is rung by the relay, and the message, once claimed, finds nothing to do.
            self.counters.faults += 1
            log.warning("ring.lost", error=type(error).__name__)
            self._leave(items)
        except (OSError, TimeoutError) as error:
            self.counters.faults += 1
            log.warning("settle.lost", error=type(error).__name__, deliveries=len(items))
            self._leave(items)
        except Exception as error:
            if len(items) > 1:
                half = len(items) // 2
                await self._settle_group(items[:half])
                await self._settle_group(items[half:])
                return
            delivery = items[0].settling.delivery
            log.exception("settle.poison", delivery=delivery.id, correlation_id=delivery.correlation_id)
            self._poison(items[0], error)
            return
        self._signal(items)

    def _poison(self, item: _Item, error: Exception) -> None:
        """A settlement that can't be written: replaced by a failed attempt, which can."""
        if item.replaced:  # even the failure can't be written
            self._open.discard(item.message)
            self._signal([item])
            return
        delivery = item.settling.delivery
        step = self._flow[delivery.step]
        outcome = explain(error, step, Loaded(delivery, item.settling.subject), self._clock())
        settlement = settle(outcome, delivery, step.retry, now=self._clock())
        self._put(_Item(Settling(delivery, item.settling.subject, settlement), item.message, item.done, replaced=True))

    def _signal(self, items: Sequence[_Item]) -> None:
        for item in items:
            if item.done is not None:
                item.done.set()

    def _count(self, items: Sequence[_Item]) -> list[Rung]:
        """Count settled deliveries; the messages that have none left."""
        by_step = self.counters.by_step
        for item in items:
            item.message.left -= 1
            self._kept.discard(item.settling.delivery.id)
            step = item.settling.delivery.step
            by_step[step] = by_step.get(step, 0) + 1
        self.counters.settled += len(items)
        return self._take_finished({item.message for item in items})

    def _take_finished(self, messages: Iterable[_Message]) -> list[Rung]:
        ended = [message for message in messages if message.left == 0 and message in self._open]
        self._open.difference_update(ended)
        return [message.rung for message in ended]

    async def _ack(self, rungs: Sequence[Rung]) -> None:
        """Acknowledge messages that had nothing to do. If it is lost, they are claimed and found empty again."""
        with contextlib.suppress(OSError):
            await self._bell.ack(rungs)

    # ------------------------------------------------------------------ upkeep

    async def _keep_loop(self) -> None:
        """Keep what is being worked on from being claimed by others."""
        while True:
            await asyncio.sleep(self._limits.keep_every_s)
            with contextlib.suppress(OSError):
                await self._bell.ack(self._take_finished(list(self._open)))
                await self._bell.keep([message.rung for message in self._open])

    async def _reclaim_loop(self) -> None:
        """Take over what dead workers left."""
        while not self._stopping.is_set():
            await asyncio.sleep(self._limits.reclaim_every_s)
            for step in self._flow.values():
                try:
                    rungs = await self._bell.reclaim(step.name, self._limits.idle_ms)
                    if rungs:
                        self.counters.reclaimed += len(rungs)
                        log.info("reclaimed", step=step.name, messages=len(rungs))
                        await self._begin(step, rungs)
                except (OSError, TimeoutError) as error:
                    log.warning("reclaim.failed", step=step.name, error=type(error).__name__)
                    break

    async def _drain(self) -> None:
        """Finish what is in flight within `drain_s`, hand back the rest."""
        deadline = time.monotonic() + self._limits.drain_s
        tasks = {task for group in self._in_flight.values() for task in group}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._limits.drain_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        while (self._finished or self._settling) and time.monotonic() < deadline + 1:
            await asyncio.sleep(0.01)
        left = [delivery_id for message in self._open for delivery_id in message.rung.delivery_ids]
        left += [*self._kept, *self._handover.close()]
        if left:
            log.info("handed_back", deliveries=len(left))
            with contextlib.suppress(OSError, TimeoutError):
                await self._store.hand_back(left)
                await self._bell.ack([message.rung for message in self._open])
