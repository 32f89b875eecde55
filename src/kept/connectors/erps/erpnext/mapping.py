"""Ours <-> ERPNext's orders. Pure.

Goods are items at the channel's price; what was taken off, tax and shipping are charges of type "Actual", whose amount
is stated and not computed (erpnext/controllers/taxes_and_totals.py). Their descriptions say what they are of.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kept.connectors import erp_amounts
from kept.connectors.erp_amounts import buyer_digest, net_of_shipping, pieces_of, units
from kept.connectors.erps.erpnext.options import Options
from kept.connectors.erps.erpnext.schemas import Delivery, Line, Order
from kept.domain.order import Address
from kept.ports import PermanentFault, SalesOrder, ShipmentPosting

_CHARGE = re.compile(r"Kept (discount|tax) ([0-9]{1,6}|shipping)|Kept shipping")
_NOISE = Decimal("0.000001")  # amounts are doubles there
_DIGEST = 32


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an order should have: goods by our line (SKU, pieces, price), and charges by description."""

    goods: Mapping[int, tuple[str, Decimal, Decimal]]
    charges: Mapping[str, tuple[str, Decimal]]  # account and amount


# ------------------------------------------------------------------ orders


def wanted_of(order: SalesOrder, options: Options) -> Wanted:
    currency = order.currency
    goods = {
        line.line_no: (line.sku, Decimal(line.quantity), units(line.unit_price_minor, currency)) for line in order.lines
    }
    charges: dict[str, tuple[str, int]] = {}
    for line in order.lines:
        # Tax that is in the price is taken out of it, and stands in a charge of its own.
        off = line.discount_minor + (line.tax_minor if order.tax_included else 0)
        charges[f"Kept discount {line.line_no}"] = (options.discount_account, -off)
        charges[f"Kept tax {line.line_no}"] = (options.tax_account, line.tax_minor)
    charges["Kept shipping"] = (options.shipping_account, net_of_shipping(order))
    charges["Kept tax shipping"] = (options.tax_account, order.shipping_tax_minor)
    amounts = {text: (account, units(amount, currency)) for text, (account, amount) in charges.items() if amount}
    return Wanted(goods, amounts)


def order_json(order: SalesOrder, options: Options, address: str) -> dict[str, Any]:
    """A draft. Pricing rules and rounding are switched off: the channel's amounts stand."""
    wanted = wanted_of(order, options)
    day = order.placed_at.date().isoformat()
    return {
        "kept_reference": order.reference,
        "kept_version": order.version,
        "po_no": order.channel_number,
        "company": options.company,
        "customer": order.customer_id,
        "shipping_address_name": address,
        "transaction_date": day,
        "delivery_date": day,
        "currency": order.currency,
        "ignore_pricing_rule": 1,
        "disable_rounded_total": 1,
        "items": [
            {
                "kept_line": line_no,
                "item_code": sku,
                "qty": int(pieces),
                "rate": float(price),
                "price_list_rate": float(price),
                "uom": options.unit,
                "conversion_factor": 1,
                "warehouse": options.warehouse,
                "delivery_date": day,
            }
            for line_no, (sku, pieces, price) in wanted.goods.items()
        ],
        "taxes": [
            {"charge_type": "Actual", "account_head": account, "description": text, "tax_amount": float(amount)}
            for text, (account, amount) in wanted.charges.items()
        ],
    }


def differences(order: Order, asked: SalesOrder, options: Options) -> list[str]:
    """What of a standing order is not as asked, for people."""
    wanted, found = wanted_of(asked, options), []
    if order.currency != asked.currency:
        found.append(f"currency {order.currency}, asked {asked.currency}")
    if order.customer != asked.customer_id:
        found.append(f"customer {order.customer}, asked {asked.customer_id}")
    goods = {line.kept_line: (line.item_code, line.qty, _exact(line.rate)) for line in order.items}
    for line_no in sorted(goods.keys() | wanted.goods.keys()):
        theirs, ours = goods.get(line_no), wanted.goods.get(line_no)
        if theirs != ours:
            found.append(f"line {line_no}: {_words(theirs)}, asked {_words(ours)}")
    charges = {charge.description or "": _exact(charge.tax_amount) for charge in order.taxes}
    for text in sorted(charges.keys() | wanted.charges.keys()):
        amount = wanted.charges[text][1] if text in wanted.charges else Decimal(0)
        if charges.get(text, Decimal(0)) != amount:
            found.append(f"charge {text!r}: {charges.get(text, 0)}, asked {amount}")
    return found


def total_minor(order: Order) -> int:
    return minor(order.grand_total, order.currency)


