"""The in-house sales system's side: it is told of shipments, under a key, and can be asked for one.

What else it is told (that we took an order, cancelled pieces, have stock) is in `inhouse_told`.
"""

from __future__ import annotations

import sqlite3

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kept.simulator.confirmations import Fulfilment, record_fulfilment
from kept.simulator.driver import Driver
from kept.simulator.inhouse_told import InHouseTold
from kept.simulator.party import Answer, Party, key_of, problem, read_json


class LineBody(msgspec.Struct):
    """`id` is our own id of the line, as our order had it; `line_id` is taken as well."""

    quantity: int
    id: str = ""
    line_id: str = ""
    sku: str = ""


class PackageBody(msgspec.Struct):
    tracking: str
    lines: list[LineBody]
    carrier: str = ""
    sscc: str = ""


class ShipmentBody(msgspec.Struct):
    """`fulfilment_ref` is Kept's name of the shipment; `reference` is taken as well."""

    packages: list[PackageBody]
    fulfilment_ref: str = ""
    reference: str = ""


class InHouse:
    """The in-house system's operations."""

    def __init__(self, party: Party, driver: Driver) -> None:
        self.party = party
        self.driver = driver

    def app(self) -> Starlette:
        guard = self.party.guard
        shipments, told = "/orders/{order}/shipments", InHouseTold(self.party)
        return Starlette(
            routes=[
                Route("/sim/status", self.status),
                Route(shipments, guard(self.post_shipment), methods=["POST"]),
                Route(f"{shipments}/{{reference}}", guard(self.find_shipment), methods=["GET"]),
                *told.routes(),
            ]
        )

    async def status(self, request: Request) -> Response:
        """Progress counters of all channels; no token, no faults."""
        return JSONResponse(await self.driver.status() | {"faults": await self.party.fault_totals()})

    async def post_shipment(self, request: Request) -> Response:
        """Note a shipment, once per key and per fulfilment_ref."""
        key = key_of(request)
        external_id: str = request.path_params["order"]
        body, sha256 = await read_json(request, ShipmentBody)
        reference = body.fulfilment_ref or body.reference
        account = self.party.name

        def apply(db: sqlite3.Connection) -> Answer:
            pieces = _pieces(body)
            known = dict(
                db.execute(
                    "SELECT line_id, quantity FROM order_lines WHERE account = ? AND external_id = ?",
                    (account, external_id),
                ).fetchall()
            )
            if not known:
                return problem(404, "order_unknown", f"there is no order {external_id}")
            if not reference or not pieces or not set(pieces) <= set(known):
                return problem(422, "invalid", "a shipment has a fulfilment_ref and lines of this order by id")
            row = db.execute(
                "SELECT shipment_id, sha256, reference FROM fulfilments"
                " WHERE account = ? AND ((external_id = ? AND reference = ?) OR key = ?)",
                (account, external_id, reference, key),
            ).fetchone()
            if row is not None:
                if row[1] != sha256 or row[2] != reference:
                    return problem(409, "reference_conflict", f"{reference} or its key exists with other content")
                return Answer(200, {"shipment_id": row[0]})
            company = body.packages[0].carrier
            told = Fulfilment("", account, external_id, reference, company, pieces)
            made = record_fulfilment(db, told, key=key, sha256=sha256, at=self.party.clock())
            return Answer(201, {"shipment_id": made.shipment_id})

        return await self.party.answer(request, "confirm", key=key, reference=reference, apply=apply)

    async def find_shipment(self, request: Request) -> Response:
        """The shipment that we were told of under a fulfilment_ref."""
        external_id: str = request.path_params["order"]
        reference: str = request.path_params["reference"]

        def apply(db: sqlite3.Connection) -> Answer:
            row = db.execute(
                "SELECT shipment_id FROM fulfilments WHERE account = ? AND external_id = ? AND reference = ?",
                (self.party.name, external_id, reference),
            ).fetchone()
            if row is None:
                return problem(404, "shipment_unknown", f"{external_id} has no shipment {reference}")
            return Answer(200, {"shipment_id": row[0]})

        return await self.party.answer(request, "find_confirmation", key=reference, reference=reference, apply=apply)


def _pieces(body: ShipmentBody) -> dict[str, int]:
    pieces: dict[str, int] = {}
    for package in body.packages:
        for line in package.lines:
            line_id = line.id or line.line_id
            pieces[line_id] = pieces.get(line_id, 0) + line.quantity
    return pieces
