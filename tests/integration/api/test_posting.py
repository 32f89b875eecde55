"""Orders posted by a channel account's own system: kept before they are answered, once per key, and asked after."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from jsonschema import Draft202012Validator

from kept.store.database import Database
from kept.store.loading import Orders
from tests.integration.api import bad_bodies
from tests.integration.api.normalising import all_messages_ended, normalising
from tests.integration.api.serving import Api, Reply, serving_api, settings_for
from tests.integration.api.serving import own_order as new_order
from tests.integration.store.driving import Driver, failed
from tests.servers import Servers, fetch, value_of

ORDERS = "/v1/channels/inhouse/orders"
TOKENS = ("first-token", "second-token")
NDJSON = {"content-type": "application/x-ndjson"}
BROKEN = b'{"id": "A-1", "lines": [{"quantity": true}]}'


@cache
def own_order(seq: int = 1) -> bytes:
    """The same bytes for the same number."""
    return new_order(seq)


@pytest.fixture
async def api(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Api]:
    """The in-house account may post with either of two tokens; bodies of at most 100,000 bytes."""
    settings = settings_for(tmp_path, database_url, redis_url, body_bytes_max=100_000)
    references = []
    for number, token in enumerate(TOKENS):
        path = tmp_path / f"token-{number}"
        path.write_text(token, encoding="utf-8")
        references.append(f"file:{path}")
    channels = dict(settings.business.channels)
    channels["inhouse"] = dataclasses.replace(channels["inhouse"], intake_tokens=tuple(references))
    business = dataclasses.replace(settings.business, channels=channels)
    async with serving_api(dataclasses.replace(settings, business=business)) as running:
        yield running


def bearing(key: str | None = "k-1", token: str = TOKENS[0]) -> dict[str, str]:
    headers = {"authorization": f"Bearer {token}".strip(), "content-type": "application/json"}
    return headers if key is None else {**headers, "idempotency-key": key}


async def post(api: Api, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
    return await api.client.post(ORDERS, headers=dict(headers or bearing()), content=body)


def fits(schema: str, value: object) -> None:
    """Raises ValidationError for an answer that is not as the published contract has it."""
    Draft202012Validator({**components()["schemas"][schema], "components": components()}).validate(value)


@cache
def components() -> dict[str, Any]:
    contract = Path(__file__).parents[3] / "docs" / "contracts" / "inhouse.openapi.yaml"
    found: dict[str, Any] = yaml.safe_load(contract.read_text(encoding="utf-8"))["components"]
    return found


def assert_problem(answer: Reply, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    fits("KeptProblem", body)
    assert body["status"] == status
    assert body["correlation_id"] == answer.headers["x-correlation-id"]
    return body


async def kept_messages(database: Database) -> object:
    return await value_of(database, "SELECT count(*) FROM inbox")


# ------------------------------------------------------------------ one order


async def test_a_posted_order_is_in_the_inbox_when_it_is_answered(api: Api, database: Database) -> None:
    body = own_order()
    answer = await post(api, body)
    assert answer.status_code == 202
    receipt = answer.json()
    fits("Receipt", receipt)
    order_id = orjson.loads(body)["id"]
    (row,) = await fetch(database, "SELECT * FROM inbox")
    assert (row["id"], row["source"], row["external_key"]) == (receipt["receipt"], "inhouse", "rest:k-1")
    assert row["body"] == body
    assert row["correlation_id"] == receipt["correlation_id"] == answer.headers["x-correlation-id"]
    assert receipt["order"] == order_id
    assert answer.headers["location"] == f"{ORDERS}/{order_id}"
    assert await value_of(database, "SELECT step FROM deliveries") == "normalise"


async def test_the_same_key_with_the_same_body_is_the_same_answer_again(api: Api, database: Database) -> None:
    body = own_order()
    answers = await asyncio.gather(*(post(api, body) for _ in range(8)))
    quoted = await post(api, body, bearing('"k-1"'))
    assert {answer.status_code for answer in (*answers, quoted)} == {202}
    assert len({answer.content for answer in (*answers, quoted)}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert quoted.headers["idempotent-replayed"] == "true"
    assert await kept_messages(database) == 1


async def test_the_same_key_with_another_body_is_422_and_changes_nothing(api: Api, database: Database) -> None:
    first = await post(api, own_order(1))
    problem = assert_problem(await post(api, own_order(2)), 422)
    assert problem["code"] == "key_reused"
    assert await kept_messages(database) == 1
    assert (await post(api, own_order(1))).json() == first.json()


async def test_what_can_not_be_read_is_422_with_its_place_and_is_kept_for_a_person(
    api: Api, database: Database
) -> None:
    order = orjson.loads(own_order())
    order["lines"][0]["quantity"] = True
    problem = assert_problem(await post(api, orjson.dumps(order)), 422)
    assert (problem["code"], problem["where"]) == ("unreadable", "$.lines[0].quantity")
    assert (await post(api, orjson.dumps(order))).json() == problem
    assert await value_of(database, "SELECT id FROM inbox") == problem["receipt"]
    async with normalising(api):
        await all_messages_ended(api)
    assert await value_of(database, "SELECT code FROM dead_letters") == "bad_message"


async def test_an_order_in_an_envelope_is_taken(api: Api, database: Database) -> None:
    order = orjson.loads(own_order())
    event = {"specversion": "1.0", "id": "e", "source": "/shop", "type": "order.placed", "data": order}
    headers = {**bearing(), "content-type": "application/cloudevents+json; charset=utf-8"}
    answer = await post(api, orjson.dumps(event), headers)
    assert (answer.status_code, answer.json()["order"]) == (202, order["id"])
    async with normalising(api):
        await all_messages_ended(api)
    assert await value_of(database, "SELECT external_id FROM orders") == order["id"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (bearing(None), 400),
        (bearing(""), 400),
        (bearing('""'), 400),
        (bearing("k" * 201), 400),
        ({**bearing(), "content-type": "text/csv"}, 415),
        ({"idempotency-key": "k"}, 401),
        (bearing(token="wrong"), 401),
        (bearing(token=""), 401),
        ({**bearing(), "authorization": TOKENS[0]}, 401),
        ({**bearing(), "authorization": f"Basic {TOKENS[0]}"}, 401),
    ],
)
async def test_a_post_that_is_refused_at_the_door_leaves_nothing(
    api: Api, database: Database, headers: dict[str, str], status: int
) -> None:
    assert_problem(await post(api, own_order(), headers), status)
    assert await kept_messages(database) == 0
    refusals = await value_of(database, "SELECT coalesce(sum(count), 0) FROM intake_refusals")
    assert refusals == (1 if status == 401 else 0)


async def test_every_live_token_opens_its_own_account_and_no_other(api: Api) -> None:
    for number, token in enumerate(TOKENS):
        assert (await post(api, own_order(), bearing(f"k-{number}", token))).status_code == 202
    for account in ("shop", "east", "nobody", "%00"):
        answer = await api.client.post(f"/v1/channels/{account}/orders", headers=bearing(), content=own_order())
        assert_problem(answer, 404)


async def test_a_signed_post_is_taken_under_its_webhook_id_and_no_other_key(api: Api, database: Database) -> None:
    body = own_order()
    signed = api.signed("inhouse", body, "m-7")
    assert_problem(await post(api, body, {**signed, "idempotency-key": "other"}), 400)
    assert_problem(await post(api, body, signed), 400)
    assert (await post(api, body, {**signed, "idempotency-key": "m-7"})).status_code == 202
    forged = {**signed, "idempotency-key": "m-7", "webhook-signature": "v1,AAAA", **bearing("m-7")}
    assert_problem(await post(api, body, forged), 401)
    assert await value_of(database, "SELECT external_key FROM inbox") == "rest:m-7"


async def test_a_body_of_more_than_the_limit_is_413(api: Api, database: Database) -> None:
    assert_problem(await post(api, b" " * 100_001), 413)
    assert await kept_messages(database) == 0


async def test_with_postgresql_down_it_is_503_and_the_post_repeated_is_kept_once(
    api: Api, database: Database, servers: Servers
) -> None:
    servers.postgres.stop()
    problem = await post(api, own_order())
    assert_problem(problem, 503)
    assert problem.headers["retry-after"] == "1"
    servers.postgres.start()
    assert (await post(api, own_order())).status_code == 202
    assert await kept_messages(database) == 1


# ------------------------------------------------------------------ batches


def results_of(answer: Reply) -> list[dict[str, Any]]:
    assert answer.headers["content-type"] == "application/x-ndjson"
    results = [orjson.loads(line) for line in answer.content.splitlines()]
    for result in results:
        fits("LineResult", result)
    return results


async def test_each_line_of_a_batch_is_a_message_of_its_own(api: Api, database: Database) -> None:
    orders = [own_order(seq) for seq in range(1, 31)]
    answer = await post(api, b"\r\n".join(orders) + b"\n\n", bearing() | NDJSON)
    assert answer.status_code == 202
    results = results_of(answer)
    assert [result["line"] for result in results] == list(range(1, 31))
    assert [result["order"] for result in results] == [orjson.loads(order)["id"] for order in orders]
    rows = {row["id"]: row for row in await fetch(database, "SELECT * FROM inbox")}
    assert [rows[result["receipt"]]["body"] for result in results] == orders
    assert [rows[result["receipt"]]["correlation_id"] for result in results] == [
        result["correlation_id"] for result in results
    ]
    assert len({result["correlation_id"] for result in results}) == 30


async def test_a_batch_repeated_is_replayed_line_by_line_and_a_changed_line_is_422(
    api: Api, database: Database
) -> None:
    first = results_of(await post(api, own_order(1) + b"\n" + own_order(2), bearing() | NDJSON))
    answer = await post(api, own_order(1) + b"\n" + own_order(3), bearing() | NDJSON)
    assert answer.status_code == 207
    same, other = results_of(answer)
    assert same == {**first[0], "replayed": True}
    assert (other["line"], other["status"], other["code"]) == (2, 422, "key_reused")
    assert await kept_messages(database) == 2


async def test_a_bad_line_hinders_no_other_and_is_named(api: Api, database: Database) -> None:
    answer = await post(api, b"\n".join([own_order(1), BROKEN, b"{", own_order(2)]), bearing() | NDJSON)
    assert answer.status_code == 207
    results = results_of(answer)
    assert [result["status"] for result in results] == [202, 422, 422, 202]
    assert (results[1]["line"], results[1]["where"]) == (2, "$.lines[0].quantity")
    assert results[2]["where"] == "line 1 column 2"
    assert await kept_messages(database) == 4


@pytest.mark.parametrize("body", [b"", b"\n \n", b"{}\n" * 1001])
async def test_a_batch_of_none_or_too_many_is_refused_whole(api: Api, database: Database, body: bytes) -> None:
    assert assert_problem(await post(api, body, bearing() | NDJSON), 422)["code"] == "batch_size"
    assert await kept_messages(database) == 0


# ------------------------------------------------------------------ where an order stands


async def ask(api: Api, order: str, account: str = "inhouse", token: str = TOKENS[0]) -> Reply:
    return await api.client.get(f"/v1/channels/{account}/orders/{order}", headers=bearing(None, token))


async def test_a_posted_order_can_be_asked_after_by_the_senders_id(api: Api) -> None:
    posted = await post(api, own_order())
    assert_problem(await ask(api, posted.json()["order"]), 404)
    async with normalising(api):
        await all_messages_ended(api)
    answer = await api.client.get(posted.headers["location"], headers=bearing(None))
    assert answer.status_code == 200
    standing = answer.json()
    fits("Standing", standing)
    order = orjson.loads(own_order())
    assert (standing["order"], standing["number"]) == (order["id"], order["number"])
    assert (standing["state"], standing["concern"], standing["shipments"]) == ("received", None, [])
    assert standing["correlation_id"] == posted.json()["correlation_id"]
    assert [(line["id"], line["ordered"], line["shipped"]) for line in standing["lines"]] == [
        (line["id"], line["quantity"], 0) for line in order["lines"]
    ]
    assert order["email"] not in answer.text


async def test_a_shipped_order_tells_its_packages_in_the_senders_line_ids(api: Api, database: Database) -> None:
    driver = Driver.on(database)
    await driver.stock_up()
    order = await driver.shipped()
    content = (await Orders(database).by_ids([order.id]))[order.id].content
    from_outside = await ask(api, content.external_id)
    assert from_outside.status_code == 404  # it is another account's
    await value_of(database, "UPDATE orders SET account = 'inhouse' WHERE id = $1", order.id)
    standing = (await ask(api, content.external_id)).json()
    fits("Standing", standing)
    assert standing["state"] == "complete"
    assert [line["shipped"] for line in standing["lines"]] == [2, 1]
    (shipment,) = standing["shipments"]
    assert shipment["reference"] == order.part_reference(1)
    told = [(line["id"], line["quantity"]) for package in shipment["packages"] for line in package["lines"]]
    assert told == [(content.lines[0].external_id, 2), (content.lines[1].external_id, 1)]


async def test_an_order_that_needs_a_person_says_why(api: Api, database: Database) -> None:
    driver = Driver.on(database)
    order = await driver.order()
    await value_of(database, "UPDATE orders SET account = 'inhouse' WHERE id = $1", order.id)
    await driver.settle(failed(await driver.next("validate"), "erp_refused", "the ERP says no"))
    standing = (await ask(api, order.content.external_id)).json()
    assert standing["concern"] == {"code": "erp_refused", "detail": "the ERP says no"}


async def test_only_the_account_itself_may_ask(api: Api) -> None:
    assert_problem(await ask(api, "A-1", token="wrong"), 401)
    assert_problem(await ask(api, "A-1", account="shop"), 404)
    for order in ("nothing", "%00", "a%2Fb", "x" * 300, "%ff"):
        assert_problem(await ask(api, order), 404)


async def test_an_order_whose_id_is_no_plain_word_is_found_where_the_answer_says(api: Api) -> None:
    order = {**orjson.loads(own_order()), "id": "2026/11 #7?ü"}
    posted = await post(api, orjson.dumps(order))
    assert posted.status_code == 202
    async with normalising(api):
        await all_messages_ended(api)
    answer = await api.client.get(posted.headers["location"], headers=bearing(None))
    assert (answer.status_code, answer.json()["order"]) == (200, order["id"])


# ------------------------------------------------------------------ bad bodies


async def test_every_recorded_bad_body_is_kept_and_refused_with_a_place(api: Api, database: Database) -> None:
    bodies = [*bad_bodies.json_test_suite(), *bad_bodies.files(), *bad_bodies.values()]
    usable = [body for _, body in bodies if len(body) <= 100_000]
    assert len(usable) > 500
    for start in range(0, len(usable), 50):
        group = list(enumerate(usable[start : start + 50], start=start))
        answers = await asyncio.gather(*(post(api, body, bearing(f"k-{number}")) for number, body in group))
        for (_, body), answer in zip(group, answers, strict=True):
            problem = assert_problem(answer, 422)
            assert problem["code"] == "unreadable"
            assert problem["where"], body[:200]
    assert await kept_messages(database) == len(usable)
