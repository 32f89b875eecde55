"""Brings orders to where a test wants them, by settling facts as the engine would, and hands out what stands there."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from kept.domain import events as ev
from kept.domain.keys import order_reference
from kept.domain.order import OrderContent, OrderLine
from kept.domain.progress import Order, received
from kept.engine.delivery import Advance, Bury, Loaded, Reschedule, Ring, Settling
from kept.engine.interfaces import Intent
from kept.flow import FLOW
from kept.observe.correlation import new_correlation_id
from kept.ports import StockLevel, StockSnapshot
from kept.processes.assembly import utc_now
from kept.store.database import Database
from kept.store.ids import Ids
from kept.store.inbox import Arrival, Inbox
from kept.store.loading import Orders
from kept.store.postgres import PostgresStore
from kept.store.stock import StockRooms
from tests.servers import fetch
from tests.unit.domain import samples

INSTALLATION = "KTEST"


@dataclass
class Driver:
    """One worker's view of the store."""

    database: Database
    orders: Orders
    store: PostgresStore
    inbox: Inbox
    rooms: StockRooms
    order_ids: Ids
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def on(cls, database: Database) -> Driver:
        orders = Orders(database)
        store = PostgresStore(database, orders, utc_now)
        return cls(database, orders, store, Inbox(database), StockRooms(database), Ids(database, "order_ids"))

    # ------------------------------------------------------------------ what waits

    async def waiting(self, step: str) -> list[Loaded]:
        """What waits for a step, as a worker would load it."""
        rows = await fetch(self.database, "SELECT id FROM deliveries WHERE step = $1", step)
        return await self.store.load(FLOW[step], [row["id"] for row in rows])

    async def next(self, step: str, order_id: int | None = None) -> Loaded:
        """The only delivery that waits for a step (of one order)."""
        found = [one for one in await self.waiting(step) if order_id in {None, order_of(one).id}]
        assert len(found) == 1, f"{len(found)} wait for {step}"
        return found[0]

    async def settle(self, *settlings: Settling) -> list[Ring]:
        return await self.store.settle(settlings)

    async def advance(self, step: str, *events: Any, order_id: int | None = None) -> Order:
        """Settle the only delivery of a step by these facts; the order after it."""
        loaded = await self.next(step, order_id)
        await self.settle(done(loaded, *events))
        return (await self.orders.by_ids([order_of(loaded).id]))[order_of(loaded).id]

    # ------------------------------------------------------------------ messages and orders

    async def message(self, key: str = "", source: str = "shop", kind: str = "channel") -> int:
        """A message in the inbox; its id."""
        key = key or f"key-{next(self._numbers)}"
        arrival = Arrival(source, kind, key, {}, b"{}", new_correlation_id(), utc_now())
        receipts, _ = await self.inbox.accept([arrival])
        return receipts[0].message_id

    async def normalised(self, content: OrderContent) -> Loaded:
        """A message with this content, waiting for step deduplicate."""
        message_id = await self.message()
        loaded = next(one for one in await self.waiting("normalise") if one.subject.id == message_id)
        await self.settle(done(loaded, ev.MessageNormalised(content)))
        return next(one for one in await self.waiting("deduplicate") if one.subject.id == message_id)

    async def creation(self, content: OrderContent) -> Settling:
        """The settlement that makes an order of a new sale."""
        loaded = await self.normalised(content)
        order_id = (await self.order_ids.take(1))[0]
        reference = order_reference(INSTALLATION, order_id)
        made = received(order_id, reference, loaded.delivery.correlation_id, content, loaded.subject.id)
        return done(loaded, ev.MessageProcessed(), about=made)

    async def order(self, *lines: OrderLine, content: OrderContent | None = None) -> Order:
        """A new order, waiting for step validate."""
        said = content or fresh(samples.content(*lines), next(self._numbers))
        creation = await self.creation(said)
        await self.settle(creation)
        order_id = creation.settlement.about.order.id  # type: ignore[union-attr]  # `done` makes an Advance
        return (await self.orders.by_ids([order_id]))[order_id]

    async def booked(self, *parts: ev.PlannedPart) -> Order:
        """An order whose parts are ready to be labelled."""
        order = await self.order()
        await self.advance("validate", ev.OrderValidated("C-1"), order_id=order.id)
        await self.advance("route", samples.routed(*(parts or (samples.EAST_ALL,))), order_id=order.id)
        return await self.advance("book", ev.OrderBooked(f"SO-{order.id}", adopted=False), order_id=order.id)

    async def shipped(self) -> Order:
        """An order that went all the way, by a centre's message."""
        order = await self.booked()
        await self.advance("label", ev.PartLabelled(1, f"{order.id:018d}", ("pdf",)), order_id=order.id)
        await self.advance("release", ev.PartReleased(1, "R"), order_id=order.id)
        await self.tell(order.id, samples.shipped(1, (1, "SKU-1", 2), (2, "SKU-2", 1)))
        await self.advance("advise", ev.PartAdvised(1, "A", "d"), order_id=order.id)
        await self.advance("confirm", ev.PartConfirmed(1, "F"), order_id=order.id)
        return await self.advance("post", ev.PartPosted(1, "D"), order_id=order.id)

    async def told(self, order_id: int, *facts: Any, on: Order | None = None) -> Settling:
        """A centre's message that means these facts, decided on the order as it is now, or as `on` has it."""
        message_id = await self.message(source="east", kind="centre")
        loaded = next(one for one in await self.waiting("receive") if one.subject.id == message_id)
        order = on or (await self.orders.by_ids([order_id]))[order_id]
        return done(loaded, ev.MessageProcessed(), *facts, about=order)

    async def tell(self, order_id: int, *facts: Any) -> None:
        await self.settle(await self.told(order_id, *facts))

    # ------------------------------------------------------------------ stock

    async def stock_up(self, on_hand: int = 100, centres: Sequence[str] = ("east", "west")) -> None:
        levels = tuple(StockLevel(f"SKU-{number}", on_hand) for number in range(1, 4))
        for centre in centres:
            await self.rooms.take_snapshot(centre, StockSnapshot(samples.NOW - timedelta(days=1), levels))

    async def level(self, centre: str, sku: str) -> tuple[int, int]:
        """(on hand, reserved)."""
        rows = await fetch(
            self.database, "SELECT on_hand, reserved FROM stock WHERE centre = $1 AND sku = $2", centre, sku
        )
        return rows[0]["on_hand"], rows[0]["reserved"]


