"""The notifier over real HTTP: at least once, in order per order, and no order waits for another one's failure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from kept.domain import events as ev
from kept.domain.notifying import RETRY_AFTER_S
from kept.domain.order import OrderContent
from kept.processes.notifier import Notifier
from kept.settings import EventSettings
from tests.integration.events.conftest import LOOPBACK, VALIDATED, Clock, Notifying
from tests.integration.events.listening import OLD_SECRET, SECRET, Answer, Heard, Listener, refuse
from tests.integration.store.driving import done
from tests.servers import execute, until
from tests.unit.domain import samples


async def test_an_orders_whole_life_is_told_in_order_and_signed(notifying: Notifying, listener: Listener) -> None:
    identity = await notifying.subscribe(listener.url)
    await notifying.driver.stock_up()
    order = await notifying.driver.shipped()
    await notifying.work()
    assert [heard.event["type"] for heard in listener.heard] == [
        "io.kept.order.received",
        "io.kept.order.validated",
        "io.kept.order.routed",
        "io.kept.order.booked",
        "io.kept.fulfilment.released",
        "io.kept.fulfilment.shipped",
        "io.kept.fulfilment.advised",
        "io.kept.fulfilment.confirmed",
        "io.kept.fulfilment.posted",
        "io.kept.order.completed",
    ]
    for heard in listener.heard:
        assert Webhook(SECRET).verify(heard.body, heard.headers) == heard.event
        assert heard.headers["content-type"] == "application/cloudevents+json"
        assert heard.headers["webhook-id"] == heard.event["id"]
    assert listener.sequences(order.reference) == sorted(listener.sequences(order.reference))
    shown = await notifying.shown(identity)
    assert (shown["state"], shown["behind"], shown["blocked_orders"], shown["last_error"]) == ("active", 0, 0, "")
    tries = await notifying.subscriptions.notifications(identity, 100)
    assert [each["event"] for each in reversed(tries)] == [heard.event["id"] for heard in listener.heard]
    assert {(each["status"], each["attempt"], each["error"]) for each in tries} == {(204, 1, "")}


async def test_two_secrets_in_rotation_both_verify_and_a_third_does_not(
    notifying: Notifying, listener: Listener
) -> None:
    await notifying.subscribe(listener.url, secrets=("env:KEPT_TEST_SECRET", "env:KEPT_TEST_OLD_SECRET"))
    await notifying.driver.order()
    await notifying.work()
    heard = listener.heard[0]
    for secret in (SECRET, OLD_SECRET):
        assert Webhook(secret).verify(heard.body, heard.headers) == heard.event
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_bm9ib2R5cw==").verify(heard.body, heard.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(heard.body + b" ", heard.headers)


async def test_only_chosen_types_and_accounts_are_told_and_personal_data_only_where_allowed(
    notifying: Notifying, listener: Listener, other_listener: Listener
) -> None:
    await notifying.subscribe(listener.url, types=("io.kept.order.received",))
    await notifying.subscribe(other_listener.url, accounts=("shop",), personal_data=True)
    await notifying.subscribe(other_listener.url, accounts=("market",))
    await notifying.orders(1)
    await notifying.work()
    assert [heard.event["type"] for heard in listener.heard] == ["io.kept.order.received"]
    assert b"ada@example.com" not in listener.heard[0].body
    assert b"Main St" not in listener.heard[0].body
    assert len(other_listener.heard) == 2
    personal = other_listener.heard[0].event["data"]["personal"]
    assert (personal["email"], personal["ship_to"]["line1"]) == ("ada@example.com", "1 Main St")


async def test_a_refused_event_holds_back_its_order_and_no_other(notifying: Notifying, listener: Listener) -> None:
    identity = await notifying.subscribe(listener.url)
    first, second, third = await notifying.orders(3)
    listener.answer = refuse(second)
    await notifying.work()
    assert (listener.sequences(first), listener.sequences(second), listener.sequences(third)) == ([1, 2], [1], [1, 2])
    shown = await notifying.shown(identity)
    assert (shown["state"], shown["blocked_orders"], shown["behind"]) == ("active", 1, 0)
    assert shown["last_error"] == "answered 500"
    lane = (await notifying.subscriptions.lanes(identity))[0]
    assert (lane["reference"], lane["attempts"], lane["last_error"]) == (second, 1, "answered 500")
    # Later orders go on while it waits.
    (fourth,) = await notifying.orders(1)
    await notifying.work()
    assert (listener.sequences(second), listener.sequences(fourth)) == ([1], [1, 2])
    listener.answer = refuse()
    notifying.clock.move(RETRY_AFTER_S[0])
    await notifying.work()
    assert listener.sequences(second) == [1, 1, 2]
    assert await notifying.lanes() == []


async def test_what_happens_to_a_blocked_order_meanwhile_follows_in_order(
    notifying: Notifying, listener: Listener
) -> None:
    await notifying.subscribe(listener.url)
    blocked = await notifying.driver.order()
    other = await notifying.driver.order()
    listener.answer = refuse(blocked.reference)
    await notifying.work()
    await notifying.driver.advance("validate", VALIDATED, order_id=blocked.id)
    await notifying.driver.advance("validate", VALIDATED, order_id=other.id)
    await notifying.work()
    assert listener.sequences(blocked.reference) == [1]
    assert listener.sequences(other.reference) == [1, 2]
    listener.answer = refuse()
    notifying.clock.move(RETRY_AFTER_S[0])
    await notifying.work()
    assert listener.sequences(blocked.reference) == [1, 1, 2]


async def test_order_is_kept_per_order_under_concurrency_and_random_failures(
    notifying: Notifying, listener: Listener, make_notifier: Callable[[Clock, EventSettings], Notifier]
) -> None:
    await notifying.subscribe(listener.url)
    names = await notifying.orders(12)
    await notifying.publish()
    calls = 0

    def answer(_: Heard) -> Answer:
        nonlocal calls
        calls += 1
        return 503 if calls % 3 == 0 else 200

    listener.answer = answer
    taken: dict[str, list[int]] = {}

    def note(heard: Heard) -> Answer:
        status = answer(heard)
        if status == 200 and heard.sequence not in taken.setdefault(heard.subject, []):
            taken[heard.subject].append(heard.sequence)
        return status

    listener.answer = note
    others = [notifying.notifier, make_notifier(notifying.clock, LOOPBACK)]
    for _ in range(40):
        claims = await asyncio.gather(*(each.claim() for each in others))
        assert sum(claim is not None for claim in claims) <= 1  # a subscription is one notifier's
        for each, claim in zip(others, claims, strict=True):
            if claim is not None:
                await each.round(claim)
        notifying.clock.move(100_000)
        if not await notifying.lanes() and all(taken.get(name) == [1, 2] for name in names):
            break
    assert taken == {name: [1, 2] for name in names}


async def test_an_endpoint_is_sent_so_many_orders_at_once_and_no_more(notifying: Notifying, listener: Listener) -> None:
    await notifying.subscribe(listener.url)
    names = await notifying.orders(LOOPBACK.requests_at_once + 4)
    listener.gate.clear()
    working = asyncio.create_task(notifying.work())
    await until(lambda: listener.at_once == LOOPBACK.requests_at_once)
    listener.gate.set()
    await working
    assert listener.at_once_max == LOOPBACK.requests_at_once
    assert {name: listener.sequences(name) for name in names} == {name: [1, 2] for name in names}


async def test_a_crash_between_sending_and_recording_repeats_and_loses_nothing(
    notifying: Notifying, listener: Listener, make_notifier: Callable[[Clock, EventSettings], Notifier]
) -> None:
    await notifying.subscribe(listener.url)
    (name,) = await notifying.orders(1)
    await notifying.publish()
    listener.gate.clear()
    claim = await notifying.notifier.claim()
    assert claim is not None
    dying = asyncio.create_task(notifying.notifier.round(claim))
    await until(lambda: len(listener.heard) == 1)  # it is with the endpoint; nothing is recorded
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    listener.gate.set()
    successor = make_notifier(notifying.clock, LOOPBACK)
    assert await successor.claim() is None  # for as long as the first may be alive
    await notifying.end_leases()
    taken_over = await successor.claim()
    assert taken_over is not None
    assert await successor.round(taken_over)
    assert listener.sequences(name) == [1, 1, 2]
    assert len({heard.event["id"] for heard in listener.heard}) == 2


async def test_a_notifier_that_lost_its_claim_records_nothing(notifying: Notifying, listener: Listener) -> None:
    identity = await notifying.subscribe(listener.url)
    (name,) = await notifying.orders(1)
    await notifying.publish()
    slow = await notifying.notifier.claim()
    assert slow is not None
    await notifying.end_leases()
    quick = await notifying.notifier.claim()
    assert quick is not None
    assert await notifying.notifier.round(slow) is False
    assert (await notifying.shown(identity))["behind"] == 2
    assert await notifying.notifier.round(quick) is True
    assert (await notifying.shown(identity))["behind"] == 0
    assert listener.sequences(name) == [1, 2, 1, 2]


async def test_an_event_that_cannot_be_written_holds_back_its_order_and_no_other(
    notifying: Notifying, listener: Listener
) -> None:
    identity = await notifying.subscribe(listener.url)
    broken, whole = await notifying.orders(2)
    await execute(
        notifying.database,
        "UPDATE ledger SET data = '{\"message_id\": 0}' WHERE seq = 1 AND order_id ="
        " (SELECT id FROM orders WHERE reference = $1)",
        broken,
    )
    await notifying.work()
    assert (listener.sequences(broken), listener.sequences(whole)) == ([], [1, 2])
    assert (await notifying.shown(identity))["last_error"] == "the event can't be written: AssertionError"


async def test_a_long_lane_is_sent_whole_and_in_order(notifying: Notifying, listener: Listener) -> None:
    await notifying.subscribe(listener.url)
    order = await notifying.driver.order()
    other = await notifying.driver.order()
    listener.answer = refuse(order.reference)
    await notifying.work()
    for revision in range(1, 61):
        content: OrderContent = samples.content(revision=100 + revision, external_id=order.content.external_id)
        loaded = await notifying.driver.normalised(content)
        current = (await notifying.driver.orders.by_ids([order.id]))[order.id]
        revised = ev.OrderRevised(content.revision, loaded.subject.id)
        await notifying.driver.settle(done(loaded, ev.MessageProcessed(), revised, about=current, content=content))
    listener.answer = refuse()
    notifying.clock.move(RETRY_AFTER_S[0])
    await notifying.work()
    assert listener.sequences(order.reference) == [1, *range(1, 62)]
    assert listener.sequences(other.reference) == [1]
    assert await notifying.lanes() == []
