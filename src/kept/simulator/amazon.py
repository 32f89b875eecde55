"""The simulated Amazon: one seller's account at the Selling Partner API, its login and its notification queue.

It enforces the published rates and keeps count of every call beyond them (`calls` with status 429 and no fault).
Access tokens live in memory: after a restart the old ones are refused, as Amazon refuses expired ones.
"""

from __future__ import annotations

import hmac
import secrets
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from urllib.parse import parse_qs
from xml.etree import ElementTree

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kept.simulator.amazon_payloads import Done, Json, amazon_order
from kept.simulator.amazon_queue import Queue
from kept.simulator.confirmations import Fulfilment, fulfilments_of, record_fulfilment
from kept.simulator.driver import Driver
from kept.simulator.party import Answer, Party, Refused, content_sha256, read_json, to_response
from kept.simulator.payloads import iso
from kept.simulator.quotas import Quotas, Rate
from kept.simulator.times import moment

# Source: the usage plans in Amazon's models.
RATES = {
    "searchOrders": Rate(0.0056, 20),
    "getOrder": Rate(0.5, 30),
    "confirmShipment": Rate(2, 10),
    "createFeed": Rate(0.0083, 15),
    "createFeedDocument": Rate(0.5, 15),
    "getFeed": Rate(2, 15),
    "patchListingsItem": Rate(5, 5),
}
_TOKEN_LIFE_S = 3600
_AGE_MIN_S = 120  # of the end of a search
_DOCUMENTS_MAX = 1000  # uploaded and not yet used
# A sale's own times lie from 20 s before it was made on: see `make_sale`.
_CHANGES_WITHIN_S = 86_400.0  # no order of this world changes later
_MADE_AFTER_PLACED_S = 20


class _Confirmation(msgspec.Struct, rename="camel"):
    marketplace_id: str
    package_detail: Json


class _Feed(msgspec.Struct, rename="camel"):
    feed_type: str
    marketplace_ids: list[str]
    input_feed_document_id: str


class _Patches(msgspec.Struct, rename="camel"):
    product_type: str
    patches: list[Json]


