"""Writes a sale down as each channel does: Shopify's order JSON, and our own in-house order JSON.

The Shopify templates in `samples/` follow the published shape of the REST order resource (2026-07).
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from kept.simulator.orders import Sale, SaleAddress, SaleLine, sample

Json = dict[str, Any]
_DIGITS = {"USD": 2, "EUR": 2, "JPY": 0}
# Where the ids of made-up orders begin: as long as real ones, so that they are not taken for line numbers.
_SHOPIFY_IDS_FROM = 5_900_000_000_000


@dataclass(frozen=True, slots=True)
class Version:
    """One revision of a sale: what its channel says at `age_s` seconds after it was placed."""

    age_s: int
    pending: bool = False
    cancelled: bool = False
    corrected: bool = False  # the buyer corrected the address
    cut: bool = False  # a piece was taken off (`kept.simulator.orders.cut`)


def decimal_string(minor: int, currency: str) -> str:
    """Minor units as the channel writes them: 1050 USD is "10.50", 1050 JPY is "1050"."""
    return format(Decimal(minor).scaleb(-_DIGITS[currency]), "f")


def iso(moment: datetime) -> str:
    """RFC 3339 in UTC, with Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def shopify_order_id(seq: int) -> int:
    return _SHOPIFY_IDS_FROM + seq * 1000


def shopify_line_id(seq: int, line_no: int) -> int:
    return 10 * (_SHOPIFY_IDS_FROM + seq * 1000) + line_no


def inhouse_order_id(seq: int) -> str:
    return f"ih-{seq:07d}"


def inhouse_line_id(line_no: int) -> str:
    return f"L{line_no}"


@cache
def _templates() -> Json:
    templates: Json = sample("shopify_order.json")
    return templates


# ------------------------------------------------------------------ in-house


def inhouse_order(sale: Sale, version: Version) -> Json:
    """The order as our own systems send it."""

    def money(minor: int) -> str:
        return decimal_string(minor, sale.currency)

    payment = "free" if sale.free else "pending" if version.pending else "paid"
    return sample_inhouse() | {
        "id": inhouse_order_id(sale.seq),
        "number": f"IH{sale.seq:07d}",
        "revision": iso(sale.placed_at + timedelta(seconds=version.age_s)),
        "currency": sale.currency,
        "placed_at": iso(sale.placed_at),
        "payment": payment,
        "cancelled": version.cancelled,
        "lines": [_inhouse_line(line, sale.currency) for line in sale.lines if line.wanted],
        "shipping": money(sale.shipping_minor - sale.shipping_discount_minor),
        "shipping_tax": money(sale.shipping_tax_minor),
        "tax_included": sale.tax_included,
        "total": money(sale.total_minor),
        "ship_to": _inhouse_address(sale.ship_to, corrected=version.corrected),
        "email": sale.email,
        "promise": {
            "ship_by": iso(sale.ship_by),
            "deliver_by": iso(sale.deliver_by),
            "service": sale.service,
        },
    }


@cache
def sample_inhouse() -> Json:
    """The in-house order's empty form; its keys give the order of keys on the wire."""
    form: Json = sample("inhouse_order.json")
    return form


def _inhouse_line(line: SaleLine, currency: str) -> Json:
    return {
        "id": inhouse_line_id(line.line_no),
        "sku": line.item.sku,
        "title": line.item.title,
        "quantity": line.wanted,
        "unit_price": decimal_string(line.unit_price_minor, currency),
        "discount": decimal_string(line.discount_minor, currency),
        "tax": decimal_string(line.tax_minor, currency),
        "requires_shipping": line.requires_shipping,
        "weight_g": line.item.weight_g if line.requires_shipping else 0,
    }


def _inhouse_address(address: SaleAddress, *, corrected: bool) -> Json:
    return {
        "name": address.name,
        "company": address.company,
        "line1": address.line1,
        "line2": "Door 2" if corrected else address.line2,
        "city": address.city,
        "region": address.region,
        "postal_code": address.postal_code,
        "country": address.country,
        "phone": address.phone,
    }


# ------------------------------------------------------------------ Shopify


class _Money:
    """Writes amounts in one currency, plain and as Shopify's sets of shop and presentment money."""

    def __init__(self, currency: str) -> None:
        self.currency = currency

    def plain(self, minor: int) -> str:
        return decimal_string(minor, self.currency)

    def set_of(self, minor: int) -> Json:
        bag = {"amount": self.plain(minor), "currency_code": self.currency}
        return {"shop_money": bag, "presentment_money": dict(bag)}

    def both(self, name: str, minor: int) -> Json:
        return {name: self.plain(minor), f"{name}_set": self.set_of(minor)}


