"""Cancelling at Shopify: whole orders, once, done when the order or the job says so, and never by being taken on."""

from __future__ import annotations

from dataclasses import replace

import httpx2
import orjson
import pytest

from kept.connectors.channels.shopify.cancel import ShopifyCancel, cancel_input
from kept.connectors.channels.shopify.codes import CANCEL_ERRORS, CANCEL_REASONS
from kept.connectors.http import HttpTarget
from kept.connectors.meanings import Meaning
from kept.ports import AccessRefused, CancelReason, ChannelCancelled, PermanentFault, TemporaryFault, UnknownResult
from tests.conformance.operations import KEY, PART_CANCEL, WHOLE_CANCEL
from tests.conformance.wire import answer

RESULT = "gid://shopify/OrderCancelJobResult/1"
ORDER = "gid://shopify/Order/5001"


class CancellingShop:
    """One order; `error` is what a cancel is refused with, `later` cancels it all the same. A job that is `queued`
    runs when it is told to; `plain` ones have no result to look at.
    """

    def __init__(self) -> None:
        self.cancelled = self.later = self.silent = False
        self.error = ""
        self.known = True
        self.queued = self.plain = False
        self.status = "SUCCEEDED"
        self.job_errors: list[dict[str, object]] = []
        self.begun: list[dict[str, object]] = []
        self.looks: list[str] = []

    def run_job(self, status: str = "SUCCEEDED", error: str = "") -> None:
        """The queue gets to the job."""
        self.queued, self.status, self.cancelled = False, status, status == "SUCCEEDED"
        self.job_errors = [{"code": error, "field": None, "message": "Zoë's +1 212 555 0100 is fulfilled."}]
        if not error:
            self.job_errors = []

    def result(self) -> dict[str, object]:
        status = "STARTED" if self.queued else self.status
        return {"done": not self.queued, "status": status, "errors": [] if self.queued else self.job_errors}

    def order(self) -> dict[str, object] | None:
        return {"id": ORDER, "cancelledAt": "2026-11-03T09:00:00Z" if self.cancelled else None} if self.known else None

    def port(self) -> ShopifyCancel:
        transport = httpx2.MockTransport(self.handle)
        return ShopifyCancel(
            HttpTarget("channel:shop", "http://shop", timeout_s=5, requests_at_once=2, headers={}, transport=transport)
        )

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        body = orjson.loads(request.content)
        if "mutation" not in body["query"]:
            data: dict[str, object] = {"order": self.order()}
            if "$job" in body["query"]:
                self.looks.append(body["variables"]["job"])
                data |= {"job": {"done": not self.queued}} if self.plain else {"node": self.result()}
            return answer(200, {"data": data})
        self.begun.append(body["variables"])
        self.cancelled = self.cancelled or self.later
        if self.silent:
            raise httpx2.ReadTimeout("late")
        errors = [{"field": ["orderId"], "message": "No.", "code": self.error}] if self.error else []
        self.cancelled = self.cancelled or not (errors or self.queued or self.job_errors)
        job = None if errors else {"id": "gid://shopify/Job/1", "done": not self.queued}
        told = None if errors or self.plain else {"id": RESULT, **self.result(), "order": self.order()}
        made = {"job": job, "jobResult": told, "orderCancelUserErrors": errors}
        return answer(200, {"data": {"orderCancel": made}})


async def test_a_whole_order_is_cancelled_once_with_its_reason() -> None:
    shop = CancellingShop()
    port = shop.port()
    assert await port.find_cancel(WHOLE_CANCEL) is None
    assert await port.cancel(WHOLE_CANCEL, KEY) == ChannelCancelled("5001")
    assert await port.cancel(WHOLE_CANCEL, KEY) == ChannelCancelled("5001")
    assert await port.find_cancel(WHOLE_CANCEL) == ChannelCancelled("5001")
    (variables,) = shop.begun
    assert (variables["orderId"], variables["reason"], variables["restock"]) == (ORDER, "INVENTORY", False)


@pytest.mark.parametrize(("plain", "job_id"), [(False, RESULT), (True, "gid://shopify/Job/1")])
async def test_a_job_that_was_only_taken_on_is_no_cancel_until_it_has_run(plain: bool, job_id: str) -> None:
    shop = CancellingShop()
    shop.queued, shop.plain = True, plain
    port = shop.port()
    assert await port.cancel(WHOLE_CANCEL, KEY) == ChannelCancelled("5001", job_id=job_id)
    assert await port.find_cancel(WHOLE_CANCEL) is None
    with pytest.raises(TemporaryFault, match="has not done it yet"):
        await port.finished(WHOLE_CANCEL, job_id)
    shop.run_job()
    assert await port.finished(WHOLE_CANCEL, job_id) == ChannelCancelled("5001")
    assert len(shop.begun) == 1
    assert shop.looks == [job_id, job_id]


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_job_that_fails_is_a_fault_with_shopify_s_reason(at_once: bool) -> None:
    shop = CancellingShop()
    shop.queued = not at_once
    port = shop.port()
    if not at_once:
        await port.cancel(WHOLE_CANCEL, KEY)
    shop.run_job("FAILED", "NO_REFUND_PERMISSION")
    with pytest.raises(PermanentFault, match=r"FAILED, NO_REFUND_PERMISSION.*is fulfilled") as fault:
        await (port.cancel(WHOLE_CANCEL, KEY) if at_once else port.finished(WHOLE_CANCEL, RESULT))
    assert fault.value.code == "NO_REFUND_PERMISSION"
    assert "555" not in str(fault.value)
    shop.cancelled = True  # by a person, there
    assert await port.finished(WHOLE_CANCEL, RESULT) == ChannelCancelled("5001")


async def test_a_job_that_ended_without_effect_or_reason_is_a_fault_as_well() -> None:
    shop = CancellingShop()
    shop.queued = shop.plain = True
    port = shop.port()
    await port.cancel(WHOLE_CANCEL, KEY)
    shop.queued = False
    with pytest.raises(PermanentFault, match="without a reason") as fault:
        await port.finished(WHOLE_CANCEL, "gid://shopify/Job/1")
    assert fault.value.code == "cancel_failed"


async def test_a_status_that_we_do_not_know_ends_when_shopify_says_so_and_is_named() -> None:
    shop = CancellingShop()
    shop.queued = True
    port = shop.port()
    await port.cancel(WHOLE_CANCEL, KEY)
    shop.run_job("EXPIRED")
    with pytest.raises(PermanentFault, match="EXPIRED"):
        await port.finished(WHOLE_CANCEL, RESULT)


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


async def test_a_code_that_is_not_in_the_table_is_a_permanent_fault_that_names_it() -> None:
    shop = CancellingShop()
    shop.error = "SHIPPED_BY_PIGEON"
    with pytest.raises(PermanentFault, match="SHIPPED_BY_PIGEON") as fault:
        await shop.port().cancel(WHOLE_CANCEL, KEY)
    assert (type(fault.value), fault.value.code) == (PermanentFault, "SHIPPED_BY_PIGEON")
