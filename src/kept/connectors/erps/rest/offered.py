"""The REST ERP's optional operations: those that kept.toml says it `offers`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from kept.connectors.answers import UnexpectedAnswer, given, same, unique
from kept.connectors.erps.rest.mapping import order_json, posting_json
from kept.connectors.http import HttpTarget, Request
from kept.connectors.wire import segment
from kept.ports import (
    ErpLine,
    ErpOrder,
    ErpOrderStatus,
    Objection,
    PermanentFault,
    PostedInvoice,
    SalesOrder,
    ShipmentPosting,
    StockLevel,
    StockSnapshot,
)

OFFERS = ("check", "credit", "invoices", "orders", "stock")
_REFERENCES_A_CALL = 200  # what the contract allows


class ObjectionBody(msgspec.Struct):
    code: str
    evidence: str


class ObjectionsBody(msgspec.Struct):
    objections: list[ObjectionBody]


class CreditBody(msgspec.Struct):
    hold: str


class LevelBody(msgspec.Struct):
    sku: str
    on_hand: int


class StockBody(msgspec.Struct):
    as_of: datetime
    levels: list[LevelBody]


class LineBody(msgspec.Struct):
    line_no: int
    sku: str
    quantity: int
    shipped: int
    net_minor: int
    tax_minor: int


class OrderStandingBody(msgspec.Struct):
    """A sales order as it stands."""

    order_id: str
    reference: str
    status: ErpOrderStatus
    currency: str
    total_minor: int
    tax_minor: int
    lines: list[LineBody]
    invoiced_minor: int = 0
    refunded_minor: int = 0


class OrdersStandingBody(msgspec.Struct):
    orders: list[OrderStandingBody]


class InvoiceBody(msgspec.Struct):
    invoice_id: str
    reference: str
    total_minor: int
    currency: str


class RestErpOffers:
    """`CheckOrder`, `ReadCredit`, `ReadWarehouse`, `ReadErpOrders` and `InvoiceShipment` of `kept.ports`.

    Raises the faults of `HttpTarget.call`.
    """

    honours_key = True

    def __init__(self, target: HttpTarget) -> None:
        self._target = target

    async def object_to(self, order: SalesOrder) -> Sequence[Objection]:
        request = Request("POST", "/v1/orders/check", json=order_json(order), reads_only=True)
        return await self._target.call(request, _objections)

    async def credit_hold(self, customer_id: str) -> str:
        path = f"/v1/customers/{segment(customer_id)}/credit"
        return await self._target.call(Request("GET", path, name="GET /v1/customers/credit"), _hold)

    async def warehouse_stock(self, warehouse: str) -> StockSnapshot:
        """Raises PermanentFault "not_found" for a warehouse that the ERP does not know."""
        request = Request("GET", f"/v1/warehouses/{segment(warehouse)}/stock", name="GET /v1/warehouses/stock")
        found = await self._target.look_up(request, _stock)
        if found is None:
            raise PermanentFault(f"{self._target.name} has no warehouse {warehouse!r}", code="not_found")
        return found

    async def read_orders(self, references: Sequence[str]) -> Sequence[ErpOrder]:
        found: list[ErpOrder] = []
        for start in range(0, len(references), _REFERENCES_A_CALL):
            asked = list(references[start : start + _REFERENCES_A_CALL])
            request = Request("POST", "/v1/orders/read", json={"references": asked}, reads_only=True)
            found += await self._target.call(request, partial(_orders, asked=frozenset(asked)))
        return found

    async def invoice(self, posting: ShipmentPosting, key: str) -> PostedInvoice:
        path = f"/v1/orders/{segment(posting.order_reference)}/invoices"
        request = Request("POST", path, json=posting_json(posting), key=key, name="POST /v1/orders/invoices")
        return await self._target.call(request, partial(_invoice, reference=posting.reference))

    async def find_invoice(self, posting: ShipmentPosting) -> PostedInvoice | None:
        path = f"/v1/orders/{segment(posting.order_reference)}/invoices/{segment(posting.reference)}"
        request = Request("GET", path, name="GET /v1/orders/invoices")
        return await self._target.look_up(request, partial(_invoice, reference=posting.reference))


def _objections(answer: Any) -> Sequence[Objection]:
    body = msgspec.convert(answer, ObjectionsBody)
    return [Objection(given("code", each.code), each.evidence) for each in body.objections]


def _hold(answer: Any) -> str:
    return msgspec.convert(answer, CreditBody).hold


def _stock(answer: Any) -> StockSnapshot:
    body = msgspec.convert(answer, StockBody)
    if not unique([level.sku for level in body.levels]):
        raise UnexpectedAnswer("one SKU is counted twice")
    levels = tuple(StockLevel(level.sku, max(0, level.on_hand)) for level in body.levels)
    return StockSnapshot(body.as_of.astimezone(UTC), levels)


def _orders(answer: Any, asked: frozenset[str]) -> Sequence[ErpOrder]:
    orders = msgspec.convert(answer, OrdersStandingBody).orders
    stranger = next((order.reference for order in orders if order.reference not in asked), None)
    if stranger is not None:
        raise UnexpectedAnswer(f"it has {stranger!r}, which nobody asked for")
    return [
        ErpOrder(
            erp_order_id=given("order_id", order.order_id),
            reference=order.reference,
            status=order.status,
            currency=order.currency,
            total_minor=order.total_minor,
            tax_minor=order.tax_minor,
            lines=tuple(
                ErpLine(line.line_no, line.sku, line.quantity, line.shipped, line.net_minor, line.tax_minor)
                for line in order.lines
            ),
            invoiced_minor=order.invoiced_minor,
            refunded_minor=order.refunded_minor,
        )
        for order in orders
    ]


def _invoice(answer: Any, reference: str) -> PostedInvoice:
    body = msgspec.convert(answer, InvoiceBody)
    same("reference", reference, body.reference)
    return PostedInvoice(given("invoice_id", body.invoice_id), body.total_minor, body.currency)
