"""Ours <-> Business Central's orders. Pure.

Our line n is their line (`sequence`) n x 10,000, with the tax of it, where that is booked to an account, behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kept.connectors import erp_amounts
from kept.connectors.erp_amounts import (
    buyer_digest,
    minor,
    net_of,
    net_of_shipping,
    price_of_each,
    tax_code_of,
    units,
)
from kept.connectors.erps.business_central.options import Options
from kept.connectors.erps.business_central.schemas import Line, Order
from kept.domain.order import Address
from kept.ports import PermanentFault, SalesOrder, SalesOrderLine

REFERENCE_CHARS_MAX = 35  # table Sales Header, "External Document No."
_CUSTOMER_DIGITS = 19  # of a "No." of 20, behind its letter: 76 bits
STEP = 10_000  # Business Central's own distance between lines
NOTE_SEQUENCE = 1  # the line that says which version of our order this is
SHIPPING_SEQUENCE = 9_000 * STEP  # behind every line of ours
_UNIT_PRICE_DIGITS = Decimal("0.00001")  # General Ledger Setup, "Unit-Amount Rounding Precision", as delivered
_NOTE = re.compile(r"Kept (\S+) version ([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line as it should be there. Money in the currency's units, exactly."""

    sequence: int
    kind: str  # "Item", "Account", "Comment"
    number: str
    quantity: int = 0
    unit_price: Decimal = Decimal(0)
    discount: Decimal = Decimal(0)
    unit: str = ""
    tax_code: str = ""
    description: str = ""

    def json(self, location_id: str = "") -> dict[str, Any]:
        """For a POST. The order of the names matters: each is validated in turn, and a quantity or a unit set after
        the price would bring the item's own price back (codeunit Graph Mgt - Sales Order Buffer)."""
        if self.kind == "Comment":
            return {"sequence": self.sequence, "lineType": self.kind, "description": self.description}
        body: dict[str, Any] = {"sequence": self.sequence, "lineType": self.kind, "lineObjectNumber": self.number}
        if self.description:
            body["description"] = self.description
        if self.kind == "Item" and location_id:
            body["locationId"] = location_id
        if self.unit:
            body["unitOfMeasureCode"] = self.unit
        return body | self.changeable()

    def changeable(self) -> dict[str, Any]:
        """What a PATCH may change. A price of 0 is said as well: unsaid, it would be the item's."""
        if self.kind == "Comment":
            return {"description": self.description}
        return {
            "quantity": self.quantity,
            "unitPrice": float(self.unit_price),  # 15 digits at most, which a double keeps
            "discountAmount": float(self.discount),
            "taxCode": self.tax_code,
        }

    def is_as(self, line: Line) -> bool:
        if self.kind == "Comment":
            return line.description == self.description
        asked = (Decimal(self.quantity), self.unit_price, self.discount)
        return (line.quantity, line.unit_price, line.discount_amount) == asked

    def same_thing(self, line: Line) -> bool:
        """Whether it is a line of the same item or account; another one can't be made of it, only put in its place."""
        if self.kind == "Comment":
            return line.line_type == self.kind
        return (line.line_type, line.line_object_number) == (self.kind, self.number) and (
            not self.unit or line.unit_of_measure_code == self.unit
        )


# ------------------------------------------------------------------ taxes


def unmapped_taxes(order: SalesOrder, options: Options) -> list[str]:
    """What of an order has a tax that no code gives, for people."""
    return [] if options.tax_account else erp_amounts.unmapped_taxes(order, options.tax_codes)


# ------------------------------------------------------------------ orders


def customer_number(account: str, email: str) -> str:
    """The customer's "No.", which the key of their table keeps unique."""
    return "K" + buyer_digest(account, email)[:_CUSTOMER_DIGITS].upper()


