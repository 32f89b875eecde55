"""Holds that are the ERP's word end by themselves: held orders are validated again, until it says otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from kept.domain.events import OrderHeld
from kept.domain.progress import Order
from kept.engine.interfaces import StoreUnavailable
from kept.engine.outcome import Done
from kept.ports import Fault
from kept.steps.ports import Ports
from kept.steps.validate import validate
from kept.store.database import Database
from kept.store.instructions import Instructions, NotPossible
from kept.store.loading import Orders
from kept.store.postgres import PostgresStore
from kept.store.queries import Queries

log = structlog.get_logger("kept.rechecking")

BY = "kept: its cause is gone"
_EVERY_S = 60.0  # no sooner than the ERP's word on a SKU may be old
_AT_ONCE = 200  # most urgent first; the next round takes those that are still held and others
_CALLS_AT_ONCE = 8


class Rechecker:
    """Lets held orders go of which the ERP has changed its mind. Any number may run: a word is taken down once."""

    def __init__(
        self, database: Database, orders: Orders, ports: Ports, clock: Callable[[], datetime], every_s: float = _EVERY_S
    ) -> None:
        self._queries = Queries(database)
        self._orders = orders
        self._instructions = Instructions(database, clock)
        self._store = PostgresStore(database, orders, clock)
        self._ports = ports
        self._clock = clock
        self._every_s = every_s

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            try:
                await self.recheck()
            except (Fault, StoreUnavailable) as fault:
                log.warning("holds.not_rechecked", reason=str(fault))
            await asyncio.sleep(self._every_s)

    async def recheck(self) -> int:
        """One round; how many orders were let go. Raises what the ERP raises: one that is down frees nobody."""
        held = await self._queries.held_by_the_erp(self._clock(), _AT_ONCE)
        orders = await self._orders.by_ids(held)
        freed = 0
        for start in range(0, len(held), _CALLS_AT_ONCE):
            some = [orders[order_id] for order_id in held[start : start + _CALLS_AT_ONCE] if order_id in orders]
            verdicts = await asyncio.gather(*(self._is_free(order) for order in some))
            for order, is_free in zip(some, verdicts, strict=True):
                if is_free:
                    freed += await self._let_go(order)
        return freed

    async def _is_free(self, order: Order) -> bool:
        outcome = await validate(order, self._ports)
        assert isinstance(outcome, Done), "validate says what is the matter, or raises"
        return not isinstance(outcome.events[0], OrderHeld)

    async def _let_go(self, order: Order) -> bool:
        key = f"recheck:{order.id}:{order.seq}"
        try:
            taken = await self._instructions.take_down(order.reference, "release", BY, key=key)
        except NotPossible:
            return False  # somebody else was faster
        await self._store.hand_back([ring.delivery_id for ring in taken.rings])  # for the relay to ring
        log.info("hold.ended_by_itself", order=order.reference)
        return True
