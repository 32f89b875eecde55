"""The relay process: rings for what is due, and keeps stock counts fresh."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import structlog

from kept.connectors.registry import Connectors
from kept.engine.interfaces import StoreUnavailable
from kept.engine.relay import Relay
from kept.engine.streams import Streams, connect
from kept.flow import FLOW
from kept.ports import Fault, PermanentFault
from kept.processes.assembly import assemble_ports, opened_connectors, utc_now
from kept.processes.rechecking import Rechecker
from kept.processes.reconciling import Reconciler
from kept.processes.worker import consumer_name, stop_on_signal
from kept.settings import Settings
from kept.store.database import Database
from kept.store.loading import Orders
from kept.store.migrate import installation_prefix
from kept.store.postgres import PostgresStore
from kept.store.stock import StockRooms

log = structlog.get_logger("kept.relay")

# A centre's count changes with every parcel; between counts our own reservations keep it right.
_COUNT_STOCK_EVERY_S = 60.0
_COUNT_STOCK_RETRY_S = 2.0
_CLOCKS_DIFFER_BY = timedelta(minutes=5)


async def run_relay(settings: Settings) -> None:
    """Relay until SIGTERM or SIGINT."""
    async with opened_connectors(settings) as connectors:
        await _relay(settings, connectors)


async def _relay(settings: Settings, connectors: Connectors) -> None:
    database = Database(settings.database_url)
    bell = Streams(connect(settings.redis_url), consumer_name())
    orders = Orders(database)
    relay = Relay(PostgresStore(database, orders, utc_now), bell, list(FLOW))
    stop_on_signal(relay.stop)
    ports = assemble_ports(database, orders, connectors, settings.business, await installation_prefix(database))
    beside = [
        asyncio.create_task(_count_stock(connectors, StockRooms(database))),
        asyncio.create_task(Rechecker(database, orders, ports.base, utc_now).run()),
    ]
    if ports.base.erp.orders is not None:
        beside.append(asyncio.create_task(Reconciler(database, orders, ports.base.erp, utc_now).run()))
    try:
        log.info("relay.started")
        relaying = asyncio.create_task(relay.run())
        done, _ = await asyncio.wait({relaying, *beside}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # a bug beside the relay is for the supervisor to see, not to go on without
        await relaying
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await bell.aclose()
        await database.close()


async def _count_stock(connectors: Connectors, rooms: StockRooms) -> None:
    """Take in every centre's count, each at its own pace."""

    async def count(name: str) -> None:
        while True:
            pause_s = _COUNT_STOCK_EVERY_S
            try:
                snapshot = await connectors.centres[name].stock.stock()
                if snapshot.as_of > utc_now() + _CLOCKS_DIFFER_BY:
                    # It would outdo every true count until then.
                    raise PermanentFault(f"{name} counted at {snapshot.as_of.isoformat()}, which is yet to come")
                changed = await rooms.take_snapshot(name, snapshot)
                log.info("stock.counted", centre=name, skus=len(snapshot.levels), changed=changed)
            except (Fault, StoreUnavailable) as fault:
                log.warning("stock.not_counted", centre=name, reason=str(fault))
                pause_s = _COUNT_STOCK_RETRY_S
            await asyncio.sleep(pause_s)

    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*(count(name) for name in connectors.centres))
