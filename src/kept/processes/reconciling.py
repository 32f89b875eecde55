"""Reconciliation: reads orders back from the ERP, compares the three sides, and repairs what is safe to repair."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from kept.domain.erp_orders import ErpOrder
from kept.domain.keys import effect_key
from kept.domain.lifecycle import OrderState
from kept.domain.progress import Order
from kept.domain.reconciling import Cause, Difference, differences
from kept.domain.urgency import Urgency
from kept.engine.interfaces import StoreUnavailable
from kept.engine.quotas import urgency
from kept.observe.correlation import correlation_id, new_correlation_id
from kept.ports import Erp, Fault
from kept.store.database import Database
from kept.store.differences import Differences
from kept.store.loading import Orders

log = structlog.get_logger("kept.reconciling")

_EVERY_S = 3600.0
_LOOK_BACK = timedelta(days=7)  # longer than an order takes; `kept reconcile --since` goes further
_AT_ONCE = 200


@dataclass(slots=True)
class Reconciled:
    """What a round came to."""

    orders: int = 0
    differing: int = 0
    repaired: int = 0


class Reconciler:
    """Compares every order at rest with the channel's last word and with the ERP."""

    def __init__(
        self, database: Database, orders: Orders, erp: Erp, clock: Callable[[], datetime], every_s: float = _EVERY_S
    ) -> None:
        self._differences = Differences(database, orders)
        self._orders = orders
        self._erp = erp
        self._clock = clock
        self._every_s = every_s

    async def run(self) -> None:
        """Round after round, until cancelled; an ERP that can't be read back is none of it."""
        urgency.set(Urgency.LATER)
        while True:
            await asyncio.sleep(self._every_s)
            try:
                done = await self.reconcile(self._clock() - _LOOK_BACK)
            except (Fault, StoreUnavailable) as fault:
                log.warning("reconcile.failed", reason=str(fault))
                continue
            log.info("reconcile.done", orders=done.orders, differing=done.differing, repaired=done.repaired)

    async def reconcile(self, since: datetime, *, repair: bool = True) -> Reconciled:
        """One round over the orders that came since then. Raises what the ERP raises."""
        done, after_id = Reconciled(), 0
        while ids := await self._differences.at_rest(since, after_id, _AT_ONCE):
            after_id = ids[-1]
            orders = await self._orders.by_ids(ids)
            said = await self._differences.last_words(ids)
            erp = await self._read_back(list(orders.values()))
            found = {
                order.id: differences(order, said.get(order.id, order.content), erp.get(order.reference, ()))
                for order in orders.values()
            }
            await self._differences.put(found, self._clock())
            done.orders += len(orders)
            done.differing += sum(bool(some) for some in found.values())
            if repair:
                for order in orders.values():
                    done.repaired += await self._repair(order, found[order.id])
        return done

    async def _read_back(self, orders: Sequence[Order]) -> Mapping[str, Sequence[ErpOrder]]:
        assert self._erp.orders is not None, "only an ERP that reads orders back is reconciled with"
        correlation_id.set(new_correlation_id())
        by_reference: dict[str, list[ErpOrder]] = defaultdict(list)
        for each in await self._erp.orders.read_orders([order.reference for order in orders]):
            by_reference[each.reference].append(each)
        return by_reference

    async def _repair(self, order: Order, found: Sequence[Difference]) -> bool:
        """What can be put right without a person: an order that ended here and is open there is taken out there.

        Nothing else: an ERP that says other amounts may be right, and goods that it missed may be in a letter.
        """
        ended = order.state in (OrderState.CANCELLED, OrderState.COMPLETE)
        if not ended or not any(each.cause is Cause.ERP_STATUS for each in found):
            return False
        if any(each.cause is Cause.ERP_SHIPPED for each in found):
            return False
        correlation_id.set(order.correlation_id)
        await self._erp.withdrawal.withdraw(order.reference, effect_key(order.reference, "withdraw"))
        await self._differences.repaired(order.id, Cause.ERP_STATUS.value, "its open rest was withdrawn there")
        log.info("reconcile.repaired", order=order.reference)
        return True
