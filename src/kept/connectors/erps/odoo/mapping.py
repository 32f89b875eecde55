"""Ours <-> Odoo's orders. Pure.

Records have external ids, which Odoo keeps unique: "kept.<reference>" is an order, "kept.<reference>_<role>" a line of
it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from kept.connectors import erp_amounts
from kept.connectors.erp_amounts import net_of, net_of_shipping, tax_code_of, units
from kept.connectors.erp_roles import SHIPPING, Kind, discount_role, goods_role, is_tax, taxes_apart
from kept.connectors.erps.odoo.options import Options
from kept.connectors.erps.odoo.schemas import Line, Order
from kept.domain.order import Address
from kept.ports import PermanentFault, SalesOrder

MODULE = "kept"
_SEQUENCE_OF_SHIPPING = 90_000
_VERSION = re.compile(r"Kept (\S+) version ([0-9]{1,9})")
_NOISE = Decimal("0.000001")  # Odoo's amounts are doubles: 2.80 may come as 2.7999999999999988
_DIGEST = 32  # hexadecimal digits of 64
_COUNTRIES = {"GB": "uk"}  # odoo/addons/base/data/res_country_data.xml: the one that is not named by its code

ORDER_FIELDS = (
    "id",
    "client_order_ref",
    "origin",
    "partner_id/.id",
    "partner_shipping_id/.id",
    "pricelist_id/.id",
    "date_order",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line as it should be there; `role` is the end of its external id."""

    role: str
    sequence: int
    sku: str
    quantity: int
    price: Decimal
    name: str
    tax: str = ""  # id of the tax; "" for none

    def is_as(self, line: Line) -> bool:
        taxes = [int(self.tax)] if self.tax else []
        same_price = abs(line.price_unit - self.price) < _NOISE
        return same_price and (line.product_uom_qty, line.taxes) == (Decimal(self.quantity), taxes)


def external_id(reference: str, role: str = "") -> str:
    return f"{MODULE}.{reference}_{role}" if role else f"{MODULE}.{reference}"


def role_of(external: str, reference: str) -> str:
    """The role of a line under its external id; "" for a line that is not ours."""
    prefix = external_id(reference) + "_"
    return external.removeprefix(prefix) if external.startswith(prefix) else ""


# ------------------------------------------------------------------ orders


def version_text(order: SalesOrder) -> str:
    return f"Kept {order.reference} version {order.version}"


def version_of(order: Order) -> int:
    """The version of ours that the order says; 0 if it says none. Odoo appends to this field by itself."""
    match = _VERSION.search(order.origin or "")
    return int(match[2]) if match else 0


def wanted_lines(order: SalesOrder, options: Options) -> dict[str, Wanted]:
    """All lines that the order should have, by role. Raises PermanentFault "tax_unmapped"."""
    unmapped = unmapped_taxes(order, options)
    if unmapped:
        raise PermanentFault(
            f"order {order.reference} has a tax that no tax of the options gives: {'; '.join(unmapped[:5])}",
            code="tax_unmapped",
        )
    lines = _apart(order, options) if options.tax_sku else _taxed(order, options)
    return {line.role: line for line in lines}


def unmapped_taxes(order: SalesOrder, options: Options) -> list[str]:
    """What of an order has a tax that no tax of Odoo's gives, for people."""
    codes = options.taxes_of(included=order.tax_included)
    return [] if options.tax_sku else erp_amounts.unmapped_taxes(order, codes)


def skus_of(wanted: Mapping[str, Wanted]) -> list[str]:
    return sorted({line.sku for line in wanted.values()})


def _apart(order: SalesOrder, options: Options) -> list[Wanted]:
    """Every amount, and so the tax, on a line of its own."""
    skus = {Kind.DISCOUNT: options.discount_sku, Kind.TAX: options.tax_sku, Kind.SHIPPING: options.shipping_sku}
    return [
        Wanted(
            charge.role,
            _sequence(charge.line_no, charge.kind),
            charge.sku or skus[charge.kind],
            charge.quantity,
            units(charge.each_minor, order.currency),
            charge.text,
        )
        for charge in taxes_apart(order)
    ]


def _taxed(order: SalesOrder, options: Options) -> list[Wanted]:
    """The tax by Odoo's own taxes. Odoo's own discount is a percentage of two decimals, which few amounts are; a line
    of a product is how its own discount dialog books one."""
    currency, codes, lines = order.currency, options.taxes_of(included=order.tax_included), []
    for line in order.lines:
        no = line.line_no
        tax = tax_code_of(net_of(order, line), line.tax_minor, codes) or ""
        price, at = units(line.unit_price_minor, currency), _sequence(no, Kind.GOODS)
        lines.append(Wanted(goods_role(no), at, line.sku, line.quantity, price, line.sku, tax))
        if line.discount_minor:
            off, at = -units(line.discount_minor, currency), _sequence(no, Kind.DISCOUNT)
            text = f"Discount on line {no}"
            lines.append(Wanted(discount_role(no), at, options.discount_sku, 1, off, text, tax))
    if order.shipping_minor:
        tax = tax_code_of(net_of_shipping(order), order.shipping_tax_minor, codes) or ""
        price, at = units(order.shipping_minor, currency), _sequence(0, Kind.SHIPPING)
        lines.append(Wanted(SHIPPING, at, options.shipping_sku, 1, price, "Shipping", tax))
    return lines