def customer_json(number: str, email: str, address: Address) -> dict[str, Any]:
    return {
        "number": number,
        "displayName": address.company or address.name or number,
        "type": "Company" if address.company else "Person",
        "addressLine1": address.line1,
        "addressLine2": address.line2,
        "city": address.city,
        "state": address.region,
        "country": address.country,
        "postalCode": address.postal_code,
        "phoneNumber": address.phone,
        "email": email,
    }


def prices_include_tax(order: SalesOrder, options: Options) -> bool:
    """Tax that is booked to an account is in no price."""
    return order.tax_included and not options.tax_account


def header_json(order: SalesOrder, options: Options) -> dict[str, Any]:
    """The order without its lines."""
    if len(order.reference) > REFERENCE_CHARS_MAX:
        raise PermanentFault(
            f"reference {order.reference} has more than the {REFERENCE_CHARS_MAX} characters that there is room for",
            code="reference_too_long",
        )
    if order.reference != order.reference.strip().upper():
        raise PermanentFault(
            f"reference {order.reference} is not in capitals: a field of type Code turns it into them, and it would "
            "not be found again",
            code="reference_case",
        )
    return {
        "customerNumber": order.customer_id,
        "externalDocumentNumber": order.reference,
        "orderDate": order.placed_at.date().isoformat(),
        "currencyCode": order.currency,
        "pricesIncludeTax": prices_include_tax(order, options),
        "partialShipping": True,  # else no part of it could be posted before the rest
        **ship_to_json(order.ship_to),
    }


def ship_to_json(address: Address) -> dict[str, str]:
    return {
        "shipToName": address.company or address.name,
        "shipToContact": address.name if address.company else "",
        "shipToAddressLine1": address.line1,
        "shipToAddressLine2": address.line2,
        "shipToCity": address.city,
        "shipToState": address.region,
        "shipToPostCode": address.postal_code,
        "shipToCountry": address.country,
    }


def ships_to(order: Order, address: Address) -> bool:
    asked = ship_to_json(address)
    asked.pop("shipToContact")
    return list(asked.values()) == [
        order.ship_to_name,
        order.ship_to_address_line1,
        order.ship_to_address_line2,
        order.ship_to_city,
        order.ship_to_state,
        order.ship_to_post_code,
        order.ship_to_country,
    ]


def wanted_lines(order: SalesOrder, options: Options) -> dict[int, Wanted]:
    """All lines that the order should have, by sequence. Raises PermanentFault "tax_unmapped"."""
    unmapped = unmapped_taxes(order, options)
    if unmapped:
        raise PermanentFault(
            f"order {order.reference} has a tax that no code in tax_codes gives: {'; '.join(unmapped[:5])}",
            code="tax_unmapped",
        )
    lines = [note(order)]
    for line in order.lines:
        lines += _goods(order, line, options)
    if order.shipping_minor or order.shipping_tax_minor:
        lines += _shipping(order, options)
    return {line.sequence: line for line in lines}


def note(order: SalesOrder) -> Wanted:
    text = f"Kept {order.reference} version {order.version}"
    return Wanted(NOTE_SEQUENCE, "Comment", "", description=text)


def version_of(order: Order) -> int:
    """The version of ours that the order says; 0 if it says none."""
    for line in order.sales_order_lines:
        match = _NOTE.fullmatch(line.description) if line.sequence == NOTE_SEQUENCE else None
        if match:
            return int(match[2])
    return 0


def _goods(order: SalesOrder, line: SalesOrderLine, options: Options) -> list[Wanted]:
    sequence, currency = line.line_no * STEP, order.currency
    price, code = units(line.unit_price_minor, currency), options.no_tax_code
    if not options.tax_account:
        code = tax_code_of(net_of(order, line), line.tax_minor, options.tax_codes) or ""
    elif order.tax_included and line.tax_minor:
        whole = line.quantity * line.unit_price_minor - line.tax_minor
        price = price_of_each(whole, line.quantity, currency, _UNIT_PRICE_DIGITS)
    discount = units(line.discount_minor, currency)
    goods = Wanted(sequence, "Item", line.sku, line.quantity, price, discount, options.unit, code)
    return [goods, *_tax(order, sequence, line.quantity, line.tax_minor, f"Tax on line {line.line_no}", options)]


