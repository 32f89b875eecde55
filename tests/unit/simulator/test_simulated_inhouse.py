"""The in-house system hears by our own client that we took an order, cancelled pieces and have stock: each once."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from kept.connectors.http import HttpTargets
from kept.connectors.registry import build_channel
from kept.ports import (
    Acknowledged,
    Acknowledgement,
    CancelReason,
    Channel,
    ChannelCancel,
    PermanentFault,
    StockOffer,
    StockRefused,
)
from kept.settings import ChannelSettings
from kept.simulator.audit_books import ChannelBook
from kept.simulator.config import WorldConfig
from kept.simulator.world import channels_running

REFERENCE = "K7Q2F-000000001"


@dataclass
class Inhouse:
    """Our channel, with a running system behind it that sold `order`."""

    channel: Channel
    order: dict[str, Any]
    config: WorldConfig

    @property
    def book(self) -> ChannelBook:
        return ChannelBook(self.config.book_path("channels"))

    def acknowledgement(self, reference: str = REFERENCE) -> Acknowledgement:
        ids = {number: line["id"] for number, line in enumerate(self.order["lines"], start=1)}
        pieces = {number: line["quantity"] for number, line in enumerate(self.order["lines"], start=1)}
        return Acknowledgement(reference, self.order["id"], ids, pieces)

    def cancelling(self, *, whole: bool, pieces: int = 1) -> ChannelCancel:
        told = self.acknowledgement()
        quantities = told.quantities if whole else {1: pieces}
        return ChannelCancel(REFERENCE, told.channel_order_id, CancelReason.FRAUD, told.line_ids, quantities, whole)


@pytest.fixture
async def inhouse(kept: Any, make_world: Callable[..., WorldConfig]) -> AsyncIterator[Inhouse]:
    config = make_world(kept_url=kept.url, rate=1000, count=2)
    async with channels_running(config) as ports, contextlib.AsyncExitStack() as stack:
        await kept.until(lambda hooks: len(hooks) == 2)
        mine = config.channels["inhouse"]
        targets = HttpTargets()
        stack.push_async_callback(targets.aclose)
        url = f"http://127.0.0.1:{ports['inhouse']}"
        settings = ChannelSettings("inhouse", url, (mine.webhook_secret,), mine.token)
        order = next(json.loads(hook.body) for hook in kept.hooks if hook.account == "inhouse")
        yield Inhouse(build_channel("inhouse", settings, targets), order, config)


async def test_it_hears_once_that_we_took_an_order(inhouse: Inhouse) -> None:
    port, told = inhouse.channel.acknowledge, inhouse.acknowledgement()
    assert port is not None
    assert await port.find_acknowledgement(told) is None
    answers = [await port.acknowledge(told, "k1") for _ in range(2)]
    assert answers == [Acknowledged(inhouse.order["id"])] * 2
    assert await port.find_acknowledgement(told) == answers[0]
    assert inhouse.book.acknowledged() == [("inhouse", inhouse.order["id"], REFERENCE)]
    with pytest.raises(PermanentFault, match="other content"):
        await port.acknowledge(inhouse.acknowledgement("K7Q2F-000000002"), "k2")


async def test_it_hears_once_that_we_cancel_and_of_no_more_pieces_than_are_left(inhouse: Inhouse) -> None:
    port = inhouse.channel.cancel
    assert port is not None
    one, all_of_it = inhouse.cancelling(whole=False), inhouse.cancelling(whole=True)
    assert await port.find_cancel(all_of_it) is None
    assert await port.cancel(one, "k1") == await port.cancel(one, "k1")
    assert await port.find_cancel(one) is None
    with pytest.raises(PermanentFault) as caught:
        await port.cancel(all_of_it, "k2")
    assert caught.value.code == "too_many"
    line = inhouse.order["lines"][0]
    assert inhouse.book.cancelled() == [("inhouse", inhouse.order["id"], line["id"], 1)]


async def test_a_cancel_of_the_whole_order_can_be_looked_up(inhouse: Inhouse) -> None:
    port, all_of_it = inhouse.channel.cancel, inhouse.cancelling(whole=True)
    assert port is not None
    made = await port.cancel(all_of_it, "k1")
    assert await port.find_cancel(all_of_it) == made
    with pytest.raises(PermanentFault) as caught:
        await port.cancel(inhouse.cancelling(whole=False), "k1")
    assert caught.value.code == "key_conflict"


async def test_the_newest_stock_replaces_the_one_before_unless_it_was_compared_with_a_stale_one(
    inhouse: Inhouse,
) -> None:
    port = inhouse.channel.push_stock
    assert port is not None
    assert await port.push([StockOffer("MUG", 7), StockOffer("CUP", 1, believed=0)], "k1") == []
    assert await port.push([StockOffer("MUG", 7), StockOffer("CUP", 1, believed=0)], "k1") == []
    refused = await port.push([StockOffer("MUG", 5), StockOffer("CUP", 9, believed=4)], "k2")
    assert refused == [StockRefused("CUP", "stale", "it changed meanwhile")]
    assert inhouse.book.offered() == [("inhouse", "", "CUP", 1), ("inhouse", "", "MUG", 5)]


async def test_an_order_or_line_that_it_never_had_is_refused(inhouse: Inhouse) -> None:
    port = inhouse.channel.acknowledge
    assert port is not None
    for told in (
        Acknowledgement(REFERENCE, "nobody/knows", {1: "L1"}, {1: 1}),
        Acknowledgement(REFERENCE, inhouse.order["id"], {1: "L99"}, {1: 1}),
    ):
        with pytest.raises(PermanentFault):
            await port.acknowledge(told, "k9")
