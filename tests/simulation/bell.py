"""The doorbell as Redis Streams would be: pending entries, idle times by its own clock, and no promises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kept.engine.delivery import Ring, Rung
from kept.engine.interfaces import BellUnavailable

from .crossing import Crossing
from .stepper import Incarnation, pause

_JUMP_MS = 3_600_000  # Redis' clock, wrong by an hour
_CLOCKS_DIFFER_BY = timedelta(seconds=5)  # as in kept.engine.streams


@dataclass(slots=True)
class Entry:
    """A message in a stream. Without a consumer nobody has read it."""

    step: str
    ids: tuple[int, ...]
    put_in_at: datetime  # by Redis' clock
    rung_at: datetime  # by everybody else's
    consumer: str = ""
    touched_ms: int = 0  # by Redis' clock


class SimBell:
    """`kept.engine.interfaces.Bell`, and the rest of what workers and the relay use of `Streams`."""

    def __init__(self, crossing: Crossing) -> None:
        self.entries: dict[int, Entry] = {}
        self.lost_at = crossing.clock() - timedelta(days=1)  # rings from before may be gone
        self.on_ack: Callable[[Entry], None] = lambda _: None  # the auditor looks at every acknowledgement
        self._crossing = crossing
        self._offset_ms = 0
        self._last_id = 0
        self._beats: dict[str, int] = {}
        self._listeners: list[Incarnation] = []
        self._copy: list[Entry] = []  # an old append-only file

    # ------------------------------------------------------------------ port calls

    async def ring(self, rings: Sequence[Ring]) -> None:
        """See `kept.engine.interfaces.Bell`."""
        if not rings:
            return
        fault = await self._enter("ring")
        if fault != "ring_lost":
            self._put(rings)
            if fault == "duplicate":
                self._put(rings)
        else:
            self.lost_at = self._crossing.clock()
        if fault == "stale_copy":
            self._restore()
        await self._leave(fault)

    async def read(self, step: str, count: int, block_ms: int) -> list[Rung]:
        """Unread messages of all steps: a process of the simulation has one loop for all of them."""
        if not self._unread():
            listener = self._crossing.stepper.caller()
            self._listeners.append(listener)
            await pause(block_ms)
            if listener in self._listeners:
                self._listeners.remove(listener)  # or a ring would cut short whatever it waits for next
            if not self._unread():
                return []
        fault = await self._enter("read")
        taken = [self._hand_out(i) for i in self._unread()[:count]]
        await self._leave(fault)
        return taken

    async def reclaim(self, idle_ms: int) -> list[Rung]:
        """Messages that nobody has touched for `idle_ms`, by Redis' clock."""
        if not self.entries:
            return []
        fault = await self._enter("reclaim")
        now_ms = self._now_ms()
        idle = [i for i, entry in self.entries.items() if entry.consumer and now_ms - entry.touched_ms >= idle_ms]
        taken = [self._hand_out(i) for i in idle]
        await self._leave(fault)
        return taken

    async def ack(self, rungs: Sequence[Rung]) -> None:
        """See `kept.engine.interfaces.Bell`."""
        if not rungs:
            return
        fault = await self._enter("ack")
        for rung in rungs:
            entry = self.entries.pop(int(rung.receipt), None)
            if entry is not None:
                self.on_ack(entry)
        await self._leave(fault)

    async def beat(self, consumer: str, expected: int) -> bool:
        """See `kept.engine.streams.Streams.beat`."""
        fault = await self._enter("beat")
        self._beats[consumer] = self._beats.get(consumer, 0) + 1
        known = self._beats[consumer] == expected
        await self._leave(fault)
        return known

    def set_beat(self, consumer: str, value: int) -> None:
        self._beats[consumer] = value

    def oldest(self) -> dict[tuple[str, int], datetime]:
        """When the oldest message of each stream was put in, less its possible error."""
        found: dict[tuple[str, int], datetime] = {}
        for entry in self.entries.values():
            found.setdefault((entry.step, 0), entry.put_in_at - _CLOCKS_DIFFER_BY)
        return found

    def at_rest(self) -> bool:
        """Whether nothing will be handed out. A clock set back keeps what is pending for an hour, harmlessly."""
        now_ms = self._now_ms()
        return all(entry.consumer and entry.touched_ms > now_ms for entry in self.entries.values())

    # ------------------------------------------------------------------ inside Redis

    async def _enter(self, boundary: str) -> str:
        fault = await self._crossing.enter(boundary)
        match fault:
            case "bell_down":
                raise BellUnavailable(fault)
            case "flush":
                self.lost_at = self._crossing.clock()
                self.entries.clear()
                self._beats.clear()
            case "clock_jump":
                self._offset_ms += self._crossing.stepper.random.choice((-_JUMP_MS, _JUMP_MS))
        return fault

    async def _leave(self, fault: str) -> None:
        await self._crossing.leave(fault)
        if fault == "reply_lost":
            raise BellUnavailable(fault)

    def _now_ms(self) -> int:
        return self._crossing.stepper.now_ms + self._offset_ms

    def _put(self, rings: Sequence[Ring]) -> None:
        put_in_at = self._crossing.clock() + timedelta(milliseconds=self._offset_ms)
        by_step: dict[str, list[int]] = {}
        for ring in rings:
            by_step.setdefault(ring.step, []).append(ring.delivery_id)
        for step, ids in by_step.items():
            self._add(Entry(step, tuple(ids), put_in_at, self._crossing.clock()))
        if self._crossing.stepper.random.random() < 0.2:  # now and then somebody copies the file
            self._copy = [Entry(e.step, e.ids, e.put_in_at, e.rung_at) for e in self.entries.values()]

    def _add(self, entry: Entry) -> None:
        self._last_id += 1
        self.entries[self._last_id] = entry
        for listener in self._listeners:
            if listener.alive:
                self._crossing.stepper.wake(listener)
        self._listeners.clear()

    def _restore(self) -> None:
        """Redis comes back with an old file: what was done is there again, what is new is gone."""
        self.lost_at = self._crossing.clock()
        self.entries.clear()
        for entry in self._copy:
            self._add(Entry(entry.step, entry.ids, entry.put_in_at, entry.rung_at))

    def _unread(self) -> list[int]:
        return [i for i, entry in self.entries.items() if not entry.consumer]

    def _hand_out(self, entry_id: int) -> Rung:
        entry = self.entries[entry_id]
        entry.consumer = self._crossing.stepper.caller().name
        entry.touched_ms = self._now_ms()
        return Rung(entry.step, str(entry_id), entry.ids)