class Amazon:
    """One seller's account. `party.token` is its refresh token; the client's secret is the driver's for the account."""

    def __init__(self, party: Party, driver: Driver, speed: float = 1.0) -> None:
        self.party = party
        self.driver = driver
        self.quotas = Quotas(RATES, party.clock, speed)
        self.queue = Queue(party, driver)
        self._tokens: dict[str, float] = {}  # access token -> until
        self._documents: dict[str, bytes] = {}
        self._feeds: dict[str, float] = {}  # feed id -> worked off at

    def app(self) -> Starlette:
        def call(operation: str, serve: Callable[[Request], Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
            return partial(self._guarded, operation, serve)

        orders, feeds = "/orders/2026-01-01/orders", "/feeds/2021-06-30"
        confirm = "/orders/v0/orders/{order}/shipmentConfirmation"
        listing = "/listings/2021-08-01/items/{seller}/{sku:path}"
        return Starlette(
            routes=[
                Route("/sim/status", self.status),
                Route("/", self.queue.serve, methods=["POST"]),
                Route("/auth/o2/token", self.login, methods=["POST"]),
                Route("/uploads/{document}", self.upload, methods=["PUT"]),
                Route(orders, call("searchOrders", self.search)),
                Route(f"{orders}/{{order}}", call("getOrder", self.get_order)),
                Route(confirm, call("confirmShipment", self.confirm), methods=["POST"]),
                Route(f"{feeds}/documents", call("createFeedDocument", self.document), methods=["POST"]),
                Route(f"{feeds}/feeds", call("createFeed", self.feed), methods=["POST"]),
                Route(f"{feeds}/feeds/{{feed}}", call("getFeed", self.get_feed)),
                Route(listing, call("patchListingsItem", self.patch), methods=["PATCH"]),
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
        """A refresh token for an access token."""
        form = parse_qs((await request.body()).decode())
        given = [form.get(name, [""])[0] for name in ("grant_type", "refresh_token", "client_secret")]
        own = ["refresh_token", self.party.token.reveal(), self.driver.secrets[self.party.name].reveal()]
        if not all(hmac.compare_digest(one.encode(), other.encode()) for one, other in zip(given, own, strict=True)):
            return JSONResponse({"error": "invalid_grant", "error_description": "unknown refresh token"}, 400)
        token = "Atza|" + secrets.token_urlsafe(24)
        self._tokens[token] = self.party.clock() + _TOKEN_LIFE_S
        return JSONResponse({"access_token": token, "token_type": "bearer", "expires_in": _TOKEN_LIFE_S})

    async def _guarded(
        self, operation: str, serve: Callable[[Request], Awaitable[Response]], request: Request
    ) -> Response:
        if self._tokens.get(request.headers.get("x-amz-access-token", ""), 0) <= self.party.clock():
            return _errors(403, "Unauthorized", "Access denied.", "The access token you provided has expired.")
        if "(Language=" not in request.headers.get("user-agent", ""):
            return _errors(400, "InvalidInput", "a User-Agent with the language is missing")
        answer = await self._served(operation, serve, request)
        answer.headers["x-amzn-ratelimit-limit"] = format(RATES[operation].per_s * self.quotas.speed, "f")
        return answer

    async def _served(
        self, operation: str, serve: Callable[[Request], Awaitable[Response]], request: Request
    ) -> Response:
        if not self.quotas.take(operation):
            await self.party.book.write(partial(self.party.note_beyond, operation))
            return _errors(429, "QuotaExceeded", "You exceeded your quota for the requested resource.")
        try:
            return await serve(request)
        except Refused as refusal:
            told = refusal.answer
            ours = told if "errors" in told.body else _refusal(str(told.body["detail"]))
            return to_response(ours)

    # -------------------------------------------------------------- orders

    async def search(self, request: Request) -> Response:
        """searchOrders by lastUpdatedAfter and lastUpdatedBefore, oldest change first.

        The token is the last order's time and id: an order that changes between two pages moves no other one.
        """
        asked = request.query_params
        try:
            since, until = (datetime.fromisoformat(asked[f"lastUpdated{name}"]) for name in ("After", "Before"))
        except (KeyError, ValueError):
            return _errors(400, "InvalidInput", "lastUpdatedAfter and lastUpdatedBefore are needed, as times")
        if until.timestamp() > self.party.clock() - _AGE_MIN_S:
            return _errors(400, "InvalidInput", "lastUpdatedBefore must be at least two minutes before now")
        size, after = int(asked.get("maxResultsPerPage", "100")), asked.get("paginationToken", "")

        def apply(db: sqlite3.Connection) -> Answer:
            found = sorted(
                ((_place(order), order) for order in self._changed(db, since, until)), key=lambda each: each[0]
            )
            rest = [(place, order) for place, order in found if place > after]
            more = {"pagination": {"nextToken": rest[size - 1][0]}} if len(rest) > size else {}
            return Answer(200, {"orders": [order for _, order in rest[:size]], **more})

        return await self.party.answer(request, "searchOrders", key=str(asked), reference="", apply=apply)

    def _changed(self, db: sqlite3.Connection, since: datetime, until: datetime) -> list[Json]:
        rows = db.execute(
            "SELECT seq, external_id, made_at FROM orders WHERE account = ? AND made_at >= ? AND made_at < ?",
            (self.party.name, since.timestamp() - _CHANGES_WITHIN_S, until.timestamp() + _MADE_AFTER_PLACED_S + 1),
        ).fetchall()
        listed = [self._order(db, *row) for row in rows if self.driver.lists(self.party.name, row[0])]
        return [order for order in listed if since <= datetime.fromisoformat(order["lastUpdatedTime"]) <= until]

    async def get_order(self, request: Request) -> Response:
        order_id: str = request.path_params["order"]

        def apply(db: sqlite3.Connection) -> Answer:
            order = self._by_id(db, order_id)
            return _not_found(order_id) if order is None else Answer(200, {"order": order})

        return await self.party.answer(request, "getOrder", key=order_id, reference=order_id, apply=apply)

    def _by_id(self, db: sqlite3.Connection, order_id: str) -> Json | None:
        row = db.execute(
            "SELECT seq, external_id, made_at FROM orders WHERE account = ? AND external_id = ?",
            (self.party.name, order_id),
        ).fetchone()
        return None if row is None else self._order(db, *row)

    def _order(self, db: sqlite3.Connection, seq: int, order_id: str, made_at: float) -> Json:
        """The order as it stands, with what was confirmed and cancelled of it."""
        account, now_s = self.party.name, self.party.clock()
        fulfilments = fulfilments_of(db, account, order_id)
        shipped: dict[str, int] = {}
        for each in fulfilments:
            for item_id, quantity in each.pieces.items():
                shipped[item_id] = shipped.get(item_id, 0) + quantity
        cancels = db.execute(
            "SELECT line_id, at FROM cancelled_lines WHERE account = ? AND external_id = ? AND at <= ?",
            (account, order_id, now_s),
        ).fetchall()
        (shipped_at,) = db.execute(
            "SELECT max(at) FROM fulfilments WHERE account = ? AND external_id = ?", (account, order_id)
        ).fetchone()
        at_s = max([at for _, at in cancels] + ([shipped_at] if shipped_at else []), default=None)
        done = Done(
            shipped,
            frozenset(item_id for item_id, _ in cancels),
            [_package(each) for each in fulfilments],
            None if at_s is None else moment(at_s),
        )
        return amazon_order(*self.driver.stands(account, seq, made_at), done)

    # -------------------------------------------------------------- shipments

    async def confirm(self, request: Request) -> Response:
        """confirmShipment: makes a package, or edits the one with the same reference."""
        body, sha256 = await read_json(request, _Confirmation)
        order_id, detail = request.path_params["order"], body.package_detail
        reference = str(detail.get("packageReferenceId", ""))
        apply = partial(self._confirm, order_id=order_id, detail=detail, sha256=sha256)
        key = f"{order_id}/{reference}"
        return await self.party.answer(request, "confirmShipment", key=key, reference=reference, apply=apply)

    def _confirm(self, db: sqlite3.Connection, order_id: str, detail: Json, sha256: str) -> Answer:
        reference = str(detail.get("packageReferenceId", ""))
        if not (reference.isdigit() and int(reference) > 0):
            return _refusal("PackageReferenceId: is invalid, must be a positive numeric value.")
        order = self._by_id(db, order_id)
        if order is None:
            return _not_found(order_id)
        before = db.execute(
            "SELECT id FROM fulfilments WHERE account = ? AND external_id = ? AND reference LIKE ?",
            (self.party.name, order_id, f"{reference}/%"),
        ).fetchall()
        db.executemany("DELETE FROM fulfilment_lines WHERE fulfilment = ?", before)
        db.executemany("DELETE FROM fulfilments WHERE id = ?", before)
        left = {item["orderItemId"]: item["quantityOrdered"] for item in order["orderItems"]}
        for each in fulfilments_of(db, self.party.name, order_id):
            for item_id, quantity in each.pieces.items():
                left[item_id] -= quantity
        pieces = {item["orderItemId"]: item["quantity"] for item in detail["orderItems"]}
        if not pieces or any(not 1 <= quantity <= left.get(item_id, 0) for item_id, quantity in pieces.items()):
            raise Refused(_refusal("Failed to create package: no such item, or order already fulfilled."))
        carrier = str(detail.get("carrierName") or detail["carrierCode"])
        told = Fulfilment("", self.party.name, order_id, f"{reference}/{detail['trackingNumber']}", carrier, pieces)
        record_fulfilment(db, told, key="", sha256=sha256, at=self.party.clock())
        return Answer(204, {})

    # -------------------------------------------------------------- feeds

    async def document(self, request: Request) -> Response:
        """createFeedDocument."""
        if len(self._documents) >= _DOCUMENTS_MAX:
            self._documents.clear()
        document = secrets.token_hex(8)
        url = f"{request.url.scheme}://{request.url.netloc}/uploads/{document}?X-Amz-Signature={secrets.token_hex(8)}"
        answer = Answer(201, {"feedDocumentId": document, "url": url})
        return await self.party.answer(
            request, "createFeedDocument", key="document", reference=document, apply=lambda _: answer
        )

    async def upload(self, request: Request) -> Response:
        """The upload of a document. Its address is its permission: a token of the API has no business here."""
        if "x-amz-access-token" in request.headers:
            return Response(status_code=400)
        self._documents[request.path_params["document"]] = await request.body()
        return Response()

    async def feed(self, request: Request) -> Response:
        """createFeed, of POST_ORDER_ACKNOWLEDGEMENT_DATA only; worked off a little later."""
        body, _ = await read_json(request, _Feed)
        document = self._documents.get(body.input_feed_document_id)
        if body.feed_type != "POST_ORDER_ACKNOWLEDGEMENT_DATA" or document is None:
            return _errors(400, "InvalidInput", "no such feed type or document")
        key = content_sha256(document.decode())
        apply = partial(self._cancel, document=document)
        return await self.party.answer(request, "createFeed", key=key, reference="", apply=apply)

    def _cancel(self, db: sqlite3.Connection, document: bytes) -> Answer:
        """Cancels whole items, of orders of which nothing has shipped; of others the feed's report would tell."""
        envelope = ElementTree.fromstring(document)  # noqa: S314 - a world's own parties
        at_s = self.party.clock() + self.driver.config.delays.edit_after_s
        for message in envelope.iterfind("Message/OrderAcknowledgement"):
            order_id = message.findtext("AmazonOrderID", "")
            if message.findtext("StatusCode") == "Failure" and not fulfilments_of(db, self.party.name, order_id):
                db.executemany(
                    "INSERT OR IGNORE INTO cancelled_lines VALUES (?, ?, ?, ?, ?)",
                    [
                        (
                            self.party.name,
                            order_id,
                            item.findtext("AmazonOrderItemCode", ""),
                            item.findtext("CancelReason", ""),
                            at_s,
                        )
                        for item in message.iterfind("Item")
                    ],
                )
        feed_id = content_sha256(document.decode())[:12]
        self._feeds[feed_id] = at_s
        return Answer(202, {"feedId": feed_id})

    async def get_feed(self, request: Request) -> Response:
        """getFeed. Which feeds there were is forgotten by a restart."""
        feed_id: str = request.path_params["feed"]
        done_at_s = self._feeds.get(feed_id)
        if done_at_s is None:
            return _errors(404, "NotFound", f"There is no feed {feed_id}.")
        is_done = done_at_s <= self.party.clock()
        feed: Json = {
            "feedId": feed_id,
            "feedType": "POST_ORDER_ACKNOWLEDGEMENT_DATA",
            "createdTime": iso(moment(done_at_s)),
            "processingStatus": "DONE" if is_done else "IN_PROGRESS",
        }
        ended = {"processingEndTime": iso(moment(done_at_s))} if is_done else {}
        answer = Answer(200, feed | ended)
        return await self.party.answer(request, "getFeed", key=feed_id, reference="", apply=lambda _: answer)

    # -------------------------------------------------------------- listings

    async def patch(self, request: Request) -> Response:
        """patchListingsItem of `fulfillment_availability`."""
        body, _ = await read_json(request, _Patches)
        sku: str = request.path_params["sku"]
        try:
            quantity = int(body.patches[0]["value"][0]["quantity"])
        except (IndexError, KeyError, TypeError, ValueError):
            return _errors(400, "InvalidInput", "there is no quantity")

        def apply(db: sqlite3.Connection) -> Answer:
            db.execute("INSERT OR REPLACE INTO offered_stock VALUES (?, '', ?, ?)", (self.party.name, sku, quantity))
            submission = {"sku": sku, "status": "ACCEPTED", "submissionId": content_sha256([sku, quantity])[:16]}
            return Answer(200, submission | {"issues": []})

        return await self.party.answer(request, "patchListingsItem", key=sku, reference=sku, apply=apply)


def _package(fulfilment: Fulfilment) -> Json:
    reference, _, tracking = fulfilment.reference.partition("/")
    items = [{"orderItemId": item_id, "quantity": quantity} for item_id, quantity in fulfilment.pieces.items()]
    return {
        "packageReferenceId": reference,
        "carrier": fulfilment.company,
        "trackingNumber": tracking,
        "packageStatus": {"status": "SHIPPED"},
        "packageItems": items,
    }


def _refusal(message: str, status: int = 400, code: str = "InvalidInput", details: str = "") -> Answer:
    return Answer(status, {"errors": [{"code": code, "message": message, "details": details}]})


def _not_found(order_id: str) -> Answer:
    return _refusal(f"There is no order {order_id}.", 404, "NotFound")


def _errors(status: int, code: str, message: str, details: str = "") -> Response:
    return to_response(_refusal(message, status, code, details))


def _place(order: Json) -> str:
    return f"{order['lastUpdatedTime']}/{order['orderId']}"
