"""Tokens, errors, rates and the proof that a notification is Walmart's."""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kept.connectors.channels.walmart.codes import ERRORS
from kept.connectors.channels.walmart.rates import RATES, a_minute, read_level, wait_s
from kept.connectors.meanings import Meaning
from kept.engine.quotas import Level
from kept.ports import (
    AccessRefused,
    Acknowledgement,
    Fault,
    Incoming,
    NotAuthentic,
    PermanentFault,
    TemporaryFault,
    UnknownResult,
)
from kept.settings import SettingsError
from tests.conformance.walmart import CREATED, ORDER_ID, FakeWalmart, errors
from tests.conformance.wire import answer
from tests.unit.connectors.channels.walmart.seller import seller

NOW = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
ACKNOWLEDGEMENT = Acknowledgement("K7Q2F-000000123", ORDER_ID, {1: "11"}, {1: 2})
BODY = b'{"source": {"eventId": "e-1"}}'


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WALMART_SECRET", "token-of-client")
    monkeypatch.setenv("HOOK", "kept:s3cret")


async def ask(vendor: FakeWalmart, times: int = 1) -> None:
    port = seller(vendor).acknowledge
    assert port is not None
    for _ in range(times):
        await port.find_acknowledgement(ACKNOWLEDGEMENT)


async def fault_of_write(vendor: FakeWalmart) -> Fault:
    """The fault of an acknowledgement, whose first call only reads."""
    port = seller(vendor).acknowledge
    assert port is not None
    refusing, vendor.refusing = vendor.refusing, []
    read = answer(200, {"order": vendor.order()})
    vendor.refusing = [read, *refusing]
    with pytest.raises(Fault) as caught:
        await port.acknowledge(ACKNOWLEDGEMENT, "k")
    return caught.value


# ------------------------------------------------------------------ tokens


async def test_one_token_serves_many_calls_and_each_call_has_a_guid_of_its_own() -> None:
    vendor = FakeWalmart()
    await ask(vendor, 3)
    assert vendor.tokens_given == 1
    assert len({uuid.UUID(each) for each in vendor.guids}) == 4


async def test_a_token_that_is_over_is_renewed_and_the_call_made_again() -> None:
    vendor = FakeWalmart()
    port = seller(vendor).acknowledge
    assert port is not None
    await port.find_acknowledgement(ACKNOWLEDGEMENT)
    vendor.end_tokens()
    await port.find_acknowledgement(ACKNOWLEDGEMENT)
    assert vendor.tokens_given == 2


async def test_a_wrong_secret_refuses_the_whole_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WALMART_SECRET", "letmein")
    with pytest.raises(AccessRefused) as caught:
        await ask(FakeWalmart())
    assert caught.value.whole_account
    assert "letmein" not in str(caught.value)


# ------------------------------------------------------------------ errors

_FAULTS: dict[Meaning, type[Fault]] = {
    Meaning.TEMPORARY: TemporaryFault,
    Meaning.PERMANENT: PermanentFault,
    Meaning.AUTH: AccessRefused,
    Meaning.RIGHTS: AccessRefused,
    Meaning.UNKNOWN: UnknownResult,
}


@pytest.mark.parametrize("code", ERRORS)
async def test_each_documented_code_is_its_fault(code: str) -> None:
    vendor = FakeWalmart(CREATED)
    status = 500 if ERRORS[code] is Meaning.UNKNOWN else 400
    vendor.refusing = [errors(status, f"{code}.GMP_ORDER_API", "of somebody@example.com")]
    fault = await fault_of_write(vendor)
    assert type(fault) is _FAULTS[ERRORS[code]]
    assert code in str(fault)
    assert "somebody@" not in str(fault)
    if isinstance(fault, AccessRefused):
        assert fault.whole_account is (ERRORS[code] is Meaning.AUTH)


@pytest.mark.parametrize(
    "shape", [{"error": [{"code": "FORBIDDEN"}]}, {"errors": [{"code": "FORBIDDEN", "message": "x"}]}]
)
async def test_errors_are_read_in_every_form_that_walmart_writes(shape: dict[str, object]) -> None:
    vendor = FakeWalmart(CREATED)
    vendor.refusing = [answer(403, shape)]
    fault = await fault_of_write(vendor)
    assert isinstance(fault, AccessRefused)
    assert fault.code == "FORBIDDEN"


