"""A fulfilment centre's desk behind `docs/contracts/centre.openapi.yaml`.

The desk takes requests and cancels; what becomes of them is the floor's work (`centre_floor`), which
runs by due times stored in the same book.
"""

from __future__ import annotations

import sqlite3

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kept.simulator.centre_floor import Floor
from kept.simulator.erp import AddressBody, PackedLineBody
from kept.simulator.party import Answer, Party, key_of, problem, read_json, to_response
from kept.simulator.payloads import iso
from kept.simulator.times import moment


class RequestBody(msgspec.Struct):
    order_reference: str
    service: str
    ship_by: str
    ship_to: AddressBody
    sscc: str
    label_sha256: str
    lines: list[PackedLineBody]


class Centre:
    """The centre's operations. Each is one call and one transaction."""

    def __init__(self, party: Party, floor: Floor) -> None:
        self.party = party
        self.floor = floor

    def app(self) -> Starlette:
        guard = self.party.guard
        request = "/v1/requests/{reference}"
        return Starlette(
            routes=[
                Route("/sim/status", self.status),
                Route("/v1/stock", guard(self.stock), methods=["GET"]),
                Route(request, guard(self.put_request), methods=["PUT"]),
                Route(request, guard(self.find_request), methods=["GET"]),
                Route(f"{request}/cancel", guard(self.cancel), methods=["POST"]),
            ]
        )

    async def status(self, request: Request) -> Response:
        """Progress counters; no token, no faults. `done` when nothing is due and every event was taken."""

        def count(db: sqlite3.Connection) -> dict[str, int]:
            states = dict(db.execute("SELECT state, count(*) FROM requests GROUP BY state").fetchall())
            names = ("received", "accepted", "rejected", "shipped", "cancelled")
            counts = {name: int(states.get(name, 0)) for name in names}
            counts["tasks_open"] = db.execute("SELECT count(*) FROM tasks WHERE done = 0").fetchone()[0]
            open_events = "SELECT count(*) FROM events WHERE answered_at IS NULL"
            counts["events"] = db.execute("SELECT count(*) FROM events").fetchone()[0]
            counts["events_open"] = db.execute(open_events).fetchone()[0]
            return counts

        counts = await self.party.book.write(count)
        done = counts["tasks_open"] == 0 and counts["events_open"] == 0
        return JSONResponse(counts | {"faults": await self.party.fault_totals(), "done": done})

    async def stock(self, request: Request) -> Response:
        """The shelves, counted now."""

        def apply(db: sqlite3.Connection) -> Answer:
            rows = db.execute("SELECT sku, on_hand FROM stock ORDER BY sku").fetchall()
            levels = [{"sku": sku, "on_hand": on_hand} for sku, on_hand in rows]
            return Answer(200, {"as_of": iso(moment(self.party.clock())), "levels": levels})

        return await self.party.answer(request, "stock", key="", reference="", apply=apply)

    async def put_request(self, request: Request) -> Response:
        """Take a request, once per reference; one that was cancelled before it came is refused."""
        key = key_of(request)
        reference: str = request.path_params["reference"]
        body, sha256 = await read_json(request, RequestBody)
        numbers = {line.line_no for line in body.lines}
        if not numbers or len(numbers) < len(body.lines) or min(line.quantity for line in body.lines) < 1:
            return to_response(
                problem(422, "invalid", "lines: at least one, each line_no once, each of 1 piece or more")
            )

        def apply(db: sqlite3.Connection) -> Answer:
            row = db.execute(
                "SELECT reference, request_id, sha256 FROM requests WHERE reference = ? OR key = ?"
                " ORDER BY reference <> ?",
                (reference, key, reference),
            ).fetchone()
            if row is not None:
                if row[0] != reference:
                    return problem(409, "key_conflict", f"this key was used for {row[0]}")
                if row[2] != sha256:
                    return problem(409, "reference_conflict", f"{reference} exists with other content")
                return Answer(200, {"request_id": row[1]})
            if db.execute("SELECT 1 FROM cancels WHERE reference = ?", (reference,)).fetchone():
                return problem(409, "cancelled", f"{reference} was cancelled before it came")
            return Answer(202, {"request_id": self._insert(db, reference, body, key, sha256)})

        async def before_response(answer: Answer) -> None:
            if answer.status == 202 and self.floor.luck.strikes("event_first", self.party.name, reference):
                await self.floor.accept_at_once(reference)

        return await self.party.answer(
            request, "request", key=key, reference=reference, apply=apply, before_response=before_response
        )

    def _insert(self, db: sqlite3.Connection, reference: str, body: RequestBody, key: str, sha256: str) -> str:
        number: int = db.execute("SELECT count(*) + 1 FROM requests").fetchone()[0]
        request_id = f"{self.party.name}-{number:07d}"
        now_s = self.party.clock()
        db.execute(
            "INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, 'received', ?)",
            (reference, request_id, body.order_reference, key, sha256, body.sscc, body.service, now_s),
        )
        db.executemany(
            "INSERT INTO request_lines VALUES (?, ?, ?, ?)",
            [(reference, line.line_no, line.sku, line.quantity) for line in body.lines],
        )
        self.floor.plan(db, reference, body.order_reference, now_s)
        return request_id

    async def find_request(self, request: Request) -> Response:
        """Whether a request came, and where it stands."""
        reference: str = request.path_params["reference"]

        def apply(db: sqlite3.Connection) -> Answer:
            row = db.execute("SELECT request_id, state FROM requests WHERE reference = ?", (reference,)).fetchone()
            if row is None:
                return problem(404, "request_unknown", f"no request has the reference {reference}")
            return Answer(200, {"request_id": row[0], "state": row[1]})

        return await self.party.answer(request, "find_request", key=reference, reference=reference, apply=apply)

    async def cancel(self, request: Request) -> Response:
        """Stop a request if it still can be; asking twice gets the same answer, or the one that followed it."""
        key = key_of(request)
        reference: str = request.path_params["reference"]

        def apply(db: sqlite3.Connection) -> Answer:
            answer = self.floor.cancel(db, reference, self.party.clock())
            db.execute(
                "INSERT INTO cancels VALUES (?, ?, ?, ?)"
                " ON CONFLICT (reference) DO UPDATE SET answer = excluded.answer",
                (reference, answer, key, self.party.clock()),
            )
            return Answer(200, {"answer": answer})

        return await self.party.answer(request, "cancel", key=key, reference=reference, apply=apply)