def _sequence(line_no: int, kind: Kind) -> int:
    """Where a line stands: behind the goods that it is of, shipping behind all."""
    behind = {Kind.GOODS: 0, Kind.DISCOUNT: 1, Kind.TAX: 2, Kind.SHIPPING: 0}[kind]
    return (line_no * 10 if line_no else _SEQUENCE_OF_SHIPPING) + behind


def order_row(order: SalesOrder, customer: int, address: int, pricelist: int) -> list[str]:
    """The order's own cells of its first row, in the order of ORDER_FIELDS."""
    return [
        external_id(order.reference),
        order.reference,
        version_text(order),
        str(customer),
        str(address),
        str(pricelist),
        f"{order.placed_at:%Y-%m-%d %H:%M:%S}",
    ]


def line_row(line: Wanted, reference: str, product: int) -> list[str]:
    """A line's cells, in the order of `line_fields`. An empty tax is none: unsaid, it would be the product's own."""
    return [
        external_id(reference, line.role),
        str(line.sequence),
        str(product),
        line.name,
        str(line.quantity),
        f"{line.price:f}",
        line.tax,
    ]


def line_fields(taxes: str, prefix: str = "") -> list[str]:
    names = ("id", "sequence", "product_id/.id", "name", "product_uom_qty", "price_unit", f"{taxes}/.id")
    return [prefix + name for name in names]


# ------------------------------------------------------------------ what is there, compared


def differences(order: Order, lines: Mapping[str, Line], asked: SalesOrder, wanted: Mapping[str, Wanted]) -> list[str]:
    """What of a standing order is not as asked, for people. `lines` are those with pieces, by role or "#id"."""
    found = []
    if order.currency_id[1] != asked.currency:
        found.append(f"currency {order.currency_id[1]}, asked {asked.currency}")
    if str(order.partner_id[0]) != asked.customer_id:
        found.append(f"customer {order.partner_id[0]}, asked {asked.customer_id}")
    for role in sorted(lines.keys() | wanted.keys()):
        line, want = lines.get(role), wanted.get(role)
        if want is None and line is not None:
            found.append(f"{role} ({line.name}) was not asked for")
        elif want is not None and line is None:
            found.append(f"{role} ({want.sku}) is not there")
        elif want is not None and line is not None and not want.is_as(line):
            found.append(
                f"{role}: {line.product_uom_qty} x {line.price_unit}, taxes {line.taxes}, "
                f"asked {want.quantity} x {want.price} and {want.tax or 'none'}"
            )
    return found


def minor(amount: Decimal, currency: str) -> int:
    """An amount in minor units, the noise of doubles taken off. Raises PermanentFault "amount"."""
    return erp_amounts.minor(amount.quantize(_NOISE), currency)


def total_minor(order: Order) -> int:
    return minor(order.amount_total, order.currency_id[1])


def tax_minor(order: Order, lines: Mapping[str, Line]) -> int:
    """The tax that Odoo computed, and what stands on lines of its own."""
    own = sum((line.price_subtotal for role, line in lines.items() if is_tax(role)), Decimal(0))
    return minor(order.amount_tax + own, order.currency_id[1])


# ------------------------------------------------------------------ buyers


def customer_row(digest: str, email: str, address: Address) -> list[str]:
    name = address.company or address.name or f"Buyer {digest[:8]}"
    return [f"{MODULE}.customer_{digest[:_DIGEST]}", name, email]


ADDRESS_FIELDS = ("id", "name", "type", "street", "street2", "city", "zip", "country_id/id", "phone")


def address_row(address: Address) -> list[str]:
    """An address of its own, so that no later order changes it. A region is written behind the city: Odoo's states are
    records, and not every region that a channel names is one."""
    city = ", ".join(filter(None, (address.city, address.region)))
    cells = [
        " / ".join(filter(None, (address.company, address.name))) or "Buyer",
        "delivery",
        address.line1,
        address.line2,
        city,
        address.postal_code,
        f"base.{_COUNTRIES.get(address.country, address.country.lower())}",
        address.phone,
    ]
    digest = hashlib.sha256("|".join(cells).encode()).hexdigest()
    return [f"{MODULE}.address_{digest[:_DIGEST]}", *cells]