def fresh(content: OrderContent, number: int) -> OrderContent:
    """The same sale under ids of its own."""
    return replace(content, external_id=f"E-{number}", number=f"#{number}")


def order_of(loaded: Loaded) -> Any:
    """The order that a delivery is about; a message stands for itself."""
    return getattr(loaded.subject, "order", loaded.subject)


def done(loaded: Loaded, *events: Any, about: Any = None, content: Any = None) -> Settling:
    return Settling(loaded.delivery, loaded.subject, Advance(tuple(events), about, content, ()))


def failed(loaded: Loaded, code: str = "code", reason: str = "reason") -> Settling:
    return Settling(loaded.delivery, loaded.subject, Bury(reason, code, 1))


def later(loaded: Loaded, seconds: float, attempts: int = 1) -> Settling:
    due_at = utc_now() + timedelta(seconds=seconds)
    return Settling(loaded.delivery, loaded.subject, Reschedule(due_at, attempts, None, "again"))


def intent_of(loaded: Loaded, key: str = "", *, claimed: bool = False, request_hash: str = "h") -> Intent:
    """What a worker writes ahead of an effect."""
    delivery = loaded.delivery
    return Intent(
        delivery_id=delivery.id,
        epoch=delivery.epoch,
        claimed=claimed,
        key=key or f"key-of-{delivery.id}",
        target="erp:main",
        operation="book",
        request_hash=request_hash,
        correlation_id=delivery.correlation_id,
    )
