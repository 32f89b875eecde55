"""Ours <-> NetSuite's sales orders and fulfilments. Pure.

Every amount is a line of its own (`kept.connectors.erp_roles`), at a price that we state; its role stands in a column
field of ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from kept.connectors.erp_amounts import buyer_digest, minor, pieces_of, units
from kept.connectors.erp_roles import Charge, Kind, belongs_to, goods_role, is_tax, line_no_of, taxes_apart
from kept.connectors.erps.netsuite.codes import status_of
from kept.connectors.erps.netsuite.options import Options
from kept.connectors.erps.netsuite.schemas import Fulfilment, Line, Order
from kept.domain.order import Address
from kept.ports import ErpOrderStatus, PermanentFault, SalesOrder, ShipmentPosting

_OWN_PRICE = {"id": "-1"}  # the price level "Custom": without it, the item's own price would be taken
_APPROVED = {"id": "B"}  # pending fulfilment
_SHIPPED = {"id": "C"}  # of a fulfilment: shipped, after picked (A) and packed (B)
_VERSION = re.compile(r"Kept (\S+) version ([0-9]{1,9})")
_DIGEST = 32  # hexadecimal digits of 64
_MEMO_CHARS = 999


# ------------------------------------------------------------------ orders


def charges_of(order: SalesOrder, options: Options) -> list[tuple[Charge, str]]:
    """All lines that the order should have, each with its SKU."""
    skus = {Kind.DISCOUNT: options.discount_item, Kind.TAX: options.tax_item, Kind.SHIPPING: options.shipping_item}
    return [(charge, charge.sku or skus[charge.kind]) for charge in taxes_apart(order)]


def order_json(order: SalesOrder, options: Options, items: Mapping[str, str]) -> dict[str, Any]:
    """A new order. `items` are internal ids by SKU."""
    return {
        "externalId": order.reference,
        "entity": {"id": order.customer_id},
        "currency": {"id": options.currencies[order.currency]},
        "tranDate": f"{order.placed_at:%Y-%m-%d}",
        "otherRefNum": order.channel_number[:45],
        "location": {"id": options.location},
        "orderStatus": _APPROVED,
        **amended_json(order, options, items),
    }


def amended_json(order: SalesOrder, options: Options, items: Mapping[str, str]) -> dict[str, Any]:
    """What an amendment may say anew: the lines, all of them, the address and the version."""
    lines = [
        {
            options.line_field: charge.role,
            "item": {"id": items[sku]},
            "quantity": charge.quantity,
            "price": _OWN_PRICE,
            "rate": float(units(charge.each_minor, order.currency)),
            "description": charge.text,
        }
        for charge, sku in charges_of(order, options)
    ]
    return {
        "memo": f"Kept {order.reference} version {order.version}",
        "shippingAddress": address_json(order.ship_to),
        "item": {"items": lines},
    }


def approval_json() -> dict[str, Any]:
    return {"orderStatus": _APPROVED}


def version_of(order: Order) -> int:
    """The version of ours that the order says; 0 if it says none."""
    match = _VERSION.search(order.memo)
    return int(match[2]) if match else 0


def lines_of(order: Order) -> dict[str, Line]:
    """The lines, by role; one that is not ours by "#number"."""
    return {line.role or f"#{line.line}": line for line in order.item.items}


def differences(order: Order, asked: SalesOrder, options: Options, items: Mapping[str, str]) -> list[str]:
    """What of a standing order is not as asked, for people."""
    lines, found = lines_of(order), []
    if order.currency.id != options.currencies.get(asked.currency):
        found.append(f"currency {order.currency.ref_name or order.currency.id}, asked {asked.currency}")
    if order.entity.id != asked.customer_id:
        found.append(f"customer {order.entity.id}, asked {asked.customer_id}")
    wanted = {charge.role: (charge, items[sku]) for charge, sku in charges_of(asked, options)}
    for role in sorted(lines.keys() | wanted.keys()):
        line, want = lines.get(role), wanted.get(role)
        if line is None or want is None:
            found.append(f"{role} was not asked for" if want is None else f"{role} is not there")
            continue
        charge, item = want
        rate = units(charge.each_minor, asked.currency)
        if (line.item.id, line.quantity, line.rate) != (item, Decimal(charge.quantity), rate):
            found.append(
                f"{role}: item {line.item.ref_name or line.item.id}, {line.quantity} x {line.rate}, "
                f"asked item {item}, {charge.quantity} x {rate}"
            )
    return found


def currency_of(order: Order, options: Options) -> str:
    """The code of the order's currency. Raises PermanentFault "currency_unmapped"."""
    for code, number in options.currencies.items():
        if number == order.currency.id:
            return code
    raise PermanentFault(
        f"order {order.tran_id or order.id} has the currency {order.currency.id} ({order.currency.ref_name}), "
        "which the options do not name",
        code="currency_unmapped",
    )


