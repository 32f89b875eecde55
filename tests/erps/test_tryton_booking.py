"""Sales in a real Tryton: there exactly once, with the channel's own amounts."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from kept.domain.order import Address
from kept.ports import BookedOrder, Erp, ItemCheck, PermanentFault
from tests.erps.tryton_desk import Desk
from tests.erps.tryton_orders import ADDRESS, line, new_reference, order_of
from tests.erps.tryton_server import TRYTON

pytestmark = TRYTON
KEY = "K7Q2F-000000123:book:1"
AMOUNTS = ("untaxed_amount", "tax_amount", "total_amount")


def amounts(desk: Desk, reference: str) -> tuple[Decimal, ...]:
    (sale,) = desk.sales(reference, *AMOUNTS)
    return tuple(Decimal(sale[name]["decimal"]) for name in AMOUNTS)


async def test_items_are_known_and_saleable_as_tryton_says(erp: Erp) -> None:
    assert await erp.items.check_items(["S1", "NO", "UNSALEABLE"]) == [
        ItemCheck("S1", True, True),
        ItemCheck("NO", False, False),
        ItemCheck("UNSALEABLE", True, False),
    ]


async def test_one_buyer_is_one_party_however_often_asked(erp: Erp, desk: Desk) -> None:
    email = f"{new_reference()}@Example.com"
    first = await erp.customers.resolve_customer("shop", email, ADDRESS)
    assert await erp.customers.resolve_customer("shop", f" {email.lower()}", ADDRESS) == first
    assert await erp.customers.resolve_customer("other shop", email, ADDRESS) != first
    (party,) = desk.find("party.party", [["id", "=", int(first)]], "name", "email")
    assert (party["name"], party["email"]) == ("Zoë Weiß", email)


async def test_a_sale_has_the_lines_taxes_total_and_currency_of_the_order(erp: Erp, desk: Desk, customer: str) -> None:
    order = order_of(
        *(line(1, "S1", 3, 1000, tax=580, discount=100), line(2, "S2", 2, 500, tax=55)),
        customer=customer,
        shipping=500,
        shipping_tax=100,
    )
    booked = await erp.booking.book(order, KEY)
    assert (booked.total_minor, booked.currency) == (order.total_minor, "EUR")
    assert amounts(desk, order.reference) == (Decimal("44.00"), Decimal("7.35"), Decimal("51.35"))
    (sale,) = desk.sales(order.reference, "id", "state", "web_id", "party", "description", "shipment_state")
    assert sale["state"] == "processing"
    assert (str(sale["id"]), sale["web_id"]) == (booked.erp_order_id, order.reference)
    assert (str(sale["party"]), sale["description"]) == (customer, "shop #1001")
    assert sale["shipment_state"] == "waiting"
    lines = desk.find("sale.line", [["sale", "=", sale["id"]]], "quantity", "amount", "product.code", "taxes")
    assert [(each["product."]["code"], each["quantity"], each["amount"]["decimal"]) for each in lines] == [
        ("S1", 3.0, "29.00"),
        ("S2", 2.0, "10.00"),
        ("SHIPPING", 1.0, "5.00"),
    ]
    assert all(len(each["taxes"]) == 1 for each in lines)


async def test_a_total_with_its_tax_inside_is_booked_as_the_same_total(erp: Erp, desk: Desk, customer: str) -> None:
    order = order_of(line(1, "S1", 3, 1000, tax=500), customer=customer, included=True)
    assert (await erp.booking.book(order, KEY)).total_minor == 3000
    assert amounts(desk, order.reference) == (Decimal("25.00"), Decimal("5.00"), Decimal("30.00"))


async def test_the_channels_rounding_of_tax_is_kept_on_a_line_of_its_own(erp: Erp, desk: Desk, customer: str) -> None:
    order = order_of(line(1, "S1", 1, 999, tax=199), customer=customer)  # a fifth of it is 1.998
    assert (await erp.booking.book(order, KEY)).total_minor == 1198
    (sale,) = desk.sales(order.reference, "id")
    lines = desk.find("sale.line", [["sale", "=", sale["id"]]], "amount", "product.code")
    assert [(each["product."]["code"], each["amount"]["decimal"]) for each in lines] == [
        ("S1", "9.99"),
        ("CHANNEL-TAX", "-0.01"),
    ]


async def test_tax_that_tryton_does_not_know_is_a_line_of_its_own(erp: Erp, desk: Desk, customer: str) -> None:
    order = order_of(line(1, "UNTAXED", 2, 1000, tax=165), customer=customer)
    assert (await erp.booking.book(order, KEY)).total_minor == 2165
    assert amounts(desk, order.reference) == (Decimal("21.65"), Decimal(0), Decimal("21.65"))


async def test_a_free_line_and_one_without_tax_are_booked_as_such(erp: Erp, desk: Desk, customer: str) -> None:
    order = order_of(line(1, "S1", 2, 1000, discount=2000), line(2, "S1", 1, 1000), customer=customer)
    assert (await erp.booking.book(order, KEY)).total_minor == 1000
    assert amounts(desk, order.reference) == (Decimal("10.00"), Decimal(0), Decimal("10.00"))


async def test_an_amount_that_no_price_a_piece_gives_is_sold_at_two_prices(erp: Erp, desk: Desk, customer: str) -> None:
    order = order_of(line(1, "UNTAXED", 7000, 100, discount=1), customer=customer)
    assert (await erp.booking.book(order, KEY)).total_minor == 699_999
    (sale,) = desk.sales(order.reference, "id")
    lines = desk.find("sale.line", [["sale", "=", sale["id"]]], "quantity", "unit_price")
    assert [(each["quantity"], Decimal(each["unit_price"]["decimal"])) for each in lines] == [
        (1.0, Decimal("0.99")),
        (6999.0, Decimal("1.00")),
    ]


async def test_tax_of_another_rate_is_held_with_both_amounts(erp: Erp, desk: Desk, customer: str) -> None:
    order = order_of(line(1, "S1", 1, 1000, tax=70), customer=customer)
    with pytest.raises(PermanentFault, match=r"0\.70 EUR, Tryton gives 2\.00 EUR") as caught:
        await erp.booking.book(order, KEY)
    assert caught.value.code == "tax_differs"
    assert desk.sales(order.reference) == []


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        ({"lines": (line(1, "NOWHERE", 1, 100),), "total_minor": 100}, "sku_unknown", "NOWHERE"),
        ({"currency": "CHF"}, "currency_unknown", "CHF"),
        ({"ship_to": replace(ADDRESS, country="AQ")}, "country_unknown", "AQ"),
        ({"customer_id": "C-1"}, "customer_unknown", "C-1"),
        ({"total_minor": 999}, "total_mismatch", "9.99"),
    ],
)
async def test_what_tryton_does_not_know_is_named(
    erp: Erp, customer: str, change: dict[str, object], code: str, named: str
) -> None:
    order = replace(order_of(line(1, "UNTAXED", 1, 1000), customer=customer), **change)  # type: ignore[arg-type]  # any
    with pytest.raises(PermanentFault, match=named) as caught:
        await erp.booking.book(order, KEY)
    assert caught.value.code == code


async def test_an_order_goes_to_its_own_address_and_an_address_is_made_once(erp: Erp, desk: Desk) -> None:
    customer = await erp.customers.resolve_customer("shop", f"{new_reference()}@example.com", ADDRESS)
    here = order_of(line(1, "S1", 1, 1000), customer=customer)
    there = replace(
        order_of(line(1, "S1", 1, 1000), customer=customer),
        ship_to=Address("Al", "1 Main St", "", "Oakland", "CA", "94607", "US", company="Al & Co"),
    )
    for order in (here, there, replace(here, reference=new_reference())):
        await erp.booking.book(order, KEY)
    fields = ("party_name", "attn", "street", "city", "country.code", "subdivision.code")
    found = desk.find("party.address", [["party", "=", int(customer)]], *fields)
    assert [(each["party_name"], each["attn"], each["street"], each["city"]) for each in found] == [
        ("Zoë Weiß", None, "Quai 1\n2e étage", "Lyon"),
        ("Al & Co", "Al", "1 Main St", "Oakland"),
    ]
    assert found[1]["subdivision."]["code"] == "US-CA"
    (sale,) = desk.sales(there.reference, "shipment_address")
    assert sale["shipment_address"] == found[1]["id"]


async def test_a_booking_that_was_cut_short_is_no_booking_and_is_brought_on(
    erp: Erp, desk: Desk, customer: str
) -> None:
    order = order_of(line(1, "S1", 1, 1000, tax=200), customer=customer)
    booked = await erp.booking.book(order, KEY)
    twin = replace(order, reference=new_reference())
    (shop,) = desk.find("web.shop", [])
    (sale,) = desk.call(
        "sale.sale.copy", [int(booked.erp_order_id)], {"web_shop": shop["id"], "web_id": twin.reference}
    )
    assert await erp.booking.find_order(twin.reference) is None
    assert await erp.booking.book(twin, KEY) == BookedOrder(str(sale), 1200, "EUR")
    assert await erp.booking.find_order(twin.reference) == BookedOrder(str(sale), 1200, "EUR")


async def test_other_goods_under_our_reference_are_a_conflict(erp: Erp, customer: str) -> None:
    order = order_of(line(1, "S1", 1, 1000), customer=customer)
    await erp.booking.book(order, KEY)
    with pytest.raises(PermanentFault, match="with other goods: 1 S1") as caught:
        await erp.booking.book(replace(order, lines=(line(1, "S2", 1, 1000),)), KEY)
    assert caught.value.code == "reference_conflict"
