"""Targets that are left alone, by HTTP."""

from __future__ import annotations

import time

from kept.engine.circuit_board import CircuitBoard, Notice
from kept.engine.streams import connect
from tests.integration.api.serving import Api
from tests.servers import Servers


async def test_what_workers_leave_alone_is_shown_and_can_be_reset(api: Api, redis_url: str) -> None:
    redis = connect(redis_url)
    now = time.time()
    await CircuitBoard(redis).post(Notice("erp:main", now + 30, now, "failed 5 times in a row"))
    (shown,) = (await api.client.get("/v1/targets")).json()["left_alone"]
    assert (shown["target"], shown["reason"]) == ("erp:main", "failed 5 times in a row")
    assert (await api.client.post("/v1/targets/erp:main/reset", data={"a": "b"})).status_code == 415
    assert (await api.client.post("/v1/targets/erp:main/reset", json={})).status_code == 202
    assert (await api.client.get("/v1/targets")).json() == {"left_alone": []}
    await redis.aclose()


async def test_without_redis_nothing_is_claimed_to_be_known(api: Api, servers: Servers) -> None:
    servers.redis.stop()
    assert (await api.client.get("/v1/targets")).status_code == 503
