"""Prism judges the simulated Amazon, too: what it answers is what Amazon's models say, and not what we would like."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import orjson
import pytest

from kept.connectors.channels.amazon.mapping import normalise
from kept.connectors.http import HttpTargets
from kept.connectors.registry import build_channel
from kept.domain.events import Package, ShippedLine
from kept.embedded import free_port
from kept.ports import (
    CancelReason,
    Channel,
    ChannelCancel,
    ChannelCancelled,
    ChannelShipment,
    Confirmation,
    Incoming,
    StockOffer,
    UnknownResult,
)
from kept.settings import ChannelSettings
from kept.simulator.amazon_payloads import MARKETPLACE, SELLER_ID
from kept.simulator.config import Delays
from kept.simulator.demo import demo_config
from kept.simulator.faults import Behaviour
from kept.simulator.world import channels_running
from tests.conformance.wire import NO_LIMITS
from tests.fixtures_location import shared_specs
from tests.judges.prism import Judged, judging
from tests.judges.test_amazon import MODELS
from tests.servers import until

pytestmark = pytest.mark.xdist_group("prism")
ACCOUNT = "marketplace"
JUDGED_HOST = "amazon.test"
ORDERS = 6


@dataclass
class Clock:
    """The world's clock."""

    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def __call__(self) -> float:
        return self.now().timestamp()


@asynccontextmanager
async def selling(folder: Path, clock: Clock) -> AsyncIterator[tuple[Channel, Judged]]:
    """A simulated seller with the judge before it, and our connector before that."""
    base = demo_config(
        folder,
        rate=1000,
        count=ORDERS,
        behaviour=Behaviour.calm(),
        delays=Delays(edit_after_s=600),
        accounts=(ACCOUNT,),
        speed=1e6,
    ).config
    own = replace(base.channels[ACCOUNT], port=free_port())
    config, url = replace(base, channels={ACCOUNT: own}), f"http://127.0.0.1:{own.port}"
    models = {prefix: shared_specs("amazon", f"{name}.json") for prefix, name in MODELS.items() if prefix != "/tokens/"}
    with judging(models, url) as routes:
        async with channels_running(config, clock):
            network = httpx2.AsyncHTTPTransport()
            judged = Judged(JUDGED_HOST, routes, network)
            settings = ChannelSettings(
                "amazon",
                f"http://{JUDGED_HOST}",
                token=own.token,
                token_url=f"{url}/auth/o2/token",
                client_id="simulated",
                client_secret=own.webhook_secret,
                seller_id=SELLER_ID,
                marketplaces=(MARKETPLACE,),
            )
            targets = HttpTargets(transport=judged, shared=NO_LIMITS)
            try:
                yield build_channel(ACCOUNT, settings, targets), judged
            finally:
                await targets.aclose()
                await judged.aclose()
                await network.aclose()


async def test_the_simulated_amazon_speaks_the_real_dialect(tmp_path: Path) -> None:
    clock = Clock()
    async with selling(tmp_path, clock) as (channel, judged):
        assert channel.poll is not None
        assert channel.confirm is not None
        assert channel.cancel is not None
        assert channel.push_stock is not None
        poll, port = channel.poll, channel.cancel

        async def listed() -> list[Incoming]:
            clock.ahead += timedelta(minutes=10)  # what was sold by now is old enough
            page = await poll.changed(clock.now() - timedelta(days=1), clock.now() - poll.delay)
            found = [Incoming(each.headers, each.body) for each in page.orders]
            return found if len(found) == ORDERS else []

        messages = await until(listed, every_s=0.2)
        contents = [normalise(ACCOUNT, message, clock.now()) for message in messages]
        first, second = (content for content in contents[:2] if content is not None)

        lines = tuple(ShippedLine(line.line_no, line.sku, line.quantity) for line in first.lines)
        shipment = Confirmation(
            "K-1",
            "K-1-1",
            first.external_id,
            clock.now(),
            (Package("006141411234567890", "UPS", "1Z1", 100, lines),),
            {line.line_no: line.external_id for line in first.lines},
        )
        assert await channel.confirm.find(shipment) is None
        assert await channel.confirm.confirm(shipment, "key") == ChannelShipment("1001")
        assert await channel.confirm.find(shipment) == ChannelShipment("1001")

        cancel = ChannelCancel("K-2", second.external_id, CancelReason.BUYER, {}, {}, whole=True)
        with pytest.raises(UnknownResult, match="will tell"):
            await port.cancel(cancel, "key")
        clock.ahead += timedelta(hours=1)
        assert await port.find_cancel(cancel) == ChannelCancelled(second.external_id)

        assert await channel.push_stock.push([StockOffer("SKU-0001", 7)], "key") == []
        assert judged.calls >= 8
        assert orjson.loads(messages[0].body)["orderId"]
