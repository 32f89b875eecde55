"""The stand-in ERP's optional operations: what it thinks of an order, what it has, and how its orders stand."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from kept.simulator.orders import catalogue
from kept.simulator.party import Answer, Party, key_of, problem, read_json
from kept.simulator.payloads import iso
from kept.simulator.times import moment

Json = dict[str, Any]
_CURRENCIES = frozenset({"USD", "EUR", "JPY"})  # that this ERP keeps books in
_ON_HAND = 1_000_000  # of each SKU, before anything shipped


class ReferencesBody(msgspec.Struct):
    references: list[str]


class CheckedOrderBody(msgspec.Struct):
    reference: str
    currency: str


class InvoicedBody(msgspec.Struct):
    reference: str


class ErpRecords:
    """Reads of the ERP's book, and invoices. Each is one call and one transaction."""

    def __init__(self, party: Party, warehouses: frozenset[str]) -> None:
        self.party = party
        self.warehouses = warehouses

    async def check_order(self, request: Request) -> Response:
        """What this ERP would object to: a currency that it keeps no books in."""
        body, sha256 = await read_json(request, CheckedOrderBody)
        known = body.currency in _CURRENCIES
        objections = [] if known else [{"code": "currency_unmapped", "evidence": f"no books in {body.currency}"}]
        return await self.party.answer(
            request,
            "check_order",
            key=sha256,
            reference=body.reference,
            apply=lambda db: Answer(200, {"objections": objections}),
        )

    async def credit(self, request: Request) -> Response:
        """Whether the customer may buy; all may whom nobody blocked."""
        customer: str = request.path_params["customer"]

        def apply(db: sqlite3.Connection) -> Answer:
            row = db.execute("SELECT reason FROM blocked_customers WHERE customer_id = ?", (customer,)).fetchone()
            return Answer(200, {"hold": row[0] if row else ""})

        return await self.party.answer(request, "credit", key=customer, reference="", apply=apply)

    async def stock(self, request: Request) -> Response:
        """Pieces on hand: all that there ever was, less what was posted as shipped."""
        warehouse: str = request.path_params["warehouse"]

        def apply(db: sqlite3.Connection) -> Answer:
            if warehouse not in self.warehouses:
                return problem(404, "warehouse_unknown", f"there is no warehouse {warehouse}")
            gone = dict(db.execute("SELECT sku, sum(quantity) FROM shipment_lines GROUP BY sku").fetchall())
            levels = [{"sku": each.sku, "on_hand": _ON_HAND - gone.get(each.sku, 0)} for each in catalogue()]
            return Answer(200, {"as_of": iso(moment(self.party.clock())), "levels": levels})

        return await self.party.answer(request, "stock", key=warehouse, reference="", apply=apply)

    async def read_orders(self, request: Request) -> Response:
        """Orders under these references, as they stand."""
        body, sha256 = await read_json(request, ReferencesBody)

        def apply(db: sqlite3.Connection) -> Answer:
            found = [order for reference in body.references for order in _orders(db, reference)]
            return Answer(200, {"orders": found})

        return await self.party.answer(request, "read_orders", key=sha256, reference="", apply=apply)

    async def invoice(self, request: Request) -> Response:
        """Invoice a posted shipment, once per reference."""
        key = key_of(request)
        body, _ = await read_json(request, InvoicedBody)

        def apply(db: sqlite3.Connection) -> Answer:
            if (earlier := _invoice(db, body.reference)) is not None:
                return Answer(200, earlier)
            total = _worth(db, body.reference)
            if total is None:
                return problem(404, "shipment_unknown", f"no shipment {body.reference} was posted")
            number: int = db.execute("SELECT count(*) + 1 FROM invoices").fetchone()[0]
            db.execute(
                "INSERT INTO invoices VALUES (?, ?, ?, ?, ?)",
                (f"IN-{number:08d}", body.reference, key, *total),
            )
            return Answer(201, _invoice(db, body.reference) or {})

        return await self.party.answer(request, "invoice", key=key, reference=body.reference, apply=apply)

    async def find_invoice(self, request: Request) -> Response:
        """The invoice of a shipment."""
        reference: str = request.path_params["shipment"]

        def apply(db: sqlite3.Connection) -> Answer:
            found = _invoice(db, reference)
            return Answer(200, found) if found else problem(404, "invoice_unknown", f"{reference} has no invoice")

        return await self.party.answer(request, "find_invoice", key=reference, reference=reference, apply=apply)


