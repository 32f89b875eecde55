"""The stand-in ERP behind `docs/contracts/erp.openapi.yaml`.

It is honest about duplicates: with `honours_key` and `unique_reference` off it books twice when asked
twice, and both bookings stand in its book.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kept.simulator.config import ErpConfig
from kept.simulator.erp_records import ErpRecords
from kept.simulator.orders import catalogue
from kept.simulator.party import Answer, Party, key_of, problem, read_json, to_response

_SKUS_PER_CHECK_MAX = 1000  # what the contract allows in one call


class CheckBody(msgspec.Struct):
    skus: list[str]


class AddressBody(msgspec.Struct):
    name: str
    line1: str
    city: str
    postal_code: str
    country: str
    company: str = ""
    line2: str = ""
    region: str = ""
    phone: str = ""


class CustomerBody(msgspec.Struct):
    name: str
    email: str
    address: AddressBody


class OrderLineBody(msgspec.Struct):
    line_no: int
    sku: str
    quantity: int
    unit_price_minor: int
    discount_minor: int
    tax_minor: int
    free: bool


class OrderBody(msgspec.Struct):
    reference: str
    channel: str
    channel_number: str
    customer_id: str
    currency: str
    placed_at: str
    ship_to: AddressBody
    lines: list[OrderLineBody]
    shipping_minor: int
    shipping_tax_minor: int
    total_minor: int
    tax_included: bool
    version: int


class PackedLineBody(msgspec.Struct):
    line_no: int
    sku: str
    quantity: int


class PackageBody(msgspec.Struct):
    sscc: str
    carrier: str
    tracking: str
    weight_g: int
    lines: list[PackedLineBody]


class ShipmentBody(msgspec.Struct):
    reference: str
    shipped_at: str
    packages: list[PackageBody]


class Erp:
    """The ERP's operations. Each is one call and one transaction."""

    def __init__(self, party: Party, config: ErpConfig) -> None:
        self.party = party
        self.config = config
        self.skus = {item.sku for item in catalogue()}

    def app(self) -> Starlette:
        guard, records = self.party.guard, ErpRecords(self.party, self.config.warehouses)
        order = "/v1/orders/{reference}"
        return Starlette(
            routes=[
                Route("/sim/status", self.status),
                Route("/v1/items/check", guard(self.check_items), methods=["POST"]),
                Route("/v1/customers/{key:path}", guard(self.put_customer), methods=["PUT"]),
                Route("/v1/orders", guard(self.book), methods=["POST"]),
                Route("/v1/orders", guard(self.find_order), methods=["GET"]),
                Route("/v1/orders/check", guard(records.check_order), methods=["POST"]),
                Route("/v1/orders/read", guard(records.read_orders), methods=["POST"]),
                Route("/v1/customers/{customer}/credit", guard(records.credit)),
                Route("/v1/warehouses/{warehouse}/stock", guard(records.stock)),
                Route(order, guard(self.amend), methods=["PUT"]),
                Route(f"{order}/invoices", guard(records.invoice), methods=["POST"]),
                Route(f"{order}/invoices/{{shipment}}", guard(records.find_invoice)),
                Route(f"{order}/shipments", guard(self.post_shipment), methods=["POST"]),
                Route(f"{order}/shipments/{{shipment}}", guard(self.find_shipment), methods=["GET"]),
                Route(f"{order}/withdrawal", guard(self.withdraw), methods=["POST"]),
            ]
        )

    async def status(self, request: Request) -> Response:
        """Progress counters; no token, no faults."""

        def count(db: sqlite3.Connection) -> dict[str, int]:
            tables = ("orders", "shipments", "withdrawals", "customers", "calls")
            return {
                name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608 - fixed names
                for name in tables
            }

        counts = await self.party.book.write(count)
        return JSONResponse(counts | {"faults": await self.party.fault_totals(), "done": True})

    async def check_items(self, request: Request) -> Response:
        """What the ERP knows of SKUs."""
        body, sha256 = await read_json(request, CheckBody)
        if len(body.skus) > _SKUS_PER_CHECK_MAX:
            return self._refuse(f"{len(body.skus)} skus; at most {_SKUS_PER_CHECK_MAX} in one call")
        items = [{"sku": sku, "known": sku in self.skus, "saleable": sku in self.skus} for sku in body.skus]
        return await self.party.answer(
            request, "check_items", key=sha256, reference="", apply=lambda db: Answer(200, {"items": items})
        )

    async def put_customer(self, request: Request) -> Response:
        """One customer per key, made or brought up to date."""
        body, _ = await read_json(request, CustomerBody)
        key: str = request.path_params["key"]

        def apply(db: sqlite3.Connection) -> Answer:
            row = db.execute("SELECT customer_id FROM customers WHERE key = ?", (key,)).fetchone()
            customer_id = row[0] if row else f"C-{_next(db, 'customers'):07d}"
            db.execute(
                "INSERT INTO customers VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET body = excluded.body",
                (key, customer_id, msgspec.json.encode(body).decode()),
            )
            return Answer(200, {"customer_id": customer_id})

        return await self.party.answer(request, "put_customer", key=key, reference="", apply=apply)

    async def book(self, request: Request) -> Response:
        """Book a sales order, once per key and per reference (unless this ERP honours neither)."""
        key = key_of(request)
        body, sha256 = await read_json(request, OrderBody)
        if not body.lines or any(line.quantity < 1 for line in body.lines):
            return self._refuse("an order needs lines, and every line a quantity of at least 1")

        def apply(db: sqlite3.Connection) -> Answer:
            earlier = self._earlier(db, "orders", {}, body.reference, key)
            if earlier is not None:
                return self._repeat(earlier, sha256, body.reference) or _booked(db, earlier["order_id"], 200)
            order_id = f"SO-{_next(db, 'orders'):08d}"
            self._insert_order(db, order_id, body, key, sha256)
            return _booked(db, order_id, 201)

        return await self.party.answer(request, "book", key=key, reference=body.reference, apply=apply)

    def _insert_order(self, db: sqlite3.Connection, order_id: str, body: OrderBody, key: str, sha256: str) -> None:
        db.execute(
            "INSERT INTO orders (order_id, reference, key, sha256, channel, channel_number, customer_id,"
            " currency, total_minor, booked_at, version, shipping_tax_minor, tax_included)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                order_id,
                body.reference,
                key,
                sha256,
                body.channel,
                body.channel_number,
                body.customer_id,
                body.currency,
                body.total_minor,
                self.party.clock(),
                body.version,
                body.shipping_tax_minor,
                int(body.tax_included),
            ),
        )
        _insert_lines(db, order_id, body)

    async def amend(self, request: Request) -> Response:
        """Make a booked order say what a newer version of it says; an older one, or the same again, changes nothing."""
        key = key_of(request)
        reference: str = request.path_params["reference"]
        body, _ = await read_json(request, OrderBody)
        if body.reference != reference:
            return self._refuse(f"the body's reference is {body.reference}, the path's {reference}")
        if not body.lines or any(line.quantity < 1 for line in body.lines):
            return self._refuse("an order needs lines, and every line a quantity of at least 1")

        def apply(db: sqlite3.Connection) -> Answer:
            row = db.execute("SELECT order_id, version FROM orders WHERE reference = ? ORDER BY id", (reference,))
            found = row.fetchone()
            if found is None:
                return problem(404, "order_unknown", f"no order has the reference {reference}")
            order_id, version = found
            if body.version > version and not _is_withdrawn(db, reference):
                db.execute(
                    "UPDATE orders SET version = ?, total_minor = ?, customer_id = ?, shipping_tax_minor = ?"
                    " WHERE order_id = ?",
                    (body.version, body.total_minor, body.customer_id, body.shipping_tax_minor, order_id),
                )
                db.execute("DELETE FROM order_lines WHERE order_id = ?", (order_id,))
                _insert_lines(db, order_id, body)
            return _booked(db, order_id, 200)

        return await self.party.answer(request, "amend", key=key, reference=reference, apply=apply)

    async def find_order(self, request: Request) -> Response:
        """All sales orders under a reference: none, one, or (where references aren't unique) more."""
        reference = request.query_params.get("reference", "")
        if not reference:
            return self._refuse("the query needs ?reference=")

        def apply(db: sqlite3.Connection) -> Answer:
            found = db.execute(
                "SELECT order_id, reference, total_minor, currency FROM orders WHERE reference = ? ORDER BY id",
                (reference,),
            )
            names = ("order_id", "reference", "total_minor", "currency")
            return Answer(200, {"orders": [dict(zip(names, row, strict=True)) for row in found]})

        return await self.party.answer(request, "find_order", key=reference, reference=reference, apply=apply)

    async def post_shipment(self, request: Request) -> Response:
        """Post a shipment against a booked order, once per key and per reference."""
        key = key_of(request)
        order_reference: str = request.path_params["reference"]
        body, sha256 = await read_json(request, ShipmentBody)

        def apply(db: sqlite3.Connection) -> Answer:
            if not _is_booked(db, order_reference):
                return problem(404, "order_unknown", f"no order has the reference {order_reference}")
            earlier = self._earlier(db, "shipments", {"order_reference": order_reference}, body.reference, key)
            if earlier is not None:
                again = Answer(200, {"shipment_id": earlier["shipment_id"]})
                return self._repeat(earlier, sha256, body.reference) or again
            shipment_id = f"DL-{_next(db, 'shipments'):08d}"
            db.execute(
                "INSERT INTO shipments (shipment_id, order_reference, reference, key, sha256, shipped_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (shipment_id, order_reference, body.reference, key, sha256, body.shipped_at),
            )
            db.executemany("INSERT INTO shipment_lines VALUES (?, ?, ?, ?, ?)", _packed(shipment_id, body))
            return Answer(201, {"shipment_id": shipment_id})

        return await self.party.answer(request, "post_shipment", key=key, reference=body.reference, apply=apply)

    async def find_shipment(self, request: Request) -> Response:
        """The shipment that was posted under a reference."""
        order_reference: str = request.path_params["reference"]
        reference: str = request.path_params["shipment"]

        def apply(db: sqlite3.Connection) -> Answer:
            row = db.execute(
                "SELECT shipment_id FROM shipments WHERE order_reference = ? AND reference = ? ORDER BY id",
                (order_reference, reference),
            ).fetchone()
            if row is None:
                return problem(404, "shipment_unknown", f"{order_reference} has no shipment {reference}")
            return Answer(200, {"shipment_id": row[0]})

        return await self.party.answer(request, "find_shipment", key=reference, reference=reference, apply=apply)

    async def withdraw(self, request: Request) -> Response:
        """Note that the open rest of an order will not be delivered; twice is once."""
        key = key_of(request)
        reference: str = request.path_params["reference"]

        def apply(db: sqlite3.Connection) -> Answer:
            row = db.execute("SELECT order_id FROM orders WHERE reference = ? ORDER BY id", (reference,)).fetchone()
            if row is None:
                return problem(404, "order_unknown", f"no order has the reference {reference}")
            db.execute(
                "INSERT INTO withdrawals (order_reference, key, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (reference, key, self.party.clock()),
            )
            return Answer(200, {"order_id": row[0]})

        return await self.party.answer(request, "withdraw", key=key, reference=reference, apply=apply)

    def _earlier(
        self, db: sqlite3.Connection, table: str, scope: dict[str, str], reference: str, key: str
    ) -> dict[str, Any] | None:
        """The document that this key or this reference already made, as far as this ERP looks."""
        ways: list[dict[str, str]] = []
        if self.config.honours_key:
            ways.append({"key": key})
        if self.config.unique_reference:
            ways.append(scope | {"reference": reference})
        for way in ways:
            condition = " AND ".join(f"{column} = ?" for column in way)
            found = db.execute(f"SELECT * FROM {table} WHERE {condition} ORDER BY id", tuple(way.values()))  # noqa: S608 - fixed text
            row = found.fetchone()
            if row is not None:
                return dict(zip((column[0] for column in found.description), row, strict=True))
        return None

    def _repeat(self, earlier: dict[str, Any], sha256: str, reference: str) -> Answer | None:
        """A conflict if the repeat says something else; None if it says the same."""
        if earlier["reference"] != reference:
            return problem(409, "key_conflict", f"this key was used for {earlier['reference']}")
        if earlier["sha256"] != sha256:
            return problem(409, "reference_conflict", f"{reference} exists with other content")
        return None

    def _refuse(self, detail: str) -> Response:
        return to_response(problem(422, "invalid", detail))


