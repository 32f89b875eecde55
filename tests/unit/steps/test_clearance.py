"""What the ERP says of an order: asked before it is routed or, if the ERP is down then, before it is booked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from kept.domain import events as ev
from kept.domain.lifecycle import OrderState, PartState
from kept.domain.order import OrderContent, Payment
from kept.domain.progress import Order, evolve
from kept.engine.outcome import Done
from kept.ports import CircuitOpen, Objection, PermanentFault, SalesOrder
from kept.steps.book import book
from kept.steps.ports import AccountRules, Ports
from kept.steps.validate import validate
from tests.unit.domain.samples import EAST_ALL, NOW, REFERENCE, content, line, order_after, routed
from tests.unit.steps.world import World


@dataclass
class Clerk:
    """An ERP that says more: who is blocked, and what it can't book."""

    blocked: str = ""
    objections: list[Objection] = field(default_factory=list)
    asked: list[SalesOrder] = field(default_factory=list)

    async def credit_hold(self, customer_id: str) -> str:
        return self.blocked

    async def object_to(self, order: SalesOrder) -> Sequence[Objection]:
        self.asked.append(order)
        return self.objections


def with_clerk(world: World, clerk: Clerk, **rules: Any) -> Ports:
    ports = world.ports()
    return replace(
        ports, erp=replace(ports.erp, credit=clerk, check=clerk), account_rules={"shop": AccountRules(**rules)}
    )


async def verdict(said: OrderContent, ports: Ports, order: Order | None = None) -> Any:
    outcome = await validate(order or order_after(said=said), ports)
    assert isinstance(outcome, Done)
    (fact,) = outcome.events
    return fact


async def test_a_customer_whom_the_erp_does_not_sell_to_is_a_hold_with_its_reason() -> None:
    clerk = Clerk(blocked="credit limit 500.00 EUR reached")
    fact = await verdict(content(), with_clerk(World(), clerk))
    assert fact == ev.OrderHeld(
        "credit_hold", "the ERP does not sell to customer C-shop now: credit limit 500.00 EUR reached"
    )
    assert clerk.asked == []


async def test_what_the_erp_could_not_book_is_a_hold_that_names_it_all() -> None:
    clerk = Clerk(objections=[Objection("tax_unmapped", "no tax for 21 % in NL"), Objection("unit_unmapped", "no box")])
    fact = await verdict(content(), with_clerk(World(), clerk))
    assert fact == ev.OrderHeld("tax_unmapped", "no tax for 21 % in NL; no box")
    (asked,) = clerk.asked
    assert (asked.customer_id, asked.reference, asked.total_minor) == ("C-shop", REFERENCE, 3500)


@pytest.mark.parametrize(("listed", "held"), [(1000, False), (1100, False), (1112, True), (900, True), (0, True)])
async def test_a_price_too_far_from_the_erps_list_is_a_hold_with_both(listed: int, held: bool) -> None:
    world = World()
    world.items.prices = {"SKU-1": listed}
    fact = await verdict(content(line(1, 2)), with_clerk(world, Clerk(), price_check_percent=10))
    assert isinstance(fact, ev.OrderHeld) is held
    if held:
        assert fact.evidence == f"sold line 1 (SKU-1) at 10.00, listed at {listed / 100:.2f} USD"


async def test_a_price_that_a_person_let_go_is_no_reason_any_more() -> None:
    world = World()
    world.items.prices = {"SKU-1": 1}
    ports = with_clerk(world, Clerk(), price_check_percent=10)
    held = order_after(ev.OrderHeld("price_differs", ""), ev.HoldReleased("ada", "price_differs"))
    assert await verdict(content(), ports, held) == ev.OrderValidated("C-shop")


async def test_prices_are_not_compared_unless_the_account_says_so() -> None:
    world = World()
    world.items.prices = {"SKU-1": 1}
    assert await verdict(content(), with_clerk(world, Clerk())) == ev.OrderValidated("C-shop")


