"""The simulated Amazon before our own connector, and before Amazon's models."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import orjson
import pytest
from jsonschema import Draft7Validator

from kept.connectors.channels.amazon.mapping import normalise
from kept.connectors.http import HttpTargets
from kept.connectors.registry import build_channel
from kept.domain.events import Package, ShippedLine
from kept.domain.order import OrderContent, Payment
from kept.ports import (
    CancelReason,
    Channel,
    ChannelCancel,
    ChannelCancelled,
    ChannelShipment,
    Confirmation,
    Incoming,
    NotAsked,
    PermanentFault,
    Polled,
    StockOffer,
    TemporaryFault,
    UnknownResult,
)
from kept.settings import ChannelSettings
from kept.simulator.amazon_payloads import MARKETPLACE, SELLER_ID, Done, amazon_item_id, amazon_order, order_change
from kept.simulator.config import ChannelConfig, WorldConfig
from kept.simulator.faults import Behaviour, FaultKind, FaultPlan
from kept.simulator.orders import make_sale
from kept.simulator.payloads import Version
from kept.simulator.world import channels_running
from tests.conformance.amazon_models import Judge
from tests.conformance.wire import NO_LIMITS
from tests.fixtures_location import shared_specs
from tests.servers import until

Json = dict[str, Any]
NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
QUICKLY = 1e6  # quotas that never end
AMAZON = "marketplace"


def read(order: Json) -> OrderContent:
    content = normalise(AMAZON, Incoming({}, orjson.dumps(order)), NOW)
    assert content is not None
    return content


# ------------------------------------------------------------------ payloads


def test_every_sale_is_read_as_what_was_sold_and_its_money_ties() -> None:
    for seq in range(300):
        sale = make_sale(seed=7, seq=seq, now=NOW)
        content = read(amazon_order(sale, Version(age_s=1)))
        assert content.computed_total_minor() == content.total_minor == sale.total_minor
        assert content.payment is (Payment.FREE if sale.free else Payment.AUTHORISED)
        assert (content.currency, content.email) == (sale.currency, sale.email)
        assert [(line.sku, line.quantity) for line in content.lines] == [
            (line.item.sku, line.wanted) for line in sale.lines
        ]
        assert content.promise.ship_by == sale.ship_by
        assert content.hold == ""
        assert content.ship_to is not None
        assert content.ship_to.line1 == sale.ship_to.line1


def test_states_follow_the_story_and_what_was_done() -> None:
    sale = make_sale(seed=7, seq=3, now=NOW)
    pieces = {amazon_item_id(3, line.line_no): line.wanted for line in sale.lines}
    pending = read(amazon_order(sale, Version(age_s=0, pending=True)))
    assert (pending.payment, pending.ship_to) == (Payment.PENDING, None)
    assert read(amazon_order(sale, Version(age_s=3, cancelled=True))).cancelled
    assert read(amazon_order(sale, Version(age_s=1), Done(cancelled=frozenset(pieces)))).cancelled
    shipped = read(amazon_order(sale, Version(age_s=1), Done(shipped=pieces, at=NOW)))
    assert shipped.already_shipped
    assert shipped.revision > pending.revision


def test_the_notification_is_as_amazons_schema_says() -> None:
    schema = orjson.loads(shared_specs("amazon", "notification-schemas", "OrderChangeNotification.json").read_bytes())
    told = order_change(make_sale(seed=7, seq=3, now=NOW), Version(age_s=1))
    assert list(Draft7Validator(schema).iter_errors(told)) == []


# ------------------------------------------------------------------ the whole party


@dataclass
class Clock:
    """The world's clock: ours, ahead of it, or standing still."""

    ahead: timedelta = timedelta(0)
    stopped: datetime | None = None

    def now(self) -> datetime:
        return (self.stopped or datetime.now(UTC)) + self.ahead

    def __call__(self) -> float:
        return self.now().timestamp()


@dataclass
class Selling:
    """A world with one Amazon account, its connector, and the judge between them."""

    config: WorldConfig
    channel: Channel
    judge: Judge
    client: httpx2.AsyncClient
    clock: Clock

    def query(self, sql: str, *values: object) -> list[Any]:
        with sqlite3.connect(self.config.book_path("channels")) as book:
            rows = book.execute(sql, values).fetchall()
        book.close()
        return rows

    async def sold(self, count: int) -> list[str]:
        """The ids of the orders, once so many are made."""

        async def made() -> list[str]:
            ids = [row[0] for row in self.query("SELECT external_id FROM orders ORDER BY seq")]
            return ids if len(ids) >= count else []

        return await until(made)

    async def receive(self) -> list[Polled]:
        assert self.channel.notifications is not None
        received = await self.channel.notifications.receive()
        return [each.order for each in received if each.order is not None]

    async def status(self) -> Json:
        told: Json = (await self.client.get("/sim/status")).json()
        return told


