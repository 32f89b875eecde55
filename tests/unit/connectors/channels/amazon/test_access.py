"""Tokens at Amazon: fetched once, renewed when Amazon says they are over, restricted ones for v0's personal data."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from urllib.parse import parse_qs

import httpx2
import orjson
import pytest

from kept.connectors.channels.amazon.codes import RATES
from kept.connectors.channels.amazon.faults import wait_s
from kept.connectors.traffic import Shared
from kept.engine.quotas import Quotas
from kept.ports import AccessRefused, CircuitOpen, PermanentFault, QuotaSpent, TemporaryFault
from kept.settings import SettingsError
from kept.simulator import amazon as simulated
from tests.conformance.amazon import FakeAmazon, errors
from tests.conformance.amazon_models import operations
from tests.conformance.operations import AT, CONFIRMATION, KEY
from tests.conformance.wire import NO_LIMITS, answer
from tests.unit.connectors.channels.amazon.accounts import Account, open_account


async def find(account: Account) -> object:
    assert account.channel.confirm is not None
    return await account.channel.confirm.find(CONFIRMATION)


async def test_one_access_token_is_fetched_for_all_calls(tmp_path: Path) -> None:
    account = open_account(tmp_path)
    await asyncio.gather(*(find(account) for _ in range(5)))
    (login,) = account.wire.beside
    assert login.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(login.content.decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["token-of-channel"],
        "client_id": ["app"],
        "client_secret": ["token-of-client"],
    }
    assert {request.headers["x-amz-access-token"] for request in account.wire.requests} == {"token-of-channel-1"}
    assert all("Kept/" in request.headers["user-agent"] for request in (*account.wire.requests, login))


async def test_a_token_that_amazon_ended_is_replaced_once_and_the_call_sent_again(tmp_path: Path) -> None:
    account = open_account(tmp_path)
    await find(account)
    account.vendor.end_tokens()
    assert account.channel.confirm is not None
    await account.channel.confirm.confirm(CONFIRMATION, KEY)
    tokens = [request.headers["x-amz-access-token"] for request in account.wire.requests]
    assert tokens == ["token-of-channel-1", "token-of-channel-1", "token-of-channel-2"]
    assert len(account.vendor.packages) == 1


async def test_a_missing_role_blames_the_account_and_fetches_no_new_token(tmp_path: Path) -> None:
    account = open_account(tmp_path)
    account.vendor.refusing.append(errors(403, "Unauthorized", "Access to requested resource is denied."))
    with pytest.raises(AccessRefused) as caught:
        await find(account)
    assert caught.value.code == "Unauthorized"
    assert len(account.wire.beside) == 1


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        (
            answer(400, {"error": "invalid_grant", "error_description": "The request has an invalid grant"}),
            AccessRefused,
        ),
        (answer(401, {"error": "invalid_client"}), AccessRefused),
        (answer(400, {"error": "unsupported_grant_type"}), PermanentFault),
        (answer(500, {"error": "ServerError"}), TemporaryFault),
        (answer(503, {"error": "temporarily_unavailable"}), TemporaryFault),
        (answer(200, {"access_token": "", "expires_in": 3600}), TemporaryFault),
        (answer(502, {}), TemporaryFault),
    ],
)
async def test_without_a_token_nothing_is_sent_and_the_fault_says_why(
    tmp_path: Path, told: httpx2.Response, fault: type[Exception]
) -> None:
    class Closed(FakeAmazon):
        def _token(self, request: httpx2.Request) -> httpx2.Response:
            return told

    account = open_account(tmp_path, Closed())
    with pytest.raises(fault) as caught:
        await find(account)
    assert type(caught.value) is fault
    assert "token-of" not in str(caught.value)
    assert account.wire.requests == []


async def test_the_restricted_token_goes_only_where_v0_shows_personal_data(tmp_path: Path) -> None:
    class V0(FakeAmazon):
        def serve(self, request: httpx2.Request, method: str, path: str, body: dict[str, object]) -> httpx2.Response:
            if path == "/orders/v0/orders":
                return answer(200, {"payload": {"Orders": []}})
            return super().serve(request, method, path, body)

    account = open_account(tmp_path, V0(), api="v0")
    assert account.channel.poll is not None
    await account.channel.poll.changed(AT, AT)
    await find(account)
    asked, polled, looked = account.wire.requests
    assert asked.headers["x-amz-access-token"] == "token-of-channel-1"
    resources = orjson.loads(asked.content)["restrictedResources"]
    assert [each["path"] for each in resources] == ["/orders/v0/orders", "/orders/v0/orders/{orderId}/orderItems"]
    assert polled.headers["x-amz-access-token"] == "restricted-token-2"
    assert looked.headers["x-amz-access-token"] == "token-of-channel-1"
    assert account.judge.problems == []


async def test_a_restricted_token_that_ended_is_replaced_without_a_new_login(tmp_path: Path) -> None:
    class V0(FakeAmazon):
        def serve(self, request: httpx2.Request, method: str, path: str, body: dict[str, object]) -> httpx2.Response:
            if path == "/orders/v0/orders":
                return answer(200, {"payload": {"Orders": []}})
            return super().serve(request, method, path, body)

    account = open_account(tmp_path, V0(), api="v0")
    assert account.channel.poll is not None
    await account.channel.poll.changed(AT, AT)
    account.vendor.tokens.discard("restricted-token-2")
    await account.channel.poll.changed(AT, AT)
    assert len(account.wire.beside) == 1
    assert account.wire.requests[-1].headers["x-amz-access-token"] == "restricted-token-3"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-amzn-ratelimit-limit": "0.5"}, 2.0),
        ({"x-amzn-ratelimit-limit": "0.0056"}, pytest.approx(178.57, abs=0.01)),
        ({"x-amzn-ratelimit-limit": "0.0001"}, 300.0),
        ({"x-amzn-ratelimit-limit": "string"}, None),
        ({"x-amzn-ratelimit-limit": "nan"}, None),
        ({"x-amzn-ratelimit-limit": "0"}, None),
        ({"x-amzn-ratelimit-limit": "0.5", "retry-after": "7"}, 7.0),
        ({}, None),
    ],
)
def test_throttling_waits_as_long_as_amazon_says(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_s(headers) == seconds


@pytest.mark.parametrize("missing", ["base_url", "token", "client_id", "client_secret", "seller_id", "marketplaces"])
def test_a_missing_setting_is_named(tmp_path: Path, missing: str) -> None:
    with pytest.raises(SettingsError, match=rf"channels\.shop\.{missing} is not set"):
        open_account(tmp_path, None, shared=NO_LIMITS, **{missing: () if missing == "marketplaces" else ""})


def test_an_unknown_api_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"channels\.shop\.api is 'v1'; known are 2026-01-01, v0"):
        open_account(tmp_path, api="v1")


async def test_a_login_that_is_down_leaves_the_calls_unsent(tmp_path: Path) -> None:
    class Gone(FakeAmazon):
        def _token(self, request: httpx2.Request) -> httpx2.Response:
            raise httpx2.ConnectError("refused")

    account = open_account(tmp_path, Gone())
    for _ in range(20):
        with pytest.raises(TemporaryFault) as caught:
            await find(account)
    assert isinstance(caught.value, CircuitOpen)
    assert account.wire.requests == []


# ------------------------------------------------------------------ rates


async def test_a_call_beyond_the_rate_is_not_sent_and_knows_when_its_turn_comes(tmp_path: Path) -> None:
    account = open_account(tmp_path, shared=Shared(Quotas(None, lambda: 0.0)))
    await find(account)
    with pytest.raises(QuotaSpent) as caught:
        await find(account)
    assert caught.value.retry_after_s is not None
    assert len(account.wire.requests) == 1


async def test_what_amazon_says_of_the_rate_is_believed(tmp_path: Path) -> None:
    class Generous(FakeAmazon):
        def handle(self, request: httpx2.Request) -> httpx2.Response:
            told = super().handle(request)
            told.headers["x-amzn-ratelimit-limit"] = "800.0"
            return told

    now_s = 0.0
    account = open_account(tmp_path, Generous(), shared=Shared(Quotas(None, lambda: now_s)))
    await find(account)
    for _ in range(5):
        now_s += 0.1
        await find(account)
    assert len(account.wire.requests) == 6


def test_the_rates_are_those_of_amazons_models() -> None:
    published = {operation.name: operation.raw["description"] for operation in operations() if operation.name in RATES}
    for name, rate in RATES.items():
        row = re.search(r"\| ([0-9.]+) \| ([0-9]+) \|", published[name])
        assert row is not None, name
        assert (float(row[1]), float(row[2])) == (rate.per_s, rate.burst), name
    assert {name: (rate.per_s, rate.burst) for name, rate in simulated.RATES.items()}.items() <= {
        name: (rate.per_s, rate.burst) for name, rate in RATES.items()
    }.items()
