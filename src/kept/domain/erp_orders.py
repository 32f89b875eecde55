"""A sales order as an ERP has it: what every ERP's own words can be put into, to be compared with ours."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ErpOrderStatus(StrEnum):
    """How far a sales order is in the ERP, in words that every ERP can be put into."""

    DRAFT = "draft"  # begun and not binding: nothing may ship on it
    OPEN = "open"
    CLOSED = "closed"  # everything that will be delivered was
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class ErpLine:
    """One line as the ERP has it, in pieces and minor units. `line_no` is ours; 0 for a line that is none of ours."""

    line_no: int
    sku: str
    quantity: int
    shipped: int
    net_minor: int  # for the whole quantity, discounts taken off, without the tax
    tax_minor: int


@dataclass(frozen=True, slots=True)
class ErpOrder:
    """A sales order as the ERP has it now, to be compared with ours."""

    erp_order_id: str
    reference: str
    status: ErpOrderStatus
    currency: str
    total_minor: int  # with tax
    tax_minor: int
    lines: tuple[ErpLine, ...]  # charges such as shipping are in the totals only
    invoiced_minor: int = 0
    refunded_minor: int = 0
