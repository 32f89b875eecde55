"""The notifier over real HTTP: at least once, in order per order, and nobody waits for somebody else's failure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from kept.domain import events as ev
from kept.domain.notifying import RETRY_AFTER_S, Pause
from kept.domain.order import OrderContent
from kept.processes.notifier import Notifier
from kept.settings import EventSettings
from tests.integration.events.conftest import LOOPBACK, Clock, Notifying
from tests.integration.events.listening import OLD_SECRET, SECRET, Answer, Heard, Listener
from tests.integration.store.driving import done
from tests.servers import execute, fetch, until, value_of
from tests.unit.domain import samples

VALIDATED = ev.OrderValidated("C-1")


async def orders(notifying: Notifying, count: int) -> list[str]:
    """References of new orders with two events each: received and validated."""
    made = [await notifying.driver.order() for _ in range(count)]
    for order in made:
        await notifying.driver.advance("validate", VALIDATED, order_id=order.id)
    return [order.reference for order in made]


def refuse(*subjects: str, status: int = 500) -> Callable[[Heard], Answer]:
    return lambda heard: status if heard.subject in subjects else 204


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
    await orders(notifying, 1)
    await notifying.work()
    assert [heard.event["type"] for heard in listener.heard] == ["io.kept.order.received"]
    assert b"ada@example.com" not in listener.heard[0].body
    assert b"Main St" not in listener.heard[0].body
    assert len(other_listener.heard) == 2
    personal = other_listener.heard[0].event["data"]["personal"]
    assert (personal["email"], personal["ship_to"]["line1"]) == ("ada@example.com", "1 Main St")


async def test_a_refused_event_holds_back_its_order_and_no_other(notifying: Notifying, listener: Listener) -> None:
    identity = await notifying.subscribe(listener.url)
    first, second, third = await orders(notifying, 3)
    listener.answer = refuse(second)
    await notifying.work()
    assert (listener.sequences(first), listener.sequences(second), listener.sequences(third)) == ([1, 2], [1], [1, 2])
    shown = await notifying.shown(identity)
    assert (shown["state"], shown["blocked_orders"], shown["behind"]) == ("active", 1, 0)
    assert shown["last_error"] == "answered 500"
    lane = (await notifying.subscriptions.lanes(identity))[0]
    assert (lane["reference"], lane["attempts"], lane["last_error"]) == (second, 1, "answered 500")
    # Later orders go on while it waits.
    (fourth,) = await orders(notifying, 1)
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
    names = await orders(notifying, 12)
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
    names = await orders(notifying, LOOPBACK.requests_at_once + 4)
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
    (name,) = await orders(notifying, 1)
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
    (name,) = await orders(notifying, 1)
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


async def test_an_endpoint_that_takes_nothing_is_asked_ever_more_seldom_then_paused_and_resumed(
    notifying: Notifying, listener: Listener
) -> None:
    identity = await notifying.subscribe(listener.url)
    names = await orders(notifying, 30)
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
    names = await orders(notifying, 4)
    listener.answer = lambda _: 500
    await notifying.work()
    notifying.clock.move(RETRY_AFTER_S[0])
    (later,) = await orders(notifying, 1)
    await notifying.work()
    notifying.clock.move(RETRY_AFTER_S[1])
    listener.answer = refuse()
    listener.heard.clear()
    await orders(notifying, 1)
    await notifying.work()
    assert {name: listener.sequences(name) for name in [*names, later]} == {name: [1, 2] for name in [*names, later]}
    assert (await notifying.shown(identity))["state"] == "active"


async def test_one_order_that_is_always_refused_does_not_pause_the_endpoint_and_waits_for_a_person(
    notifying: Notifying, listener: Listener
) -> None:
    identity = await notifying.subscribe(listener.url)
    poison, _ = await orders(notifying, 2)
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
    await orders(notifying, 3)
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
    await orders(notifying, 1)
    listener.answer = lambda _: 410
    await notifying.work()
    shown = await notifying.shown(identity)
    assert (shown["state"], shown["why"]) == ("paused", Pause.GONE.value)
    assert len(listener.heard) == 1


async def test_a_redirect_is_not_followed(notifying: Notifying, listener: Listener, other_listener: Listener) -> None:
    identity = await notifying.subscribe(listener.url)
    await orders(notifying, 1)
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
        (first,) = await orders(notifying, 1)
        await until(lambda: listener.heard)  # it has its first event and does not answer
        await until(lambda: other_listener.sequences(first) == [1, 2])
        (second,) = await orders(notifying, 1)
        await until(lambda: other_listener.sequences(second) == [1, 2])
        assert len(listener.heard) == 1
        listener.gate.set()
        await until(lambda: listener.sequences(second) == [1, 2])
    finally:
        listener.gate.set()
        stopping.set()
        await running


async def test_an_endpoint_that_does_not_answer_in_time_failed(
    notifying: Notifying, listener: Listener, make_notifier: Callable[[Clock, EventSettings], Notifier]
) -> None:
    identity = await notifying.subscribe(listener.url)
    await orders(notifying, 1)
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
    await orders(notifying, 1)
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
    (name,) = await orders(notifying, 1)
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
    early = await orders(notifying, 2)
    await notifying.work()
    await execute(notifying.database, "UPDATE publications SET at = at - interval '1 day'")
    since = notifying.clock()
    late = await orders(notifying, 2)
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
    (before,) = await orders(notifying, 1)
    await notifying.publish()
    await notifying.subscribe(listener.url)
    await notifying.subscribe(other_listener.url, position=0)
    (after,) = await orders(notifying, 1)
    await notifying.work()
    assert {heard.subject for heard in listener.heard} == {after}
    assert {heard.subject for heard in other_listener.heard} == {before, after}


async def test_a_pause_while_events_are_sent_is_kept_and_loses_nothing(
    notifying: Notifying, listener: Listener
) -> None:
    identity = await notifying.subscribe(listener.url)
    (name,) = await orders(notifying, 1)
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
    names = await orders(notifying, 4)
    listener.answer = refuse(*names[:3])
    await notifying.work()
    shown = await notifying.shown(identity)
    assert (shown["state"], shown["why"]) == ("paused", Pause.TOO_MANY_LANES.value)


async def test_an_event_that_cannot_be_written_holds_back_its_order_and_no_other(
    notifying: Notifying, listener: Listener
) -> None:
    identity = await notifying.subscribe(listener.url)
    broken, whole = await orders(notifying, 2)
    await execute(
        notifying.database,
        "UPDATE ledger SET data = '{\"message_id\": 0}' WHERE seq = 1 AND order_id ="
        " (SELECT id FROM orders WHERE reference = $1)",
        broken,
    )
    await notifying.work()
    assert (listener.sequences(broken), listener.sequences(whole)) == ([], [1, 2])
    assert (await notifying.shown(identity))["last_error"] == "the event can't be written: AssertionError"


async def test_a_deleted_subscription_is_forgotten_whole(notifying: Notifying, listener: Listener) -> None:
    identity = await notifying.subscribe(listener.url)
    (name,) = await orders(notifying, 1)
    listener.answer = refuse(name)
    await notifying.work()
    assert await notifying.subscriptions.delete(identity, "test")
    for table in ("subscriptions", "lanes", "notifications"):
        assert await value_of(notifying.database, f"SELECT count(*) FROM {table}") == 0


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