def shopify_order(sale: Sale, version: Version) -> Json:
    """The order as Shopify's webhooks carry it."""
    money = _Money(sale.currency)
    order: Json = copy.deepcopy(_templates()["order"])
    order_id = shopify_order_id(sale.seq)
    at = iso(sale.placed_at + timedelta(seconds=version.age_s))
    placed = iso(sale.placed_at)
    address = _shopify_address(sale.ship_to, corrected=version.corrected)
    token = uuid.uuid5(uuid.NAMESPACE_OID, str(order_id)).hex
    order |= {
        "id": order_id,
        "admin_graphql_api_id": f"gid://shopify/Order/{order_id}",
        "cancel_reason": "customer" if version.cancelled else None,
        "cancelled_at": at if version.cancelled else None,
        "checkout_id": order_id + 7,
        "checkout_token": token[::-1],
        "confirmation_number": token[:9].upper(),
        "contact_email": sale.email,
        "created_at": placed,
        "currency": sale.currency,
        "discount_codes": _discount_codes(sale, money),
        "email": sale.email,
        "financial_status": _financial_status(sale, version),
        "name": f"#{1000 + sale.seq}",
        "number": sale.seq,
        "order_number": 1000 + sale.seq,
        "order_status_url": f"https://shop.example.com/orders/{token}/authenticate?key=simulated",
        "presentment_currency": sale.currency,
        "processed_at": placed,
        "taxes_included": sale.tax_included,
        "token": token,
        "total_weight": sum(line.item.weight_g * line.quantity for line in sale.lines),
        "updated_at": at,
        "billing_address": address,
        "shipping_address": dict(address),
        "discount_applications": _discount_applications(sale, money),
        "line_items": [_shopify_line(sale, line, version, money) for line in sale.lines],
        "refunds": _refunds(sale, money),
        "shipping_lines": [_shipping_line(sale, money)] if sale.shipping_minor else [],
    }
    order |= _shopify_totals(sale, version, money)
    order["customer"] |= _customer(sale, address)
    return order


def _financial_status(sale: Sale, version: Version) -> str:
    if version.cancelled:
        return "voided" if version.pending else "refunded"
    return "pending" if version.pending and not sale.free else "paid"


def _shopify_totals(sale: Sale, version: Version, money: _Money) -> Json:
    """Amounts as bought, and as they stand now (after removals; nothing is left of a cancelled order)."""
    gross = sum(line.unit_price_minor * line.quantity for line in sale.lines)
    discounts = sum(line.discount_minor for line in sale.lines)
    removed = sum(line.unit_price_minor * line.removed for line in sale.lines)
    tax = sum(line.tax_minor for line in sale.lines) + sale.shipping_tax_minor
    total = sale.total_minor + removed
    now = 0 if version.cancelled else 1
    outstanding = sale.total_minor if version.pending and not version.cancelled else 0
    return {
        **money.both("subtotal_price", gross - discounts),
        **money.both("total_discounts", discounts + sale.shipping_discount_minor),
        **money.both("total_line_items_price", gross),
        **money.both("total_price", total),
        **money.both("total_tax", tax),
        "total_shipping_price_set": money.set_of(sale.shipping_minor),
        "total_tip_received": money.plain(0),
        "total_outstanding": money.plain(outstanding),
        "total_cash_rounding_payment_adjustment_set": money.set_of(0),
        "total_cash_rounding_refund_adjustment_set": money.set_of(0),
        **money.both("current_subtotal_price", now * (gross - discounts - removed)),
        **money.both("current_total_discounts", now * (discounts + sale.shipping_discount_minor)),
        **money.both("current_total_price", now * sale.total_minor),
        **money.both("current_total_tax", now * tax),
        "current_total_additional_fees_set": None,
        "current_total_duties_set": None,
        "tax_lines": _tax_lines(sale, tax, money),
    }


def _tax_lines(sale: Sale, tax_minor: int, money: _Money) -> list[Json]:
    if not tax_minor:
        return []
    named = {"channel_liable": False, "rate": sale.tax_rate / 100, "title": "Sales tax"}
    return [named | money.both("price", tax_minor)]


def _shopify_line(sale: Sale, line: SaleLine, version: Version, money: _Money) -> Json:
    line_id = shopify_line_id(sale.seq, line.line_no)
    wanted = 0 if version.cancelled else line.wanted
    order_discount_at = 1 if any(each.line_discount_minor for each in sale.lines) else 0
    found = ((line.line_discount_minor, 0), (line.order_discount_minor, order_discount_at))
    allocations = [
        {
            "amount": money.plain(amount),
            "amount_set": money.set_of(amount),
            "discount_application_index": index,
        }
        for amount, index in found
        if amount
    ]
    row: Json = copy.deepcopy(_templates()["line_item"])
    return (
        row
        | money.both("price", line.unit_price_minor)
        | money.both("total_discount", 0)
        | {
            "id": line_id,
            "admin_graphql_api_id": f"gid://shopify/LineItem/{line_id}",
            "current_quantity": wanted,
            "fulfillable_quantity": wanted,
            "grams": line.item.weight_g if line.requires_shipping else 0,
            "name": line.item.title,
            "product_id": line_id % 10_000 + 8_000_000_000,
            "quantity": line.quantity,
            "requires_shipping": line.requires_shipping,
            "sku": line.item.sku,
            "title": line.item.title,
            "variant_id": line_id % 10_000 + 44_000_000_000,
            "tax_lines": _tax_lines(sale, line.tax_minor, money),
            "discount_allocations": allocations,
        }
    )


