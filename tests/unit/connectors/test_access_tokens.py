"""Access tokens: one fetch for all who wait, renewed in time, replaced when the target says that they are over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from kept.connectors.access_tokens import AccessTokens, Token, TokenHeader
from kept.connectors.http import HttpTarget, Request
from kept.ports import AccessRefused, TemporaryFault

LIFE_S = 1000.0


class Office:
    """Gives tokens "t1", "t2", ... as often as it is asked; `now` is its clock."""

    def __init__(self) -> None:
        self.given = 0
        self.now = 0.0
        self.fault: Exception | None = None
        self.tokens = AccessTokens(self.fetch, lambda: self.now)

    async def fetch(self) -> Token:
        await asyncio.sleep(0)
        if self.fault is not None:
            raise self.fault
        self.given += 1
        return Token(f"t{self.given}", LIFE_S)


async def test_all_who_wait_get_the_token_of_one_fetch() -> None:
    office = Office()
    assert await asyncio.gather(*(office.tokens.get() for _ in range(20))) == ["t1"] * 20
    assert office.given == 1


async def test_a_token_is_renewed_before_its_end() -> None:
    office = Office()
    await office.tokens.get()
    office.now = LIFE_S * 0.89
    assert await office.tokens.get() == "t1"
    office.now = LIFE_S * 0.91
    assert await office.tokens.get() == "t2"


async def test_a_forgotten_token_is_fetched_anew_once_however_many_forget_it() -> None:
    office = Office()
    assert await office.tokens.get() == "t1"
    assert office.tokens.forget("t1")
    assert await office.tokens.get() == "t2"
    assert not office.tokens.forget("t1")  # a late answer to a call with the old one
    assert await office.tokens.get() == "t2"


async def test_a_failed_fetch_is_told_to_who_asked_and_tried_again_by_the_next() -> None:
    office = Office()
    office.fault = TemporaryFault("away")
    with pytest.raises(TemporaryFault):
        await office.tokens.get()
    office.fault = None
    assert await office.tokens.get() == "t1"


def test_a_token_does_not_show_itself() -> None:
    assert "secret" not in repr(Token("secret", LIFE_S))


# ------------------------------------------------------------------ behind a target


def target(office: Office, handler: Callable[[httpx2.Request], Any]) -> HttpTarget:
    return HttpTarget(
        "channel:shop",
        "http://shop.test",
        timeout_s=5,
        requests_at_once=2,
        headers={},
        authorise=TokenHeader(office.tokens, "x-token"),
        transport=httpx2.MockTransport(handler),
    )


def good_only(token: str, asked: list[str]) -> Callable[[httpx2.Request], httpx2.Response]:
    def handle(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.headers["x-token"])
        status = 200 if asked[-1] == token else 401
        return httpx2.Response(status, stream=httpx2.ByteStream(b"{}"))

    return handle


WRITE = Request("POST", "/things", json={"a": 1}, key="K-1")


async def test_a_call_whose_token_is_over_is_sent_once_more_with_a_new_one() -> None:
    office, asked = Office(), list[str]()
    assert await target(office, good_only("t2", asked)).call(WRITE, lambda answer: answer) == {}
    assert asked == ["t1", "t2"]


async def test_a_call_that_is_refused_again_is_not_sent_for_ever() -> None:
    office, asked = Office(), list[str]()
    with pytest.raises(AccessRefused):
        await target(office, good_only("none", asked)).call(WRITE, lambda answer: answer)
    assert asked == ["t1", "t2"]


async def test_a_403_is_the_account_s_and_no_new_token_is_fetched() -> None:
    office = Office()

    def handle(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(403, stream=httpx2.ByteStream(b"{}"))

    with pytest.raises(AccessRefused):
        await target(office, handle).call(WRITE, lambda answer: answer)
    assert office.given == 1


async def test_without_a_token_nothing_is_sent() -> None:
    office, asked = Office(), list[str]()
    office.fault = TemporaryFault("the token's address gave nothing")
    with pytest.raises(TemporaryFault):
        await target(office, good_only("t1", asked)).call(WRITE, lambda answer: answer)
    assert asked == []


async def test_a_form_and_raw_content_are_sent_as_they_are() -> None:
    sent: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, stream=httpx2.ByteStream(b""))

    one = target(Office(), handle)
    form = Request("POST", "/token", form={"grant_type": "x y"}, bodiless=True)
    await one.call(form, lambda answer: answer)
    raw = Request("PUT", "/file", content=b"\x00raw", headers={"content-type": "text/plain"}, bodiless=True)
    await one.call(raw, lambda answer: answer)
    assert (sent[0].content, sent[0].headers["content-type"]) == (
        b"grant_type=x+y",
        "application/x-www-form-urlencoded",
    )
    assert (sent[1].content, sent[1].headers["content-type"]) == (b"\x00raw", "text/plain")
