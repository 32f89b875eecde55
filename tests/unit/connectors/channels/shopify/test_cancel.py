"""Cancelling at Shopify: whole orders, once, and no refusal for what is cancelled already."""

from __future__ import annotations

from dataclasses import replace

import httpx2
import orjson
import pytest

from kept.connectors.channels.shopify.cancel import ShopifyCancel, cancel_input
from kept.connectors.channels.shopify.codes import CANCEL_ERRORS, CANCEL_REASONS
from kept.connectors.http import HttpTarget
from kept.connectors.meanings import Meaning
from kept.ports import AccessRefused, CancelReason, ChannelCancelled, PermanentFault, UnknownResult
from tests.conformance.operations import KEY, PART_CANCEL, WHOLE_CANCEL
from tests.conformance.wire import answer

ORDER = "gid://shopify/Order/5001"


class CancellingShop:
    """One order; `error` is what a cancel is refused with, `later` cancels it all the same."""

    def __init__(self) -> None:
        self.cancelled = self.later = self.silent = False
        self.error = ""
        self.known = True
        self.begun: list[dict[str, object]] = []

    def port(self) -> ShopifyCancel:
        transport = httpx2.MockTransport(self.handle)
        return ShopifyCancel(
            HttpTarget("channel:shop", "http://shop", timeout_s=5, requests_at_once=2, headers={}, transport=transport)
        )

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        body = orjson.loads(request.content)
        if "mutation" not in body["query"]:
            at = "2026-11-03T09:00:00Z" if self.cancelled else None
            return answer(200, {"data": {"order": {"id": ORDER, "cancelledAt": at} if self.known else None}})
        self.begun.append(body["variables"])
        self.cancelled = self.cancelled or self.later
        if self.silent:
            raise httpx2.ReadTimeout("late")
        errors = [{"field": ["orderId"], "message": "No.", "code": self.error}] if self.error else []
        self.cancelled = self.cancelled or not errors
        job = None if errors else {"id": "gid://shopify/Job/1"}
        return answer(200, {"data": {"orderCancel": {"job": job, "orderCancelUserErrors": errors}}})


async def test_a_whole_order_is_cancelled_once_with_its_reason() -> None:
    shop = CancellingShop()
    port = shop.port()
    assert await port.find_cancel(WHOLE_CANCEL) is None
    assert await port.cancel(WHOLE_CANCEL, KEY) == ChannelCancelled("5001")
    assert await port.cancel(WHOLE_CANCEL, KEY) == ChannelCancelled("5001")
    assert await port.find_cancel(WHOLE_CANCEL) == ChannelCancelled("5001")
    (variables,) = shop.begun
    assert (variables["orderId"], variables["reason"], variables["restock"]) == (ORDER, "INVENTORY", False)


async def test_a_refusal_of_what_was_cancelled_meanwhile_is_none() -> None:
    shop = CancellingShop()
    shop.error, shop.later = "INVALID", True
    assert await shop.port().cancel(WHOLE_CANCEL, KEY) == ChannelCancelled("5001")


async def test_a_lost_answer_is_found_by_the_order_itself() -> None:
    shop = CancellingShop()
    shop.silent = shop.later = True
    port = shop.port()
    with pytest.raises(UnknownResult):
        await port.cancel(WHOLE_CANCEL, KEY)
    assert await port.find_cancel(WHOLE_CANCEL) == ChannelCancelled("5001")


async def test_single_pieces_are_for_a_person_who_may_move_money() -> None:
    shop = CancellingShop()
    with pytest.raises(PermanentFault, match="1 of line 12") as fault:
        await shop.port().cancel(PART_CANCEL, KEY)
    assert fault.value.code == "partial_cancel"
    assert shop.begun == []


async def test_an_order_that_shopify_does_not_have_is_named() -> None:
    shop = CancellingShop()
    shop.known = False
    with pytest.raises(PermanentFault, match="5001"):
        await shop.port().cancel(WHOLE_CANCEL, KEY)


@pytest.mark.parametrize("code", CANCEL_ERRORS)
async def test_each_documented_error_has_its_meaning(code: str) -> None:
    shop = CancellingShop()
    shop.error = code
    kinds = {Meaning.PERMANENT: PermanentFault, Meaning.RIGHTS: AccessRefused, Meaning.UNKNOWN: UnknownResult}
    with pytest.raises(kinds[CANCEL_ERRORS[code]]) as fault:
        await shop.port().cancel(WHOLE_CANCEL, KEY)
    assert type(fault.value) is kinds[CANCEL_ERRORS[code]]
    assert code in str(fault.value)


def test_each_of_our_reasons_is_one_of_shopifys() -> None:
    assert set(CANCEL_REASONS) == set(CancelReason)
    for reason in CancelReason:
        given = cancel_input(replace(WHOLE_CANCEL, reason=reason))
        assert given["restock"] is (reason is not CancelReason.OUT_OF_STOCK)
        assert len(given["staffNote"]) <= 255
