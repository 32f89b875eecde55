"""What an operator says of an order by HTTP: kept as a message, once, and only where it makes sense."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from kept.store.database import Database
from tests.integration.api.serving import Api
from tests.integration.store.driving import Driver
from tests.servers import fetch, value_of


@pytest.fixture
async def driver(database: Database) -> Driver:
    made = Driver.on(database)
    await made.stock_up()
    return made


async def say(api: Api, name: str, action: str, body: Any, key: str = "") -> Any:
    headers = {"idempotency-key": key} if key else {}
    return await api.client.post(f"/v1/orders/{name}/{action}", json=body, headers=headers)


async def test_a_cancel_is_kept_as_a_message_of_the_order_and_rung_for(
    api: Api, driver: Driver, database: Database
) -> None:
    order = await driver.order()
    answer = await say(api, order.reference, "cancel", {"reason": "out_of_stock"})
    assert answer.status_code == 202, answer.text
    assert answer.json()["rung"]
    (row,) = await fetch(database, "SELECT * FROM inbox WHERE source_kind = 'operator'")
    assert (row["id"], row["correlation_id"]) == (answer.json()["message_id"], order.correlation_id)
    assert orjson.loads(row["body"]) == {
        "reference": order.reference,
        "action": "cancel",
        "by": "local",
        "reason": "out_of_stock",
        "code": "",
    }
    step = await value_of(database, "SELECT step FROM deliveries WHERE kind = 'message' AND subject_id = $1", row["id"])
    assert step == "instruct"


async def test_the_same_word_under_one_key_is_kept_once(api: Api, driver: Driver, database: Database) -> None:
    order = await driver.order()
    first, second = [(await say(api, order.reference, "cancel", {"reason": "fraud"}, "k-1")).json() for _ in range(2)]
    assert first["message_id"] == second["message_id"]
    assert await value_of(database, "SELECT count(*) FROM inbox WHERE source_kind = 'operator'") == 1


async def test_a_word_that_makes_no_sense_is_refused_and_kept_nowhere(
    api: Api, driver: Driver, database: Database
) -> None:
    order = await driver.order()
    for name, action, body, status, says in (
        (order.reference, "release", {}, 409, "nothing to release"),
        (order.reference, "cancel", {"reason": "boredom"}, 422, "reason"),
        (order.reference, "cancel", {}, 422, "reason"),
        ("K7Q2F-999", "cancel", {"reason": "fraud"}, 404, "No order"),
    ):
        answer = await say(api, name, action, body)
        assert answer.status_code == status
        assert says in answer.json()["detail"]
    form = await api.client.post(f"/v1/orders/{order.reference}/release", data={"a": "b"})
    assert form.status_code == 415
    assert await value_of(database, "SELECT count(*) FROM inbox WHERE source_kind = 'operator'") == 0
