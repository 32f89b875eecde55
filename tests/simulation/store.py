"""PostgreSQL's side of the engine in memory, rule by rule as `kept.store` has it in SQL.

Each call is one transaction: it happens whole between two pauses, and its reply may be lost. Rules that
a planted bug may break are methods of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count

from kept.engine.delivery import Delivery, EffectResult, Loaded, Ring, Settling
from kept.engine.interfaces import EffectRecord, Intent, StoreUnavailable
from kept.engine.step import Step
from kept.store.effects import _RESOLVED, LEASE
from kept.store.postgres import _RUNG_AT_MOST

from . import settling
from .crossing import LEASE_MS, Crossing
from .flow import FIRST_STATE, STEP_OF_STATE
from .rows import Broken, DeliveryRow, EffectRow, Event, Fact, Letter, OrderRow


class SimStore:
    """`kept.engine.interfaces.Store` and `IntentLedger`."""

    lease = LEASE

    def __init__(self, crossing: Crossing, tally: Counter[str]) -> None:
        self.crossing = crossing
        self.tally = tally
        self.orders: dict[int, OrderRow] = {}
        self.deliveries: dict[int, DeliveryRow] = {}
        self.effects: dict[str, EffectRow] = {}
        self.letters: list[Letter] = []
        self.leases: dict[str, int] = {}  # the auditor's own note: until when each process may send
        self._ids = count(1)

    # ------------------------------------------------------------------ port calls

    async def load(self, step: Step[object], delivery_ids: Sequence[int]) -> list[Loaded]:
        """See `kept.engine.interfaces.Store`."""
        return await self.crossing.call("load", lambda: self._load(step, delivery_ids), StoreUnavailable)

    async def intend(self, intent: Intent) -> EffectRecord | None:
        """See `kept.engine.interfaces.IntentLedger`."""
        return await self.crossing.call("intend", lambda: self._intend(intent), StoreUnavailable)

    async def settle(self, settlings: Sequence[Settling]) -> list[Ring]:
        """See `kept.engine.interfaces.Store`."""
        return await self.crossing.call("settle", lambda: settling.write(self, settlings), StoreUnavailable)

    async def due(self, limit: int) -> list[Ring]:
        """See `kept.engine.interfaces.Store`."""
        if not any(row.queued_at is None for row in self.deliveries.values()):
            return []  # nothing to take: not worth the simulation's time
        return await self.crossing.call("due", lambda: self._due(limit), StoreUnavailable)

    async def unring(self, older_than: timedelta, oldest: Mapping[tuple[str, int], datetime] | None = None) -> int:
        """See `kept.engine.interfaces.Store`."""
        if not self.deliveries:
            return 0
        return await self.crossing.call("unring", lambda: self._unring(older_than, oldest or {}), StoreUnavailable)

    async def hand_back(self, delivery_ids: Sequence[int]) -> None:
        """See `kept.engine.interfaces.Store`."""
        raise NotImplementedError("processes of the simulation end by crashing, never by a drain")

    # ------------------------------------------------------------------ acts of others, whole by themselves

    def accept(self, order_id: int) -> None:
        """A new order with its first delivery; the relay rings for it."""
        order = self.orders[order_id] = OrderRow(order_id, f"SIM-{order_id}", FIRST_STATE)
        self.begin(order, queued_at=None)

    def remark(self, order_id: int) -> None:
        """Something outside adds a fact that changes no state, as a centre's message or a channel's may."""
        order = self.orders[order_id]
        if order.state in STEP_OF_STATE:
            self.add_fact(order, Fact("remarked"))

    def replay(self, letter: Letter) -> None:
        """As `kept.store.dead_letters.DeadLetters.replay`."""
        letter.resolved = True
        self.begin(self.orders[letter.order_id], queued_at=None)

    # ------------------------------------------------------------------ rows

    def begin(self, order: OrderRow, *, queued_at: datetime | None) -> Ring:
        """The delivery of the step that an order's state asks for."""
        row = DeliveryRow(next(self._ids), order.id, STEP_OF_STATE[order.state], self.crossing.clock(), queued_at)
        self.deliveries[row.id] = row
        return Ring(row.id, row.step, 0)

    def add_fact(self, order: OrderRow, fact: Fact) -> None:
        order.seq += 1
        order.events.append(Event(order.seq, fact))

    # ------------------------------------------------------------------ rules that planted bugs break

    def may_claim(self, row: DeliveryRow, intent: Intent, now: datetime) -> bool:
        return row.epoch == intent.epoch and (intent.claimed or not row.held(now))

    def raise_epoch(self, row: DeliveryRow) -> None:
        row.epoch += 1

    def is_mine(self, row: DeliveryRow, delivery: Delivery) -> bool:
        return row.epoch == delivery.epoch

    def believes(self, effect: EffectRow, result: EffectResult) -> bool:
        """A late result of an earlier attempt may still tell that the effect is there, but nothing less."""
        return effect.status != "confirmed" and (effect.attempt == result.attempt or result.status == "confirmed")

    def end(self, order_id: int) -> None:
        """Delete an order's delivery."""
        for row in [row for row in self.deliveries.values() if row.order_id == order_id]:
            del self.deliveries[row.id]

    def may_take_again(self, row: DeliveryRow, delivery: Delivery) -> bool:
        return row.epoch == delivery.epoch

    # ------------------------------------------------------------------ statements

    def _load(self, step: Step[object], delivery_ids: Sequence[int]) -> list[Loaded]:
        now = self.crossing.clock()
        loaded = []
        for delivery_id in sorted(set(delivery_ids)):
            row = self.deliveries.get(delivery_id)
            if row is None or row.step != step.name:
                continue
            if row.held(now):
                assert row.claimed_until is not None, "a held row says until when"
                row.queued_at, row.due_at = None, max(row.due_at, row.claimed_until)
                continue
            order = self.orders[row.order_id]
            if order.state is not step.accepts:
                del self.deliveries[delivery_id]
                continue
            delivery = Delivery(row.id, row.step, 0, now, row.attempts, row.waiting_since, row.epoch, order.reference)
            loaded.append(Loaded(delivery, order.loaded()))
        return loaded

    def _intend(self, intent: Intent) -> EffectRecord | None:
        now = self.crossing.clock()
        row = self.deliveries.get(intent.delivery_id)
        if row is None or not self.may_claim(row, intent, now):
            self.tally["claim_lost"] += 1
            return None
        self._claim(row, intent, now)
        before = self.effects.get(intent.key)
        if before is None:
            self.effects[intent.key] = EffectRow(intent.key, intent.request_hash, "intended", 1, now)
            return EffectRecord(row.epoch, "new", intent.request_hash, 1, now, None)
        resolved, last_sent_at = _RESOLVED[before.status], before.last_sent_at
        if before.status == "intended":
            last_sent_at += self.lease
        if before.status == "refused" or (intent.resend and before.status != "confirmed"):
            before.status, before.attempt, before.last_sent_at = "intended", before.attempt + 1, now
        return EffectRecord(row.epoch, resolved, before.request_hash, before.attempt, last_sent_at, before.answer)

    def _claim(self, row: DeliveryRow, intent: Intent, now: datetime) -> None:
        caller = self.crossing.stepper.caller().name
        if row.held(now) and row.holder != caller:
            raise Broken(f"{caller} took delivery {row.id}, which {row.holder} holds")
        if not intent.claimed:
            self.raise_epoch(row)
            row.claims += 1
        row.holder = caller
        row.claimed_until = now + self.lease
        self.leases[caller] = self.crossing.stepper.now_ms + LEASE_MS

    def _due(self, limit: int) -> list[Ring]:
        now = self.crossing.clock()
        due = [row for row in self.deliveries.values() if row.queued_at is None and row.due_at <= now][:limit]
        for row in due:
            row.queued_at = now
        return [Ring(row.id, row.step, 0) for row in due]

    def _unring(self, older_than: timedelta, oldest: Mapping[tuple[str, int], datetime]) -> int:
        now = self.crossing.clock()
        at_most = max(older_than, _RUNG_AT_MOST) if oldest else older_than
        lost = 0
        for row in self.deliveries.values():
            if row.queued_at is None or row.held(now):
                continue
            first = oldest.get((row.step, 0))
            moved_past = row.queued_at <= now - older_than and (first is None or row.queued_at < first)
            if moved_past or row.queued_at < now - at_most:
                row.queued_at = None
                lost += 1
        return lost
