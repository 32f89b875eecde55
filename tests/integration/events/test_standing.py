"""Endpoints that fail, recover, are paused, resumed, asked for again: none loses an event or slows another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from kept.domain.notifying import RETRY_AFTER_S, Pause
from kept.processes.notifier import Notifier
from kept.settings import EventSettings
from tests.integration.events.conftest import LOOPBACK, Clock, Notifying
from tests.integration.events.listening import Listener, refuse
from tests.servers import execute, fetch, until, value_of


async def test_an_endpoint_that_takes_nothing_is_asked_ever_more_seldom_then_paused_and_resumed(
    notifying: Notifying, listener: Listener
) -> None:
    identity = await notifying.subscribe(listener.url)
    names = await notifying.orders(30)
    listener.answer = lambda _: 502
    await notifying.work()
    # It gave up after as many as go at once, and sends no more than one from now on.
    assert len(listener.heard) == LOOPBACK.requests_at_once
    shown = await notifying.shown(identity)
    assert (shown["state"], shown["failures"], shown["last_error"]) == ("failing", 1, "answered 502")
    for failures, wait_s in enumerate(RETRY_AFTER_S, start=1):
        heard = len(listener.heard)
        notifying.clock.move(wait_s - 1)
        assert await notifying.work() == 0
        notifying.clock.move(1)
        await notifying.work()
        assert len(listener.heard) == heard + 1
        assert (await notifying.shown(identity))["failures"] == failures + 1
    shown = await notifying.shown(identity)
    assert (shown["state"], shown["why"]) == ("paused", Pause.FAILING.value)
    assert sum(RETRY_AFTER_S) > 3 * 86_400  # it was tried for more than three days
    notifying.clock.move(1_000_000)
    assert await notifying.work() == 0
    listener.answer = refuse()
    assert await notifying.subscriptions.resume(identity, "test")
    listener.heard.clear()
    await notifying.work()
    assert {name: listener.sequences(name) for name in names} == {name: [1, 2] for name in names}
    shown = await notifying.shown(identity)
    assert (shown["state"], shown["behind"], shown["blocked_orders"]) == ("active", 0, 0)


async def test_an_endpoint_that_recovers_gets_everything_at_once(notifying: Notifying, listener: Listener) -> None:
    identity = await notifying.subscribe(listener.url)
    names = await notifying.orders(4)
    listener.answer = lambda _: 500
    await notifying.work()
    notifying.clock.move(RETRY_AFTER_S[0])
    (later,) = await notifying.orders(1)
    await notifying.work()
    notifying.clock.move(RETRY_AFTER_S[1])
    listener.answer = refuse()
    listener.heard.clear()
    await notifying.orders(1)
    await notifying.work()
    assert {name: listener.sequences(name) for name in [*names, later]} == {name: [1, 2] for name in [*names, later]}
    assert (await notifying.shown(identity))["state"] == "active"


async def test_one_order_that_is_always_refused_does_not_pause_the_endpoint_and_waits_for_a_person(
    notifying: Notifying, listener: Listener
) -> None:
    identity = await notifying.subscribe(listener.url)
    poison, _ = await notifying.orders(2)
    listener.answer = refuse(poison, status=400)
    await notifying.work()
    for wait_s in RETRY_AFTER_S:
        notifying.clock.move(wait_s)
        await notifying.work()
    assert listener.sequences(poison) == [1] * (len(RETRY_AFTER_S) + 1)
    shown = await notifying.shown(identity)
    assert (shown["state"], shown["blocked_orders"], shown["given_up_orders"]) == ("active", 1, 1)
    notifying.clock.move(1_000_000)
    assert await notifying.work() == 0
    listener.answer = refuse()
    await notifying.subscriptions.resume(identity, "test")
    await notifying.work()
    assert listener.sequences(poison)[-2:] == [1, 2]
    assert await notifying.lanes() == []


async def test_retry_after_is_obeyed(notifying: Notifying, listener: Listener) -> None:
    await notifying.subscribe(listener.url)
    await notifying.orders(3)
    listener.answer = lambda _: (429, {"retry-after": "120"})
    await notifying.work()
    heard = len(listener.heard)
    notifying.clock.move(119)
    assert await notifying.work() == 0
    notifying.clock.move(1)
    listener.answer = refuse()
    await notifying.work()
    assert len(listener.heard) == heard + 6


async def test_gone_pauses_at_once(notifying: Notifying, listener: Listener) -> None:
    identity = await notifying.subscribe(listener.url)
    await notifying.orders(1)
    listener.answer = lambda _: 410
    await notifying.work()
    shown = await notifying.shown(identity)
    assert (shown["state"], shown["why"]) == ("paused", Pause.GONE.value)
    assert len(listener.heard) == 1


async def test_a_redirect_is_not_followed(notifying: Notifying, listener: Listener, other_listener: Listener) -> None:
    identity = await notifying.subscribe(listener.url)
    await notifying.orders(1)
    listener.answer = lambda _: (307, {"location": other_listener.url})
    await notifying.work()
    assert other_listener.heard == []
    assert "redirects are not followed" in (await notifying.shown(identity))["last_error"]


async def test_a_slow_endpoint_slows_no_other(
    notifying: Notifying, listener: Listener, other_listener: Listener
) -> None:
    await notifying.subscribe(listener.url)
    await notifying.subscribe(other_listener.url)
    listener.gate.clear()
    stopping = asyncio.Event()
    running = asyncio.create_task(notifying.notifier.run(stopping))
    try:
        (first,) = await notifying.orders(1)
        await until(lambda: listener.heard)  # it has its first event and does not answer
        await until(lambda: other_listener.sequences(first) == [1, 2])
        (second,) = await notifying.orders(1)
        await until(lambda: other_listener.sequences(second) == [1, 2])
        assert len(listener.heard) == 1
        listener.gate.set()
        await until(lambda: listener.sequences(second) == [1, 2])
    finally:
        listener.gate.set()
        stopping.set()
        await running


async def test_a_notifier_that_is_stopped_sends_nothing_more_and_records_what_it_sent(
    notifying: Notifying, listener: Listener
) -> None:
    identity = await notifying.subscribe(listener.url)
    listener.gate.clear()
    stopping = asyncio.Event()
    running = asyncio.create_task(notifying.notifier.run(stopping))
    (name,) = await notifying.orders(1)
    await until(lambda: listener.heard)
    stopping.set()
    await until(lambda: notifying.notifier.stopping)
    listener.gate.set()
    await running
    assert listener.sequences(name) == [1]
    tries = await notifying.subscriptions.notifications(identity, 10)
    assert [(each["status"], each["error"]) for each in tries] == [(204, "")]
    assert (await notifying.shown(identity))["cursor"] == await notifying.feed.position_of(name, 1)


async def test_an_endpoint_that_does_not_answer_in_time_failed(
    notifying: Notifying, listener: Listener, make_notifier: Callable[[Clock, EventSettings], Notifier]
) -> None:
    identity = await notifying.subscribe(listener.url)
    await notifying.orders(1)
    await notifying.publish()
    listener.gate.clear()
    impatient = make_notifier(
        notifying.clock, EventSettings(allowed_networks=LOOPBACK.allowed_networks, timeout_s=0.05)
    )
    claim = await impatient.claim()
    assert claim is not None
    await impatient.round(claim)
    assert (await notifying.shown(identity))["last_error"] == "no answer within 0.05 s"


async def test_an_endpoint_that_is_not_there_or_not_allowed_is_shown(
    notifying: Notifying, make_notifier: Callable[[Clock, EventSettings], Notifier]
) -> None:
    nobody = await notifying.subscribe("http://127.0.0.1:9/events")
    private = await notifying.subscribe("https://10.0.0.7/events")
    unset = await notifying.subscribe("https://127.0.0.1:9/", secrets=("env:KEPT_TEST_NOT_THERE",))
    await notifying.orders(1)
    await notifying.work()
    assert (await notifying.shown(nobody))["last_error"] == "no connection, or no HTTP on it: ConnectError"
    assert "private address" in (await notifying.shown(private))["last_error"]
    assert "KEPT_TEST_NOT_THERE" in (await notifying.shown(unset))["last_error"]
    for identity in (nobody, private, unset):
        shown = await notifying.shown(identity)
        assert (shown["state"], shown["failures"], shown["blocked_orders"]) == ("failing", 1, 1)
    strict = make_notifier(notifying.clock, EventSettings())
    notifying.clock.move(RETRY_AFTER_S[0])
    while (claim := await strict.claim()) is not None:
        await strict.round(claim)
    assert "must be https" in (await notifying.shown(nobody))["last_error"]


async def test_one_event_is_sent_again_alone(notifying: Notifying, listener: Listener) -> None:
    identity = await notifying.subscribe(listener.url)
    (name,) = await notifying.orders(1)
    await notifying.work()
    position = await notifying.feed.position_of(name, 1)
    assert position is not None
    listener.answer = refuse(name)
    assert await notifying.subscriptions.redeliver_event(identity, position, "test")
    await notifying.work()
    listener.answer = refuse()
    notifying.clock.move(RETRY_AFTER_S[0])
    await notifying.work()
    assert listener.sequences(name) == [1, 2, 1, 1]
    assert len({heard.body for heard in listener.heard if heard.sequence == 1}) == 1  # the same to the byte
    assert await value_of(notifying.database, "SELECT count(*) FROM redeliveries") == 0
    assert (await notifying.shown(identity))["failures"] == 0


async def test_everything_since_a_time_is_sent_again_in_order(notifying: Notifying, listener: Listener) -> None:
    identity = await notifying.subscribe(listener.url)
    early = await notifying.orders(2)
    await notifying.work()
    await execute(notifying.database, "UPDATE publications SET at = at - interval '1 day'")
    since = notifying.clock()
    late = await notifying.orders(2)
    await notifying.work()
    listener.heard.clear()
    position = await notifying.feed.position_before(since)
    assert await notifying.subscriptions.redeliver_after(identity, position, "test")
    await notifying.work()
    assert [listener.sequences(name) for name in late] == [[1, 2], [1, 2]]
    assert [listener.sequences(name) for name in early] == [[], []]


async def test_a_subscription_begins_with_what_comes_or_with_what_was(
    notifying: Notifying, listener: Listener, other_listener: Listener
) -> None:
    (before,) = await notifying.orders(1)
    await notifying.publish()
    await notifying.subscribe(listener.url)
    await notifying.subscribe(other_listener.url, position=0)
    (after,) = await notifying.orders(1)
    await notifying.work()
    assert {heard.subject for heard in listener.heard} == {after}
    assert {heard.subject for heard in other_listener.heard} == {before, after}


async def test_a_pause_while_events_are_sent_is_kept_and_loses_nothing(
    notifying: Notifying, listener: Listener
) -> None:
    identity = await notifying.subscribe(listener.url)
    (name,) = await notifying.orders(1)
    await notifying.publish()
    claim = await notifying.notifier.claim()
    assert claim is not None
    assert await notifying.subscriptions.pause(identity, "test")
    assert await notifying.notifier.round(claim) is False
    shown = await notifying.shown(identity)
    assert (shown["state"], shown["why"], shown["behind"]) == ("paused", Pause.BY_PERSON.value, 2)
    assert await notifying.work() == 0
    await notifying.subscriptions.resume(identity, "test")
    await notifying.work()
    assert listener.sequences(name)[-2:] == [1, 2]
    actions = [row["action"] for row in await fetch(notifying.database, "SELECT action FROM audit_log ORDER BY id")]
    assert actions == ["subscription.created", "subscription.paused", "subscription.resumed"]


async def test_too_many_refused_orders_pause_the_subscription(
    notifying: Notifying, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kept.store.rounds.LANES_MAX", 2)
    identity = await notifying.subscribe(listener.url)
    names = await notifying.orders(4)
    listener.answer = refuse(*names[:3])
    await notifying.work()
    shown = await notifying.shown(identity)
    assert (shown["state"], shown["why"]) == ("paused", Pause.TOO_MANY_LANES.value)
    # While they get fewer, those that still fail don't pause it again.
    listener.answer = refuse(names[0])
    await notifying.subscriptions.resume(identity, "test")
    await notifying.work()
    shown = await notifying.shown(identity)
    assert (shown["state"], shown["blocked_orders"], shown["behind"]) == ("active", 1, 0)


async def test_a_deleted_subscription_is_forgotten_whole(notifying: Notifying, listener: Listener) -> None:
    identity = await notifying.subscribe(listener.url)
    (name,) = await notifying.orders(1)
    listener.answer = refuse(name)
    await notifying.work()
    assert await notifying.subscriptions.delete(identity, "test")
    for table in ("subscriptions", "lanes", "notifications"):
        assert await value_of(notifying.database, f"SELECT count(*) FROM {table}") == 0
