"""Whatever the channel charges, Tryton's own arithmetic over our lines comes to the channel's total."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kept.connectors.erps.tryton.mapping import line_no_of
from kept.connectors.erps.tryton.pricing import (
    PricedLine,
    Products,
    Sold,
    TaxRate,
    priced_lines,
)
from kept.domain.money import exponent
from kept.domain.order import Address
from kept.ports import PermanentFault, SalesOrder, SalesOrderLine

ADDRESS = Address("Zoë Weiß", "Quai 1", "", "Lyon", "", "69002", "FR")
VAT, ODD = TaxRate(1, Decimal("0.20")), TaxRate(2, None)
PRODUCTS = Products(
    {
        "TAXED": Sold(1, 1, (VAT,)),
        "UNTAXED": Sold(2, 1, ()),
        "ODD": Sold(3, 1, (ODD,)),
        "SHIPPING": Sold(4, 1, (VAT,)),
        "TAX": Sold(5, 1, ()),
    },
    "SHIPPING",
    "TAX",
)


def order_of(*lines: SalesOrderLine, shipping: int = 0, shipping_tax: int = 0, currency: str = "EUR") -> SalesOrder:
    goods = sum(each.unit_price_minor * each.quantity - each.discount_minor + each.tax_minor for each in lines)
    return SalesOrder(
        *("K7Q2F-000000123", "shop", "#1", "1", currency, datetime(2026, 11, 3, tzinfo=UTC), ADDRESS, lines),
        *(shipping, shipping_tax, goods + shipping + shipping_tax),
        tax_included=False,
        version=1,
    )


def line(sku: str, quantity: int, price: int, tax: int = 0, discount: int = 0, line_no: int = 1) -> SalesOrderLine:
    return SalesOrderLine(line_no, sku, quantity, price, discount, tax, free=False)


def total_of(lines: list[PricedLine], currency: str) -> int:
    """As Tryton computes it, rounding each tax by line (modules sale and account)."""
    step = Decimal(1).scaleb(-exponent(currency))
    total = Decimal(0)
    for each in lines:
        amount = each.unit_price * each.quantity
        total += amount.quantize(step, ROUND_HALF_EVEN)
        for tax in each.sold.taxes if each.taxed else ():
            total += (amount * (tax.rate or 0)).quantize(step, ROUND_HALF_EVEN)
    return int(total.scaleb(exponent(currency)))


AMOUNTS = st.integers(min_value=0, max_value=10**7)


@given(st.data(), st.integers(1, 20_000), AMOUNTS, st.sampled_from(["EUR", "JPY", "KWD"]), st.booleans())
def test_a_line_comes_to_its_amount_and_tax_to_the_smallest_coin(
    data: st.DataObject, quantity: int, price: int, currency: str, included: bool
) -> None:
    discount = data.draw(st.integers(0, price * quantity))
    tax = data.draw(st.integers(0, price * quantity - discount))
    order = order_of(line("UNTAXED", quantity, price, tax, discount), currency=currency)
    if included:
        order = replace(order, total_minor=order.total_minor - tax, tax_included=True)
    lines = priced_lines(order, PRODUCTS)
    assert total_of(lines, currency) == order.total_minor
    assert sum(each.quantity for each in lines if line_no_of(each.place) == 1) == quantity


@given(st.integers(1, 500), st.integers(1, 10**6), st.sampled_from(["line", "piece"]), st.integers(0, 1))
def test_tax_of_the_products_own_rate_is_its_tax_whoever_rounded_it(
    quantity: int, price: int, rounded: str, up: int
) -> None:
    by_piece = (price // 5 + up) * quantity
    tax = by_piece if rounded == "piece" else quantity * price // 5 + up
    assume(tax > 0)
    order = order_of(line("TAXED", quantity, price, tax))
    lines = priced_lines(order, PRODUCTS)
    assert total_of(lines, "EUR") == order.total_minor
    assert lines[0].taxed


def test_shipping_and_rests_of_tax_are_told_from_goods_by_their_place() -> None:
    order = order_of(line("UNTAXED", 1, 100, 7, line_no=3), shipping=500, shipping_tax=99)
    lines = priced_lines(order, PRODUCTS)
    assert [(each.sku, line_no_of(each.place)) for each in lines] == [
        ("UNTAXED", 3),
        ("TAX", 0),
        ("SHIPPING", 0),
        ("TAX", 0),
    ]
    assert total_of(lines, "EUR") == order.total_minor


def test_no_tax_in_the_channel_is_no_tax_in_tryton() -> None:
    (only,) = priced_lines(order_of(line("TAXED", 1, 1000)), PRODUCTS)
    assert not only.taxed


def test_a_total_that_does_not_tie_is_refused_with_both_sums() -> None:
    order = order_of(line("TAXED", 1, 1200, 200))
    with pytest.raises(PermanentFault, match=r"come to 14\.00 EUR, the order to 13\.00 EUR"):
        priced_lines(replace(order, total_minor=1300), PRODUCTS)
    with pytest.raises(PermanentFault, match=r"come to 12\.00 EUR, the order to 14\.00 EUR"):
        priced_lines(replace(order, tax_included=True), PRODUCTS)


@pytest.mark.parametrize(
    ("products", "sku", "tax", "text"),
    [
        (PRODUCTS, "TAXED", 70, r"tax on TAXED is 0\.70 EUR, Tryton gives 2\.00 EUR"),
        (PRODUCTS, "ODD", 200, r"Tryton gives 0\.00 EUR"),
        (replace(PRODUCTS, tax_sku=""), "TAXED", 201, "or set tax_sku"),
        (replace(PRODUCTS, tax_sku=""), "UNTAXED", 70, "Tryton has no tax on it"),
    ],
)
def test_tax_that_can_not_be_booked_is_held_with_both_amounts(
    products: Products, sku: str, tax: int, text: str
) -> None:
    with pytest.raises(PermanentFault, match=text) as caught:
        priced_lines(order_of(line(sku, 1, 1000, tax)), products)
    assert caught.value.code == "tax_differs"


def test_shipping_without_a_product_for_it_is_held() -> None:
    with pytest.raises(PermanentFault, match="set shipping_sku"):
        priced_lines(order_of(line("TAXED", 1, 100), shipping=500), replace(PRODUCTS, shipping_sku=""))