def tax_minor(order: Order) -> int:
    """All charges that are no discount and no shipping of ours: what ERPNext adds by itself counts as tax."""
    own = [charge for charge in order.taxes if (charge.description or "") != "Kept shipping"]
    amounts = [charge.tax_amount for charge in own if not (charge.description or "").startswith("Kept discount ")]
    return minor(sum(amounts, Decimal(0)), order.currency)


def charges_of(order: Order, line_no: int) -> tuple[int, int]:
    """What was taken off a line (0 or less), and its tax, in minor units."""
    sums = {"discount": Decimal(0), "tax": Decimal(0)}
    for charge in order.taxes:
        match = _CHARGE.fullmatch(charge.description or "")
        if match and match[2] == str(line_no):
            sums[match[1]] += charge.tax_amount
    return minor(sums["discount"], order.currency), minor(sums["tax"], order.currency)


def minor(amount: Decimal, currency: str) -> int:
    """An amount in minor units, the noise of doubles taken off. Raises PermanentFault "amount"."""
    return erp_amounts.minor(_exact(amount), currency)


def _exact(amount: Decimal) -> Decimal:
    return amount.quantize(_NOISE)


def _words(goods: tuple[str, Decimal, Decimal] | None) -> str:
    return f"{goods[0]} {goods[1]} x {goods[2]}" if goods else "nothing"


# ------------------------------------------------------------------ deliveries


def delivery_json(order: Order, posting: ShipmentPosting, options: Options) -> dict[str, Any]:
    """A delivery note that is submitted as it is made. Raises PermanentFault "not_open"."""
    lines = {line.kept_line: line for line in order.items}
    rows = []
    for line_no, pieces in pieces_of(posting).items():
        line = lines.get(line_no)
        left = int(line.qty - line.delivered_qty) if line is not None else 0
        if line is None or pieces > left:
            raise PermanentFault(
                f"order {order.name} has {left} left of line {line_no}, and {pieces} shipped", code="not_open"
            )
        rows.append(_delivery_row(order, line, pieces, options))
    packages = ", ".join(f"{each.carrier} {each.tracking}" for each in posting.packages)
    return {
        "docstatus": 1,
        "kept_reference": posting.reference,
        "company": options.company,
        "customer": order.customer,
        "currency": order.currency,
        "set_posting_time": 1,
        "posting_date": f"{posting.shipped_at:%Y-%m-%d}",
        "posting_time": f"{posting.shipped_at:%H:%M:%S}",
        "lr_no": packages[:140],  # "Transport Receipt No", a Data field
        "ignore_pricing_rule": 1,
        "items": rows,
    }


def _delivery_row(order: Order, line: Line, pieces: int, options: Options) -> dict[str, Any]:
    return {
        "item_code": line.item_code,
        "qty": pieces,
        "rate": float(line.rate),
        "uom": options.unit,
        "conversion_factor": 1,
        "warehouse": options.warehouse,
        "against_sales_order": order.name,
        "so_detail": line.name,
    }


def delivered(delivery: Delivery, order: Order) -> dict[int, int]:
    """Pieces of a delivery note by our line; 0 for what is none of ours."""
    numbers = {line.name: line.kept_line for line in order.items}
    pieces: dict[int, int] = {}
    for line in delivery.items:
        number = numbers.get(line.so_detail or "", 0)
        pieces[number] = pieces.get(number, 0) + int(line.qty)
    return pieces


# ------------------------------------------------------------------ buyers


def customer_json(account: str, email: str, address: Address, options: Options) -> dict[str, Any]:
    buyer = buyer_digest(account, email)[:_DIGEST]
    return {
        "kept_buyer": buyer,
        "customer_name": address.company or address.name or f"Buyer {buyer[:8]}",
        "customer_type": "Company" if address.company else "Individual",
        "customer_group": options.customer_group,
        "territory": options.territory,
    }


def address_json(address: Address, customer: str, country: str) -> dict[str, Any]:
    """An address of its own, so that no later order changes it; `kept_address` keeps it single."""
    body = {
        "address_title": " / ".join(filter(None, (address.company, address.name))) or "Buyer",
        "address_type": "Shipping",
        "address_line1": address.line1,
        "address_line2": address.line2,
        "city": address.city,
        "state": address.region,
        "pincode": address.postal_code,
        "country": country,
        "phone": address.phone,
    }
    digest = hashlib.sha256("|".join([customer, *body.values()]).encode()).hexdigest()[:_DIGEST]
    links = [{"link_doctype": "Customer", "link_name": customer}]
    return {**body, "kept_address": digest, "links": links}
