"""Validate: an order goes on, waits, is recorded, or is held with the evidence. It is never refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kept.domain import events as ev
from kept.domain.order import OrderContent, Payment
from kept.domain.progress import evolve
from kept.engine.outcome import Done
from kept.ports import TemporaryFault
from kept.steps.validate import validate
from tests.unit.domain.samples import content, line, order_after
from tests.unit.steps.world import World


async def verdict(said: OrderContent, world: World | None = None) -> Any:
    order = order_after(said=said)
    outcome = await validate(order, (world or World()).ports())
    assert isinstance(outcome, Done)
    (fact,) = outcome.events
    evolve(order, [fact])  # must be legal
    return fact


@pytest.mark.parametrize("payment", [Payment.PAID, Payment.AUTHORISED, Payment.FREE])
async def test_an_order_whose_money_is_there_goes_on_with_the_erps_customer(payment: Payment) -> None:
    assert await verdict(content(payment=payment)) == ev.OrderValidated("C-shop")


async def test_a_free_order_ships() -> None:
    free = content(line(1, 2, discount_minor=2000), shipping_minor=0, total_minor=0, payment=Payment.FREE)
    assert await verdict(free) == ev.OrderValidated("C-shop")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (content(cancelled=True), "cancelled at the channel before anything was done"),
        (content(test=True), "test order"),
        (content(already_shipped=True), "the channel says that it has shipped"),
        (content(fulfilled_by_channel=True), "the channel ships it from its own stock"),
        (content(line(1, 1, requires_shipping=False)), "nothing to ship"),
        (content(line(1, 0)), "nothing to ship"),
    ],
    ids=["cancelled", "test", "shipped elsewhere", "marketplace", "nothing that ships", "nothing wanted any more"],
)
async def test_what_is_not_ours_to_ship_is_recorded_and_asks_the_erp_nothing(said: OrderContent, reason: str) -> None:
    world = World()
    assert await verdict(said, world) == ev.OrderRecorded(reason)
    assert world.items.asked == []


async def test_a_pending_payment_is_awaited() -> None:
    assert await verdict(content(payment=Payment.PENDING)) == ev.PaymentAwaited("pending")


@pytest.mark.parametrize("payment", [Payment.REFUNDED, Payment.VOIDED])
async def test_money_that_is_gone_is_a_hold_that_says_what_to_do(payment: Payment) -> None:
    fact = await verdict(content(payment=payment))
    assert fact == ev.OrderHeld("payment_gone", f"the channel says {payment.value}; cancel it there or here")


async def test_no_address_is_a_hold() -> None:
    fact = await verdict(content(ship_to=None))
    assert fact == ev.OrderHeld("no_address", "the channel gave no shipping address")


async def test_a_sku_without_a_mapping_is_a_hold_that_names_it() -> None:
    said = content(line(1, 1, unmapped=True), line(2, 1), line(3, 0, unmapped=True))
    assert await verdict(said) == ev.OrderHeld("sku_unmapped", "no SKU of ours for SKU-1; import the mapping")


async def test_the_channels_own_hold_is_ours_too() -> None:
    fact = await verdict(content(hold="payment review"))
    assert fact == ev.OrderHeld("channel_hold", "the channel says to wait: payment review")


async def test_a_buyers_request_to_cancel_a_line_is_a_hold_that_names_it() -> None:
    asked = content(line(1, 1), line(2, 1, cancel_requested=True), line(3, 0, cancel_requested=True))
    fact = await verdict(asked)
    assert fact == ev.OrderHeld("cancel_requested", "the buyer asks to cancel line 2: cancel or refuse it")


async def test_a_line_without_a_sku_is_a_hold_that_names_the_line() -> None:
    bare = replace(line(2, 1), external_id="L-77", sku="")
    assert await verdict(content(line(1, 1), bare)) == ev.OrderHeld("sku_missing", "line 2 (L-77) has no SKU")


async def test_the_erp_is_not_asked_about_what_is_no_longer_wanted() -> None:
    world = World()
    assert isinstance(await verdict(content(line(1, 1), line(2, 0)), world), ev.OrderValidated)
    assert world.items.asked == [("SKU-1",)]


async def test_a_line_that_is_no_longer_wanted_may_lack_its_sku() -> None:
    assert isinstance(await verdict(content(line(1, 1), replace(line(2, 0), sku=""))), ev.OrderValidated)


@pytest.mark.parametrize(("total", "shown"), [(3501, "35.01"), (0, "0.00"), (-3500, "-35.00")])
async def test_a_total_that_does_not_tie_is_a_hold_with_both_sums(total: int, shown: str) -> None:
    fact = await verdict(content(total_minor=total))
    assert fact == ev.OrderHeld("total_mismatch", f"lines come to 35.00 USD, the channel says {shown}")


async def test_sums_are_shown_in_the_currencys_own_decimals() -> None:
    fact = await verdict(content(currency="JPY", total_minor=1))
    assert fact.evidence == "lines come to 3500 JPY, the channel says 1"


async def test_skus_that_the_erp_does_not_know_are_a_hold_that_names_them_all() -> None:
    world = World()
    world.items.unknown = {"SKU-1", "SKU-2"}
    assert await verdict(content(), world) == ev.OrderHeld("sku_unknown", "the ERP does not know SKU-1, SKU-2")


async def test_skus_that_the_erp_does_not_sell_are_a_hold() -> None:
    world = World()
    world.items.blocked = {"SKU-2"}
    assert await verdict(content(), world) == ev.OrderHeld("sku_not_saleable", "the ERP does not sell SKU-2")


async def test_each_sku_is_asked_about_once() -> None:
    world = World()
    await verdict(content(line(1, 1, sku="B"), line(2, 1, sku="A"), line(3, 1, sku="B")), world)
    assert world.items.asked == [("A", "B")]


async def test_what_is_wrong_here_is_said_before_the_erp_is_asked() -> None:
    world = World()
    world.items.unknown = {"SKU-1"}
    assert (await verdict(content(total_minor=1, ship_to=None), world)).code == "no_address"
    assert world.items.asked == []


async def test_an_erp_that_is_down_is_no_reason_to_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()

    async def down(skus: object) -> Any:
        raise TemporaryFault("503")

    monkeypatch.setattr(world.items, "check_items", down)
    with pytest.raises(TemporaryFault):
        await validate(order_after(), world.ports())