def _orders(db: sqlite3.Connection, reference: str) -> list[Json]:
    rows = db.execute(
        "SELECT order_id, currency, total_minor, shipping_tax_minor, tax_included FROM orders WHERE reference = ?"
        " ORDER BY id",
        (reference,),
    ).fetchall()
    shipped = dict(
        db.execute(
            "SELECT l.line_no, sum(l.quantity) FROM shipment_lines l JOIN shipments s USING (shipment_id)"
            " WHERE s.order_reference = ? GROUP BY 1",
            (reference,),
        ).fetchall()
    )
    (invoiced,) = db.execute(
        "SELECT coalesce(sum(i.total_minor), 0) FROM invoices i JOIN shipments s ON s.reference = i.reference"
        " WHERE s.order_reference = ?",
        (reference,),
    ).fetchone()
    withdrawn = db.execute("SELECT 1 FROM withdrawals WHERE order_reference = ?", (reference,)).fetchone() is not None
    return [_standing(db, reference, row, shipped, invoiced, withdrawn=withdrawn) for row in rows]


def _standing(
    db: sqlite3.Connection,
    reference: str,
    row: tuple[Any, ...],
    shipped: dict[int, int],
    invoiced: int,
    *,
    withdrawn: bool,
) -> Json:
    order_id, currency, total_minor, shipping_tax_minor, tax_included = row
    found = db.execute(
        "SELECT line_no, sku, quantity, unit_price_minor, discount_minor, tax_minor FROM order_lines"
        " WHERE order_id = ? ORDER BY line_no",
        (order_id,),
    )
    lines = [
        {
            "line_no": line_no,
            "sku": sku,
            "quantity": quantity,
            "shipped": shipped.get(line_no, 0),
            "net_minor": price * quantity - discount - (tax if tax_included else 0),
            "tax_minor": tax,
        }
        for line_no, sku, quantity, price, discount, tax in found
    ]
    done = all(line["shipped"] >= line["quantity"] for line in lines)
    return {
        "order_id": order_id,
        "reference": reference,
        "status": ("closed" if shipped else "cancelled") if withdrawn else "closed" if done else "open",
        "currency": currency,
        "total_minor": total_minor,
        "tax_minor": sum(line["tax_minor"] for line in lines) + shipping_tax_minor,
        "lines": lines,
        "invoiced_minor": invoiced,
        "refunded_minor": 0,
    }


def _worth(db: sqlite3.Connection, shipment: str) -> tuple[int, str] | None:
    """What a shipment's pieces come to, each line's part rounded down, and the currency; None for no such shipment."""
    rows = db.execute(
        "SELECT o.currency, l.quantity, ol.quantity,"
        " ol.unit_price_minor * ol.quantity - ol.discount_minor + ol.tax_minor * (1 - o.tax_included)"
        " FROM shipments s JOIN shipment_lines l USING (shipment_id) JOIN orders o ON o.reference = s.order_reference"
        " JOIN order_lines ol ON ol.order_id = o.order_id AND ol.line_no = l.line_no WHERE s.reference = ?",
        (shipment,),
    ).fetchall()
    if not rows:
        return None
    return sum(worth * pieces // ordered for _, pieces, ordered, worth in rows), str(rows[0][0])


def _invoice(db: sqlite3.Connection, reference: str) -> Json | None:
    row = db.execute(
        "SELECT invoice_id, reference, total_minor, currency FROM invoices WHERE reference = ?", (reference,)
    ).fetchone()
    names = ("invoice_id", "reference", "total_minor", "currency")
    return dict(zip(names, row, strict=True)) if row else None
