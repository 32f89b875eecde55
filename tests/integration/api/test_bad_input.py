"""Whatever is sent, wherever: never a 5xx; and what was authentic is kept and explained."""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from kept.store.database import Database
from tests.fixtures_location import shared_fixtures
from tests.integration.api import bad_bodies
from tests.integration.api.normalising import all_messages_ended, normalising
from tests.integration.api.serving import (
    Api,
    Reply,
    answer_of,
    head_of,
    own_order,
    serving_api,
    settings_for,
    shop_order,
)
from tests.servers import fetch, until, value_of

# As many as keep both cores busy, few enough to name the one that went wrong.
_AT_ONCE = 32
_BODIES = list(
    itertools.chain(bad_bodies.json_test_suite(), bad_bodies.files(), bad_bodies.values(), bad_bodies.structures())
)


async def each(bodies: Iterable[tuple[str, Any]], send: Callable[[str, Any], Awaitable[Reply]]) -> dict[str, Reply]:
    """What was answered to each."""
    answers: dict[str, Reply] = {}
    rows = list(bodies)
    for start in range(0, len(rows), _AT_ONCE):
        group = rows[start : start + _AT_ONCE]
        got = await asyncio.gather(*(send(name, body) for name, body in group))
        answers.update(zip((name for name, _ in group), got, strict=True))
    return answers


def test_all_recorded_bodies_are_found() -> None:
    assert len(list(bad_bodies.json_test_suite())) == 243
    assert len(_BODIES) > 600


async def test_every_bad_body_is_kept_if_authentic_and_ends_explained(api: Api, database: Database) -> None:
    limit = api.settings.body_bytes_max

    async def send(name: str, body: Any) -> Reply:
        if isinstance(body, int):
            return await api.webhook("shop", {"content-length": str(body)}, b"")
        return await api.sell(body, name)

    small = [(name, body) for name, body in _BODIES if isinstance(body, bytes) and len(body) <= limit]
    large = [(name, body) for name, body in _BODIES if isinstance(body, bytes) and len(body) > limit]
    assert {answer.status_code for answer in (await each(large, send)).values()} <= {413}
    answers = await each(small, send)
    assert {name: answer.status_code for name, answer in answers.items() if answer.status_code != 202} == {}
    assert await value_of(database, "SELECT count(*) FROM inbox") == len(small)

    async with normalising(api):
        await all_messages_ended(api)
    codes = {row["code"] for row in await fetch(database, "SELECT DISTINCT code FROM dead_letters")}
    assert codes == {"bad_message"}
    unexplained = await fetch(
        database,
        "SELECT external_key FROM inbox i WHERE NOT EXISTS (SELECT 1 FROM dead_letters WHERE subject_id = i.id)"
        " AND NOT EXISTS (SELECT 1 FROM message_ends WHERE message_id = i.id)",
    )
    assert unexplained == []
    stored = {row["external_key"]: row["body"] for row in await fetch(database, "SELECT external_key, body FROM inbox")}
    assert stored == dict(small)


async def test_a_body_too_large_to_be_read_is_refused_by_its_length_alone(api: Api) -> None:
    sizes = [body for _, body in _BODIES if isinstance(body, int)]
    assert max(sizes) >= 100_000_000
    for size in sizes:
        for path in ("/webhooks/shop", "/v1/orders", "/v1/dead-letters/replay"):
            async with api.raw() as (reader, writer):
                head = {"content-length": str(size), "content-type": "application/json"}
                writer.write(head_of(path, head))
                assert (await answer_of(reader))[0] == 413


