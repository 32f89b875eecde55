"""Clearance: what the ERP says of an order before it is booked.

Asked when an order is validated, and when it is booked where the ERP could not be asked then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kept.domain.events import OrderHeld
from kept.domain.holds import is_accepted
from kept.domain.money import to_decimal_string
from kept.domain.order import OrderContent
from kept.domain.progress import Order
from kept.domain.values import changed
from kept.ports import ItemCheck, SalesOrder, SalesOrderLine
from kept.steps.ports import Ports


async def clear(order: Order, ports: Ports) -> str | OrderHeld:
    """The ERP's id of the customer, or what the order is held for. Raises the ERP's faults."""
    content, erp = order.content, ports.erp
    checks = await ports.items.check_items(skus_of(content))
    rules = ports.rules_of(content.account)
    holds = [*unsaleable(checks), *_overpriced(content, checks, rules.price_check_percent)]
    held = next((hold for hold in holds if not is_accepted(hold.code, order.accepted_holds)), None)
    if held is not None:
        return held
    assert content.ship_to is not None, "validate holds an order without an address"
    customer = await erp.customers.resolve_customer(content.account, content.email, content.ship_to)
    blocked = await erp.credit.credit_hold(customer) if erp.credit is not None else ""
    if blocked:
        return OrderHeld("credit_hold", f"the ERP does not sell to customer {customer} now: {blocked}")
    if erp.check is not None:
        objections = await erp.check.object_to(sales_order(changed(order, customer_id=customer)))
        if objections:
            return OrderHeld(objections[0].code, "; ".join(each.evidence for each in objections))
    return customer


def skus_of(content: OrderContent) -> Sequence[str]:
    """The SKUs that are still wanted, each once."""
    return sorted({line.sku for line in content.lines if line.quantity > 0})


def unsaleable(checks: Sequence[ItemCheck]) -> Iterator[OrderHeld]:
    """SKUs that the ERP does not sell."""
    unknown = sorted(check.sku for check in checks if not check.known)
    if unknown:
        yield OrderHeld("sku_unknown", f"the ERP does not know {', '.join(unknown)}")
    blocked = sorted(check.sku for check in checks if check.known and not check.saleable)
    if blocked:
        yield OrderHeld("sku_not_saleable", f"the ERP does not sell {', '.join(blocked)}")


def _overpriced(content: OrderContent, checks: Sequence[ItemCheck], percent: int) -> Iterator[OrderHeld]:
    """Lines sold at another price than the ERP's list, by more than `percent` of that; 0 compares nothing."""
    listed: Mapping[str, int] = {
        check.sku: check.price_minor
        for check in checks
        if check.price_minor is not None and check.currency == content.currency
    }
    off = [
        f"line {line.line_no} ({line.sku}) at {to_decimal_string(line.unit_price_minor, content.currency)},"
        f" listed at {to_decimal_string(listed[line.sku], content.currency)} {content.currency}"
        for line in content.lines
        if percent
        and line.quantity > 0
        and line.sku in listed
        and abs(line.unit_price_minor - listed[line.sku]) * 100 > percent * listed[line.sku]
    ]
    if off:
        yield OrderHeld("price_differs", "sold " + "; ".join(off))


def sales_order(order: Order) -> SalesOrder:
    """What the ERP is asked to book: the channel's own amounts, tax included, never recomputed."""
    content = order.content
    assert content.ship_to is not None, "validate holds an order without an address"
    return SalesOrder(
        reference=order.reference,
        channel=content.account,
        channel_number=content.number,
        customer_id=order.customer_id,
        currency=content.currency,
        placed_at=content.placed_at,
        ship_to=content.ship_to,
        lines=tuple(
            SalesOrderLine(
                line_no=line.line_no,
                sku=line.sku,
                quantity=line.quantity,
                unit_price_minor=line.unit_price_minor,
                discount_minor=line.discount_minor,
                tax_minor=line.tax_minor,
                free=line.unit_price_minor * line.quantity == line.discount_minor and line.tax_minor == 0,
            )
            for line in content.lines
            if line.quantity > 0
        ),
        shipping_minor=content.shipping_minor,
        shipping_tax_minor=content.shipping_tax_minor,
        total_minor=content.total_minor,
        tax_included=content.tax_included,
        version=order.version,
    )
