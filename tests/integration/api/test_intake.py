"""Intake over a real socket: kept before it is answered, once, and nothing that is not authentic."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from kept.store.database import Database
from tests.integration.api.serving import Api, answer_of, head_of, own_order, shop_order
from tests.servers import Servers, execute, fetch, until, value_of

_WAITING_FOR_A_LOCK = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def kept_messages(database: Database) -> object:
    return await value_of(database, "SELECT count(*) FROM inbox")


async def test_a_webhook_is_in_the_inbox_with_its_delivery_when_202_arrives(api: Api, database: Database) -> None:
    body = shop_order()
    answer = await api.sell(body, "w-1")
    assert answer.status_code == 202
    receipt = answer.json()
    assert receipt["duplicate"] is False
    row = (await fetch(database, "SELECT * FROM inbox"))[0]
    assert (row["id"], row["source"], row["external_key"]) == (receipt["receipt"], "shop", "w-1")
    assert row["body"] == body
    assert row["correlation_id"] == receipt["correlation_id"] == answer.headers["x-correlation-id"]
    delivery = (await fetch(database, "SELECT * FROM deliveries"))[0]
    assert (delivery["kind"], delivery["subject_id"], delivery["step"]) == ("message", row["id"], "normalise")
    assert delivery["correlation_id"] == row["correlation_id"]


async def test_no_answer_before_the_commit(api: Api, database: Database) -> None:
    assert (await api.sell(shop_order(1))).status_code == 202
    async with database.transaction() as blocker:
        await blocker.execute("LOCK TABLE inbox IN EXCLUSIVE MODE")
        sent = asyncio.create_task(api.sell(shop_order(2)))
        await until(lambda: value_of(database, _WAITING_FOR_A_LOCK))
        assert not sent.done()
    assert (await sent).status_code == 202
    assert await kept_messages(database) == 2


async def test_the_same_webhook_again_is_a_duplicate_with_the_first_ones_ids(api: Api, database: Database) -> None:
    body = shop_order()
    first, again = await api.sell(body, "w-1"), await api.sell(body, "w-1")
    assert again.status_code == 202
    assert again.json() == {**first.json(), "duplicate": True}
    assert again.headers["x-correlation-id"] == first.headers["x-correlation-id"]
    assert await kept_messages(database) == 1
    assert await value_of(database, "SELECT count(*) FROM deliveries") == 1


async def test_one_webhook_sent_many_times_at_once_is_kept_once(api: Api, database: Database) -> None:
    bodies = {f"w-{number}": shop_order(number) for number in range(1, 6)}
    answers = await asyncio.gather(*(api.sell(body, name) for name, body in bodies.items() for _ in range(8)))
    assert {answer.status_code for answer in answers} == {202}
    assert sum(not answer.json()["duplicate"] for answer in answers) == 5
    assert len({answer.json()["correlation_id"] for answer in answers}) == 5
    assert await kept_messages(database) == 5


async def test_the_same_id_at_two_accounts_is_two_messages(api: Api, database: Database) -> None:
    assert (await api.sell(shop_order(), "same")).status_code == 202
    body = own_order()
    answer = await api.webhook("inhouse", api.signed("inhouse", body, "same"), body)
    assert answer.json()["duplicate"] is False
    assert await kept_messages(database) == 2


async def test_a_centres_event_goes_to_step_receive(api: Api, database: Database) -> None:
    body = b'{"type":"accepted","reference":"K-1","occurred_at":"2026-11-03T09:00:00Z"}'
    assert (await api.webhook("east", api.signed("east", body), body)).status_code == 202
    assert await value_of(database, "SELECT step FROM deliveries") == "receive"


async def test_a_sender_that_repeats_an_id_of_any_length_is_kept_once(api: Api, database: Database) -> None:
    """An id of more than 2.7 kB fits no index row: it is kept under its hash."""
    long_id = "".join(hashlib.sha256(str(number).encode()).hexdigest() for number in range(120))
    answers = [await api.sell(shop_order(), long_id) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert [answer.json()["duplicate"] for answer in answers] == [False, True]
    assert await kept_messages(database) == 1


# ------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    "spoil",
    [
        {"x-shopify-hmac-sha256": "AAAA"},
        {"x-shopify-hmac-sha256": ""},
        {"x-shopify-hmac-sha256": "ü" * 20},
    ],
)
async def test_a_forged_webhook_is_401_and_leaves_nothing_but_a_count(
    api: Api, database: Database, spoil: dict[str, str]
) -> None:
    body = shop_order()
    headers = {**api.shop_headers(body), **spoil}
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    for times in (1, 2):
        answer = await api.webhook("shop", encoded, body)
        assert answer.status_code == 401
        counts = await fetch(database, "SELECT source, count FROM intake_refusals")
        assert [tuple(row) for row in counts] == [("shop", times)]
    assert await kept_messages(database) == 0
    assert await value_of(database, "SELECT count(*) FROM deliveries") == 0


async def test_one_partys_secret_opens_no_other_partys_account(api: Api, database: Database) -> None:
    body = own_order()
    assert (await api.webhook("east", api.signed("inhouse", body), body)).status_code == 401
    assert await kept_messages(database) == 0


@pytest.mark.parametrize("account", ["nobody", "Shop", "shop ", "..", "%00", "shop%2Fx", "x" * 5000, "%ff"])
async def test_an_unknown_account_is_404_and_not_even_counted(api: Api, database: Database, account: str) -> None:
    body = shop_order()
    answer = await api.webhook(account, api.shop_headers(body), body)
    assert answer.status_code == 404
    assert await kept_messages(database) == 0
    assert await value_of(database, "SELECT count(*) FROM intake_refusals") == 0


async def test_headers_that_prove_the_sender_are_not_kept(api: Api, database: Database) -> None:
    body = shop_order()
    headers = {**api.shop_headers(body, "w-9"), "authorization": "Bearer x", "cookie": "a=b", "x-amz-token": "t"}
    assert (await api.webhook("shop", headers, body)).status_code == 202
    kept = str(await value_of(database, "SELECT headers::text FROM inbox"))
    assert "x-shopify-topic" in kept
    assert not any(word in kept for word in ("hmac", "authorization", "cookie", "token"))


# ------------------------------------------------------------------ bodies that are too large, or break off


async def test_an_announced_body_that_is_too_large_is_413_before_a_byte_of_it_is_sent(
    tight_api: Api, database: Database
) -> None:
    async with tight_api.raw() as (reader, writer):
        writer.write(head_of("/webhooks/shop", {"content-length": "10001", "x-shopify-hmac-sha256": "x"}))
        status, body = await answer_of(reader)
    assert status == 413
    assert b"at most 10000 bytes" in body
    assert await kept_messages(database) == 0


async def test_a_chunked_body_is_413_as_soon_as_it_is_too_large(tight_api: Api) -> None:
    chunk = b"%x\r\n%b\r\n" % (4000, b"x" * 4000)
    async with tight_api.raw() as (reader, writer):
        writer.write(head_of("/webhooks/shop", {"transfer-encoding": "chunked"}))
        writer.write(chunk * 3)  # and no last chunk: the answer can't wait for the end
        status, _ = await answer_of(reader)
    assert status == 413


async def test_a_body_of_just_the_limit_is_taken(tight_api: Api) -> None:
    body = b" " * 10_000
    assert (await tight_api.sell(body)).status_code == 202
    assert (await tight_api.sell(body + b" ")).status_code == 413


async def test_a_sender_that_hangs_up_within_the_body_leaves_nothing(api: Api, database: Database) -> None:
    body = shop_order()
    async with api.raw() as (_, writer):
        writer.write(head_of("/webhooks/shop", {**api.shop_headers(body), "content-length": str(len(body))}))
        writer.write(body[: len(body) // 2])
        await writer.drain()
    await until(lambda: api.counted.finished == 1)
    assert await kept_messages(database) == 0
    assert (await api.sell(body)).status_code == 202


async def test_a_sender_that_hangs_up_during_the_commit_sends_again_and_is_told_duplicate(
    api: Api, database: Database
) -> None:
    body = shop_order()
    headers = {**api.shop_headers(body, "w-1"), "content-length": str(len(body))}
    async with database.transaction() as blocker:
        await blocker.execute("LOCK TABLE inbox IN EXCLUSIVE MODE")
        async with api.raw() as (_, writer):
            writer.write(head_of("/webhooks/shop", headers) + body)
            await until(lambda: value_of(database, _WAITING_FOR_A_LOCK))
    await until(lambda: api.counted.finished == 1)
    answer = await api.sell(body, "w-1")
    assert (answer.status_code, answer.json()["duplicate"]) == (202, True)
    assert await kept_messages(database) == 1


# ------------------------------------------------------------------ in-house orders


async def test_an_in_house_order_is_taken_by_its_signature(api: Api, database: Database) -> None:
    body = own_order()
    answer = await api.client.post("/v1/orders", headers=api.signed("inhouse", body, "m-7"), content=body)
    assert answer.status_code == 202
    assert await value_of(database, "SELECT external_key FROM inbox") == "m-7"
    forged = {**api.signed("inhouse", body), "webhook-signature": "v1,AAAA"}
    assert (await api.client.post("/v1/orders", headers=forged, content=body)).status_code == 401


async def test_an_in_house_order_is_taken_by_api_key_once_per_idempotency_key(
    locked_api: Api, database: Database
) -> None:
    headers = {"authorization": "Bearer sesame", "idempotency-key": "A-1001"}
    answers = [await locked_api.client.post("/v1/orders", headers=headers, content=own_order()) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert [answer.json()["duplicate"] for answer in answers] == [False, True]
    assert answers[0].json()["receipt"] == answers[1].json()["receipt"]
    assert await kept_messages(database) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": "Bearer sesame"}, 400),
        ({"authorization": "Bearer sesame", "idempotency-key": ""}, 400),
        ({"authorization": "Bearer sesame", "idempotency-key": "k" * 201}, 400),
        ({"authorization": "Bearer wrong", "idempotency-key": "k"}, 401),
        ({"idempotency-key": "k"}, 401),
        ({"authorization": "sesam", "idempotency-key": "k"}, 401),
    ],
)
async def test_an_order_without_key_or_idempotency_key_is_refused(
    locked_api: Api, database: Database, headers: dict[str, str], status: int
) -> None:
    answer = await locked_api.client.post("/v1/orders", headers=headers, content=own_order())
    assert answer.status_code == status
    assert await kept_messages(database) == 0


async def test_without_a_configured_api_key_no_order_is_taken_by_one(api: Api) -> None:
    for authorization in ("", "Bearer", "Bearer None"):
        headers = {"authorization": authorization, "idempotency-key": "k"}
        assert (await api.client.post("/v1/orders", headers=headers, content=own_order())).status_code == 401


async def test_an_order_for_a_centre_or_an_unknown_account_is_404(locked_api: Api) -> None:
    headers = {"authorization": "Bearer sesame", "idempotency-key": "k"}
    for account in ("east", "nobody", ""):
        answer = await locked_api.client.post(f"/v1/orders?account={account}", headers=headers, content=own_order())
        assert answer.status_code == 404


# ------------------------------------------------------------------ servers that are down


async def test_with_postgresql_down_it_is_503_with_retry_after_and_nothing_half_done(
    api: Api, database: Database, servers: Servers
) -> None:
    body = shop_order()
    assert (await api.sell(shop_order(2))).status_code == 202
    servers.postgres.stop()
    answer = await api.sell(body, "w-1")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["correlation_id"] == answer.headers["x-correlation-id"]
    assert (await api.client.get("/readyz")).status_code == 503
    assert (await api.client.get("/healthz")).status_code == 200
    assert (await api.client.get("/v1/orders")).status_code == 503
    assert (
        await api.webhook("shop", {**api.shop_headers(body), "x-shopify-hmac-sha256": "x"}, body)
    ).status_code == 401
    servers.postgres.start()
    answer = await api.sell(body, "w-1")
    assert (answer.status_code, answer.json()["duplicate"]) == (202, False)
    assert await kept_messages(database) == 2


async def test_a_commit_that_is_cut_off_is_503_and_the_message_sent_again_is_kept_once(
    api: Api, database: Database
) -> None:
    body = shop_order()
    assert (await api.sell(shop_order(2))).status_code == 202
    async with database.transaction() as blocker:
        await blocker.execute("LOCK TABLE inbox IN EXCLUSIVE MODE")
        sent = asyncio.create_task(api.sell(body, "w-1"))
        await until(lambda: value_of(database, _WAITING_FOR_A_LOCK))
        await execute(
            database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        assert (await sent).status_code == 503
    assert (await api.sell(body, "w-1")).status_code == 202
    assert await kept_messages(database) == 2


async def test_with_redis_down_it_is_still_202_and_the_delivery_waits_for_the_relay(
    api: Api, database: Database, servers: Servers
) -> None:
    servers.redis.stop()
    assert (await api.sell(shop_order())).status_code == 202
    assert await value_of(database, "SELECT count(*) FROM deliveries") == 1
    ready = await api.client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {"postgresql": "ok", "redis": "BellUnavailable"}
