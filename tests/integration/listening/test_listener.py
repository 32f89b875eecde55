"""ORDER_CHANGE over a real SQS protocol on loopback (moto's server) into a real inbox: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from moto.server import ThreadedMotoServer

from kept.connectors.channels.amazon import faults
from kept.connectors.channels.amazon.client import Seller
from kept.connectors.channels.amazon.mapping import identify, normalise
from kept.connectors.channels.amazon.queue import AmazonQueue
from kept.connectors.http import HttpTarget
from kept.connectors.sqs import SqsQueue
from kept.engine.interfaces import StoreUnavailable
from kept.engine.streams import Streams, connect
from kept.ports import AccessRefused, Channel, PermanentFault, Polled, Received, ReceiveNotifications, TemporaryFault
from kept.processes.listener import Listener
from kept.processes.poller import Poller, Tempo
from kept.settings import Secret
from kept.store.database import Database
from kept.store.inbox import Inbox
from kept.store.polling import PollWindows
from tests.conformance.amazon import MARKETPLACE, ORDER_ID, FakeAmazon, errors
from tests.servers import fetch, until, value_of

Json = dict[str, Any]
NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
VISIBLE_AFTER_S = 1


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """A server that speaks SQS; its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def notification(number: int, order_id: str = ORDER_ID) -> Json:
    return {
        "NotificationVersion": "1.0",
        "NotificationType": "ORDER_CHANGE",
        "PayloadVersion": "1.0",
        "EventTime": "2026-11-03T10:31:00.000Z",
        "Payload": {
            "OrderChangeNotification": {
                "NotificationLevel": "OrderLevel",
                "AmazonOrderId": order_id,
                "OrderChangeType": "OrderStatusChange",
                "OrderChangeTrigger": {"TimeOfOrderChange": "2026-11-03T10:30:00.123Z", "ChangeReason": "x"},
            }
        },
        "NotificationMetadata": {"NotificationId": f"n-{number}"},
    }