def total_minor(order: Order, options: Options) -> int:
    return minor(order.total, currency_of(order, options))


def tax_minor(order: Order, options: Options) -> int:
    """The tax that stands on lines of its own, and what NetSuite added."""
    own = sum((line.amount for line in order.item.items if is_tax(line.role)), Decimal(0))
    return minor(order.tax_total + own, currency_of(order, options))


def gone(order: Order) -> bool:
    """Whether any goods were fulfilled."""
    return any(line.quantity_fulfilled for line in order.item.items if line_no_of(line.role))


def state_of(order: Order) -> ErpOrderStatus:
    return status_of(order.order_status.id, fulfilled=gone(order))


def to_close(order: Order) -> list[int]:
    """The numbers of the lines that a withdrawal closes: goods of which something is left, and the discounts and taxes
    of goods of which nothing went. Shipping is kept with what went."""
    lines, numbers = lines_of(order), []
    for role, line in lines.items():
        of = belongs_to(role)
        if line_no_of(role):
            closes = line.quantity_fulfilled < line.quantity
        elif of and goods_role(of) in lines:
            closes = not lines[goods_role(of)].quantity_fulfilled
        else:
            closes = not gone(order)
        if closes and not line.is_closed:
            numbers.append(line.line)
    return numbers


def closing_json(numbers: Sequence[int]) -> dict[str, Any]:
    return {"item": {"items": [{"line": number, "isClosed": True} for number in numbers]}}


# ------------------------------------------------------------------ fulfilments


def fulfilment_json(order: Order, posting: ShipmentPosting, options: Options) -> dict[str, Any]:
    """What goes now; what does not is said too, since a transformation takes all that is left.

    Raises PermanentFault "not_open" for more pieces than a line has left.
    """
    pieces, rows = pieces_of(posting), []
    for line in order.item.items:
        number = line_no_of(line.role)
        left = 0 if line.is_closed else int(line.quantity - line.quantity_fulfilled)
        going = pieces.pop(number, 0) if number else 0
        if going > left:
            raise PermanentFault(
                f"order {posting.order_reference} has {left} left of line {number}, and {going} shipped",
                code="not_open",
            )
        if going:
            place = {"location": {"id": options.location}}
            rows.append({"orderLine": line.line, "itemReceive": True, "quantity": going, **place})
        elif number and left:
            rows.append({"orderLine": line.line, "itemReceive": False})
    if +pieces:
        raise PermanentFault(
            f"order {posting.order_reference} has no line {min(pieces)}, of which pieces shipped", code="not_open"
        )
    parcels = (f"{package.carrier} {package.tracking} ({package.sscc})" for package in posting.packages)
    return {
        "externalId": posting.reference,
        "tranDate": f"{posting.shipped_at:%Y-%m-%d}",
        "shipStatus": _SHIPPED,
        "memo": "; ".join(parcels)[:_MEMO_CHARS],
        "item": {"items": rows},
    }


def fulfilled(fulfilment: Fulfilment, order: Order) -> dict[int, int]:
    """Pieces by our line."""
    numbers = {line.line: line_no_of(line.role) for line in order.item.items}
    pieces: dict[int, int] = {}
    for row in fulfilment.item.items:
        if row.quantity:
            number = numbers.get(row.order_line, 0)
            pieces[number] = pieces.get(number, 0) + int(row.quantity)
    return pieces


# ------------------------------------------------------------------ buyers


def customer_id(account: str, email: str) -> str:
    """The external id of a buyer."""
    return f"kept-{buyer_digest(account, email)[:_DIGEST]}"


def customer_json(external_id: str, email: str, address: Address, options: Options) -> dict[str, Any]:
    body: dict[str, Any] = {
        "externalId": external_id,
        "isPerson": False,
        "companyName": (address.company or address.name or f"Buyer {external_id[-8:]}")[:83],
    }
    if email:
        body["email"] = email
    if options.subsidiary:
        body["subsidiary"] = {"id": options.subsidiary}
    return body


def address_json(address: Address) -> dict[str, Any]:
    fields = {
        "addressee": address.name,
        "attention": address.company,
        "addr1": address.line1,
        "addr2": address.line2,
        "city": address.city,
        "state": address.region,
        "zip": address.postal_code,
        "addrPhone": address.phone,
    }
    return {"country": {"id": address.country}} | {name: value for name, value in fields.items() if value}
