"""Importing SKU mappings: what waited for them goes on."""

from __future__ import annotations

from kept.domain.skus import SkuMap
from kept.processes.assembly import utc_now
from kept.store.database import Database
from kept.store.inbox import Inbox
from kept.store.loading import Orders
from kept.store.postgres import PostgresStore
from kept.store.skus import SkuMaps


async def import_mapping(database: Database, account: str, mapping: SkuMap) -> int:
    """Store mappings and take the messages of orders held for them in again; how many orders that are.

    The relay rings for them. Importing twice is harmless: what is mapped by then is not held any more.
    """
    maps, now = SkuMaps(database), utc_now()
    await maps.put(account, mapping, now)
    waiting = await maps.waiting(account, mapping, now)
    if waiting:
        _, rings = await Inbox(database).accept(waiting)
        store = PostgresStore(database, Orders(database), utc_now)
        await store.hand_back([ring.delivery_id for ring in rings])  # for the relay to ring: Redis is not asked here
    return len(waiting)
