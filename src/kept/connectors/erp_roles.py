"""The lines of a sales order where every amount is one of its own: goods, discounts, taxes, shipping.

Each line has a role, by which it is known again: "line_1", "discount_1", "tax_1", "shipping", "tax_shipping".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from kept.connectors.erp_amounts import net_of_shipping
from kept.ports import SalesOrder, SalesOrderLine

_GOODS, _TAX, SHIPPING = "line_", "tax_", "shipping"
SHIPPING_TAX = _TAX + SHIPPING


class Kind(Enum):
    """What a line stands for; goods have their own SKU, the others a product that the ERP has for them."""

    GOODS = "goods"
    DISCOUNT = "discount"
    TAX = "tax"
    SHIPPING = "shipping"


@dataclass(frozen=True, slots=True)
class Charge:
    """A line as it should be. `each_minor` is of one piece; `line_no` 0 for shipping."""

    role: str
    kind: Kind
    line_no: int
    sku: str  # "" unless goods
    quantity: int
    each_minor: int
    text: str


def goods_role(line_no: int) -> str:
    return f"{_GOODS}{line_no}"


def discount_role(line_no: int) -> str:
    return f"discount_{line_no}"


def line_no_of(role: str) -> int:
    """Our number of a line of goods; 0 for any other line."""
    number = role.removeprefix(_GOODS)
    return int(number) if role.startswith(_GOODS) and number.isdigit() else 0


def belongs_to(role: str) -> int:
    """Our number of the line that a discount or a tax is of; 0 for goods, and for shipping."""
    kind, _, number = role.partition("_")
    return int(number) if kind in ("discount", "tax") and number.isdigit() else 0


def is_tax(role: str) -> bool:
    return role.startswith(_TAX)


def taxes_apart(order: SalesOrder) -> list[Charge]:
    """All lines of an order, the channel's tax on lines of its own. Tax that is in a price is taken out of it with the
    discount, so that the lines add up to the total in either case."""
    charges = [charge for line in order.lines for charge in _of_line(order, line)]
    if order.shipping_minor or order.shipping_tax_minor:
        charges.append(Charge(SHIPPING, Kind.SHIPPING, 0, "", 1, net_of_shipping(order), "Shipping"))
    if order.shipping_tax_minor:
        charges.append(Charge(SHIPPING_TAX, Kind.TAX, 0, "", 1, order.shipping_tax_minor, "Tax on shipping"))
    return charges


def _of_line(order: SalesOrder, line: SalesOrderLine) -> list[Charge]:
    no, included = line.line_no, order.tax_included and line.tax_minor
    charges = [Charge(goods_role(no), Kind.GOODS, no, line.sku, line.quantity, line.unit_price_minor, line.sku)]
    off = line.discount_minor + (line.tax_minor if included else 0)
    if off:
        text = f"Discount on line {no}" + (", and the tax in its price" if included else "")
        charges.append(Charge(discount_role(no), Kind.DISCOUNT, no, "", 1, -off, text))
    if line.tax_minor:
        charges.append(Charge(f"{_TAX}{no}", Kind.TAX, no, "", 1, line.tax_minor, f"Tax on line {no}"))
    return charges
