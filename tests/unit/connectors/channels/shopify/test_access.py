"""Tokens of a day, and what statuses and errors say of our access."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from kept.connectors.channels.shopify import build
from kept.connectors.channels.shopify.codes import GRAPHQL_ERRORS, HTTP_ERRORS
from kept.connectors.http import HttpTargets
from kept.connectors.meanings import Meaning
from kept.ports import AccessRefused, Fault, PermanentFault, TemporaryFault
from kept.settings import ChannelSettings
from tests.conformance.operations import WHOLE_CANCEL
from tests.conformance.wire import NO_LIMITS, answer


class Shop:
    """Gives tokens "t1", "t2", ...; only the newest is good."""

    def __init__(self) -> None:
        self.given = 0
        self.asked: list[str] = []
        self.status = 200
        self.body: dict[str, Any] = {"data": {"order": None}}

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/admin/oauth/access_token":
            assert b"grant_type=client_credentials" in request.content
            assert b"client_secret=s3cret" in request.content
            self.given += 1
            return answer(200, {"access_token": f"t{self.given}", "scope": "write_orders", "expires_in": 86399})
        self.asked.append(request.headers["x-shopify-access-token"])
        if self.asked[-1] != f"t{self.given}":
            return answer(401, {"errors": "[API] Invalid API key or access token"})
        return answer(self.status, self.body)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("SHOP_SECRET", "s3cret")
    return Shop()


async def ask(shop: Shop, times: int = 1) -> None:
    targets = HttpTargets(transport=httpx2.MockTransport(shop.handle), shared=NO_LIMITS)
    settings = ChannelSettings(
        "shopify",
        "http://shop.test",
        ("env:SHOP_SECRET",),
        client_id="app",
        client_secret="env:SHOP_SECRET",
    )
    port = build("shop", settings, targets).cancel
    assert port is not None
    for _ in range(times):
        await port.find_cancel(WHOLE_CANCEL)


async def test_a_token_is_fetched_once_and_anew_when_it_was_revoked(shop: Shop) -> None:
    await ask(shop, times=3)
    assert (shop.given, shop.asked) == (1, ["t1"] * 3)


async def fault_of(shop: Shop) -> Fault:
    with pytest.raises(Fault) as caught:
        await ask(shop)
    return caught.value


@pytest.mark.parametrize("code", GRAPHQL_ERRORS)
async def test_each_graphql_error_has_its_meaning(shop: Shop, code: str) -> None:
    shop.body = {"data": None, "errors": [{"message": "No.", "extensions": {"code": code}}]}
    fault = await fault_of(shop)
    kinds = {
        Meaning.TEMPORARY: TemporaryFault,
        Meaning.UNKNOWN: TemporaryFault,  # of a read
        Meaning.PERMANENT: PermanentFault,
        Meaning.AUTH: AccessRefused,
        Meaning.RIGHTS: AccessRefused,
    }
    assert type(fault) is kinds[GRAPHQL_ERRORS[code]]
    if isinstance(fault, AccessRefused):
        assert fault.whole_account is (GRAPHQL_ERRORS[code] is Meaning.AUTH)


@pytest.mark.parametrize("status", HTTP_ERRORS)
async def test_each_status_that_blames_the_account_does(shop: Shop, status: int) -> None:
    shop.status = status
    fault = await fault_of(shop)
    assert isinstance(fault, AccessRefused)
    assert fault.whole_account
