"""Planted bugs in the rules of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from unittest.mock import patch

from kept.engine.delivery import Delivery, EffectResult, Ring, Settling
from kept.engine.interfaces import Intent, StoreUnavailable

from . import settling
from .flow import STEP_OF_STATE
from .rows import DeliveryRow, EffectRow
from .store import SimStore


class NoFencing(SimStore):
    def is_mine(self, row: DeliveryRow, delivery: Delivery) -> bool:
        return True


class NoClaimCheck(SimStore):
    def may_claim(self, row: DeliveryRow, intent: Intent, now: datetime) -> bool:
        return True


class EpochStays(SimStore):
    def raise_epoch(self, row: DeliveryRow) -> None:
        return


class OldResultsCount(SimStore):
    def believes(self, effect: EffectRow, result: EffectResult) -> bool:
        return effect.status != "confirmed"


class ConfirmedMayBeLost(SimStore):
    def believes(self, effect: EffectRow, result: EffectResult) -> bool:
        return True


class ResultNotStored(SimStore):
    def believes(self, effect: EffectRow, result: EffectResult) -> bool:
        return False


class DeliveryStays(SimStore):
    def end(self, order_id: int) -> None:
        return


class StaleFreesClaim(SimStore):
    def may_take_again(self, row: DeliveryRow, delivery: Delivery) -> bool:
        return True


class SweepFindsNothing(SimStore):
    def _unring(self, older_than: timedelta, oldest: Mapping[tuple[str, int], datetime]) -> int:
        return 0


class NextDeliveryLater(SimStore):
    """What must happen next is written after what happened, in a commit of its own."""

    async def settle(self, settlings: Sequence[Settling]) -> list[Ring]:
        await self.crossing.call("settle", lambda: self._first(settlings), StoreUnavailable)
        return self._second(settlings)

    def _first(self, settlings: Sequence[Settling]) -> None:
        known = set(self.deliveries)
        with patch.object(settling, "audit"):  # or it would be found before it can do harm
            settling.write(self, settlings)
        for row_id in set(self.deliveries) - known:
            del self.deliveries[row_id]

    def _second(self, settlings: Sequence[Settling]) -> list[Ring]:
        orders = {self.orders[s.subject.id].id: self.orders[s.subject.id] for s in settlings}
        standing = {row.order_id for row in self.deliveries.values()}
        standing |= {letter.order_id for letter in self.letters if not letter.resolved}
        now = self.crossing.clock()
        return [
            self.begin(order, queued_at=now)
            for order in orders.values()
            if order.id not in standing and order.state in STEP_OF_STATE
        ]
