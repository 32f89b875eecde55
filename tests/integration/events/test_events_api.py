"""Subscriptions and the feed over the API and the command line."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kept.domain import events as ev
from tests.integration.api.serving import Api, Reply, serving_api, settings_for
from tests.integration.events.conftest import LOOPBACK, Notifying
from tests.integration.events.listening import Listener
from tests.servers import execute, fetch

SECRETS = ["env:KEPT_TEST_SECRET"]


@pytest.fixture
async def api(tmp_path: Path, notifying: Notifying, database_url: str, redis_url: str) -> AsyncIterator[Api]:
    settings = settings_for(tmp_path, database_url, redis_url)
    business = dataclasses.replace(settings.business, events=LOOPBACK)
    async with serving_api(dataclasses.replace(settings, business=business)) as running:
        yield running


def problem(reply: Reply, status: int) -> str:
    """The detail of an error, which is a problem document."""
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json"), reply.text
    return str(reply.json()["detail"])


async def post(api: Api, path: str, body: Any = None) -> Reply:
    return await api.client.post(path, json={} if body is None else body)


async def subscribed(api: Api, url: str, **members: Any) -> dict[str, Any]:
    reply = await post(api, "/v1/subscriptions", {"url": url, "secrets": SECRETS, **members})
    assert reply.status_code == 201, reply.text
    made: dict[str, Any] = reply.json()
    assert reply.headers["location"] == f"/v1/subscriptions/{made['id']}"
    return made


async def test_a_subscription_is_made_shown_changed_paused_resumed_and_deleted(api: Api, listener: Listener) -> None:
    made = await subscribed(api, listener.url, types=["io.kept.order.received"], accounts=["shop"])
    path = f"/v1/subscriptions/{made['id']}"
    assert (made["state"], made["behind"], made["secrets"], made["personal_data"]) == ("active", 0, SECRETS, False)
    listed = (await api.client.get("/v1/subscriptions")).json()["subscriptions"]
    assert [one["id"] for one in listed] == [made["id"]]
    two = [*SECRETS, "env:KEPT_TEST_OLD_SECRET"]
    changed = (await api.client.patch(path, json={"secrets": two, "types": []})).json()
    assert (changed["secrets"], changed["types"], changed["accounts"]) == (two, [], ["shop"])
    paused = (await post(api, f"{path}/pause")).json()
    assert (paused["state"], paused["why"]) == ("paused", "paused by a person")
    assert (await post(api, f"{path}/resume")).json()["state"] == "active"
    assert (await api.client.delete(path)).status_code == 204
    for method, end in (("GET", ""), ("DELETE", ""), ("POST", "/pause"), ("POST", "/ping"), ("GET", "/notifications")):
        problem(await api.client.request(method, path + end, json={}), 404)


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"url": "http://example.com/"}, "address"),
        ({"url": "https://10.1.2.3/"}, "private address"),
        ({"url": "https://[::ffff:169.254.169.254]/"}, "private address"),
        ({"url": "https://user:pass@127.0.0.1/"}, "no user name"),
        ({"url": "ftp://127.0.0.1/"}, "https"),
        ({"url": "https://nobody.invalid/"}, "address"),
        ({"types": ["io.kept.order.vanished"]}, "io.kept.order.vanished"),
        ({"accounts": ["bazaar"]}, "bazaar"),
        ({"secrets": ["env:KEPT_TEST_NOT_THERE"]}, "KEPT_TEST_NOT_THERE"),
        ({"secrets": ["whsec_value"]}, "env:NAME or file:PATH"),
        ({"secrets": []}, "secrets"),
        ({"colour": "red"}, "extra_forbidden"),
        ({"since": "yesterday"}, "since"),
    ],
)
async def test_what_cannot_work_is_refused_with_the_reason(api: Api, members: dict[str, Any], said: str) -> None:
    body = {"url": "http://127.0.0.1:9/", "secrets": SECRETS, **members}
    assert said in problem(await post(api, "/v1/subscriptions", body), 422)
    assert (await api.client.get("/v1/subscriptions")).json() == {"subscriptions": []}


async def test_a_web_page_cannot_change_a_subscription_unasked(api: Api, listener: Listener) -> None:
    made = await subscribed(api, listener.url)
    for action in ("pause", "resume", "ping", "redeliver"):
        problem(await api.client.post(f"/v1/subscriptions/{made['id']}/{action}", content=b"{}"), 415)


async def test_a_ping_says_what_came_of_it(api: Api, listener: Listener) -> None:
    made = await subscribed(api, listener.url)
    good = (await post(api, f"/v1/subscriptions/{made['id']}/ping")).json()
    assert (good["taken"], good["status"], good["error"]) == (True, 204, "")
    assert listener.heard[0].event["type"] == "io.kept.ping"
    listener.answer = lambda _: 401
    bad = (await post(api, f"/v1/subscriptions/{made['id']}/ping")).json()
    assert (bad["taken"], bad["status"], bad["error"]) == (False, 401, "answered 401")


async def test_deliveries_and_their_errors_are_listed_and_sent_again(
    api: Api, listener: Listener, notifying: Notifying
) -> None:
    made = await subscribed(api, listener.url)
    path = f"/v1/subscriptions/{made['id']}"
    order = await notifying.driver.order()
    notifying.clock.move(60)  # the API's clock is the real one
    await notifying.work()
    event = listener.heard[0].event["id"]
    assert event == f"evt_{order.reference}_1"
    listener.answer = lambda _: 500
    assert (await post(api, f"{path}/redeliver", {"event": event})).status_code == 202
    notifying.clock.move(60)
    await notifying.work()
    tries = (await api.client.get(f"{path}/notifications?limit=1")).json()
    assert [(one["event"], one["status"], one["error"]) for one in tries["notifications"]] == [
        (event, 500, "answered 500")
    ]
    older = (await api.client.get(f"{path}/notifications?before={tries['next']}")).json()
    assert [(one["status"], one["error"]) for one in older["notifications"]] == [(204, "")]
    assert older["next"] is None
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    listener.answer = lambda _: 204
    await execute(notifying.database, "DELETE FROM redeliveries")
    assert (await post(api, f"{path}/redeliver", {"since": since})).status_code == 202
    notifying.clock.move(60)
    await notifying.work()
    assert [heard.event["id"] for heard in listener.heard] == [event] * 3
    problem(await post(api, f"{path}/redeliver", {"event": "evt_KTEST-1_99"}), 404)
    problem(await post(api, f"{path}/redeliver", {"event": "nonsense"}), 404)
    problem(await post(api, f"{path}/redeliver", {}), 422)


async def test_blocked_orders_are_shown_with_their_event(api: Api, listener: Listener, notifying: Notifying) -> None:
    made = await subscribed(api, listener.url)
    order = await notifying.driver.order()
    listener.answer = lambda _: 500
    notifying.clock.move(60)
    await notifying.work()
    shown = (await api.client.get(f"/v1/subscriptions/{made['id']}")).json()
    assert (shown["state"], shown["failures"], shown["blocked_orders"]) == ("failing", 1, 1)
    assert [(lane["event"], lane["last_error"]) for lane in shown["lanes"]] == [
        (f"evt_{order.reference}_1", "answered 500")
    ]


async def test_the_feed_is_read_page_by_page_and_chosen(api: Api, notifying: Notifying) -> None:
    for _ in range(3):
        order = await notifying.driver.order()
        await notifying.driver.advance("validate", ev.OrderValidated("C"), order_id=order.id)
    await notifying.publish()
    cursor, seen = "0", []
    while True:
        page = (await api.client.get(f"/v1/events?after={cursor}&limit=4")).json()
        seen += page["events"]
        cursor = page["cursor"]
        if not page["more"]:
            break
    assert [event["sequence"] for event in seen] == ["0000000001", "0000000002"] * 3
    assert len({event["id"] for event in seen}) == 6
    chosen = (await api.client.get("/v1/events?types=io.kept.order.received&accounts=shop,market")).json()
    assert [event["type"] for event in chosen["events"]] == ["io.kept.order.received"] * 3
    assert "personal" not in chosen["events"][0]["data"]
    told = (await api.client.get("/v1/events?limit=1&personal_data=true")).json()
    assert told["events"][0]["data"]["personal"]["email"] == "ada@example.com"
    assert (await api.client.get("/v1/events?accounts=market")).json()["events"] == []
    assert (await api.client.get("/v1/events?after=latest")).json() == {"events": [], "cursor": cursor, "more": False}


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=999999", "types=io.kept.x", "limit=0", "limit=501", "wait_s=31"]
)
async def test_a_wrong_question_to_the_feed_is_a_problem(api: Api, query: str) -> None:
    problem(await api.client.get(f"/v1/events?{query}"), 422)


async def test_a_reader_that_waits_gets_the_event_when_it_comes(api: Api, notifying: Notifying) -> None:
    waiting = asyncio.create_task(api.client.get("/v1/events?after=latest&wait_s=30"))
    while not getattr(api.app.state, "readers_waiting", 0):
        await asyncio.sleep(0.01)
    order = await notifying.driver.order()
    await notifying.publish()
    page = (await waiting).json()
    assert [event["subject"] for event in page["events"]] == [order.reference]


async def test_the_command_line_subscribes_shows_tails_and_sends_again(
    tmp_path: Path, listener: Listener, notifying: Notifying, database_url: str, redis_url: str
) -> None:
    config = tmp_path / "events.toml"
    config.write_text('[events]\nallowed_networks = ["127.0.0.0/8"]\n', encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KEPT_")} | {
        "KEPT_DATABASE_URL": database_url,
        "KEPT_REDIS_URL": redis_url,
        "KEPT_CONFIG": str(config),
        "KEPT_TEST_SECRET": os.environ["KEPT_TEST_SECRET"],
    }

    async def kept(*arguments: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "kept", "events", *arguments, stdout=-1, stderr=-1, stdin=-3, env=environment
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode or 0, out.decode(), err.decode()

    code, out, err = await kept("subscribe", listener.url, "--secret", SECRETS[0])
    assert code == 0, err
    identity = json.loads(out)["id"]
    code, _, err = await kept("subscribe", "https://10.0.0.1/", "--secret", SECRETS[0])
    assert (code, err.count("\n")) == (2, 1)
    assert "private address" in err
    order = await notifying.driver.order()
    notifying.clock.move(60)
    await notifying.work()
    code, out, _ = await kept("tail")
    assert [json.loads(line)["subject"] for line in out.splitlines()] == [order.reference]
    assert (await kept("redeliver", identity, f"evt_{order.reference}_1"))[0] == 0
    notifying.clock.move(60)
    await notifying.work()
    assert listener.sequences(order.reference) == [1, 1]
    assert json.loads((await kept("pause", identity))[1])["state"] == "paused"
    assert json.loads((await kept("list", "--json"))[1])[0]["state"] == "paused"
    assert json.loads((await kept("resume", identity))[1])["state"] == "active"
    assert len(json.loads((await kept("show", identity))[1])["notifications"]) == 2
    assert (await kept("show", "sub_nobody"))[0] == 1
    assert (await kept("delete", identity, "--yes"))[0] == 0
    assert await fetch(notifying.database, "SELECT id FROM subscriptions") == []
