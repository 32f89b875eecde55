"""An order's amounts as lines of a sale that come to the channel's total to the cent. Pure.

Tryton has a price a piece and computes taxes by rates; the channel says amounts for whole lines, tax included or on
top, and rounds as it likes. So:

- A price a piece has four decimals, Tryton's own precision. Where no such price gives the line's amount, the line is
  sold as two: some pieces at one price, the rest at one that is a cent higher.
- The channel's tax is booked, never another: by the product's own taxes where their rates give the very amount; a
  difference of rounding goes onto a line of its own, of the product `tax_sku`, and so does all tax of a product that
  has none in Tryton (sales tax that a marketplace collects). Anything else is a hold that names both amounts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from kept.domain.money import exponent, to_decimal_string
from kept.ports import PermanentFault, SalesOrder

_PRICE_STEP = Decimal("0.0001")  # the module product's default price_decimal
# A line's place in the sale tells what it is: our line's number times ten, and what was added for it behind.
PLACES = 10
SECOND_PRICE, TAX_REST = 1, 5
SHIPPING_PLACE = 1_000_000  # far behind the last of LINES_MAX lines


@dataclass(frozen=True, slots=True)
class TaxRate:
    """A tax of Tryton's: a share of the price, or None for one that is computed in another way."""

    tax_id: int
    rate: Decimal | None


@dataclass(frozen=True, slots=True)
class Sold:
    """A product as Tryton sells it."""

    product_id: int
    unit_id: int
    taxes: tuple[TaxRate, ...]


@dataclass(frozen=True, slots=True)
class PricedLine:
    """One line of the sale to be."""

    place: int
    sku: str
    quantity: int
    unit_price: Decimal
    sold: Sold
    taxed: bool
    description: str = ""


@dataclass(frozen=True, slots=True)
class Products:
    """What the lines are sold as. `shipping_sku` and `tax_sku` are "" where none is configured."""

    by_sku: Mapping[str, Sold]
    shipping_sku: str
    tax_sku: str

    def sold(self, sku: str) -> Sold:
        if sku not in self.by_sku:
            raise PermanentFault(f"Tryton has no product with the code {sku!r}: make it there", code="sku_unknown")
        return self.by_sku[sku]


def check_ties(order: SalesOrder) -> None:
    """Raises PermanentFault where lines, shipping and tax do not come to the order's total."""
    goods = sum(line.unit_price_minor * line.quantity - line.discount_minor for line in order.lines)
    taxes = sum(line.tax_minor for line in order.lines) + order.shipping_tax_minor
    comes_to = goods + order.shipping_minor + (0 if order.tax_included else taxes)
    if order.total_minor != comes_to:
        total, sums = (_words(minor, order) for minor in (order.total_minor, comes_to))
        raise PermanentFault(f"lines, shipping and tax come to {sums}, the order to {total}", code="total_mismatch")


def priced_lines(order: SalesOrder, products: Products) -> list[PricedLine]:
    """All lines of the sale: goods, shipping, and what tax needs. Raises PermanentFault for what can't be booked."""
    check_ties(order)
    included = order.tax_included
    charges = [
        _Charge(
            line.sku,
            line.line_no * PLACES,
            line.quantity,
            line.unit_price_minor * line.quantity - line.discount_minor,
            line.tax_minor,
        )
        for line in order.lines
    ]
    if order.shipping_minor or order.shipping_tax_minor:
        if not products.shipping_sku:
            text = f"{order.reference} has shipping of {_words(order.shipping_minor, order)}: set shipping_sku"
            raise PermanentFault(text, code="shipping_sku_missing")
        charges.append(
            _Charge(products.shipping_sku, SHIPPING_PLACE, 1, order.shipping_minor, order.shipping_tax_minor)
        )
    lines: list[PricedLine] = []
    for charge in charges:
        net_minor = charge.amount_minor - (charge.tax_minor if included else 0)
        lines += _lines_of(order, products, charge, net_minor)
    return lines


@dataclass(frozen=True, slots=True)
class _Charge:
    """What the channel charges for pieces of a product, as the channel says it."""

    sku: str
    place: int
    quantity: int
    amount_minor: int
    tax_minor: int


def _lines_of(order: SalesOrder, products: Products, charge: _Charge, net_minor: int) -> list[PricedLine]:
    """The lines for one charge: at one price or two, and the rest of its tax."""
    sold, digits = products.sold(charge.sku), exponent(order.currency)
    prices = _prices(net_minor, charge.quantity, digits)
    taxed_minor = _tax_minor(prices, sold.taxes, digits)
    # Of no tax at all nothing is taken back: a sale abroad, or to a buyer who is exempt.
    taxed = bool(sold.taxes) and (charge.tax_minor != 0 or taxed_minor == 0)
    lines = [
        PricedLine(charge.place + index * SECOND_PRICE, charge.sku, pieces, price, sold, taxed)
        for index, (pieces, price) in enumerate(prices)
    ]
    rest_minor = charge.tax_minor - (taxed_minor if taxed else 0)
    if rest_minor:
        # Who rounds each piece's tax for itself is off by a coin a piece at most.
        _check_rest(order, products, charge, taxed_minor if taxed else None, rest_max=charge.quantity * len(sold.taxes))
        lines.append(
            PricedLine(
                charge.place + TAX_REST,
                products.tax_sku,
                1,
                Decimal(rest_minor).scaleb(-digits),
                products.sold(products.tax_sku),
                taxed=False,
                description=f"Tax, {charge.sku}",
            )
        )
    return lines


def _check_rest(
    order: SalesOrder, products: Products, charge: _Charge, taxed_minor: int | None, *, rest_max: int
) -> None:
    """Raises PermanentFault for tax that Tryton's rates don't give and that no line of its own may take."""
    asked = f"{order.reference}: the channel's tax on {charge.sku} is {_words(charge.tax_minor, order)}"
    given = "has no tax on it" if taxed_minor is None else f"gives {_words(taxed_minor, order)}"
    if taxed_minor is not None and abs(charge.tax_minor - taxed_minor) > rest_max:
        raise PermanentFault(f"{asked}, Tryton {given}: mend the product's taxes there", code="tax_differs")
    if not products.tax_sku:
        text = f"{asked}, Tryton {given}: mend the product's taxes there, or set tax_sku for a line of its own"
        raise PermanentFault(text, code="tax_differs")


def _prices(net_minor: int, quantity: int, digits: int) -> list[tuple[int, Decimal]]:
    """(pieces, price a piece), one or two of them, which come to `net_minor` exactly."""
    net = Decimal(net_minor).scaleb(-digits)
    price = (net / quantity).quantize(_PRICE_STEP)
    if _rounded(price * quantity, digits) == net:
        return [(quantity, price)]
    low, more = divmod(net_minor, quantity)
    step = Decimal(1).scaleb(-digits)
    lower = low * step
    return [(quantity - more, lower), (more, lower + step)]


def _tax_minor(prices: Sequence[tuple[int, Decimal]], taxes: Sequence[TaxRate], digits: int) -> int:
    """What Tryton computes, rounding each tax on each line; 0 for a tax of another kind, so that its rest is held."""
    each = (_rounded(price * pieces * (tax.rate or 0), digits) for pieces, price in prices for tax in taxes)
    return int(sum(each, Decimal(0)).scaleb(digits))


def _rounded(amount: Decimal, digits: int) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)  # as the module currency does


def _words(minor: int, order: SalesOrder) -> str:
    return f"{to_decimal_string(minor, order.currency)} {order.currency}"
