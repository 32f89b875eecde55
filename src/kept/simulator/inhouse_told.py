"""What the in-house sales system is told besides shipments: acknowledgements, cancels and stock, under keys."""

from __future__ import annotations

import sqlite3
from typing import Annotated

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kept.simulator.confirmations import confirmed_pieces
from kept.simulator.party import Answer, Party, key_of, problem, read_json

_Pieces = Annotated[int, msgspec.Meta(ge=1)]
_REASONS = {"buyer", "out_of_stock", "bad_address", "price_error", "fraud", "other"}


class LineBody(msgspec.Struct):
    id: str
    quantity: _Pieces


class AcknowledgementBody(msgspec.Struct):
    reference: str
    lines: list[LineBody]


class CancellationBody(msgspec.Struct):
    reference: str
    reason: str
    whole: bool
    lines: Annotated[list[LineBody], msgspec.Meta(min_length=1)]


class LevelBody(msgspec.Struct):
    sku: str
    quantity: Annotated[int, msgspec.Meta(ge=0)]
    believed: int | None = None


class StockBody(msgspec.Struct):
    levels: Annotated[list[LevelBody], msgspec.Meta(min_length=1, max_length=500)]
    location: str = ""


class InHouseTold:
    """The operations; the party's book keeps what they were told."""

    def __init__(self, party: Party) -> None:
        self.party = party

    def routes(self) -> list[Route]:
        guard = self.party.guard
        acknowledgement = "/orders/{order}/acknowledgement"
        return [
            Route(acknowledgement, guard(self.post_acknowledgement), methods=["POST"]),
            Route(acknowledgement, guard(self.find_acknowledgement), methods=["GET"]),
            Route("/orders/{order}/cancellations", guard(self.post_cancellation), methods=["POST"]),
            Route("/orders/{order}/cancellation", guard(self.find_cancellation), methods=["GET"]),
            Route("/stock", guard(self.post_stock), methods=["POST"]),
        ]

    # -------------------------------------------------------------- acknowledgements

    async def post_acknowledgement(self, request: Request) -> Response:
        """Note that our order was taken: once."""
        key, order = key_of(request), request.path_params["order"]
        body, sha256 = await read_json(request, AcknowledgementBody)
        account = self.party.name

        def apply(db: sqlite3.Connection) -> Answer:
            wrong = _wrong_lines(db, account, order, body.lines)
            if wrong is not None:
                return wrong
            made = {"order_id": order, "reference": body.reference}
            row = db.execute(
                "SELECT sha256 FROM acknowledgements WHERE account = ? AND external_id = ?", (account, order)
            ).fetchone()
            if row is not None:
                if row[0] != sha256:
                    return problem(409, "reference_conflict", f"{order} was acknowledged with other content")
                return Answer(200, made)
            db.execute(
                "INSERT INTO acknowledgements VALUES (?, ?, ?, ?, ?, ?)",
                (account, order, body.reference, key, sha256, self.party.clock()),
            )
            return Answer(201, made)

        return await self.party.answer(request, "acknowledge", key=key, reference=body.reference, apply=apply)

    async def find_acknowledgement(self, request: Request) -> Response:
        order = request.path_params["order"]

        def apply(db: sqlite3.Connection) -> Answer:
            row = db.execute(
                "SELECT reference FROM acknowledgements WHERE account = ? AND external_id = ?", (self.party.name, order)
            ).fetchone()
            if row is None:
                return problem(404, "acknowledgement_unknown", f"{order} was not acknowledged")
            return Answer(200, {"order_id": order, "reference": row[0]})

        return await self.party.answer(request, "find_acknowledgement", key=order, reference=order, apply=apply)

    # -------------------------------------------------------------- cancels

    async def post_cancellation(self, request: Request) -> Response:
        """Note pieces that will not ship: once per key, and no more than are neither shipped nor cancelled."""
        key, order = key_of(request), request.path_params["order"]
        body, sha256 = await read_json(request, CancellationBody)

        def apply(db: sqlite3.Connection) -> Answer:
            row = db.execute(
                "SELECT cancellation_id, sha256, external_id FROM cancellations WHERE account = ? AND key = ?",
                (self.party.name, key),
            ).fetchone()
            if row is not None:
                if (row[1], row[2]) != (sha256, order):
                    return problem(409, "key_conflict", "the key was used for another cancel")
                return Answer(200, {"cancellation_id": row[0]})
            return self._cancel(db, order, body, key, sha256)

        return await self.party.answer(request, "cancel", key=key, reference=body.reference, apply=apply)

    def _cancel(self, db: sqlite3.Connection, order: str, body: CancellationBody, key: str, sha256: str) -> Answer:
        account = self.party.name
        wrong = _wrong_lines(db, account, order, body.lines)
        if wrong is not None:
            return wrong
        if body.reason not in _REASONS:
            return problem(422, "invalid", f"the reason {body.reason!r} is unknown")
        left = _open_pieces(db, account, order)
        if any(line.quantity > left[line.id] for line in body.lines):
            return problem(422, "too_many", "more pieces than are neither shipped nor cancelled")
        number: int = db.execute("SELECT coalesce(max(id), 0) + 1 FROM cancellations").fetchone()[0]
        cancellation_id = f"CX-{number:06d}"
        db.execute(
            "INSERT INTO cancellations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                number,
                account,
                order,
                cancellation_id,
                body.reference,
                body.reason,
                int(body.whole),
                key,
                sha256,
                self.party.clock(),
            ),
        )
        db.executemany(
            "INSERT INTO cancellation_lines VALUES (?, ?, ?)", [(number, line.id, line.quantity) for line in body.lines]
        )
        return Answer(201, {"cancellation_id": cancellation_id})

    async def find_cancellation(self, request: Request) -> Response:
        """The cancel of a whole order."""
        order = request.path_params["order"]

        def apply(db: sqlite3.Connection) -> Answer:
            row = db.execute(
                "SELECT cancellation_id FROM cancellations WHERE account = ? AND external_id = ? AND whole = 1",
                (self.party.name, order),
            ).fetchone()
            if row is None:
                return problem(404, "cancellation_unknown", f"{order} was not cancelled as a whole")
            return Answer(200, {"cancellation_id": row[0]})

        return await self.party.answer(request, "find_cancel", key=order, reference=order, apply=apply)

    # -------------------------------------------------------------- stock

    async def post_stock(self, request: Request) -> Response:
        """Take what may be sold; a level whose `believed` is not what we have is refused as stale."""
        key = key_of(request)
        body, sha256 = await read_json(request, StockBody)
        account = self.party.name

        def apply(db: sqlite3.Connection) -> Answer:
            row = db.execute(
                "SELECT sha256, answer FROM stock_pushes WHERE account = ? AND key = ?", (account, key)
            ).fetchone()
            if row is not None:
                if row[0] != sha256:
                    return problem(409, "key_conflict", "the key was used for other levels")
                return Answer(200, orjson.loads(row[1]))
            refused = [level.sku for level in body.levels if not _offer(db, account, body.location, level)]
            answer = {"refused": [{"sku": sku, "code": "stale", "reason": "it changed meanwhile"} for sku in refused]}
            db.execute(
                "INSERT INTO stock_pushes VALUES (?, ?, ?, ?, ?)",
                (account, key, sha256, orjson.dumps(answer).decode(), self.party.clock()),
            )
            return Answer(200, answer)

        return await self.party.answer(request, "push_stock", key=key, reference=key, apply=apply)