def _shipping_line(sale: Sale, money: _Money) -> Json:
    title = "Express" if sale.service == "express" else "Standard"
    discount = sale.shipping_discount_minor
    last = len(_discount_applications(sale, money)) - 1
    allocation = {
        "amount": money.plain(discount),
        "amount_set": money.set_of(discount),
        "discount_application_index": last,
    }
    row: Json = copy.deepcopy(_templates()["shipping_line"])
    return (
        row
        | money.both("price", sale.shipping_minor)
        | money.both("discounted_price", sale.shipping_minor - discount)
        | {
            "id": shopify_order_id(sale.seq) + 99,
            "code": title,
            "title": title,
            "current_discounted_price_set": money.set_of(sale.shipping_minor - discount),
            "tax_lines": _tax_lines(sale, sale.shipping_tax_minor, money),
            "discount_allocations": [allocation] if discount else [],
        }
    )


def _discount_codes(sale: Sale, money: _Money) -> list[Json]:
    amount = sum(line.order_discount_minor for line in sale.lines)
    return [{"code": "THANKS", "amount": money.plain(amount), "type": "fixed_amount"}] if amount else []


def _discount_applications(sale: Sale, money: _Money) -> list[Json]:
    """In the order that the allocations' indexes point into: line, order, shipping."""

    def row(kind: str, target: str, amount: int, selection: str) -> Json:
        return {
            "target_type": target,
            "type": kind,
            "value": money.plain(amount),
            "value_type": "fixed_amount",
            "allocation_method": "across",
            "target_selection": selection,
            "title": "THANKS",
        }

    own = sum(line.line_discount_minor for line in sale.lines)
    shared = sum(line.order_discount_minor for line in sale.lines)
    rows: Sequence[tuple[int, Json]] = (
        (own, row("automatic", "line_item", own, "entitled")),
        (shared, row("discount_code", "line_item", shared, "all") | {"code": "THANKS"}),
        (
            sale.shipping_discount_minor,
            row("automatic", "shipping_line", sale.shipping_discount_minor, "all"),
        ),
    )
    return [application for amount, application in rows if amount]


def _refunds(sale: Sale, money: _Money) -> list[Json]:
    """One refund for the pieces that were taken off before they shipped."""
    order_id = shopify_order_id(sale.seq)
    items = []
    for line in sale.lines:
        if line.removed:
            subtotal = line.unit_price_minor * line.removed
            line_id = shopify_line_id(sale.seq, line.line_no)
            row = {"id": line_id + 500, "line_item_id": line_id, "location_id": None, "quantity": line.removed}
            items.append(
                row | {"restock_type": "cancel"} | money.both("subtotal", subtotal) | money.both("total_tax", 0)
            )
    if not items:
        return []
    at = iso(sale.placed_at)
    refund = {
        "id": order_id + 50,
        "admin_graphql_api_id": f"gid://shopify/Refund/{order_id + 50}",
        "created_at": at,
    }
    rest = {"note": None, "order_id": order_id, "processed_at": at, "restock": True, "user_id": None}
    return [refund | rest | {"order_adjustments": [], "transactions": [], "refund_line_items": items}]


def _shopify_address(address: SaleAddress, *, corrected: bool) -> Json:
    return {
        "first_name": address.first_name,
        "address1": address.line1,
        "phone": address.phone or None,
        "city": address.city,
        "zip": address.postal_code,
        "province": address.region_name or None,
        "country": address.country_name,
        "last_name": address.last_name,
        "address2": "Door 2" if corrected else address.line2 or None,
        "company": address.company or None,
        "latitude": None,
        "longitude": None,
        "name": address.name,
        "country_code": address.country,
        "province_code": address.region or None,
    }


def _customer(sale: Sale, address: Json) -> Json:
    customer_id = shopify_order_id(sale.seq) + 300
    at = iso(sale.placed_at)
    default = {key: value for key, value in address.items() if key not in {"latitude", "longitude"}}
    return {
        "id": customer_id,
        "admin_graphql_api_id": f"gid://shopify/Customer/{customer_id}",
        "created_at": at,
        "updated_at": at,
        "first_name": sale.ship_to.first_name,
        "last_name": sale.ship_to.last_name,
        "email": sale.email,
        "currency": sale.currency,
        "default_address": default | {"id": customer_id + 1, "customer_id": customer_id, "default": True},
    }
