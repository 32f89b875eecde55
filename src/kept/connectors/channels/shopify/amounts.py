"""What a Shopify order costs, line by line, in minor units of the shop's currency. Pure.

Shopify's line amounts (discount_allocations, tax_lines) are for the quantity *ordered*; its refunds say
what went back with removed pieces. What is left is the one less the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kept.connectors.channels.shopify.schemas import Amount, LineItem, MoneySet, OrderBody, Refund, ShippingLine
from kept.domain.money import MoneyError, allocate, exponent, to_minor
from kept.ports import BadMessage


@dataclass(frozen=True, slots=True)
class LineAmounts:
    """One line, as far as it is still wanted."""

    quantity: int
    unit_price_minor: int
    discount_minor: int
    tax_minor: int


@dataclass(slots=True)
class _Refunded:
    """What refunds say went back of one line; amounts are None once one of them was not told."""

    quantity: int = 0
    subtotal_minor: int | None = 0
    tax_minor: int | None = 0


class Amounts:
    """All amounts of one order. Raises BadMessage for one that can't be read."""

    def __init__(self, order: OrderBody) -> None:
        self._currency = order.currency
        try:
            exponent(order.currency)
        except MoneyError as error:
            raise BadMessage(str(error), where="$.currency") from error
        if order.current_total_price is None:
            self.total_minor = self._minor(order.total_price, "$.total_price")
        else:
            self.total_minor = self._minor(order.current_total_price, "$.current_total_price")
        refunded = self._refunded(order)
        discounts = self._discounts(order)
        self.lines = [
            self._line(item, index, discounts[index], refunded.get(str(item.id)))
            for index, item in enumerate(order.line_items)
        ]
        self.shipping_minor, self.shipping_tax_minor = self._shipping(order)
        self.extras_minor = self._extras(order)
        self.refunded_minor = sum(self._given_back(refund) for refund in order.refunds or ())

    # -------------------------------------------------------------- lines

    def _line(self, item: LineItem, index: int, discount: int, refunded: _Refunded | None) -> LineAmounts:
        where = f"$.line_items[{index}]"
        unit_price = self._minor(item.price, where + ".price")
        tax = self._sum((line.price for line in item.tax_lines or ()), where + ".tax_lines")
        ordered = item.quantity
        wanted = item.current_quantity
        if wanted is None:
            # Payloads from before current_quantity: what was refunded is not to be shipped.
            wanted = max(0, ordered - (refunded.quantity if refunded else 0))
        if wanted > ordered:
            raise BadMessage(f"{wanted} pieces are left of {ordered}", where=where + ".current_quantity")
        if wanted == 0:
            return LineAmounts(0, unit_price, 0, 0)
        removed = ordered - wanted
        if removed:
            discount, tax = _left(unit_price, removed, wanted, discount, tax, refunded)
        return LineAmounts(wanted, unit_price, discount, tax)

    def _discounts(self, order: OrderBody) -> list[int]:
        """Each line's discount for its ordered quantity.

        Payloads from before discount_allocations have the line's own discount on the line and the rest in
        the order's total only: the rest is spread over the lines by their price.
        """
        items = order.line_items
        if any(item.discount_allocations is not None for item in items) or not items:
            return [
                self._sum((each.amount for each in item.discount_allocations or ()), _at(index))
                for index, item in enumerate(items)
            ]
        own = [self._minor(item.total_discount or "0", _at(index)) for index, item in enumerate(items)]
        shared = self._minor(order.total_discounts or "0", "$.total_discounts") - sum(own)
        if shared <= 0:
            return own
        prices = [
            max(0, self._minor(item.price, _at(index)) * item.quantity - own[index]) for index, item in enumerate(items)
        ]
        return [mine + share for mine, share in zip(own, allocate(shared, prices), strict=True)]

    def _refunded(self, order: OrderBody) -> dict[str, _Refunded]:
        """What went back, by line id."""
        found: dict[str, _Refunded] = {}
        for refund in order.refunds or ():
            for row in refund.refund_line_items or ():
                line = found.setdefault(str(row.line_item_id), _Refunded())
                line.quantity += row.quantity
                line.subtotal_minor = self._added(line.subtotal_minor, row.subtotal)
                line.tax_minor = self._added(line.tax_minor, row.total_tax)
        return found

    def _added(self, so_far: int | None, amount: Amount | None) -> int | None:
        if so_far is None or amount is None:
            return None
        return so_far + self._minor(amount, "$.refunds")

    # -------------------------------------------------------------- beside the lines

    def _shipping(self, order: OrderBody) -> tuple[int, int]:
        """Shipping and its tax, less discounts and less what was refunded of it."""
        amount = tax = 0
        refund_is_in = False
        for index, line in enumerate(order.shipping_lines or ()):
            if line.is_removed:
                continue
            where = f"$.shipping_lines[{index}]"
            amount += self._shipping_line(line, where)
            tax += self._sum((each.price for each in line.tax_lines or ()), where + ".tax_lines")
            refund_is_in = refund_is_in or line.current_discounted_price_set is not None
        for refund in order.refunds or ():
            back, tax_back = self._shipping_refund(refund)
            tax -= tax_back
            if not refund_is_in:
                amount -= back
        return amount, tax

    def _shipping_refund(self, refund: Refund) -> tuple[int, int]:
        """What one refund gave back of the shipping, and of its tax: told by one of two lists, or by both."""
        lines = refund.refund_shipping_lines
        if lines:
            return (
                sum(self._shop(line.subtotal_amount_set, "$.refunds") for line in lines),
                sum(self._shop(line.tax_amount_set, "$.refunds") for line in lines),
            )
        adjustments = [each for each in refund.order_adjustments or () if each.kind == "shipping_refund"]
        # Written as negative amounts.
        return (
            sum(abs(self._minor(each.amount or "0", "$.refunds")) for each in adjustments),
            sum(abs(self._minor(each.tax_amount or "0", "$.refunds")) for each in adjustments),
        )

    def _shipping_line(self, line: ShippingLine, where: str) -> int:
        if line.current_discounted_price_set is not None:
            return self._shop(line.current_discounted_price_set, where)
        if line.discounted_price is not None:
            return self._minor(line.discounted_price, where + ".discounted_price")
        discount = self._sum((each.amount for each in line.discount_allocations or ()), where)
        return self._minor(line.price, where + ".price") - discount

    def _extras(self, order: OrderBody) -> int:
        """Duties, fees and tips that are charged on top and stand on no line.

        Additional fees "can include duties" (schema, currentTotalAdditionalFeesSet), so that of fees and
        duties the larger one counts. A tip given at the checkout is a line of its own already.
        """
        duties = (
            0 if order.duties_included else self._shop(order.current_total_duties_set, "$.current_total_duties_set")
        )
        fees = self._shop(order.current_total_additional_fees_set, "$.current_total_additional_fees_set")
        has_tip_line = any(item.tip is not None or item.tip_payment_gateway for item in order.line_items)
        tip = 0 if has_tip_line else self._minor(order.total_tip_received or "0", "$.total_tip_received")
        return max(duties, fees) + tip

    def _given_back(self, refund: Refund) -> int:
        """What one refund paid out, in the shop's currency.

        Its successful transactions say so. Where they are in the buyer's currency, or not told, it is what
        the refund says of its lines less its adjustments (those of a shipping refund are negative).
        """
        if refund.transactions is not None:
            paid = [each for each in refund.transactions if each.kind == "refund" and each.status == "success"]
            if all(each.currency in {None, self._currency} for each in paid):
                return self._sum((each.amount or "0" for each in paid), "$.refunds")
        lines = self._sum(
            (amount or "0" for row in refund.refund_line_items or () for amount in (row.subtotal, row.total_tax)),
            "$.refunds",
        )
        adjusted = self._sum(
            (amount or "0" for each in refund.order_adjustments or () for amount in (each.amount, each.tax_amount)),
            "$.refunds",
        )
        return lines - adjusted

    # -------------------------------------------------------------- reading amounts

    def _sum(self, amounts: Iterable[Amount], where: str) -> int:
        return sum(self._minor(amount, where) for amount in amounts)

    def _shop(self, money: MoneySet | None, where: str) -> int:
        return 0 if money is None else self._minor(money.shop_money.amount, where)

    def _minor(self, amount: Amount, where: str) -> int:
        try:
            # str() of a float is its shortest decimal form: 195.66 is "195.66".
            return to_minor(str(amount), self._currency)
        except MoneyError as error:
            raise BadMessage(str(error), where=where) from error


def _left(
    unit_price: int, removed: int, wanted: int, discount: int, tax: int, refunded: _Refunded | None
) -> tuple[int, int]:
    """Discount and tax of the pieces that are left: what was there less what the refunds say went back.

    Where the refunds don't tell, or tell what can't be, the pieces share alike.
    """
    if refunded is not None and refunded.quantity == removed and refunded.subtotal_minor is not None:
        gone_discount, gone_tax = unit_price * removed - refunded.subtotal_minor, refunded.tax_minor
        if 0 <= gone_discount <= discount and gone_tax is not None and 0 <= gone_tax <= tax:
            return discount - gone_discount, tax - gone_tax
    shares: Sequence[int] = (wanted, removed)
    return allocate(discount, shares)[0], allocate(tax, shares)[0]


def _at(index: int) -> str:
    return f"$.line_items[{index}]"
