"""The simulated Walmart: one seller's account at the Marketplace API, with its login.

It enforces the published rates and keeps count of every call beyond them (`calls` with status 429 and no fault).
Its book says when each order was acknowledged. Orders whose payment is pending are not released to the seller.
Access tokens live in memory: after a restart the old ones are refused, as Walmart refuses expired ones.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Generic, TypeVar
from urllib.parse import parse_qs, urlencode

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kept.simulator.confirmations import Fulfilment, fulfilments_of, record_fulfilment
from kept.simulator.driver import Driver
from kept.simulator.orders import Sale
from kept.simulator.party import Answer, Party, Refused, content_sha256, read_json, to_response
from kept.simulator.payloads import Version
from kept.simulator.quotas import Quotas, Rate
from kept.simulator.times import moment
from kept.simulator.walmart_payloads import Json, Shipped, Told, modified_at, open_pieces, walmart_order

# Calls a minute. Source: Walmart's table of rate limits.
RATES = {
    name: Rate(calls / 60, calls)
    for name, calls in {
        "getAllOrders": 5000,
        "getAnOrder": 5000,
        "acknowledgeOrders": 60,
        "shippingUpdates": 60,
        "cancelOrderLines": 60,
        "updateInventory": 200,
    }.items()
}
_TOKEN_LIFE_S = 900
_LIMIT_MAX = 200
_HEADERS = ("wm_qos.correlation_id", "wm_svc.name")


class _Pieces(msgspec.Struct):
    amount: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,9}$")]


class _Tracking(msgspec.Struct, rename="camel"):
    tracking_number: str
    carrier_name: dict[str, str]
    tracking_url: str = msgspec.field(default="", name="trackingURL")


class _ShippedStatus(msgspec.Struct, rename="camel"):
    status_quantity: _Pieces
    tracking_info: _Tracking


class _CancelledStatus(msgspec.Struct, rename="camel"):
    status_quantity: _Pieces
    cancellation_reason: str


S = TypeVar("S")


class _Statuses(msgspec.Struct, Generic[S], rename="camel"):
    order_line_status: list[S]


class _Line(msgspec.Struct, Generic[S], rename="camel"):
    line_number: str
    order_line_statuses: _Statuses[S]


class _Lines(msgspec.Struct, Generic[S], rename="camel"):
    order_line: list[_Line[S]]


class _Change(msgspec.Struct, Generic[S], rename="camel"):
    order_lines: _Lines[S]


class _Shipment(msgspec.Struct, rename="camel"):
    order_shipment: _Change[_ShippedStatus]


class _Cancellation(msgspec.Struct, rename="camel"):
    order_cancellation: _Change[_CancelledStatus]


class _Amount(msgspec.Struct):
    amount: int


class _Inventory(msgspec.Struct):
    sku: str
    quantity: _Amount


class Walmart:
    """One seller's account. `party.token` is its client secret; the client's id may be any."""

    def __init__(self, party: Party, driver: Driver, speed: float = 1.0) -> None:
        self.party = party
        self.driver = driver
        self.quotas = Quotas(RATES, party.clock, speed)
        self._tokens: dict[str, float] = {}  # access token -> until

    def app(self) -> Starlette:
        def call(operation: str, serve: Callable[[Request], Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
            return partial(self._guarded, operation, serve)

        order = "/v3/orders/{order}"
        return Starlette(
            routes=[
                Route("/sim/status", self.status),
                Route("/v3/token", self.login, methods=["POST"]),
                Route("/v3/orders", call("getAllOrders", self.list_orders)),
                Route(order, call("getAnOrder", self.get_order)),
                Route(f"{order}/acknowledge", call("acknowledgeOrders", self.acknowledge), methods=["POST"]),
                Route(f"{order}/shipping", call("shippingUpdates", self.ship), methods=["POST"]),
                Route(f"{order}/cancel", call("cancelOrderLines", self.cancel), methods=["POST"]),
                Route("/v3/inventory", call("updateInventory", self.inventory), methods=["PUT"]),
            ]
        )

    async def status(self, request: Request) -> Response:
        """Progress counters of all channels, and calls beyond the rates; no token, no faults."""
        beyond = await self.party.book.write(
            lambda db: dict(
                db.execute(
                    "SELECT operation, count(*) FROM calls WHERE status = 429 AND fault IS NULL GROUP BY operation"
                ).fetchall()
            )
        )
        told = {"faults": await self.party.fault_totals(), "beyond_rates": beyond}
        return JSONResponse(await self.driver.status() | told)

    # -------------------------------------------------------------- who asks, and how often

    async def login(self, request: Request) -> Response:
        """Client credentials, by Basic and a form, for an access token."""
        form = parse_qs((await request.body()).decode())
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        try:
            _, _, secret = base64.b64decode(credentials, validate=True).partition(b":")
        except binascii.Error:
            secret = b""
        is_known = hmac.compare_digest(secret, self.party.token.reveal().encode())
        if scheme != "Basic" or not is_known or form.get("grant_type") != ["client_credentials"]:
            return _errors(401, "UNAUTHORIZED.GMP_GATEWAY_API", "the client is unknown")
        token = secrets.token_urlsafe(24)
        self._tokens[token] = self.party.clock() + _TOKEN_LIFE_S
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": _TOKEN_LIFE_S})

    async def _guarded(
        self, operation: str, serve: Callable[[Request], Awaitable[Response]], request: Request
    ) -> Response:
        missing = [name for name in _HEADERS if not request.headers.get(name)]
        if missing:
            return _errors(400, "MISSING_REQUEST_HEADER.GMP_GATEWAY_API", f"{missing[0]} is missing")
        if self._tokens.get(request.headers.get("wm_sec.access_token", ""), 0) <= self.party.clock():
            return _errors(401, "UNAUTHORIZED.GMP_GATEWAY_API", "the access token is over")
        if self.quotas.take(operation):
            answer = await self._served(serve, request)
        else:
            await self.party.book.write(partial(self._note_beyond, operation))
            answer = _errors(429, "REQUEST_THRESHOLD_VIOLATED.GMP_GATEWAY_API", "too many calls")
            answer.headers["x-next-replenishment-time"] = str(int((self.party.clock() + 1) * 1000))
        answer.headers["x-current-token-count"] = str(self.quotas.left(operation))
        return answer

    async def _served(self, serve: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
        try:
            return await serve(request)
        except Refused as refusal:
            told = refusal.answer
            return to_response(told if "errors" in told.body else _invalid(str(told.body["detail"])))

    def _note_beyond(self, operation: str, db: sqlite3.Connection) -> None:
        db.execute(
            "INSERT INTO calls (at, operation, key, reference, attempt, status, correlation_id)"
            " VALUES (?, ?, '', '', 0, 429, '')",
            (self.party.clock(), operation),
        )

    # -------------------------------------------------------------- orders

    async def list_orders(self, request: Request) -> Response:
        """getAllOrders by lastModifiedStartDate and lastModifiedEndDate, oldest change first.

        The next cursor is the whole query again, with the last order's time and number in `poIndex`: an order that
        changes meanwhile leaves the window, and a count of those before would then pass over another one.
        """
        asked = dict(request.query_params)
        try:
            since, until = (datetime.fromisoformat(asked[f"lastModified{name}Date"]) for name in ("Start", "End"))
            created = datetime.fromisoformat(asked["createdStartDate"])
            size = int(asked.get("limit", "100"))
        except (KeyError, ValueError):
            return _errors(400, "INVALID_REQUEST_PARAM.GMP_ORDER_API", "the dates are missing, or are none")
        if not 1 <= size <= _LIMIT_MAX:
            return _errors(400, "INVALID_REQUEST_PARAM.GMP_ORDER_API", f"limit is beyond {_LIMIT_MAX}")

        def apply(db: sqlite3.Connection) -> Answer:
            found = self._changed(db, since, until, created) if _is_sellers(asked) else []
            rest = [each for each in found if each[0] > asked.get("poIndex", "")]
            page = rest[:size]
            if not page:
                return _not_found("orders")
            meta: Json = {"totalCount": len(found), "limit": size}
            if len(rest) > size:
                further = asked | {"hasMoreElements": "true", "poIndex": page[-1][0]}
                meta["nextCursor"] = "?" + urlencode(further)
            return Answer(200, {"list": {"meta": meta, "elements": {"order": [order for _, order in page]}}})

        return await self.party.answer(request, "getAllOrders", key=str(asked), reference="", apply=apply)

    def _changed(
        self, db: sqlite3.Connection, since: datetime, until: datetime, created: datetime
    ) -> list[tuple[str, Json]]:
        """The orders, each after the place in the list that its time of change and its number give it."""
        rows = db.execute(
            "SELECT seq, external_id, made_at FROM orders WHERE account = :account AND (made_at >= :since"
            " OR external_id IN (SELECT external_id FROM acknowledgements WHERE account = :account AND at >= :since)"
            " OR external_id IN (SELECT external_id FROM fulfilments WHERE account = :account AND at >= :since)"
            " OR external_id IN (SELECT external_id FROM cancellations WHERE account = :account AND at >= :since))",
            {"account": self.party.name, "since": since.timestamp()},
        ).fetchall()
        found = []
        for seq, order_id, made_at in rows:
            sale, version, told = self._stands(db, seq, order_id, made_at)
            at = modified_at(sale, version, told)
            listed = not version.pending and self.driver.lists(self.party.name, seq)
            if listed and since <= at < until and sale.placed_at >= created:
                place = f"{at.timestamp() * 1000:015.0f}.{seq:09d}"
                found.append((place, walmart_order(sale, version, told)))
        return sorted(found, key=lambda each: each[0])

    async def get_order(self, request: Request) -> Response:
        return await self._answer(request, "getAnOrder", lambda _db, _order_id: None)

    def _known(self, db: sqlite3.Connection, order_id: str) -> tuple[Sale, Version, Told]:
        """An order as it stands. Raises Refused (404) for one that the seller does not have."""
        row = db.execute(
            "SELECT seq, external_id, made_at FROM orders WHERE account = ? AND external_id = ?",
            (self.party.name, order_id),
        ).fetchone()
        found = None if row is None else self._stands(db, *row)
        if found is None or found[1].pending:
            raise Refused(_not_found(f"order {order_id}"))
        return found

    def _stands(self, db: sqlite3.Connection, seq: int, order_id: str, made_at: float) -> tuple[Sale, Version, Told]:
        account = self.party.name
        acknowledged = db.execute(
            "SELECT at FROM acknowledgements WHERE account = ? AND external_id = ?", (account, order_id)
        ).fetchone()
        fulfilled = db.execute(
            "SELECT max(at) FROM fulfilments WHERE account = ? AND external_id = ?", (account, order_id)
        ).fetchone()
        cancels = db.execute(
            "SELECT l.line_id, sum(l.quantity), max(c.at) FROM cancellations c JOIN cancellation_lines l"
            " ON l.cancellation = c.id WHERE c.account = ? AND c.external_id = ? GROUP BY l.line_id",
            (account, order_id),
        ).fetchall()
        times = [acknowledged and acknowledged[0], fulfilled[0], *(at for *_, at in cancels)]
        at_s = max((at for at in times if at is not None), default=None)
        told = Told(
            acknowledged is not None,
            [Shipped(each.reference, each.company, each.pieces) for each in fulfilments_of(db, account, order_id)],
            {line: quantity for line, quantity, _ in cancels},
            None if at_s is None else moment(at_s),
        )
        return *self.driver.stands(account, seq, made_at), told

    async def _answer(
        self, request: Request, operation: str, change: Callable[[sqlite3.Connection, str], None]
    ) -> Response:
        """Do the change, and show the order as it then stands."""
        order_id: str = request.path_params["order"]

        def apply(db: sqlite3.Connection) -> Answer:
            change(db, order_id)
            return Answer(200, {"order": walmart_order(*self._known(db, order_id))})

        return await self.party.answer(request, operation, key=order_id, reference=order_id, apply=apply)

    # -------------------------------------------------------------- what the seller says

    async def acknowledge(self, request: Request) -> Response:
        """acknowledgeOrders: the whole order. The book keeps the first time."""

        def change(db: sqlite3.Connection, order_id: str) -> None:
            self._known(db, order_id)
            db.execute(
                "INSERT OR IGNORE INTO acknowledgements VALUES (?, ?, '', '', '', ?)",
                (self.party.name, order_id, self.party.clock()),
            )

        return await self._answer(request, "acknowledgeOrders", change)

    async def ship(self, request: Request) -> Response:
        """shippingUpdates: pieces of acknowledged lines, each under its tracking number."""
        body, sha256 = await read_json(request, _Shipment)
        change = partial(self._ship, lines=body.order_shipment.order_lines.order_line, sha256=sha256)
        return await self._answer(request, "shippingUpdates", change)

    def _ship(self, db: sqlite3.Connection, order_id: str, lines: list[_Line[_ShippedStatus]], sha256: str) -> None:
        sale, version, told = self._known(db, order_id)
        if not told.acknowledged:
            raise Refused(_invalid("the order is not acknowledged"))
        by_tracking: dict[tuple[str, str], dict[str, int]] = {}
        for line in lines:
            for status in line.order_line_statuses.order_line_status:
                tracking = status.tracking_info
                package = by_tracking.setdefault((tracking.tracking_number, _carrier(tracking)), {})
                number = line.line_number
                package[number] = package.get(number, 0) + int(status.status_quantity.amount)
        _within(open_pieces(sale, version, told), by_tracking.values())
        for (tracking_number, carrier), pieces in by_tracking.items():
            shipment = Fulfilment("", self.party.name, order_id, tracking_number, carrier, pieces)
            record_fulfilment(db, shipment, key="", sha256=sha256, at=self.party.clock())

    async def cancel(self, request: Request) -> Response:
        """cancelOrderLines: pieces that are neither shipped nor cancelled."""
        body, sha256 = await read_json(request, _Cancellation)
        change = partial(self._cancel, lines=body.order_cancellation.order_lines.order_line, sha256=sha256)
        return await self._answer(request, "cancelOrderLines", change)

    def _cancel(self, db: sqlite3.Connection, order_id: str, lines: list[_Line[_CancelledStatus]], sha256: str) -> None:
        pieces: dict[str, int] = {}
        reason = ""
        for line in lines:
            for status in line.order_line_statuses.order_line_status:
                number, reason = line.line_number, status.cancellation_reason
                pieces[number] = pieces.get(number, 0) + int(status.status_quantity.amount)
        _within(open_pieces(*self._known(db, order_id)), [pieces])
        number = db.execute("SELECT coalesce(max(id), 0) + 1 FROM cancellations").fetchone()[0]
        name = f"{order_id}/{number}"  # Walmart numbers no cancels, and knows no keys
        db.execute(
            "INSERT INTO cancellations VALUES (?, ?, ?, ?, '', ?, 0, ?, ?, ?)",
            (number, self.party.name, order_id, name, reason, name, sha256, self.party.clock()),
        )
        db.executemany("INSERT INTO cancellation_lines VALUES (?, ?, ?)", [(number, *each) for each in pieces.items()])

    async def inventory(self, request: Request) -> Response:
        """updateInventory: the quantity of one SKU at one ship node."""
        body, _ = await read_json(request, _Inventory)
        node = request.query_params.get("shipNode", "")
        if request.query_params.get("sku") != body.sku:
            return _errors(400, "INVALID_REQUEST_PARAM.GMP_INVENTORY_API", "sku is not the body's")

        def apply(db: sqlite3.Connection) -> Answer:
            db.execute(
                "INSERT OR REPLACE INTO offered_stock VALUES (?, ?, ?, ?)",
                (self.party.name, node, body.sku, body.quantity.amount),
            )
            return Answer(200, {"sku": body.sku, "quantity": {"unit": "EACH", "amount": body.quantity.amount}})

        key = content_sha256([node, body.sku, body.quantity.amount])
        return await self.party.answer(request, "updateInventory", key=key, reference=body.sku, apply=apply)


def _within(left: dict[str, int], asked: Iterable[Mapping[str, int]]) -> None:
    """Raises Refused (400) if more is asked for than is open."""
    for pieces in asked:
        for number, quantity in pieces.items():
            left[number] = left.get(number, 0) - quantity
            if quantity < 1 or left[number] < 0:
                raise Refused(_invalid(f"line {number} is not open for {quantity} pieces"))


def _carrier(tracking: _Tracking) -> str:
    """Raises Refused (400) for a carrier that is not listed, without its tracking address."""
    named = tracking.carrier_name
    if not named.get("carrier") and not named.get("otherCarrier"):
        raise Refused(_invalid("carrierName names no carrier"))
    if "carrier" not in named and not tracking.tracking_url:
        raise Refused(_invalid("trackingURL is mandatory with otherCarrier"))
    return str(named.get("carrier") or named["otherCarrier"])


def _is_sellers(asked: dict[str, str]) -> bool:
    return asked.get("shipNodeType", "SellerFulfilled") == "SellerFulfilled"


def _refusal(status: int, code: str, description: str) -> Answer:
    error = {"code": code, "description": description, "severity": "ERROR", "category": "DATA"}
    return Answer(status, {"errors": {"error": [error]}})


def _invalid(description: str) -> Answer:
    return _refusal(400, "INVALID_REQUEST_CONTENT.GMP_ORDER_API", description)


def _not_found(what: str) -> Answer:
    return _refusal(404, "CONTENT_NOT_FOUND.GMP_ORDER_API", f"there is no {what}")


def _errors(status: int, code: str, description: str) -> Response:
    return to_response(_refusal(status, code, description))