async def test_every_bad_body_to_the_replay_is_a_4xx(api: Api, database: Database) -> None:
    async def send(_: str, body: bytes) -> Reply:
        return await api.client.post(
            "/v1/dead-letters/replay", headers={"content-type": "application/json"}, content=body
        )

    answers = await each([(name, body) for name, body in _BODIES if isinstance(body, bytes)], send)
    wrong = {name: answer.status_code for name, answer in answers.items() if answer.status_code not in {413, 422}}
    assert wrong == {}
    assert {answer.headers["content-type"] for answer in answers.values()} == {"application/problem+json"}
    assert await value_of(database, "SELECT count(*) FROM audit_log") == 0


async def test_every_bad_body_unsigned_is_401_or_413(api: Api, database: Database) -> None:
    async def send(_: str, body: bytes) -> Reply:
        return await api.client.post("/v1/orders", content=body)

    answers = await each([(name, body) for name, body in _BODIES if isinstance(body, bytes)], send)
    assert {answer.status_code for answer in answers.values()} == {401, 413}
    assert await value_of(database, "SELECT count(*) FROM inbox") == 0


async def test_every_recorded_attack_on_a_signature_is_401_and_every_good_one_is_kept_once(
    tmp_path: Path, database_url: str, redis_url: str, database: Database
) -> None:
    """The recorded secret is not recorded, so what should be accepted is signed anew with ours."""
    now = datetime(2027, 1, 1, tzinfo=UTC)
    rows = bad_bodies.rows("webhooks.jsonl")

    async with serving_api(settings_for(tmp_path, database_url, redis_url), lambda: now) as api:

        async def attack(_: str, row: bad_bodies.Row) -> Reply:
            body = base64.b64decode(row["body_b64"])
            theirs = {
                "webhook-id": row["id_hdr"],
                "webhook-timestamp": row["ts_hdr"],
                "webhook-signature": row["sig_hdr"],
            }
            answer = await api.webhook("inhouse", {name: value.encode() for name, value in theirs.items()}, body)
            assert answer.status_code == 401, row["id"]
            if row["expect"] != "reject":
                answer = await api.webhook("inhouse", api.signed("inhouse", body, row["id_hdr"]), body)
                assert answer.status_code == 202, row["id"]
            return answer

        for when in sorted({row["now"] for row in rows}):
            now = datetime.fromtimestamp(when, UTC)
            await each([(row["id"], row) for row in rows if row["now"] == when], attack)
        assert await value_of(database, "SELECT count(*) = count(DISTINCT external_key) FROM inbox")
        refused = await value_of(database, "SELECT count FROM intake_refusals")
    assert refused == len(rows) == 497


async def test_content_types_and_encodings_are_kept_as_they_are_and_never_unpacked(
    api: Api, database: Database
) -> None:
    rows = [row for row in bad_bodies.rows("structure.jsonl") if row["kind"] in {"content_type", "content_encoding"}]
    assert len(rows) == 9
    body = shop_order()
    for row in rows:
        header = row["kind"].replace("_", "-")
        answer = await api.webhook("shop", {**api.shop_headers(body, row["id"]), header: row["value"]}, body)
        assert answer.status_code == 202
        replay = await api.client.post("/v1/dead-letters/replay", headers={header: row["value"]}, content=body)
        assert replay.status_code in {415, 422}
    assert await value_of(database, "SELECT count(*) FROM inbox WHERE body = $1", body) == len(rows)