def _next(db: sqlite3.Connection, table: str) -> int:
    number: int = db.execute(f"SELECT count(*) + 1 FROM {table}").fetchone()[0]  # noqa: S608 - fixed names
    return number


def _is_booked(db: sqlite3.Connection, reference: str) -> bool:
    return db.execute("SELECT 1 FROM orders WHERE reference = ?", (reference,)).fetchone() is not None


def _is_withdrawn(db: sqlite3.Connection, reference: str) -> bool:
    return db.execute("SELECT 1 FROM withdrawals WHERE order_reference = ?", (reference,)).fetchone() is not None


def _insert_lines(db: sqlite3.Connection, order_id: str, body: OrderBody) -> None:
    db.executemany(
        "INSERT INTO order_lines VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                order_id,
                each.line_no,
                each.sku,
                each.quantity,
                each.unit_price_minor,
                each.discount_minor,
                each.tax_minor,
            )
            for each in body.lines
        ],
    )


def _booked(db: sqlite3.Connection, order_id: str, status: int) -> Answer:
    row = db.execute("SELECT reference, total_minor, currency FROM orders WHERE order_id = ?", (order_id,)).fetchone()
    reference, total_minor, currency = row
    body = {"order_id": order_id, "reference": reference, "total_minor": total_minor, "currency": currency}
    return Answer(status, body)


def _packed(shipment_id: str, body: ShipmentBody) -> list[tuple[str, str, int, str, int]]:
    return [
        (shipment_id, package.sscc, line.line_no, line.sku, line.quantity)
        for package in body.packages
        for line in package.lines
    ]
