"""Walmart's notifications name an order, which is then read."""

from __future__ import annotations

from typing import Any

import httpx2
import orjson
import pytest

from kept.connectors.channels.walmart.fetch import WalmartFetch
from kept.connectors.http import HttpTarget
from kept.ports import Incoming, TemporaryFault
from tests.conformance.wire import answer
from tests.unit.connectors.channels.walmart.orders import order


def fetcher(status: int, body: Any) -> WalmartFetch:
    transport = httpx2.MockTransport(lambda request: answer(status, body))
    return WalmartFetch(
        HttpTarget("channel:wm", "http://wm", timeout_s=5, requests_at_once=2, headers={}, transport=transport)
    )


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"source": {}, "payload": {"subEventType": "PO_CREATED", "order": {"purchaseOrderId": "17"}}}, "17"),
        ({"source": {}, "payload": {"purchaseOrderId": "18"}}, "18"),
        ({"source": {}, "payload": {"order": {"purchaseOrderId": 19}}}, ""),
        ({"source": {}, "payload": []}, ""),
        ([], ""),
    ],
)
def test_what_a_notification_names(body: Any, name: str) -> None:
    assert fetcher(200, {}).names(Incoming({}, orjson.dumps(body))) == name
    assert fetcher(200, {}).names(Incoming({}, b"{")) == ""


async def test_the_order_is_read_bare_or_wrapped_and_as_a_poll_would_bring_it() -> None:
    one = order(purchaseOrderId="17")
    bare, wrapped = await fetcher(200, one).fetch("17"), await fetcher(200, {"order": one}).fetch("17")
    assert bare is not None
    assert bare == wrapped
    assert orjson.loads(bare.body) == one


async def test_an_unknown_order_is_nothing_and_another_one_no_answer() -> None:
    assert await fetcher(404, {}).fetch("17") is None
    with pytest.raises(TemporaryFault, match="another order"):
        await fetcher(200, order(purchaseOrderId="18")).fetch("17")