def _shipping(order: SalesOrder, options: Options) -> list[Wanted]:
    charged, code = order.shipping_minor, options.no_tax_code
    net = net_of_shipping(order)
    if options.tax_account:
        charged = net
    else:
        code = tax_code_of(net, order.shipping_tax_minor, options.tax_codes) or ""
    price = units(charged, order.currency)
    line = Wanted(
        SHIPPING_SEQUENCE, "Account", options.shipping_account, 1, price, tax_code=code, description="Shipping"
    )
    return [line, *_tax(order, SHIPPING_SEQUENCE, 1, order.shipping_tax_minor, "Tax on shipping", options)]


def _tax(order: SalesOrder, sequence: int, quantity: int, tax_minor: int, text: str, options: Options) -> list[Wanted]:
    """The channel's tax as a line, in as many pieces as what it is of, so that both are invoiced together."""
    if not options.tax_account or not tax_minor:
        return []
    price = price_of_each(tax_minor, quantity, order.currency, _UNIT_PRICE_DIGITS)
    code = options.no_tax_code
    return [Wanted(sequence + 1, "Account", options.tax_account, quantity, price, tax_code=code, description=text)]


# ------------------------------------------------------------------ what is there, compared


def is_ours(document_number: str, reference: str) -> bool:
    """Whether a document is of our order: under its reference, or that of one of its shipments."""
    return document_number == reference or document_number.startswith(f"{reference}-")


def lines_by_sequence(order: Order) -> dict[int, Line]:
    return {line.sequence: line for line in order.sales_order_lines}


def differences(order: Order, asked: SalesOrder, wanted: dict[int, Wanted], options: Options) -> list[str]:
    """What of a standing order is not as asked, for people; lines that are only missing are not named."""
    found = []
    if order.currency_code != asked.currency:
        found.append(f"currency {order.currency_code}, asked {asked.currency}")
    if order.customer_number != asked.customer_id:
        found.append(f"customer {order.customer_number}, asked {asked.customer_id}")
    if order.prices_include_tax != prices_include_tax(asked, options):
        found.append(f"pricesIncludeTax {order.prices_include_tax}")
    for line in order.sales_order_lines:
        want = wanted.get(line.sequence)
        if want is None:
            found.append(f"line {line.sequence} ({line.line_object_number}) was not asked for")
        elif not want.is_as(line):
            found.append(
                f"line {line.sequence}: {line.line_object_number} {line.quantity} x {line.unit_price}"
                f" - {line.discount_amount}, asked {want.number} {want.quantity} x {want.unit_price} - {want.discount}"
                if want.kind != "Comment"
                else f"it says {line.description!r}, asked {want.description!r}"
            )
    return found


def total_minor(order: Order) -> int:
    return minor(order.total_amount_including_tax, order.currency_code)


def tax_minor(order: Order) -> int:
    """The tax that Business Central computed, and the one on lines of its own."""
    own = sum((line.net_amount for line in order.sales_order_lines if is_tax(line.sequence)), Decimal(0))
    return minor(order.total_tax_amount + own, order.currency_code)


def is_tax(sequence: int) -> bool:
    return sequence > NOTE_SEQUENCE and sequence % STEP == 1


def line_no_of(sequence: int) -> int:
    """Our number of their line; 0 for one that is none of ours."""
    return sequence // STEP if sequence % STEP == 0 and 0 < sequence < SHIPPING_SEQUENCE else 0


def untied(order: Order, asked: SalesOrder) -> str:
    """How the order's total or tax differ from the channel's; "" if they don't."""
    return erp_amounts.untied(asked, total_minor(order), tax_minor(order))


def quoted(text: str) -> str:
    """A string in an OData filter."""
    return "'" + text.replace("'", "''") + "'"


def any_of(name: str, values: Iterable[str]) -> str:
    return " or ".join(f"{name} eq {quoted(value)}" for value in values)
