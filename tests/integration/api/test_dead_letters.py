"""An authentic message that can't be read is kept, answered 2xx, and becomes a dead letter that tells where."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from kept.store.database import Database
from tests.integration.api.normalising import all_messages_ended, normalising
from tests.integration.api.serving import Api, shop_order
from tests.servers import Servers, execute, fetch, value_of

BROKEN = b'{"id": 1,\n "name": "#1001",\n "lines": [1, 2\n}'


@pytest.fixture
async def dead(api: Api) -> Any:
    """The dead letter of BROKEN, as listed."""
    async with normalising(api):
        answer = await api.sell(BROKEN, "w-broken")
        assert answer.status_code == 202
        await all_messages_ended(api)
    letters = (await api.client.get("/v1/dead-letters")).json()["dead_letters"]
    assert len(letters) == 1
    assert letters[0]["correlation_id"] == answer.json()["correlation_id"]
    return letters[0]


async def replay(api: Api, **wanted: Any) -> Any:
    answer = await api.client.post("/v1/dead-letters/replay", json=wanted)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_malformed_body_is_dead_lettered_by_normalise_with_the_position(dead: Any) -> None:
    assert (dead["step"], dead["code"], dead["kind"]) == ("normalise", "bad_message", "message")
    assert "line 4 column 1" in dead["reason"]
    assert dead["attempts"] == 1


async def test_a_wrong_field_is_named_by_its_path(api: Api) -> None:
    order = orjson.loads(shop_order())
    order["line_items"][0]["quantity"] = "1"
    async with normalising(api):
        assert (await api.sell(orjson.dumps(order))).status_code == 202
        await all_messages_ended(api)
    letter = (await api.client.get("/v1/dead-letters")).json()["dead_letters"][0]
    assert letter["code"] == "bad_message"
    assert "$.line_items[0].quantity" in letter["reason"]


async def test_the_letter_is_shown_with_the_raw_body_as_it_came(api: Api, dead: Any) -> None:
    shown = (await api.client.get(f"/v1/dead-letters/{dead['id']}")).json()
    assert shown["message"]["body"].encode() == BROKEN
    assert (shown["message"]["source"], shown["message"]["external_key"]) == ("shop", "w-broken")
    assert shown["message"]["headers"]["x-shopify-topic"] == "orders/create"


async def test_bytes_that_are_no_text_are_shown_escaped(api: Api) -> None:
    async with normalising(api):
        assert (await api.sell(b"\xff\xfe{}")).status_code == 202
        await all_messages_ended(api)
    letter = (await api.client.get("/v1/dead-letters")).json()["dead_letters"][0]
    shown = (await api.client.get(f"/v1/dead-letters/{letter['id']}")).json()
    assert shown["message"]["body"] == "\\xff\\xfe{}"


async def test_letters_are_listed_by_step_and_code(api: Api, dead: Any) -> None:
    for query, found in (("step=normalise", 1), ("code=bad_message", 1), ("step=book", 0), ("code=other", 0)):
        letters = (await api.client.get(f"/v1/dead-letters?{query}")).json()["dead_letters"]
        assert [letter["id"] for letter in letters] == [dead["id"]] * found


async def test_a_dry_run_names_the_letters_and_changes_nothing(api: Api, dead: Any, database: Database) -> None:
    assert await replay(api, step="normalise", dry_run=True) == {"dry_run": True, "letters": [dead["id"]]}
    assert await value_of(database, "SELECT count(*) FROM deliveries") == 0
    assert await value_of(database, "SELECT resolved_at FROM dead_letters") is None
    assert await value_of(database, "SELECT count(*) FROM audit_log") == 0


async def test_a_replay_puts_the_same_step_back_under_the_same_correlation_id_and_is_audited(
    api: Api, dead: Any, database: Database
) -> None:
    assert await replay(api, ids=[dead["id"]]) == {"replayed": [dead["id"]], "rung": True}
    delivery = (await fetch(database, "SELECT * FROM deliveries"))[0]
    assert (delivery["kind"], delivery["subject_id"], delivery["step"]) == ("message", dead["subject_id"], "normalise")
    assert delivery["correlation_id"] == dead["correlation_id"]
    audited = (await fetch(database, "SELECT actor, action FROM audit_log"))[0]
    assert tuple(audited) == ("local", "dead_letters.replay")
    assert (await api.client.get("/v1/dead-letters")).json()["dead_letters"] == []
    resolved = (await api.client.get("/v1/dead-letters?resolved=true")).json()["dead_letters"]
    assert resolved[0]["resolution"] == "replayed by local"


async def test_the_second_replay_does_nothing(api: Api, dead: Any, database: Database) -> None:
    assert (await replay(api, ids=[dead["id"]]))["replayed"] == [dead["id"]]
    assert (await replay(api, ids=[dead["id"]]))["replayed"] == []
    assert (await replay(api, step="normalise"))["replayed"] == []
    assert await value_of(database, "SELECT count(*) FROM deliveries") == 1


async def test_a_message_that_is_still_bad_dies_again_and_one_that_was_mended_goes_on(
    api: Api, dead: Any, database: Database
) -> None:
    async with normalising(api):
        await replay(api, ids=[dead["id"]])
        await all_messages_ended(api)
        again = (await api.client.get("/v1/dead-letters")).json()["dead_letters"]
        assert [letter["subject_id"] for letter in again] == [dead["subject_id"]]
        assert again[0]["id"] != dead["id"]
        # As a new version of a connector would: now it can be read.
        await execute(database, "UPDATE inbox SET body = $1", shop_order())
        await replay(api, ids=[again[0]["id"]])
        await all_messages_ended(api)
    assert (await api.client.get("/v1/dead-letters")).json()["dead_letters"] == []
    assert await value_of(database, "SELECT count(*) FROM orders") == 1
    assert await value_of(database, "SELECT outcome FROM message_ends") == "processed"


async def test_a_replay_with_redis_down_says_that_nobody_was_rung_for(
    api: Api, dead: Any, database: Database, servers: Servers
) -> None:
    servers.redis.stop()
    assert await replay(api, ids=[dead["id"]]) == {"replayed": [dead["id"]], "rung": False}
    assert await value_of(database, "SELECT count(*) FROM deliveries") == 1


async def test_a_letter_that_nobody_wrote_is_404_and_replaying_it_does_nothing(api: Api) -> None:
    assert (await api.client.get("/v1/dead-letters/999")).status_code == 404
    assert (await replay(api, ids=[999]))["replayed"] == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{}", "Name ids"),
        (b"[]", "body (model_type)"),
        (b"", "line 1 column 1"),
        (b'{"ids": ["1"]}', "ids.0 (int_type)"),
        (b'{"ids": [true]}', "ids.0 (int_type)"),
        (b'{"ids": [1.0]}', "ids.0 (int_type)"),
        (b'{"ids": [0]}', "ids.0 (greater_than_equal)"),
        (b'{"ids": [9223372036854775808]}', "ids.0 (less_than)"),
        (b'{"ids": [NaN]}', "NaN is not JSON"),
        (b'{"step": "a\\u0000b"}', "NUL"),
        (b'{"step": "\\ud800"}', "surrogate"),
        (b'{"dry_run": true, "step": "book", "dry_run": false}', "same name twice"),
        (b'{"ids": [1], "<script>": 1}', "body (extra_forbidden)"),
        (b'{"ids": [1], "\\ud83d": 1}', "surrogate"),
        (b'{"ids": [' + b"1," * 1000 + b"1]}", "ids (too_long)"),
    ],
)
async def test_a_wrong_replay_is_422_and_tells_where_without_echoing(api: Api, body: bytes, says: str) -> None:
    headers = {"content-type": "application/json; charset=utf-8"}
    answer = await api.client.post("/v1/dead-letters/replay", headers=headers, content=body)
    assert answer.status_code == 422
    assert says in answer.json()["detail"]
    assert "script" not in answer.text


async def test_a_replay_is_not_taken_from_a_web_pages_form_nor_beyond_its_limit(api: Api) -> None:
    body = b'{"step": "normalise"}'
    for content_type in ("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        headers = {"content-type": content_type}
        answer = await api.client.post("/v1/dead-letters/replay", headers=headers, content=body)
        assert answer.status_code == 415
    large = b'{"step": "' + b"x" * 100_000 + b'"}'
    answer = await api.client.post(
        "/v1/dead-letters/replay", headers={"content-type": "application/json"}, content=large
    )
    assert answer.status_code == 413
