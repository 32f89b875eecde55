"""Everything that takes part in one schedule, made from its seed."""

from __future__ import annotations

from collections import Counter
from random import Random

from kept.engine.effects import DeliveryEffects

from . import processes
from .bell import Entry, SimBell
from .crossing import Crossing
from .faults import HEAL_AT_MS, Faults
from .flow import Ports
from .rows import Broken
from .stepper import Incarnation, Stepper
from .store import SimStore
from .target import HORIZON, Kind, SimTarget

_REBIRTH_MS_MAX = 5_000  # a supervisor's restart


class World:
    """Store, bell, targets, processes, and what happens to them from outside."""

    store_type = SimStore  # a planted bug may put another in its place
    horizon = HORIZON  # what the targets declare
    faults_only: frozenset[tuple[str, str]] = frozenset()  # (kind, boundary); none: all of them

    def __init__(self, seed: int, fired: Counter[tuple[str, str]], tally: Counter[str]) -> None:
        self.stepper = Stepper(seed)
        self.random: Random = self.stepper.random
        self.crossing = Crossing(self.stepper, Faults(self.random, fired, self.faults_only))
        self.tally = tally
        self.store = self.store_type(self.crossing, tally)
        self.bell = SimBell(self.crossing)
        self.bell.on_ack = self._check_ack
        self.erp = self._target("erp")
        self.centre = self._target("centre")
        self.stepper.on_crash = self._restart
        self._lives: Counter[str] = Counter()
        for role in ("worker",) * self.random.randint(2, 3) + ("relay", "reclaimer"):
            self._lives[role] += 1
            self._begin(f"{role}-{self._lives[role]}")
        for order_id in range(1, self.random.randint(2, 3) + 1):
            self.store.accept(order_id)
            if self.random.random() < 0.5:
                self._schedule_remark(order_id)

    def ports(self, effects: DeliveryEffects) -> Ports:
        return Ports(effects, self.erp, self.centre)

    def at_rest(self) -> bool:
        """Whether nothing is under way any more, and nothing will be by itself."""
        return not self.store.deliveries and self.bell.at_rest() and self.stepper.now_ms > self.crossing.unrest_until_ms

    def _target(self, name: str) -> SimTarget:
        kind = self.random.choice(list(Kind))
        searchable = kind is Kind.SEARCHABLE or (kind is Kind.KEYED and self.random.random() < 0.5)
        target = SimTarget(self.crossing, name, kind, self.store.leases, self.tally)
        target.searchable, target.horizon = searchable, self.horizon
        return target

    def _begin(self, name: str) -> None:
        """A new life of a process, under a new name, as every process of Kept has."""
        role = name.partition("-")[0]
        self._lives[name] += 1
        life = f"{name}.{self._lives[name]}"
        self.stepper.spawn(life, processes.BODIES[role](self, life))

    def _restart(self, dead: Incarnation) -> None:
        name = dead.name.partition(".")[0]
        self.stepper.after(self.random.randint(100, _REBIRTH_MS_MAX), lambda: self._begin(name))

    def _schedule_remark(self, order_id: int) -> None:
        self.stepper.after(self.random.randint(100, HEAL_AT_MS // 3), lambda: self.store.remark(order_id))

    def replay_letters(self) -> bool:
        """An operator puts each order's first dead letter back, when all is quiet; whether there was one."""
        fresh = [
            letter
            for letter in self.store.letters
            if not letter.resolved and sum(other.order_id == letter.order_id for other in self.store.letters) == 1
        ]
        for letter in fresh:
            self.store.replay(letter)
            self.tally["replayed"] += 1
        return bool(fresh)

    def _check_ack(self, entry: Entry) -> None:
        """Whoever acknowledges must leave nothing behind that only the sweep for lost rings would find."""
        for delivery_id in entry.ids:
            row = self.store.deliveries.get(delivery_id)
            # Once claimed, the acknowledging may be done by one who lost the claim: its own word proves nothing.
            if row is None or row.queued_at is None or row.claims:
                continue
            rung_anew = row.queued_at > entry.rung_at or row.queued_at <= self.bell.lost_at
            if not rung_anew and not any(delivery_id in other.ids for other in self.bell.entries.values()):
                raise Broken(f"delivery {delivery_id} was acknowledged but neither settled nor handed back")