@pytest.mark.parametrize(("age", "held"), [(timedelta(days=5, hours=23), False), (timedelta(days=6, hours=1), True)])
async def test_an_authorisation_about_to_expire_is_a_hold_that_says_until_when(age: timedelta, held: bool) -> None:
    said = content(payment=Payment.AUTHORISED, placed_at=NOW - age)
    fact = await verdict(said, World().ports())
    assert isinstance(fact, ev.OrderHeld) is held
    if held:
        assert fact.code == "authorisation_expiring"
        assert f"{NOW - age + timedelta(days=7):%Y-%m-%d %H:%M}" in fact.evidence
    assert isinstance(await verdict(replace(said, payment=Payment.PAID), World().ports()), ev.OrderValidated)


# ------------------------------------------------------------------ while the ERP is down


def down(world: World) -> Ports:
    async def refuse(*_: object) -> Any:
        raise CircuitOpen("erp:main is left alone", retry_after_s=5)

    world.items.check_items = refuse  # type: ignore[method-assign, assignment]  # the ERP is not there
    return world.ports()


async def test_an_order_of_known_goods_is_routed_while_the_erp_is_down() -> None:
    world = World()
    world.items.lately = True
    assert await verdict(content(), down(world)) == ev.OrderValidated("")


async def test_an_order_of_goods_that_were_not_asked_about_lately_waits_for_the_erp() -> None:
    with pytest.raises(CircuitOpen):
        await validate(order_after(), down(World()))


def unchecked() -> Order:
    return order_after(ev.OrderValidated(""), routed(EAST_ALL))


async def test_an_order_that_was_routed_unchecked_is_cleared_before_it_is_booked() -> None:
    world, clerk = World(), Clerk()
    outcome = await book(unchecked(), with_clerk(world, clerk))
    assert isinstance(outcome, Done)
    (request,) = [one.effect.request for one in world.book.performed]
    assert request.customer_id == "C-shop"
    assert len(clerk.asked) == 1


async def test_an_order_that_was_routed_unchecked_is_held_with_its_stock_if_the_erp_objects() -> None:
    world = World()
    outcome = await book(unchecked(), with_clerk(world, Clerk(blocked="insolvent")))
    assert isinstance(outcome, Done)
    (held,) = outcome.events
    assert isinstance(held, ev.OrderHeld)
    assert world.book.keys == []
    order = evolve(unchecked(), [held]).order
    assert (order.state, order.part(1).state) == (OrderState.HELD, PartState.PLANNED)
    again = evolve(order, [ev.HoldReleased("kept"), ev.OrderValidated("C-shop"), routed()]).order
    assert isinstance(await book(again, world.ports()), Done)
    assert world.book.keys == [f"{REFERENCE}:book:1"]


def refusing(code: str) -> Any:
    async def refuse(self: Any, order: SalesOrder, key: str) -> Any:
        raise PermanentFault(f"{order.reference} is not booked", code=code)

    return refuse


@pytest.mark.parametrize(
    ("code", "held_for"),
    [
        ("reference_conflict", "erp_conflict"),
        ("total_differs", "erp_total_differs"),
        ("tax_differs", "erp_total_differs"),
        ("tax_unmapped", "tax_unmapped"),
        ("customer_unknown", "customer_unknown"),
    ],
)
async def test_a_booking_that_the_erp_refuses_for_what_people_put_right_is_a_hold(
    code: str, held_for: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    monkeypatch.setattr(type(world.erp), "book", refusing(code))
    outcome = await book(order_after(ev.OrderValidated("C"), routed(EAST_ALL)), world.ports())
    assert isinstance(outcome, Done)
    assert outcome.events == [ev.OrderHeld(held_for, f"{REFERENCE} is not booked")]


async def test_a_refusal_that_nobody_knows_is_for_an_engineer(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr(type(world.erp), "book", refusing("http_418"))
    with pytest.raises(PermanentFault, match="is not booked"):
        await book(order_after(ev.OrderValidated("C"), routed(EAST_ALL)), world.ports())
