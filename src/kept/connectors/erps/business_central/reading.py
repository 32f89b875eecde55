"""Orders read back, to be compared with ours."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from kept.connectors import erp_amounts
from kept.connectors.erps.business_central import mapping
from kept.connectors.erps.business_central.client import Company
from kept.connectors.erps.business_central.codes import TAKEN_BACK, status_of
from kept.connectors.erps.business_central.schemas import Invoice, InvoiceLine, Line, Order
from kept.ports import ErpLine, ErpOrder, ErpOrderStatus


class CentralOrders:
    """Standing orders, and those posted whole, of which their invoices remain. A withdrawn one leaves nothing."""

    def __init__(self, company: Company) -> None:
        self._company = company

    async def read_orders(self, references: Sequence[str]) -> Sequence[ErpOrder]:
        read: list[ErpOrder] = []
        for reference in references:
            order = await self._company.order(reference)
            invoices = await self._company.invoices(reference)
            if order is not None:
                read.append(standing(order, reference, invoices))
            elif invoices:
                read.append(posted(reference, invoices))
        return read


def standing(order: Order, reference: str, invoices: Sequence[Invoice]) -> ErpOrder:
    currency = order.currency_code
    return ErpOrder(
        order.number,
        reference,
        status_of(order.status),
        currency,
        mapping.total_minor(order),
        mapping.tax_minor(order),
        tuple(_line(line, line.shipped_quantity, order.sales_order_lines, currency) for line in _goods(order)),
        *_sums(invoices, currency),
    )


def posted(reference: str, invoices: Sequence[Invoice]) -> ErpOrder:
    """What its invoices say of an order that is deleted, since it was posted whole."""
    currency = invoices[0].currency_code
    lines: dict[int, InvoiceLine] = {}
    for line in (line for invoice in invoices for line in invoice.sales_invoice_lines):
        before = lines.get(line.sequence)
        lines[line.sequence] = line if before is None else _added(before, line)
    own = sum((line.net_amount for line in lines.values() if mapping.is_tax(line.sequence)), Decimal(0))
    computed = sum((invoice.total_tax_amount for invoice in invoices), Decimal(0))
    invoiced, refunded = _sums(invoices, currency)
    goods = [line for line in lines.values() if mapping.line_no_of(line.sequence)]
    return ErpOrder(
        invoices[0].order_number,
        reference,
        ErpOrderStatus.CLOSED,
        currency,
        invoiced,
        erp_amounts.minor(own + computed, currency),
        tuple(_line(line, line.quantity, list(lines.values()), currency) for line in goods),
        invoiced,
        refunded,
    )


def _goods(order: Order) -> list[Line]:
    return [line for line in order.sales_order_lines if mapping.line_no_of(line.sequence)]


def _line(
    line: Line | InvoiceLine, shipped: Decimal, lines: Sequence[Line] | Sequence[InvoiceLine], currency: str
) -> ErpLine:
    """One line, with the tax that stands on the line behind it."""
    own = sum((other.net_amount for other in lines if other.sequence == line.sequence + 1), Decimal(0))
    return ErpLine(
        mapping.line_no_of(line.sequence),
        line.line_object_number,
        int(line.quantity),
        int(shipped),
        erp_amounts.minor(line.net_amount, currency),
        erp_amounts.minor(line.net_tax_amount + own, currency),
    )


def _added(one: InvoiceLine, other: InvoiceLine) -> InvoiceLine:
    return InvoiceLine(
        one.sequence,
        one.line_object_number,
        one.quantity + other.quantity,
        one.net_amount + other.net_amount,
        one.net_tax_amount + other.net_tax_amount,
    )


def _sums(invoices: Sequence[Invoice], currency: str) -> tuple[int, int]:
    """What was invoiced, and what of it was taken back by cancelling an invoice."""
    invoiced = sum(erp_amounts.minor(invoice.total_amount_including_tax, currency) for invoice in invoices)
    back = [invoice for invoice in invoices if invoice.status in TAKEN_BACK]
    return invoiced, sum(erp_amounts.minor(invoice.total_amount_including_tax, currency) for invoice in back)
