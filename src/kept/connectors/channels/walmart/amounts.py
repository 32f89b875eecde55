"""What a Walmart order costs, line by line, in minor units. Pure.

A charge is for the *whole line*, not for a piece: the charge types are "the product charges for the specified
line item in purchase order" and "the shipping charges for the line item" (developer.walmart.com, "Order
management API overview"). No recorded order has a quantity above one, so `orderSummary.totalAmount` is the
check: where it does not tie, the validate step holds the order and shows both. Mexico alone gives
`item.unitPrice`, which is for a piece.

Charges are what is still charged: in both recorded answers a cancelled line's are zero, or not there at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kept.connectors.channels.walmart.codes import CHARGES, CURRENCIES, SHIPPING_DISCOUNT, Charge, country_of
from kept.connectors.channels.walmart.schemas import (
    ChargeBody,
    LineBody,
    Money,
    Number,
    OrderBody,
    charges_of,
    lines_of,
    refund_charges_of,
    taxes_of,
)
from kept.domain.money import MoneyError, exponent, to_minor
from kept.ports import BadMessage


@dataclass(slots=True)
class LineAmounts:
    """One line's charges for its wanted pieces; `shipping` is all that has no line of ours."""

    goods_minor: int = 0
    discount_minor: int = 0
    tax_minor: int = 0
    shipping_minor: int = 0
    shipping_tax_minor: int = 0

    def unit_price(self, pieces: int) -> tuple[int, int]:
        """A piece's price and the line's discount, which come out exactly though the price is for the line.

        Where the price does not divide, the unit price is rounded up and the discount takes the difference.
        """
        if pieces == 0:
            return 0, 0
        price = -(-self.goods_minor // pieces)
        return price, self.discount_minor + price * pieces - self.goods_minor


class Purse:
    """Reads the amounts of one order, all of which must be in its one currency. Raises BadMessage."""

    def __init__(self, currency: str, where: str) -> None:
        try:
            exponent(currency)
        except MoneyError as error:
            raise BadMessage(str(error), where=where) from error
        self.currency = currency

    def minor(self, money: Money, where: str) -> int:
        return self.number(money.amount, money.currency, where)

    def number(self, amount: Number, currency: str, where: str) -> int:
        if currency != self.currency:
            text = f"the currency {currency[:10]!r} is not the order's {self.currency}"
            raise BadMessage(text, where=where)
        try:
            # str() of a float is its shortest decimal form: 48.56 is "48.56".
            return to_minor(str(amount), self.currency)
        except MoneyError as error:
            raise BadMessage(str(error), where=where) from error

    def line(self, line: LineBody, wanted: int, where: str) -> LineAmounts:
        """A line's charges; of a line that is cancelled altogether they are nothing, and not looked at."""
        found = LineAmounts()
        if wanted == 0:
            return found
        for index, charge in enumerate(charges_of(line)):
            self._add(found, charge, line, wanted, f"{where}.charges[{index}]")
        if found.goods_minor < 0 or found.discount_minor < 0:
            raise BadMessage("the goods cost less than nothing", where=f"{where}.charges")
        return found

    def refunded(self, line: LineBody, where: str) -> int:
        """What was given back of a line, tax included; Walmart writes it below zero."""
        return -sum(self._with_tax(row.charge, f"{where}.refund") for row in refund_charges_of(line))

    def _add(self, found: LineAmounts, charge: ChargeBody, line: LineBody, wanted: int, where: str) -> None:
        kind = CHARGES.get(charge.charge_type)
        if kind is None:
            raise BadMessage(f"unknown charge type {charge.charge_type[:40]!r}", where=f"{where}.chargeType")
        amount = self._amount(charge, line, wanted, where)
        tax = sum(self.minor(each.tax_amount, f"{where}.tax") for each in taxes_of(charge))
        to_shipping = kind is Charge.SHIPPING or (
            kind is Charge.DISCOUNT and charge.charge_name.upper().startswith(SHIPPING_DISCOUNT)
        )
        if to_shipping:
            found.shipping_minor += amount
            found.shipping_tax_minor += tax
            return
        # A price below zero is a discount too: SubscriptionDiscount comes as PRODUCT.
        if amount < 0 or kind is Charge.DISCOUNT:
            found.discount_minor -= amount
        else:
            found.goods_minor += amount
        found.tax_minor += tax

    def _amount(self, charge: ChargeBody, line: LineBody, wanted: int, where: str) -> int:
        if charge.charge_amount is not None:
            return self.minor(charge.charge_amount, f"{where}.chargeAmount")
        if charge.charge_type == "PRODUCT" and line.item.unit_price is not None:
            return self.minor(line.item.unit_price, f"{where}.item.unitPrice") * wanted
        raise BadMessage("a charge without its amount", where=f"{where}.chargeAmount")

    def _with_tax(self, charge: ChargeBody, where: str) -> int:
        amount = self.minor(charge.charge_amount, where) if charge.charge_amount else 0
        return amount + sum(self.minor(each.tax_amount, where) for each in taxes_of(charge))


def purse_of(order: OrderBody) -> Purse:
    """The purse of the currency that the order names first; without any amount, of the country that it goes to.

    A cancelled order can come without a single amount. Raises BadMessage for one that has no country either.
    """
    for currency, where in _currencies(order):
        if currency:
            return Purse(currency, where)
    raise BadMessage("there is no amount of money in it, and so no currency", where="$.orderLines")


def given_total(order: OrderBody, purse: Purse) -> int | None:
    """Walmart's own total of what was ordered; None where it gave none (older orders have no summary)."""
    if order.order_summary is not None and order.order_summary.total_amount is not None:
        total = order.order_summary.total_amount
        return purse.number(total.currency_amount, total.currency_unit, "$.orderSummary.totalAmount")
    if order.order_total is not None:
        return purse.minor(order.order_total, "$.orderTotal")
    return None


def _currencies(order: OrderBody) -> Iterable[tuple[str | None, str]]:
    for index, line in enumerate(lines_of(order)):
        where = f"$.orderLines[{index}]"
        for charge in charges_of(line):
            yield charge.charge_amount.currency if charge.charge_amount else None, f"{where}.charges"
        yield line.item.unit_price.currency if line.item.unit_price else None, f"{where}.item.unitPrice"
    summary = order.order_summary.total_amount if order.order_summary else None
    yield summary.currency_unit if summary else None, "$.orderSummary.totalAmount"
    yield order.order_total.currency if order.order_total else None, "$.orderTotal"
    address = order.shipping_info.postal_address
    yield CURRENCIES.get(country_of(address.country or "") if address else ""), "$.shippingInfo.postalAddress.country"