Start = Callable[..., Any]


@pytest.fixture
def start(make_world: Callable[..., WorldConfig]) -> Start:
    """Starts worlds of one Amazon account."""

    @asynccontextmanager
    async def begin(*, speed: float = QUICKLY, **changes: Any) -> AsyncIterator[Selling]:
        base = make_world(rate=1000.0, **changes)
        shop = base.channels["shop"]
        sold_at = ChannelConfig("amazon", 0, shop.token, shop.webhook_secret, speed)
        config = replace(base, channels={AMAZON: sold_at})
        clock = Clock()

        async with channels_running(config, clock) as ports:
            url = f"http://127.0.0.1:{ports[AMAZON]}"
            network = httpx2.AsyncHTTPTransport()
            judge = Judge(network, "127.0.0.1")
            settings = ChannelSettings(
                "amazon",
                url,
                token=shop.token,
                token_url=f"{url}/auth/o2/token",
                client_id="app",
                client_secret=shop.webhook_secret,
                seller_id=SELLER_ID,
                marketplaces=(MARKETPLACE,),
                queue_url=f"{url}/000000000000/{AMAZON}",
                queue_key_id=AMAZON,
                queue_secret=shop.webhook_secret,
            )
            targets = HttpTargets(transport=judge, shared=NO_LIMITS)
            channel = build_channel(AMAZON, settings, targets)
            try:
                async with httpx2.AsyncClient(base_url=url, trust_env=False) as client:
                    yield Selling(config, channel, judge, client, clock)
            finally:
                await targets.aclose()
                await network.aclose()

    return begin


def confirmation(order: OrderContent, part: int = 1, tracking: str = "1Z1") -> Confirmation:
    lines = tuple(ShippedLine(line.line_no, line.sku, line.quantity) for line in order.lines)
    return Confirmation(
        "K-1",
        f"K-1-{part}",
        order.external_id,
        datetime.now(UTC),
        (Package("006141411234567890", "UPS", tracking, 100, lines),),
        {line.line_no: line.external_id for line in order.lines},
    )


async def test_the_queue_tells_of_every_order_and_the_connector_reads_each(start: Start) -> None:
    async with start(count=12) as selling:
        ids = await selling.sold(12)
        assert selling.channel.notifications is not None
        found: dict[str, Polled] = {}
        while len(found) < 12:  # bounded by the suite's time limit
            received = await selling.channel.notifications.receive()
            found |= {read(orjson.loads(each.order.body)).external_id: each.order for each in received if each.order}
            await selling.channel.notifications.acknowledge([each.receipt for each in received])
        assert sorted(found) == sorted(ids)
        status = await selling.status()
        assert (status["answered"], status["webhooks"], status["done"]) == (12, 12, True)
        assert selling.query("SELECT DISTINCT status FROM messages") == [(None,)]
        assert selling.judge.problems == []


async def test_what_was_not_deleted_comes_again_and_forged_messages_never_come(start: Start) -> None:
    behaviour = replace(Behaviour.calm(), forged=1, malformed=1)
    async with start(count=1, behaviour=behaviour) as selling:
        await selling.sold(1)
        (first, broken) = await selling.receive()
        assert broken.headers["kept-format"] == "amazon-notification"
        headers = {
            "authorization": f"AWS4-HMAC-SHA256 Credential={AMAZON}/x",
            "x-amz-target": "AmazonSQS.ReceiveMessage",
        }
        told = await selling.client.post("/", headers=headers, content=orjson.dumps({"MaxNumberOfMessages": 10}))
        assert told.json() == {"Messages": []}  # hidden
        assert (await selling.client.post("/", headers={"x-amz-target": "x"})).status_code == 403
        assert first.key


async def searched(selling: Selling) -> list[list[str]]:
    """The ids on each page of a search over everything that is old enough."""
    port = selling.channel.poll
    assert port is not None
    now = selling.clock.now()
    pages, cursor = [], ""
    while True:
        page = await port.changed(now - timedelta(days=1), now - port.delay, cursor)
        pages.append([read(orjson.loads(each.body)).external_id for each in page.orders])
        if not page.next_cursor:
            return pages
        cursor = page.next_cursor


async def test_a_search_finds_every_order_page_by_page_once_it_is_old_enough(start: Start) -> None:
    async with start(count=130) as selling:
        ids = await selling.sold(130)
        assert await searched(selling) == [[]]
        selling.clock.ahead = timedelta(minutes=10)
        first, second = await searched(selling)
        assert (len(first), len(second)) == (100, 30)
        assert sorted(first + second) == sorted(ids)
        assert selling.judge.problems == []
        assert selling.channel.poll is not None
        now = selling.clock.now()
        with pytest.raises(PermanentFault, match="two minutes"):
            await selling.channel.poll.changed(now - timedelta(days=1), now)


