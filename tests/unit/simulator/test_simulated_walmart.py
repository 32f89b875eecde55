"""The simulated Walmart before our own connector."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx2
import orjson
import pytest

from kept.connectors.channels.walmart.mapping import identify, normalise
from kept.connectors.channels.walmart.verify import HmacVerify
from kept.connectors.http import HttpTargets
from kept.connectors.registry import build_channel
from kept.domain.events import Package, ShippedLine
from kept.domain.order import OrderContent, Payment
from kept.ports import (
    AccessRefused,
    Acknowledged,
    Acknowledgement,
    CancelReason,
    Channel,
    ChannelCancel,
    ChannelShipment,
    Confirmation,
    Fault,
    Incoming,
    PermanentFault,
    StockOffer,
    TemporaryFault,
    UnknownResult,
)
from kept.settings import ChannelSettings, resolve_secret
from kept.simulator.config import ChannelConfig, WorldConfig
from kept.simulator.faults import FaultKind, FaultPlan
from kept.simulator.orders import make_sale
from kept.simulator.payloads import Version
from kept.simulator.times import moment
from kept.simulator.walmart_payloads import Shipped, Told, order_update, walmart_line_id, walmart_order
from kept.simulator.world import channels_running
from tests.conformance.wire import NO_LIMITS
from tests.servers import until

Json = dict[str, Any]
T = TypeVar("T")
NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
MARKET = "market"
QUICKLY = 1e6  # quotas that never end


def read(order: Json) -> OrderContent:
    content = normalise(MARKET, Incoming({}, orjson.dumps(order)), NOW)
    assert content is not None
    return content


# ------------------------------------------------------------------ payloads


def test_every_sale_is_read_as_what_was_sold_and_its_money_ties() -> None:
    for seq in range(300):
        sale = make_sale(seed=7, seq=seq, now=NOW)
        content = read(walmart_order(sale, Version(age_s=1)))
        assert content.computed_total_minor() == content.total_minor == sale.total_minor
        assert content.payment is (Payment.FREE if sale.total_minor == 0 else Payment.AUTHORISED)
        assert (content.currency, content.email) == (sale.currency, sale.email)
        assert [(line.sku, line.quantity) for line in content.lines] == [
            (line.item.sku, line.wanted) for line in sale.lines
        ]
        assert (content.promise.ship_by, content.promise.deliver_by) == (sale.ship_by, sale.deliver_by)
        assert content.hold == ""
        assert content.ship_to is not None
        assert (content.ship_to.line1, content.ship_to.country) == (sale.ship_to.line1, sale.ship_to.country)
        assert content.acknowledge_by == sale.placed_at + timedelta(hours=4)


def test_states_follow_the_story_and_what_was_said() -> None:
    sale = make_sale(seed=7, seq=3, now=NOW)
    pieces = {walmart_line_id(line.line_no): line.wanted for line in sale.lines}
    fresh = read(walmart_order(sale, Version(age_s=1)))
    taken = read(walmart_order(sale, Version(age_s=1), Told(acknowledged=True, at=NOW)))
    assert taken.acknowledge_by is None
    assert taken.revision > fresh.revision
    shipped = read(walmart_order(sale, Version(age_s=1), Told(True, [Shipped("1Z1", "UPS", pieces)], at=NOW)))
    assert shipped.already_shipped
    assert [line.quantity for line in shipped.lines] == [line.quantity for line in fresh.lines]
    assert read(walmart_order(sale, Version(age_s=1), Told(True, cancelled=pieces))).cancelled
    assert read(walmart_order(sale, Version(age_s=3, cancelled=True))).cancelled


def test_a_notification_has_an_id_of_its_own_and_no_content() -> None:
    sale = make_sale(seed=7, seq=3, now=NOW)
    told = [Incoming({}, orjson.dumps(order_update(sale, Version(age, cancelled=age > 1)))) for age in (1, 1, 2)]
    assert [normalise(MARKET, each, NOW) for each in told] == [None] * 3
    first, again, later = [identify(each) for each in told]
    assert first == again != later


# ------------------------------------------------------------------ the whole party


@dataclass
class Selling:
    """A world with one Walmart account, and its connector."""

    config: WorldConfig
    settings: ChannelSettings
    channel: Channel
    client: httpx2.AsyncClient

    def query(self, sql: str, *values: object) -> list[Any]:
        with sqlite3.connect(self.config.book_path("channels")) as book:
            rows = book.execute(sql, values).fetchall()
        book.close()
        return rows

    async def sold(self, count: int) -> list[OrderContent]:
        """All orders of the list calls, once so many are made."""

        async def made() -> bool:
            return len(self.query("SELECT seq FROM orders")) >= count

        await until(made)
        return await self.listed()

    async def listed(self, ahead: timedelta = timedelta(minutes=1)) -> list[OrderContent]:
        assert self.channel.poll is not None
        now, cursor, found = datetime.now(UTC), "", list[OrderContent]()
        for _ in range(20):
            page = await self.channel.poll.changed(now - timedelta(hours=1), now + ahead, cursor)
            found += [read(orjson.loads(each.body)) for each in page.orders]
            cursor = page.next_cursor
            if not cursor:
                return found
        raise AssertionError("the list has no end")

    async def first(self) -> OrderContent:
        """The first order as it was sold, without asking for it."""

        async def made() -> list[Any]:
            return self.query("SELECT seq, made_at FROM orders")

        ((seq, made_at),) = await until(made)
        return read(walmart_order(make_sale(self.config.seed, seq, moment(made_at)), Version(age_s=1)))

    async def acknowledge(self, order: OrderContent) -> Acknowledged:
        assert self.channel.acknowledge is not None
        return await self.channel.acknowledge.acknowledge(acknowledgement(order), "k")

    async def confirm(self, order: OrderContent, tracking: str = "1Z1") -> ChannelShipment:
        assert self.channel.confirm is not None
        return await self.channel.confirm.confirm(confirmation(order, tracking), "k")

    async def status(self) -> Json:
        told: Json = (await self.client.get("/sim/status")).json()
        return told


Start = Callable[..., Any]


@pytest.fixture
def start(make_world: Callable[..., WorldConfig]) -> Start:
    """Starts worlds of one Walmart account."""

    @asynccontextmanager
    async def begin(
        *, speed: float = QUICKLY, kept_url: str = "http://127.0.0.1:9", **changes: Any
    ) -> AsyncIterator[Selling]:
        base = make_world(rate=1000.0, kept_url=kept_url, **changes)
        shop = base.channels["shop"]
        config = replace(base, channels={MARKET: ChannelConfig("walmart", 0, shop.token, shop.webhook_secret, speed)})
        async with channels_running(config) as ports:
            url = f"http://127.0.0.1:{ports[MARKET]}"
            settings = ChannelSettings("walmart", url, client_id="app", client_secret=shop.token)
            targets = HttpTargets(shared=NO_LIMITS)
            try:
                async with httpx2.AsyncClient(base_url=url, trust_env=False) as client:
                    yield Selling(config, settings, build_channel(MARKET, settings, targets), client)
            finally:
                await targets.aclose()

    return begin


def acknowledgement(order: OrderContent) -> Acknowledgement:
    lines = {line.line_no: line.external_id for line in order.lines}
    return Acknowledgement("K-1", order.external_id, lines, {line.line_no: line.quantity for line in order.lines})


def confirmation(order: OrderContent, tracking: str) -> Confirmation:
    packed = tuple(ShippedLine(line.line_no, line.sku, line.quantity) for line in order.lines)
    package = Package("006141411234567890", "UPS", tracking, 100, packed)
    lines = {line.line_no: line.external_id for line in order.lines}
    return Confirmation("K-1", "K-1-1", order.external_id, datetime.now(UTC), (package,), lines)


def cancel_of(order: OrderContent) -> ChannelCancel:
    said = acknowledgement(order)
    return ChannelCancel(
        "K-1", order.external_id, CancelReason.OUT_OF_STOCK, said.line_ids, said.quantities, whole=True
    )


async def test_every_order_is_listed_over_all_pages(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kept.connectors.channels.walmart.poll.LIMIT", 3)
    async with start(count=8) as selling:
        found = await selling.sold(8)
        ids = [row[0] for row in selling.query("SELECT external_id FROM orders")]
    assert sorted(order.external_id for order in found) == sorted(ids)


async def test_an_order_that_changes_between_two_pages_hides_no_other(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kept.connectors.channels.walmart.poll.LIMIT", 10)
    async with start(count=25) as selling:
        await selling.sold(25)
        assert selling.channel.poll is not None
        now, cursor, found = datetime.now(UTC), "", set[str]()
        for _ in range(20):
            page = await selling.channel.poll.changed(now - timedelta(hours=1), now, cursor)
            orders = [read(orjson.loads(each.body)) for each in page.orders]
            found.update(order.external_id for order in orders)
            for order in orders[:3]:
                await selling.acknowledge(order)
            cursor = page.next_cursor
            if not cursor:
                break
        assert len(found) == 25


def test_a_cancelled_piece_leaves_the_price_of_the_others() -> None:
    changed = 0
    for seq in range(100):
        sale = make_sale(seed=7, seq=seq, now=NOW)
        line = sale.lines[0]
        if line.wanted < 2 or line.discount_minor or sale.tax_included:
            continue
        order = read(walmart_order(sale, Version(age_s=1), Told(cancelled={"1": 1}, at=NOW)))
        left = order.lines[0]
        assert (left.quantity, left.unit_price_minor) == (line.wanted - 1, line.unit_price_minor)
        changed += 1
    assert changed > 0


async def test_the_book_remembers_when_an_order_was_acknowledged(start: Start) -> None:
    async with start(count=1) as selling:
        (order,) = await selling.sold(1)
        before = datetime.now(UTC).timestamp()
        for _ in range(2):
            assert await selling.acknowledge(order) == Acknowledged(order.external_id)
        ((order_id, at),) = selling.query("SELECT external_id, at FROM acknowledgements")
        (echo,) = await selling.listed()
    assert order_id == order.external_id
    assert at >= before
    assert echo.acknowledge_by is None
    assert echo.revision > order.revision


async def test_shipments_are_marked_once_and_only_after_the_acknowledgement(start: Start) -> None:
    async with start(count=1) as selling:
        (order,) = await selling.sold(1)
        with pytest.raises(PermanentFault, match="not acknowledged"):
            await selling.confirm(order)
        await selling.acknowledge(order)
        assert await selling.confirm(order) == await selling.confirm(order) == ChannelShipment("1Z1")
        assert len(selling.query("SELECT id FROM fulfilments")) == 1
        with pytest.raises(PermanentFault, match="is not open for"):
            await selling.confirm(order, tracking="1Z2")
        (echo,) = await selling.listed()
    assert echo.already_shipped
    assert [line.quantity for line in echo.lines] == [line.quantity for line in order.lines]


@pytest.mark.parametrize("kind", [FaultKind.HTTP_500_AFTER, FaultKind.CUT_AFTER])
async def test_lost_answers_ship_nothing_twice(start: Start, kind: FaultKind) -> None:
    async with start(count=1, faults=FaultPlan(rate=1.0, kinds=(kind,))) as selling:
        lost: list[Fault] = []
        order = await selling.first()
        await persistently(lambda: selling.acknowledge(order), lost)
        assert await persistently(lambda: selling.confirm(order), lost) == ChannelShipment("1Z1")
        pieces = selling.query("SELECT line_id, sum(quantity) FROM fulfilment_lines GROUP BY line_id ORDER BY line_id")
    assert any(isinstance(fault, UnknownResult) for fault in lost)
    assert pieces == sorted((line.external_id, line.quantity) for line in order.lines)


async def persistently(call: Callable[[], Awaitable[T]], lost: list[Fault]) -> T:
    """The answer of a call that is made until there is one, at most 20 times; its faults go into `lost`."""
    for _ in range(20):
        try:
            return await call()
        except (TemporaryFault, UnknownResult) as fault:
            lost.append(fault)
    raise AssertionError(f"no answer, but {lost[-1]}")


async def test_what_is_cancelled_is_no_longer_open(start: Start) -> None:
    async with start(count=1) as selling:
        (order,) = await selling.sold(1)
        for _ in range(2):
            await selling.channel.cancel.cancel(cancel_of(order), "k")
        assert await selling.channel.cancel.find_cancel(cancel_of(order)) is not None
        told = selling.query("SELECT line_id, quantity FROM cancellation_lines ORDER BY line_id")
        (echo,) = await selling.listed()
    assert told == sorted((line.external_id, line.quantity) for line in order.lines)
    assert echo.cancelled


async def test_stock_is_what_was_last_told(start: Start) -> None:
    async with start(count=1) as selling:
        for quantity in (7, 4):
            assert await selling.channel.push_stock.push([StockOffer("SKU-0001", quantity)], "k") == []
        assert selling.query("SELECT sku, quantity FROM offered_stock") == [("SKU-0001", 4)]


async def test_calls_beyond_the_rate_are_refused_counted_and_told_when_to_come_back(start: Start) -> None:
    async with start(count=1, speed=1e-9) as selling:
        (order,) = await selling.sold(1)
        await selling.acknowledge(order)
        headers = {
            "wm_sec.access_token": await token(selling),
            "wm_qos.correlation_id": "1",
            "wm_svc.name": "Walmart Marketplace",
        }
        path = f"/v3/orders/{order.external_id}/acknowledge"
        answers = [await selling.client.post(path, headers=headers) for _ in range(60)]
        assert [each.status_code for each in answers] == [200] * 59 + [429]
        assert [answers[at].headers["x-current-token-count"] for at in (0, 58, 59)] == ["58", "0", "0"]
        assert (await selling.status())["beyond_rates"] == {"acknowledgeOrders": 1}
        assert answers[-1].json()["errors"]["error"][0]["code"] == "REQUEST_THRESHOLD_VIOLATED.GMP_GATEWAY_API"
        assert int(answers[-1].headers["x-next-replenishment-time"]) > datetime.now(UTC).timestamp()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"trackingInfo": None}, id="no tracking"),
        pytest.param({"trackingInfo": {"trackingNumber": "1Z1", "carrierName": {}}}, id="no carrier"),
        pytest.param({"statusQuantity": {"unitOfMeasurement": "EACH", "amount": "one"}}, id="no number"),
    ],
)
async def test_a_shipment_that_is_not_of_the_schema_is_answered_with_walmarts_400(start: Start, change: Json) -> None:
    async with start(count=1) as selling:
        (order,) = await selling.sold(1)
        await selling.acknowledge(order)
        headers = {
            "wm_sec.access_token": await token(selling),
            "wm_qos.correlation_id": "1",
            "wm_svc.name": "Walmart Marketplace",
        }
        status = {
            "status": "Shipped",
            "statusQuantity": {"unitOfMeasurement": "EACH", "amount": "1"},
            "trackingInfo": {"trackingNumber": "1Z1", "carrierName": {"carrier": "UPS"}},
        } | change
        line = {"lineNumber": "1", "orderLineStatuses": {"orderLineStatus": [status]}}
        body = {"orderShipment": {"orderLines": {"orderLine": [line]}}}
        answer = await selling.client.post(f"/v3/orders/{order.external_id}/shipping", headers=headers, json=body)
        assert answer.status_code == 400
        assert answer.json()["errors"]["error"][0]["code"] == "INVALID_REQUEST_CONTENT.GMP_ORDER_API"
        assert selling.query("SELECT count(*) FROM fulfilments") == [(0,)]


async def token(selling: Selling) -> str:
    secret = resolve_secret(selling.settings.client_secret).reveal()
    answer = await selling.client.post(
        "/v3/token", data={"grant_type": "client_credentials"}, auth=httpx2.BasicAuth("app", secret)
    )
    given: str = answer.json()["access_token"]
    return given


async def test_a_wrong_secret_is_refused(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRONG", "letmein")
    async with start(count=1) as selling:
        targets = HttpTargets(shared=NO_LIMITS)
        channel = build_channel(MARKET, replace(selling.settings, client_secret="env:WRONG"), targets)
        assert channel.cancel is not None
        with pytest.raises(AccessRefused):
            await channel.cancel.find_cancel(ChannelCancel("K", "1", CancelReason.OTHER, {}, {}, whole=True))
        await targets.aclose()


async def test_notifications_are_signed_as_the_subscription_says(start: Start, kept: Any) -> None:
    async with start(count=2, kept_url=kept.url) as selling:
        await kept.until(lambda hooks: len(hooks) >= 2)
        secret = resolve_secret(selling.config.channels[MARKET].webhook_secret)
        for hook in kept.hooks:
            HmacVerify((secret,))(Incoming(hook.headers, hook.body), NOW)