def _wrong_lines(db: sqlite3.Connection, account: str, order: str, lines: list[LineBody]) -> Answer | None:
    """The refusal of an order that we never had, or of lines that are not its own."""
    known = {
        row[0]
        for row in db.execute(
            "SELECT line_id FROM order_lines WHERE account = ? AND external_id = ?", (account, order)
        ).fetchall()
    }
    if not known:
        return problem(404, "order_unknown", f"there is no order {order}")
    ids = [line.id for line in lines]
    if len(set(ids)) < len(ids) or not set(ids) <= known:
        return problem(422, "invalid", "lines are those of the order, each once")
    return None


def _open_pieces(db: sqlite3.Connection, account: str, order: str) -> dict[str, int]:
    """Pieces neither shipped nor cancelled, by line id."""
    shipped = confirmed_pieces(db, account, order)
    cancelled = dict(
        db.execute(
            "SELECT l.line_id, sum(l.quantity) FROM cancellation_lines l JOIN cancellations c ON c.id = l.cancellation"
            " WHERE c.account = ? AND c.external_id = ? GROUP BY l.line_id",
            (account, order),
        ).fetchall()
    )
    rows = db.execute(
        "SELECT line_id, quantity FROM order_lines WHERE account = ? AND external_id = ?", (account, order)
    ).fetchall()
    return {line_id: ordered - shipped.get(line_id, 0) - cancelled.get(line_id, 0) for line_id, ordered in rows}


def _offer(db: sqlite3.Connection, account: str, location: str, level: LevelBody) -> bool:
    """Whether the level was taken."""
    row = db.execute(
        "SELECT quantity FROM offered_stock WHERE account = ? AND location = ? AND sku = ?",
        (account, location, level.sku),
    ).fetchone()
    if level.believed is not None and level.believed != (row[0] if row else 0):
        return False
    db.execute(
        "INSERT INTO offered_stock VALUES (?, ?, ?, ?)"
        " ON CONFLICT (account, location, sku) DO UPDATE SET quantity = excluded.quantity",
        (account, location, level.sku, level.quantity),
    )
    return True
