"""The harness itself: a Tryton that our own files have installed, with the company that the tests count on."""

from __future__ import annotations

import httpx2

from tests.erps.tryton_desk import Desk
from tests.erps.tryton_server import TRYTON, TrytonServer

pytestmark = TRYTON


def test_it_is_of_the_series_that_the_lock_file_names(tryton: TrytonServer) -> None:
    root = tryton.url.rpartition("/")[0]
    body = {"id": 1, "method": "common.server.version", "params": []}
    assert httpx2.post(f"{root}/rpc/", json=body, trust_env=False).json()["result"] == "8.2"


def test_it_has_a_company_that_sells(tryton: TrytonServer) -> None:
    desk = Desk(tryton)
    assert [shop["name"] for shop in desk.find("web.shop", [], "name")] == ["Kept"]
    saleable = {item["code"]: item["salable"] for item in desk.find("product.product", [], "code", "salable")}
    assert saleable["S1"]
    assert not saleable["UNSALEABLE"]


def test_after_a_crash_it_comes_back_with_what_it_had(tryton: TrytonServer) -> None:
    tryton.kill()
    tryton.start()
    assert Desk(tryton).find("web.shop", [])