@dataclass
class Listening:
    """One account's queue, listener and inbox."""

    queue: Any  # botocore's own client, for what Amazon does with the queue
    url: str
    vendor: FakeAmazon
    port: ReceiveNotifications
    poller: Poller
    database: Database

    def listener(self, port: ReceiveNotifications | None = None) -> Listener:
        return Listener({"shop": port or self.port}, self.poller.take_in)

    async def send(self, *bodies: str | Json) -> None:
        for body in bodies:
            text = body if isinstance(body, str) else orjson.dumps(body).decode()
            await asyncio.to_thread(self.queue.send_message, QueueUrl=self.url, MessageBody=text)

    async def counts(self) -> tuple[int, int]:
        """Messages that wait, and those that somebody has received and not deleted."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = await asyncio.to_thread(self.queue.get_queue_attributes, QueueUrl=self.url, AttributeNames=names)
        waiting, hidden = (int(answer["Attributes"][name]) for name in names)
        return waiting, hidden

    async def inbox(self) -> list[str]:
        return [row["external_key"] for row in await fetch(self.database, "SELECT external_key FROM inbox ORDER BY id")]


def target_of(vendor: FakeAmazon) -> HttpTarget:
    vendor.tokens.add("token")
    headers = {"user-agent": "Kept/0 (Language=Python/3)", "x-amz-access-token": "token"}
    return HttpTarget(
        "channel:shop",
        "http://channel.test",
        timeout_s=5,
        requests_at_once=2,
        headers=headers,
        read_refusal=faults.read_refusal,
        transport=vendor.transport(),
    )


@pytest.fixture
async def listening(
    moto: str, database: Database, redis_url: str, request: pytest.FixtureRequest
) -> AsyncIterator[Listening]:
    sqs = SqsQueue("queue", f"{moto}/x", "key", Secret("secret"), visible_after_s=VISIBLE_AFTER_S)
    client = sqs._open()  # the same client serves as Amazon's end
    url = client.create_queue(QueueName=f"orders-{abs(hash(request.node.name))}")["QueueUrl"]
    vendor = FakeAmazon()
    seller = Seller(target_of(vendor), "A1SELLER", (MARKETPLACE,))
    port = AmazonQueue(SqsQueue("queue", url, "key", Secret("secret"), visible_after_s=VISIBLE_AFTER_S), seller)
    bell = Streams(connect(redis_url), "listener")
    channel = Channel("shop", lambda message, now: None, identify, normalise, None, notifications=port)
    poller = Poller({"shop": channel}, {"shop": Tempo(300)}, PollWindows(database), Inbox(database), bell, lambda: NOW)
    assert poller.queues == {"shop": port}
    yield Listening(client, url, vendor, port, poller, database)
    await bell.aclose()
    client.close()


async def test_a_notification_brings_its_order_as_it_is_now_and_leaves_the_queue(listening: Listening) -> None:
    await listening.send(notification(1), notification(2))
    assert await listening.listener().listen("shop") == 0.0
    assert await listening.inbox() == ["notification:n-1", "notification:n-2"]
    bodies = await fetch(listening.database, "SELECT body FROM inbox")
    assert orjson.loads(bodies[0]["body"]) == listening.vendor.order()
    assert await listening.counts() == (0, 0)
    assert await value_of(listening.database, "SELECT count(*) FROM deliveries WHERE step = 'normalise'") == 2


async def test_a_crash_between_inbox_and_queue_makes_no_second_message_and_loses_none(listening: Listening) -> None:
    class Dying:
        """The process dies before it can take anything off the queue."""

        async def receive(self) -> Sequence[Received]:
            return await listening.port.receive()

        async def acknowledge(self, receipts: Sequence[str]) -> None:
            raise asyncio.CancelledError

    await listening.send(notification(1), notification(2))
    with pytest.raises(asyncio.CancelledError):
        await listening.listener(Dying()).listen("shop")
    assert await listening.inbox() == ["notification:n-1", "notification:n-2"]
    assert await listening.counts() == (0, 2)  # hidden, as long as the first may be alive

    async def again() -> bool:
        await listening.listener().listen("shop")
        return await listening.counts() == (0, 0)

    await until(again)
    assert await listening.inbox() == ["notification:n-1", "notification:n-2"]


async def test_an_inbox_that_cannot_be_reached_leaves_everything_in_the_queue(listening: Listening) -> None:
    async def closed(account: str, orders: Sequence[Polled], way: str) -> object:
        raise StoreUnavailable("down")

    await listening.send(notification(1))
    assert await Listener({"shop": listening.port}, closed).listen("shop") == 10.0
    assert await listening.counts() == (0, 1)

    async def kept() -> bool:
        await listening.listener().listen("shop")
        return bool(await listening.inbox())

    await until(kept)
    assert await listening.inbox() == ["notification:n-1"]


async def test_a_delivery_that_comes_twice_is_one_message(listening: Listening) -> None:
    await listening.send(notification(1), notification(1))
    await listening.listener().listen("shop")
    assert await listening.inbox() == ["notification:n-1"]
    assert await listening.counts() == (0, 0)


async def test_what_cannot_be_read_becomes_a_message_for_people_and_leaves_the_queue(listening: Listening) -> None:
    broken = notification(1)
    del broken["Payload"]
    await listening.send("{not json", broken, notification(2))
    await listening.listener().listen("shop")
    await listening.send("{not json")  # the same again is another message
    await listening.listener().listen("shop")
    keys = await listening.inbox()
    assert len(set(keys)) == 4
    assert keys[2] == "notification:n-2"
    assert await listening.counts() == (0, 0)


async def test_notifications_of_other_kinds_are_taken_off_the_queue_and_leave_nothing(listening: Listening) -> None:
    await listening.send({"NotificationType": "FEED_PROCESSING_FINISHED", "Payload": {}})
    await listening.listener().listen("shop")
    assert await listening.inbox() == []
    assert await listening.counts() == (0, 0)


async def test_an_order_that_is_not_there_yet_is_waited_for_and_then_told_to_people(listening: Listening) -> None:
    await listening.send(notification(1, order_id="404-0000000-0000000"))
    assert await listening.listener().listen("shop") == 1.0
    assert await listening.counts() == (0, 1)

    async def told() -> bool:
        await listening.listener().listen("shop")
        return bool(await listening.inbox())

    await until(told)
    (row,) = await fetch(listening.database, "SELECT external_key, headers FROM inbox")
    assert row["external_key"] == "notification:n-1"
    assert "channel:shop has no order 404-0000000-0000000" in str(row["headers"])
    assert await listening.counts() == (0, 0)


async def test_what_is_throttled_stays_in_the_queue_and_nothing_more_is_asked(listening: Listening) -> None:
    throttled = errors(429, "QuotaExceeded", "You exceeded your quota for the requested resource.")
    throttled.headers["x-amzn-ratelimit-limit"] = "0.5"
    listening.vendor.refusing.append(throttled)
    await listening.send(notification(1), notification(2))
    assert await listening.listener().listen("shop") == 2.0
    assert await listening.inbox() == []
    assert await listening.counts() == (0, 2)
    assert listening.vendor.refusing == []


async def test_what_waits_for_its_turn_is_kept_and_read_without_another_delivery(listening: Listening) -> None:
    patient = SqsQueue("queue", listening.url, "key", Secret("secret"), visible_after_s=60)
    port = AmazonQueue(patient, Seller(target_of(listening.vendor), "A1SELLER", (MARKETPLACE,)))
    broken = notification(1)
    del broken["Payload"]
    await listening.send(broken, notification(2))
    listening.vendor.refusing.append(errors(429, "QuotaExceeded", "You exceeded your quota."))
    assert await listening.listener(port).listen("shop") == 0.0
    assert len(await listening.inbox()) == 1
    assert await listening.counts() == (0, 1)
    assert await listening.listener(port).listen("shop") == 0.0
    assert (await listening.inbox())[1] == "notification:n-2"
    assert await listening.counts() == (0, 0)


async def test_what_waited_for_longer_than_it_is_ours_is_left_to_its_next_delivery(listening: Listening) -> None:
    now_s = 0.0
    patient = SqsQueue("queue", listening.url, "key", Secret("secret"), visible_after_s=60)
    port = AmazonQueue(patient, Seller(target_of(listening.vendor), "A1SELLER", (MARKETPLACE,)), lambda: now_s)
    await listening.send(notification(1))
    listening.vendor.refusing.append(errors(429, "QuotaExceeded", "You exceeded your quota."))
    with pytest.raises(TemporaryFault):
        await port.receive()
    now_s = 49.0
    await listening.send(notification(2))
    (only,) = await port.receive()
    assert only.order is not None
    assert only.order.key == "n-2"


async def test_an_order_that_amazon_refuses_to_show_is_told_to_people(listening: Listening) -> None:
    listening.vendor.refusing.append(errors(400, "InvalidInput", "The order id is not valid."))
    await listening.send(notification(1))
    await listening.listener().listen("shop")
    (row,) = await fetch(listening.database, "SELECT headers, body FROM inbox")
    assert "kept-refusal" in str(row["headers"])
    assert orjson.loads(row["body"]) == notification(1)
    assert await listening.counts() == (0, 0)


async def test_an_account_that_is_refused_loses_nothing(listening: Listening) -> None:
    listening.vendor.refusing.append(errors(403, "Unauthorized", "Access to requested resource is denied."))
    await listening.send(notification(1))
    assert await listening.listener().listen("shop") == 10.0
    assert await listening.counts() == (0, 1)


async def test_the_listener_runs_until_it_is_stopped(listening: Listening) -> None:
    running = asyncio.create_task(listening.listener().run())
    await listening.send(notification(1))

    async def taken() -> bool:
        return bool(await listening.inbox()) and await listening.counts() == (0, 0)

    await until(taken)
    running.cancel()
    await running


# ------------------------------------------------------------------ the queue itself


@pytest.mark.parametrize("path", ["/123456789012/none"])
async def test_a_queue_that_is_not_there_is_told_with_the_setting(moto: str, path: str) -> None:
    with pytest.raises(PermanentFault, match="check queue_url"):
        await SqsQueue("queue", moto + path, "key", Secret("secret")).receive()


async def test_a_server_that_is_down_is_a_temporary_fault() -> None:
    with pytest.raises(TemporaryFault, match="EndpointConnectionError"):
        await SqsQueue("queue", "http://127.0.0.1:1/q", "key", Secret("secret")).receive()


async def test_without_credentials_the_account_is_at_fault(
    moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(AccessRefused, match="queue_key_id"):
        await SqsQueue("queue", f"{moto}/q", "", None).receive()