async def test_a_search_leaves_out_what_the_world_leaves_out(start: Start) -> None:
    async with start(count=40, behaviour=replace(Behaviour.calm(), unlisted=0.5)) as selling:
        ids = await selling.sold(40)
        selling.clock.ahead = timedelta(minutes=10)
        (listed,) = await searched(selling)
        assert 5 < len(listed) < 35
        assert set(listed) < set(ids)


async def test_shipments_are_confirmed_once_however_often_they_are_told(start: Start) -> None:
    async with start(count=1) as selling:
        await selling.sold(1)
        (told,) = await selling.receive()
        order = read(orjson.loads(told.body))
        port = selling.channel.confirm
        assert port is not None
        shipment = confirmation(order)
        assert await port.find(shipment) is None
        assert await port.confirm(shipment, "key") == ChannelShipment("1001")
        assert await port.confirm(shipment, "key") == ChannelShipment("1001")
        assert await port.find(shipment) == ChannelShipment("1001")
        pieces = selling.query("SELECT line_id, sum(quantity) FROM fulfilment_lines GROUP BY line_id ORDER BY line_id")
        assert pieces == [(line.external_id, line.quantity) for line in order.lines]
        with pytest.raises(PermanentFault, match="already fulfilled"):
            await port.confirm(confirmation(order, part=2, tracking="1Z2"), "key2")
        assert selling.query("SELECT count(*) FROM fulfilments") == [(1,)]
        unknown = replace(shipment, channel_order_id="111-9999999-9999999")
        with pytest.raises(PermanentFault) as caught:
            await port.confirm(unknown, "key")
        assert caught.value.code == "NotFound"
        assert selling.judge.problems == []


async def test_a_cancel_takes_effect_a_little_later_and_the_order_says_so(start: Start) -> None:
    async with start(count=1) as selling:
        (order_id,) = await selling.sold(1)
        port = selling.channel.cancel
        assert port is not None
        cancel = ChannelCancel("K-1", order_id, CancelReason.OUT_OF_STOCK, {}, {}, whole=True)
        assert await port.find_cancel(cancel) is None
        selling.clock.stopped = selling.clock.now()
        with pytest.raises(UnknownResult, match="will tell"):
            await port.cancel(cancel, "key")
        with pytest.raises(NotAsked, match="does not show it yet"):
            await port.cancel(cancel, "key")
        selling.clock.ahead += timedelta(seconds=1)
        assert await port.find_cancel(cancel) == ChannelCancelled(order_id)
        assert await port.cancel(cancel, "key") == ChannelCancelled(order_id)
        assert selling.query("SELECT DISTINCT reason FROM cancelled_lines") == [("NoInventory",)]
        assert selling.judge.problems == []


async def test_stock_is_what_was_said_last(start: Start) -> None:
    async with start(count=1) as selling:
        port = selling.channel.push_stock
        assert port is not None
        for quantity in (5, 3):
            assert await port.push([StockOffer("A/B", quantity)], "key") == []
        assert selling.query("SELECT sku, quantity FROM offered_stock") == [("A/B", 3)]
        assert selling.judge.problems == []


async def test_a_call_beyond_the_rate_is_refused_counted_and_told_when_to_come_again(start: Start) -> None:
    async with start(count=1, speed=1.0) as selling:
        port = selling.channel.push_stock
        assert port is not None
        selling.clock.stopped = selling.clock.now()
        for _ in range(5):
            assert await port.push([StockOffer("S", 1)], "key") == []
        with pytest.raises(TemporaryFault) as caught:
            await port.push([StockOffer("S", 1)], "key")
        assert caught.value.retry_after_s == pytest.approx(0.2)
        assert (await selling.status())["beyond_rates"] == {"patchListingsItem": 1}


async def test_faults_befall_calls_and_the_connector_gets_over_them(start: Start) -> None:
    kinds = (FaultKind.HTTP_500_AFTER, FaultKind.CUT_AFTER, FaultKind.HTTP_429)
    async with start(count=1, faults=FaultPlan(rate=1.0, kinds=kinds)) as selling:
        port = selling.channel.push_stock
        assert port is not None
        faults = 0
        for _ in range(20):
            try:
                await port.push([StockOffer("S", 1)], "key")
                break
            except (UnknownResult, TemporaryFault):
                faults += 1
        assert faults >= 1
        assert selling.query("SELECT quantity FROM offered_stock") == [(1,)]
