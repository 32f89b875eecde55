"""Ours <-> Tryton's records. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from kept.connectors.answers import UnexpectedAnswer
from kept.connectors.erps.tryton.codes import BOOKING
from kept.connectors.erps.tryton.pricing import PLACES, SHIPPING_PLACE, TAX_REST, PricedLine
from kept.connectors.erps.tryton.schemas import Item, PartyAddress, Sale, Shop
from kept.domain.money import MoneyError, to_decimal_string, to_minor
from kept.domain.order import Address
from kept.ports import BookedOrder, ItemCheck, PermanentFault, SalesOrder

Json = dict[str, Any]


# ------------------------------------------------------------------ ours to theirs


def customer_code(account: str, email: str, address: Address) -> str:
    """The party's code, which Tryton keeps unique: the same buyer at the same account is one party.

    Buyers without an e-mail address are known by where they live, or they would all be one.
    """
    who = email.strip().lower() or "|".join((address.name, address.line1, address.postal_code, address.country))
    return "KEPT-" + hashlib.sha256(f"{account}|{who}".encode()).hexdigest()[:32]


def party_values(code: str, email: str, address: Address) -> Json:
    reached = [["create", [{"type": "email", "value": email.strip()}]]] if email.strip() else []
    return {"code": code, "name": address.company or address.name, "contact_mechanisms": reached}


def address_values(address: Address, country: int, subdivision: int | None) -> Json:
    """A party's address. A region that Tryton does not know is kept as a line of the street."""
    region = address.region if subdivision is None else ""
    street = "\n".join(part.strip() for part in (address.line1, address.line2, region) if part.strip())
    return {
        "party_name": address.company or address.name,
        "attn": address.name if address.company else None,
        "street": street,
        "postal_code": address.postal_code or None,
        "city": address.city or None,
        "country": country,
        "subdivision": subdivision,
    }


def same_address(values: Json, known: PartyAddress) -> bool:
    return all((getattr(known, name) or None) == (value or None) for name, value in values.items())


def sale_values(
    order: SalesOrder, lines: Sequence[PricedLine], shop: Shop, *, currency: int, party: int, address: int
) -> Json:
    """The sale with its lines, under our reference in the field that Tryton keeps unique within a web shop."""
    return {
        "company": shop.company,
        "web_shop": shop.id,
        "web_id": order.reference,
        "reference": order.reference,
        "description": f"{order.channel} {order.channel_number}",
        "sale_date": date_json(order.placed_at),
        "party": party,
        "invoice_address": address,
        "shipment_address": address,
        "currency": currency,
        "warehouse": shop.warehouses[0],
        "shipment_method": "order",
        "lines": [["create", [_line_values(line) for line in lines]]],
    }


def _line_values(line: PricedLine) -> Json:
    return {
        "type": "line",
        "sequence": line.place,
        "product": line.sold.product_id,
        "unit": line.sold.unit_id,
        "quantity": line.quantity,
        "unit_price": decimal_json(line.unit_price),
        "taxes": [["add", [tax.tax_id for tax in line.sold.taxes]]] if line.taxed else [],
        "description": line.description or None,
    }


def decimal_json(amount: Decimal) -> Json:
    return {"__class__": "Decimal", "decimal": str(amount)}


def date_json(moment: datetime) -> Json:
    day = moment.astimezone(UTC).date()
    return {"__class__": "date", "year": day.year, "month": day.month, "day": day.day}


# ------------------------------------------------------------------ theirs to ours


def item_checks(items: Sequence[Item], skus: Sequence[str]) -> list[ItemCheck]:
    """One check for each SKU, in that order. Of several products with one code the active one counts."""
    known: dict[str, bool] = {}
    for item in items:
        known[item.code] = known.get(item.code, False) or (item.active and item.salable)
    return [ItemCheck(sku, sku in known, known.get(sku, False)) for sku in skus]


def booked(sale: Sale) -> BookedOrder:
    currency = sale.currency.code or ""
    return BookedOrder(str(sale.id), minor_of(sale.total_amount.decimal, currency), currency)


def minor_of(amount: str, currency: str) -> int:
    try:
        return to_minor(amount, currency)
    except MoneyError as exc:
        raise UnexpectedAnswer(f"total_amount is no amount: {exc}") from exc


def only_sale(sales: Sequence[Sale], reference: str) -> Sale | None:
    """The one sale under `reference`. Raises PermanentFault "ambiguous": by the unique web id there can't be two."""
    if len(sales) > 1:
        ids = ", ".join(str(sale.id) for sale in sales[:10])
        raise PermanentFault(f"Tryton has {len(sales)} sales under {reference} ({ids})", code="ambiguous")
    return sales[0] if sales else None


def is_booked(sale: Sale) -> bool:
    """Whether nothing is left to do; a draft or a quotation is a booking that was cut short, and is none."""
    return sale.state != "cancelled" and booking_step(sale) == ""


def booking_step(sale: Sale) -> str:
    """The button to push next; "" when it is booked. Raises PermanentFault for a cancelled sale."""
    if sale.state == "cancelled":
        text = f"Tryton has {sale.web_id} as sale {sale.id}, cancelled: bring it back to draft there, then replay"
        raise PermanentFault(text, code="cancelled_there")
    if sale.state not in BOOKING:
        raise PermanentFault(f"sale {sale.id} is in a state that we don't know: {sale.state!r}", code="unknown_state")
    return BOOKING[sale.state]


def check_same(order: SalesOrder, sale: Sale) -> None:
    """Raises PermanentFault "reference_conflict" where the sale under our reference sells other goods, and
    "erp_total_differs" where it would be confirmed at another total.
    """
    asked = Counter[str]()
    for line in order.lines:
        asked[line.sku] += line.quantity
    if asked != goods_of(sale):
        theirs = ", ".join(f"{count} {sku}" for sku, count in sorted(goods_of(sale).items()))
        text = f"Tryton has {order.reference} as sale {sale.id} with other goods: {theirs}"
        raise PermanentFault(text, code="reference_conflict")
    found = booked(sale)
    if not is_booked(sale) and (found.total_minor, found.currency) != (order.total_minor, order.currency):
        theirs = f"{to_decimal_string(found.total_minor, found.currency)} {found.currency}"
        ours = f"{to_decimal_string(order.total_minor, order.currency)} {order.currency}"
        text = (
            f"sale {sale.id} comes to {theirs} in Tryton, {order.reference} to {ours}: it stays a {sale.state};"
            " let Tryton round taxes by line, or mend the taxes of its products, then replay"
        )
        raise PermanentFault(text, code="erp_total_differs")


def goods_of(sale: Sale) -> Mapping[str, int]:
    """Pieces by SKU, without the lines for shipping and tax."""
    goods = Counter[str]()
    for line in sale.lines:
        if line.product is not None and line_no_of(line.sequence):
            goods[line.product.code or ""] += int(line.quantity or 0)
    return goods


def line_no_of(sequence: int | None) -> int:
    """Our line's number, by the line's place; 0 for shipping, tax, and what others have added."""
    if sequence is None or sequence >= SHIPPING_PLACE or sequence % PLACES == TAX_REST:
        return 0
    return sequence // PLACES