@pytest.mark.parametrize(
    ("kind", "head", "body", "statuses"),
    [
        ("truncate_50", {"content-length": "100"}, b"x" * 50, {None}),
        ("truncate_99", {"content-length": "100"}, b"x" * 99, {None}),
        ("chunked_bad", {"transfer-encoding": "chunked"}, b"zz\r\nxx\r\n0\r\n\r\n", {None, 400}),
        ("cl_long", {"content-length": "9" * 30}, b"x", {400, 413}),
        ("cl_and_te", {"content-length": "5", "transfer-encoding": "chunked"}, b"0\r\n\r\n", {400, 401}),
        ("half_close", {"content-length": "100"}, b"", {None}),
        ("cl_negative", {"content-length": "-1"}, b"x", {400}),
        ("cl_words", {"content-length": "ten"}, b"x", {400}),
        ("nul in a header", {"x-shopify-webhook-id": "a\0b"}, b"", {400}),
        ("a line break in a header", {"x-shopify-webhook-id": "a\rb"}, b"", {400}),
    ],
)
async def test_a_broken_transfer_is_no_5xx_and_leaves_nothing(
    api: Api, database: Database, kind: str, head: dict[str, str], body: bytes, statuses: set[int | None]
) -> None:
    async with api.raw() as (reader, writer):
        writer.write(head_of("/webhooks/shop", {"content-type": "application/json", **head}) + body)
        writer.write_eof()
        try:
            status: int | None = (await answer_of(reader))[0]
        except (asyncio.IncompleteReadError, ConnectionError):
            status = None
    assert status in statuses, kind
    assert await value_of(database, "SELECT count(*) FROM inbox") == 0
    assert (await api.sell(shop_order())).status_code == 202


async def test_naughty_strings_find_nothing_and_break_nothing(api: Api) -> None:
    strings: list[str] = orjson.loads(shared_fixtures("bad-input", "blns", "blns.json").read_bytes())
    strings += ["\x7f", "\u202e", "\ud7ff", "\ufffe", "\U0010ffff", "'; DROP TABLE orders; --", "%ed%a0%80"]

    async def ask(_: str, text: Any) -> Reply:
        quoted = quote(text, safe="")
        for path in (f"/v1/orders?text={quoted}", f"/v1/orders?account={quoted}", f"/v1/dead-letters?code={quoted}"):
            answer = await api.client.get(path)
            assert answer.status_code in {200, 422}, (path, answer.text)
        return await api.client.get(f"/v1/orders/{quoted}")

    answers = await each([(str(number), text) for number, text in enumerate(strings) if text], ask)
    # A client resolves "." and ".." itself, and a name that ends in "/" is sent to the one that does not.
    assert {answer.status_code for answer in answers.values()} <= {200, 307, 404, 422}


async def test_naughty_strings_in_an_orders_free_text_come_back_as_they_were_sent(api: Api, database: Database) -> None:
    """Byte for byte through inbox, content and status API, or a dead letter that says why not."""
    strings: list[str] = orjson.loads(shared_fixtures("bad-input", "blns", "blns.json").read_bytes())
    names: dict[str, str] = {}

    async def send(number: str, text: str) -> Reply:
        order = orjson.loads(own_order(int(number)))
        order["number"] = text or "-"
        order["ship_to"]["name"] = order["lines"][0]["title"] = text
        names[order["id"]] = order["number"]
        body = orjson.dumps(order)
        answer = await api.webhook("inhouse", api.signed("inhouse", body), body)
        assert answer.status_code == 202
        return answer

    async with normalising(api):
        await each([(str(number), text) for number, text in enumerate(strings, start=1)], send)
        await all_messages_ended(api)
    rows = await fetch(database, "SELECT external_id, number FROM orders")
    dead = await fetch(database, "SELECT code, reason FROM dead_letters")
    assert len(rows) + len(dead) == len(strings)
    assert {row["code"] for row in dead} <= {"bad_message"}
    assert {row["external_id"]: row["number"] for row in rows}.items() <= names.items()
    assert len(dead) < 10  # longer than 200 characters
    listed = (await api.client.get("/v1/orders?limit=500")).json()["orders"]
    assert {order["external_id"]: order["number"] for order in listed}.items() <= names.items()


async def test_a_slow_sender_holds_up_nobody_else(api: Api) -> None:
    body = shop_order()
    async with api.raw() as (_, writer):
        writer.write(head_of("/webhooks/shop", {**api.shop_headers(body), "content-length": str(len(body))}))
        writer.write(body[:1])
        await writer.drain()
        assert (await api.sell(shop_order(2))).status_code == 202
    await until(lambda: api.counted.finished == 2)
