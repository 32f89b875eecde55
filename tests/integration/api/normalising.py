"""The steps of the intake on real servers, with the real connectors: what makes dead letters of bad messages."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from kept.connectors.registry import build_connectors
from kept.flow import INTAKE_FLOW
from kept.processes.assembly import assemble_ports
from kept.store.migrate import installation_prefix
from tests.integration.api.serving import Api
from tests.integration.engine.workers import Worker, workshop
from tests.servers import until, value_of

_MESSAGES_UNDER_WAY = "SELECT count(*) FROM deliveries WHERE kind = 'message'"


@contextlib.asynccontextmanager
async def normalising(api: Api) -> AsyncIterator[Worker]:
    """A worker that takes the intake's steps while the block runs."""
    business = api.settings.business
    connectors = build_connectors(business)
    async with workshop(api.settings.database_url, api.settings.redis_url) as shop, shop.relaying():
        prefix = await installation_prefix(shop.database)
        ports = assemble_ports(shop.database, shop.orders, connectors, business, prefix)
        yield shop.begin(ports, {step.name: step for step in INTAKE_FLOW})
    await connectors.aclose()


async def all_messages_ended(api: Api) -> None:
    """Wait until no message is on its way."""
    database = api.app.state.services.database

    async def none_left() -> bool:
        return await value_of(database, _MESSAGES_UNDER_WAY) == 0

    await until(none_left)