async def test_a_500_may_have_been_done_whatever_its_code_says() -> None:
    vendor = FakeWalmart(CREATED)
    vendor.refusing = [errors(500, "INVALID_REQUEST", "?")]
    assert isinstance(await fault_of_write(vendor), UnknownResult)


async def test_a_throttled_call_comes_back_when_the_quota_is_filled() -> None:
    vendor = FakeWalmart(CREATED)
    refusal = errors(429, "REQUEST_THRESHOLD_VIOLATED.GMP_GATEWAY_API", "too many")
    refusal.headers["x-next-replenishment-time"] = "17"
    vendor.refusing = [refusal]
    fault = await fault_of_write(vendor)
    assert isinstance(fault, TemporaryFault)
    assert fault.retry_after_s == 17


# ------------------------------------------------------------------ rates


@pytest.mark.parametrize("calls", [1, 5, 60, 200, 5000])
def test_no_minute_has_more_calls_than_walmart_allows(calls: int) -> None:
    rate = a_minute(calls)
    assert rate.burst + 60 * rate.per_s <= calls
    assert rate.burst >= 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30.0),
        (str(int((NOW + timedelta(seconds=30)).timestamp() * 1000)), 30.0),
        ("2026-11-03T09:00:30Z", 30.0),
        ("2026-11-03T09:00:30", 30.0),
        ("2026-11-03T08:00:00Z", 0.0),
        ("2027-11-03T08:00:00Z", 120.0),
        ("soon", None),
        ("", None),
    ],
)
def test_the_time_of_replenishment_comes_in_three_forms(text: str, seconds: float | None) -> None:
    assert wait_s({"x-next-replenishment-time": text}, NOW) == seconds


def test_what_is_left_of_a_quota_is_heeded() -> None:
    assert read_level({"x-current-token-count": "7"}, NOW) == Level(tokens=7.0)
    spent = {"x-current-token-count": "0", "x-next-replenishment-time": "12"}
    assert read_level(spent, NOW) == Level(tokens=0.0, blocked_s=12.0)
    assert read_level({"x-current-token-count": "many"}, NOW) is None
    assert RATES.read_level is read_level


# ------------------------------------------------------------------ notifications


def signed(value: str, header: str = "authorization") -> Incoming:
    return Incoming({header: value}, BODY)


def verify(message: Incoming, **settings: Any) -> None:
    seller(FakeWalmart(), webhook_secrets=("env:HOOK",), **settings).verify(message, NOW)


DIGEST = hmac.digest(b"kept:s3cret", BODY, hashlib.sha256)


@pytest.mark.parametrize("value", [base64.b64encode(DIGEST).decode(), DIGEST.hex(), DIGEST.hex().upper()])
def test_an_hmac_of_the_body_is_good_in_either_writing(value: str) -> None:
    verify(signed(value, "x-proof"), webhook_header="X-Proof")


def test_basic_is_user_and_password_with_or_without_its_name() -> None:
    proof = base64.b64encode(b"kept:s3cret").decode()
    verify(signed(proof), webhook_method="basic")
    verify(signed(f"Basic {proof}"), webhook_method="basic")


@pytest.mark.parametrize("method", ["hmac", "basic"])
@pytest.mark.parametrize("message", [signed("AAAA"), signed(""), Incoming({}, BODY), signed("Basic é")])
def test_any_other_proof_is_refused(method: str, message: Incoming) -> None:
    with pytest.raises(NotAuthentic):
        verify(message, webhook_method=method)


def test_without_secrets_no_notification_gets_in() -> None:
    with pytest.raises(NotAuthentic):
        seller(FakeWalmart()).verify(signed("x"), NOW)


def test_an_unknown_method_and_a_password_alone_are_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="webhook_method is 'oauth'; known are hmac, basic"):
        verify(signed("x"), webhook_method="oauth")
    monkeypatch.setenv("HOOK", "s3cret")
    with pytest.raises(SettingsError, match="each is user:password"):
        verify(signed("x"), webhook_method="basic")
