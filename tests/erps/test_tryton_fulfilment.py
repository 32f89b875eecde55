"""Shipments and withdrawals in a real Tryton."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from kept.ports import Erp, PermanentFault, SalesOrder, TemporaryFault
from tests.erps.tryton_desk import Desk
from tests.erps.tryton_orders import line, new_reference, order_of, posting_of
from tests.erps.tryton_server import TRYTON, TrytonServer

pytestmark = TRYTON
KEY = "K7Q2F-000000123-1:post:1"


async def booked(erp: Erp, order: SalesOrder) -> SalesOrder:
    await erp.booking.book(order, "K7Q2F-000000123:book:1")
    return order


@pytest.fixture
async def order(erp: Erp, customer: str) -> SalesOrder:
    """Three pieces of one thing and two of another, with shipping, booked."""
    lines = line(1, "S1", 3, 1000, tax=600), line(2, "S2", 2, 500, tax=55)
    return await booked(erp, order_of(*lines, customer=customer, shipping=500, shipping_tax=100))


def sale_of(desk: Desk, order: SalesOrder) -> dict[str, Any]:
    states = ("state", "shipment_state", "invoice_state")
    (sale,) = desk.sales(order.reference, *states, "shipments.state", "shipments.reference", "invoices.state")
    return sale


def sent(desk: Desk, reference: str) -> dict[str, float]:
    """Pieces to the customer by SKU."""
    (shipment,) = desk.find("stock.shipment.out", [["reference", "=", reference]], "state", "outgoing_moves")
    assert shipment["state"] == "done"
    moves = desk.find("stock.move", [["id", "in", shipment["outgoing_moves"]]], "quantity", "product.code", "state")
    assert {each["state"] for each in moves} == {"done"}
    return {each["product."]["code"]: each["quantity"] for each in moves}


async def test_a_shipment_of_everything_is_done_and_the_stock_is_gone(erp: Erp, desk: Desk, order: SalesOrder) -> None:
    posting = posting_of(order)
    assert await erp.shipments.find_shipment(posting) is None
    posted = await erp.shipments.post_shipment(posting, KEY)
    assert await erp.shipments.find_shipment(posting) == posted
    assert sent(desk, posting.reference) == {"S1": 3.0, "S2": 2.0}
    assert sale_of(desk, order)["shipment_state"] == "sent"
    (shipment,) = desk.find("stock.shipment.out", [["reference", "=", posting.reference]], "number", "effective_date")
    assert shipment["number"] == posted.erp_shipment_id
    day = shipment["effective_date"]
    assert date(day["year"], day["month"], day["day"]) == posting.shipped_at.date()


async def test_parts_are_shipments_of_their_own_and_come_to_the_whole(erp: Erp, desk: Desk, order: SalesOrder) -> None:
    first, second = posting_of(order, {1: 2}), posting_of(order, {1: 1, 2: 2}, part=2)
    one = await erp.shipments.post_shipment(first, KEY)
    assert sent(desk, first.reference) == {"S1": 2.0}
    assert sale_of(desk, order)["shipment_state"] == "partially shipped"
    assert await erp.shipments.find_shipment(second) is None
    other = await erp.shipments.post_shipment(second, KEY)
    assert sent(desk, second.reference) == {"S1": 1.0, "S2": 2.0}
    assert one != other
    assert sale_of(desk, order)["shipment_state"] == "sent"
    assert await erp.shipments.post_shipment(first, KEY) == one


async def test_what_has_left_is_posted_whatever_tryton_thinks_of_its_stock(erp: Erp, desk: Desk, customer: str) -> None:
    order = await booked(erp, order_of(line(1, "LAST", 5, 100), customer=customer))
    posting = posting_of(order, {1: 4})
    await erp.shipments.post_shipment(posting, KEY)
    assert sent(desk, posting.reference) == {"LAST": 4.0}


async def test_a_line_that_is_sold_at_two_prices_ships_as_one(erp: Erp, desk: Desk, customer: str) -> None:
    order = await booked(erp, order_of(line(1, "UNTAXED", 7000, 100, discount=1), customer=customer))
    for part, pieces in enumerate((6000, 1000), start=1):
        await erp.shipments.post_shipment(posting_of(order, {1: pieces}, part=part), KEY)
    assert sale_of(desk, order)["shipment_state"] == "sent"


async def test_a_posting_that_was_cut_short_goes_on_where_it_stood(erp: Erp, desk: Desk, order: SalesOrder) -> None:
    posting = posting_of(order, {1: 1})
    (shipment,) = sale_of(desk, order)["shipments."]
    desk.call("stock.shipment.out.write", [shipment["id"]], {"reference": posting.reference})
    desk.call("stock.shipment.out.assign_try", [shipment["id"]])
    desk.call("stock.shipment.out.wait", [shipment["id"]])
    assert await erp.shipments.find_shipment(posting) is None
    await erp.shipments.post_shipment(posting, KEY)
    assert sent(desk, posting.reference) == {"S1": 1.0}


async def test_more_than_is_open_is_refused_by_line(erp: Erp, order: SalesOrder) -> None:
    with pytest.raises(PermanentFault, match="lacks 1 of line 1") as caught:
        await erp.shipments.post_shipment(posting_of(order, {1: 4}), KEY)
    assert caught.value.code == "nothing_to_ship"


async def test_a_part_waits_for_another_one_that_is_being_posted(erp: Erp, desk: Desk, order: SalesOrder) -> None:
    (shipment,) = sale_of(desk, order)["shipments."]
    desk.call("stock.shipment.out.write", [shipment["id"]], {"reference": "PART-2"})
    with pytest.raises(TemporaryFault, match="is being posted as PART-2"):
        await erp.shipments.post_shipment(posting_of(order), KEY)
    with pytest.raises(TemporaryFault, match="is being posted as PART-2"):
        await erp.withdrawal.withdraw(order.reference, KEY)


async def test_other_pieces_under_one_reference_are_a_conflict(erp: Erp, order: SalesOrder) -> None:
    await erp.shipments.post_shipment(posting_of(order, {1: 2}), KEY)
    with pytest.raises(PermanentFault, match="with other pieces: line 1: 2") as caught:
        await erp.shipments.post_shipment(posting_of(order, {1: 1}), KEY)
    assert caught.value.code == "reference_conflict"


async def test_nothing_ships_of_an_order_that_is_not_there(erp: Erp, order: SalesOrder) -> None:
    stray = replace(posting_of(order), order_reference=new_reference())
    assert await erp.shipments.find_shipment(stray) is None
    with pytest.raises(PermanentFault) as caught:
        await erp.shipments.post_shipment(stray, KEY)
    assert caught.value.code == "not_found"


# ------------------------------------------------------------------ withdrawals


async def test_an_order_of_which_nothing_has_left_is_withdrawn_whole(erp: Erp, desk: Desk, order: SalesOrder) -> None:
    withdrawn = await erp.withdrawal.withdraw(order.reference, KEY)
    sale = sale_of(desk, order)
    assert withdrawn.erp_order_id == str(sale["id"])
    assert (sale["state"], sale["shipment_state"], sale["invoice_state"]) == ("done", "none", "none")
    assert {each["state"] for each in [*sale["shipments."], *sale["invoices."]]} == {"cancelled"}
    assert await erp.withdrawal.withdraw(order.reference, KEY) == withdrawn


async def test_only_the_open_rest_is_withdrawn(erp: Erp, desk: Desk, order: SalesOrder) -> None:
    posting = posting_of(order, {1: 2})
    await erp.shipments.post_shipment(posting, KEY)
    await erp.withdrawal.withdraw(order.reference, KEY)
    assert sent(desk, posting.reference) == {"S1": 2.0}
    sale = sale_of(desk, order)
    assert sale["shipment_state"] == "sent"
    assert sorted(each["state"] for each in sale["shipments."]) == ["cancelled", "done"]
    assert {each["state"] for each in sale["invoices."]} == {"draft"}  # for what has left, and its shipping
    with pytest.raises(PermanentFault):
        await erp.shipments.post_shipment(posting_of(order, {1: 1}, part=2), KEY)


async def test_a_booking_that_was_cut_short_is_withdrawn_as_well(erp: Erp, desk: Desk, order: SalesOrder) -> None:
    twin = replace(order, reference=new_reference())
    (shop,) = desk.find("web.shop", [])
    desk.call("sale.sale.copy", [sale_of(desk, order)["id"]], {"web_shop": shop["id"], "web_id": twin.reference})
    await erp.withdrawal.withdraw(twin.reference, KEY)
    (sale,) = desk.find("sale.sale", [["web_id", "=", twin.reference]], "state")
    assert sale["state"] == "cancelled"
    with pytest.raises(PermanentFault) as caught:
        await erp.booking.book(twin, KEY)
    assert caught.value.code == "cancelled_there"
    assert await erp.booking.find_order(twin.reference) is None


async def test_an_unknown_order_cannot_be_withdrawn(erp: Erp) -> None:
    with pytest.raises(PermanentFault) as caught:
        await erp.withdrawal.withdraw(new_reference(), KEY)
    assert caught.value.code == "not_found"


# ------------------------------------------------------------------ a Tryton that takes its time


@pytest.fixture
async def unprocessed(tryton: TrytonServer, desk: Desk, order: SalesOrder) -> SalesOrder:
    """A twin of the order that is confirmed, and what Tryton does by itself after that has not happened."""
    twin = replace(order, reference=new_reference())
    (shop,) = desk.find("web.shop", [])
    copied = {"web_shop": shop["id"], "web_id": twin.reference, "reference": twin.reference}
    sales = desk.call("sale.sale.copy", [sale_of(desk, order)["id"]], copied)
    desk.call("sale.sale.quote", sales)
    await tryton.execute("UPDATE sale_sale SET state = 'confirmed', sale_date = now() WHERE id = $1", sales[0])
    return twin


async def test_a_sale_that_tryton_has_not_processed_yet_is_booked_and_can_be_shipped(
    erp: Erp, desk: Desk, unprocessed: SalesOrder
) -> None:
    assert await erp.booking.find_order(unprocessed.reference) is not None
    await erp.shipments.post_shipment(posting_of(unprocessed), KEY)
    assert sale_of(desk, unprocessed)["shipment_state"] == "sent"


async def test_a_sale_that_tryton_has_not_processed_yet_is_cancelled(
    erp: Erp, desk: Desk, unprocessed: SalesOrder
) -> None:
    await erp.withdrawal.withdraw(unprocessed.reference, KEY)
    assert sale_of(desk, unprocessed)["state"] == "cancelled"


async def test_a_sale_that_has_not_seen_its_cancelled_shipment_is_withdrawn_all_the_same(
    erp: Erp, desk: Desk, tryton: TrytonServer, order: SalesOrder
) -> None:
    sale = sale_of(desk, order)
    desk.call("stock.shipment.out.cancel", [each["id"] for each in sale["shipments."]])
    await tryton.execute("UPDATE sale_sale SET shipment_state = 'waiting' WHERE id = $1", sale["id"])
    await erp.withdrawal.withdraw(order.reference, KEY)
    assert sale_of(desk, order)["state"] == "done"
