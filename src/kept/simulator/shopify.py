"""The simulated shop's Admin API: GraphQL at one path, well enough to list orders and to confirm shipments.

It tells an operation by its name, its first field and whether it selects the whole order, and answers with more
than was selected.
Shopify has no idempotency key for fulfillmentCreate; asking twice ships twice, as far as pieces are left.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kept.simulator import shopify_admin as admin
from kept.simulator import shopify_cancels as cancels
from kept.simulator.confirmations import (
    Fulfilment,
    confirmed_pieces,
    fulfilment_of,
    fulfilments_of,
    record_fulfilment,
)
from kept.simulator.driver import Driver
from kept.simulator.faults import Luck
from kept.simulator.party import Answer, Party, content_sha256, read_json
from kept.simulator.payloads import iso, shopify_order, shopify_order_id
from kept.simulator.shopify_admin import Points
from kept.simulator.shopify_documents import read_document
from kept.simulator.shopify_nodes import connection, order_node, refund_node

_PATH = "/admin/api/2026-10/graphql.json"
_UPDATED = re.compile(r"updated_at:(>=|<)'([^']+)'")
_LISTED_AT_ONCE_MAX = 5
_COST, _LIST_COST = 10.0, 50.0  # points of a call; a list costs by its length
_LISTS = frozenset({"orders", "inventoryItems"})
# A sale's revisions carry times from 20 s before it was made to 16 s before: see `make_sale` and `Version.age_s`.
# The last one is that of a cancel by our own call.
_MADE_AFTER_PLACED_S = 20
_AGE_S_MAX = 4


# What an operation is about, and its work in the book.
_Work = tuple[str, Callable[[sqlite3.Connection], Answer]]


class GraphqlBody(msgspec.Struct):
    query: str
    variables: dict[str, Any] = msgspec.field(default_factory=dict)


class Shop:
    """One shop's Admin API."""

    def __init__(self, party: Party, driver: Driver) -> None:
        self.party = party
        self.driver = driver
        self.points = Points(driver.config.channels[party.name].points_per_s, party.clock)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/sim/status", self.status),
                Route(_PATH, self.party.guard(self.graphql), methods=["POST"]),
            ]
        )

    async def status(self, request: Request) -> Response:
        """Progress counters of all channels; no token, no faults."""
        return JSONResponse(await self.driver.status() | {"faults": await self.party.fault_totals()})

    async def graphql(self, request: Request) -> Response:
        """One operation. A fault's key is the operation and its variables: GraphQL has no key of its own."""
        body, _ = await read_json(request, GraphqlBody)
        document = read_document(body.query)
        field = document.field
        serve = {
            "order": self._serve_whole_order if document.asks_for_the_sale else self._serve_order,
            "orders": self._serve_orders,
            "fulfillmentOrder": self._serve_fulfilment_order,
            "refund": self._serve_refund,
            "fulfillment": self._serve_fulfilment,
            "fulfillmentCreate": self._serve_create,
            "orderCancel": self._serve_cancel,
            "node": self._serve_job,
            "job": self._serve_job,
            "locations": self._serve_locations,
            "inventoryItems": self._serve_items,
            "inventorySetQuantities": self._serve_quantities,
            "nodes": self._serve_levels,
            "webhookSubscriptions": self._serve_subscriptions,
            "webhookSubscriptionCreate": self._serve_subscribe,
        }.get(field)
        prepared = serve(body.variables) if serve else None
        if prepared is None:
            return JSONResponse(_errors(f"{field or 'the document'!r} is not served, or its variables are missing"))
        reference, apply = prepared
        key = content_sha256(body.variables)
        cost = _LIST_COST if field in _LISTS else _COST
        if not self.points.take(cost):
            await self.party.book.write(partial(self.party.note_beyond, document.label))
            error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            return JSONResponse({"errors": [error], "extensions": {"cost": self.points.told(cost, spent=False)}})

        def costed(db: sqlite3.Connection) -> Answer:
            answer = apply(db)
            return replace(answer, body={**answer.body, "extensions": {"cost": self.points.told(cost, spent=True)}})

        return await self.party.answer(request, document.label, key=key, reference=reference, apply=costed)

    def _serve_order(self, variables: dict[str, Any]) -> _Work | None:
        order_id = _number(_variable(variables, "/Order/"))
        return (order_id, lambda db: self._order(db, order_id)) if order_id else None

    def _serve_whole_order(self, variables: dict[str, Any]) -> _Work | None:
        order_id = _number(_variable(variables, "/Order/"))
        return (order_id, lambda db: self._whole_order(db, order_id)) if order_id else None

    def _serve_fulfilment_order(self, variables: dict[str, Any]) -> _Work | None:
        number = _number(_variable(variables, "/FulfillmentOrder/"))
        return (number, lambda db: self._one_fulfilment_order(db, number)) if number else None

    def _serve_orders(self, variables: dict[str, Any]) -> _Work | None:
        bounds = dict(_UPDATED.findall(str(variables.get("query", ""))))
        if set(bounds) != {">=", "<"}:
            return None
        since, until = (datetime.fromisoformat(bounds[sign]) for sign in (">=", "<"))
        after = str(variables.get("after") or "")
        return "", lambda db: self._orders(db, since, until, after)

    def _serve_refund(self, variables: dict[str, Any]) -> _Work | None:
        gid = _variable(variables, "/Refund/")
        return (_number(gid), lambda db: self._refund(db, gid)) if gid else None

    def _serve_fulfilment(self, variables: dict[str, Any]) -> _Work | None:
        name, number = self.party.name, _number(_variable(variables, "/Fulfillment/"))

        def found(db: sqlite3.Connection) -> Answer:
            made = fulfilment_of(db, name, number)
            return _data({"fulfillment": _fulfilment(made) if made else None})

        return (number, found) if number else None

    def _serve_create(self, variables: dict[str, Any]) -> _Work | None:
        given = next(_inputs(variables), None)
        if given is None:
            return None
        tracking = str((given.get("trackingInfo") or {}).get("number") or "")
        return tracking, partial(self._create, given=given)

    def _serve_subscriptions(self, variables: dict[str, Any]) -> _Work | None:
        name, topics = self.party.name, {str(topic) for topic in variables.get("topics") or ()}
        return "", lambda db: _data({"webhookSubscriptions": admin.subscriptions(db, name, topics)})

    def _serve_subscribe(self, variables: dict[str, Any]) -> _Work | None:
        name, topic = self.party.name, str(variables.get("topic") or "")
        uri = str((variables.get("webhookSubscription") or {}).get("uri") or "")
        return topic, lambda db: _data({"webhookSubscriptionCreate": admin.subscribe(db, name, topic, uri)})

    def _serve_cancel(self, variables: dict[str, Any]) -> _Work | None:
        order_id = _number(_variable(variables, "/Order/"))
        return (order_id, lambda db: self._cancel(db, order_id, variables)) if order_id else None

    def _serve_job(self, variables: dict[str, Any]) -> _Work | None:
        """A job or its result, with its order beside it."""
        name, now = self.party.name, self.party.clock()
        job_id = _number(_variable(variables, "/Job/") or _variable(variables, "/OrderCancelJobResult/"))
        nothing = {"node": None, "job": None, "order": None}
        return (job_id, lambda db: _data(cancels.looked_at(db, name, job_id, now) or nothing)) if job_id else None

    def _serve_locations(self, variables: dict[str, Any]) -> _Work | None:
        return "", lambda db: _data({"locations": connection([{"id": admin.LOCATION}])})

    def _serve_items(self, variables: dict[str, Any]) -> _Work | None:
        found = admin.items(str(variables.get("query", "")))
        return "", lambda db: _data({"inventoryItems": connection(found)})

    def _serve_levels(self, variables: dict[str, Any]) -> _Work | None:
        name, asked = self.party.name, variables.get("ids")
        if not isinstance(asked, list):
            return None
        return "", lambda db: _data({"nodes": [admin.level(db, name, str(gid)) for gid in asked]})

    def _serve_quantities(self, variables: dict[str, Any]) -> _Work | None:
        name, at = self.party.name, self.party.clock()
        return "", lambda db: _data(admin.set_quantities(db, name, variables, at))

    # -------------------------------------------------------------- orders(query:), refund(id:)

    def _orders(self, db: sqlite3.Connection, since: datetime, until: datetime, after: str) -> Answer:
        """What changed in [since, until), oldest first. The cursor is the last order's time and number."""
        rows = db.execute(
            "SELECT seq, made_at FROM orders WHERE account = ? AND made_at >= ? AND made_at < ?",
            (
                self.party.name,
                since.timestamp() + _MADE_AFTER_PLACED_S - _AGE_S_MAX - 1,
                until.timestamp() + _MADE_AFTER_PLACED_S + 1,
            ),
        ).fetchall()
        found = []
        for seq, made_at in rows:
            if not self.driver.lists(self.party.name, seq):
                continue
            body = self._body(db, seq, made_at)
            if iso(since) <= body["updated_at"] < iso(until):
                found.append((f"{body['updated_at']}/{seq:09d}", body))
        rest = sorted((each for each in found if each[0] > after), key=lambda each: each[0])
        page = rest[:_LISTED_AT_ONCE_MAX]
        nodes = [order_node(body, self._fulfilment_order(db, str(body["id"]))) for _, body in page]
        more = len(rest) > len(page)
        return _data({"orders": connection(nodes, page[-1][0] if page else "", more=more)})

    def _refund(self, db: sqlite3.Connection, gid: str) -> Answer:
        seq = (int(_number(gid)) - shopify_order_id(0)) // 1000
        row = db.execute("SELECT made_at FROM orders WHERE account = ? AND seq = ?", (self.party.name, seq)).fetchone()
        return _data({"refund": refund_node(self._body(db, seq, row[0]), gid) if row else None})

    def _body(self, db: sqlite3.Connection, seq: int, made_at: float) -> dict[str, Any]:
        sale, version = self.driver.stands(self.party.name, seq, made_at)
        order_id = str(shopify_order_id(seq))
        if cancels.cancelled_at(db, self.party.name, order_id, self.party.clock()) is not None:
            version = replace(version, cancelled=True, age_s=_AGE_S_MAX)
        return shopify_order(sale, version)

    # -------------------------------------------------------------- order(id:)

    def _order(self, db: sqlite3.Connection, order_id: str) -> Answer:
        account = self.party.name
        row = db.execute(
            "SELECT number FROM orders WHERE account = ? AND external_id = ?", (account, order_id)
        ).fetchone()
        if row is None:
            return _data({"order": None})
        order = {
            "id": f"gid://shopify/Order/{order_id}",
            "legacyResourceId": order_id,
            "name": row[0],
            "fulfillmentOrders": connection([self._fulfilment_order(db, order_id)]),
            "fulfillments": [_fulfilment(each) for each in fulfilments_of(db, account, order_id)],
        }
        return _data({"order": order, "node": order})

    def _whole_order(self, db: sqlite3.Connection, order_id: str) -> Answer:
        """The order as the list has it, whether or not the list shows it."""
        row = db.execute(
            "SELECT seq, made_at FROM orders WHERE account = ? AND external_id = ?", (self.party.name, order_id)
        ).fetchone()
        if row is None:
            return _data({"order": None})
        return _data({"order": order_node(self._body(db, *row), self._fulfilment_order(db, order_id))})

    # -------------------------------------------------------------- orderCancel

    def _cancel(self, db: sqlite3.Connection, order_id: str, variables: dict[str, Any]) -> Answer:
        name, now, config = self.party.name, self.party.clock(), self.driver.config
        row = db.execute(
            "SELECT seq, made_at FROM orders WHERE account = ? AND external_id = ?", (name, order_id)
        ).fetchone()
        if row is not None and self.driver.stands(name, *row)[1].cancelled:
            return _data(cancels.refused_as_cancelled())
        job = cancels.Job(
            cancels.new_job_id(name, order_id, now),
            order_id,
            now + config.delays.cancel_job_s,
            Luck(config.seed, config.behaviour).strikes("cancel_jobs_fail", name, order_id),
        )
        return _data(cancels.begin(db, name, variables, job, now))

    # -------------------------------------------------------------- fulfillmentOrder(id:)

    def _one_fulfilment_order(self, db: sqlite3.Connection, number: str) -> Answer:
        """A fulfilment order has its order's number; what never ships has none."""
        found = self._fulfilment_order(db, number)
        return _data({"fulfillmentOrder": found if found["lineItems"]["nodes"] else None})

    def _fulfilment_order(self, db: sqlite3.Connection, order_id: str) -> dict[str, Any]:
        """The one fulfilment order of an order. It stays open when the order is cancelled: what has left
        the building must still be recorded."""
        done = confirmed_pieces(db, self.party.name, order_id)
        lines = db.execute(
            "SELECT line_id, sku, quantity FROM order_lines"
            " WHERE account = ? AND external_id = ? AND requires_shipping = 1 AND quantity > 0 ORDER BY line_id",
            (self.party.name, order_id),
        ).fetchall()
        nodes = [
            {
                "id": f"gid://shopify/FulfillmentOrderLineItem/{line_id}",
                "totalQuantity": quantity,
                "remainingQuantity": max(0, quantity - done.get(line_id, 0)),
                "sku": sku,
                "lineItem": {"id": f"gid://shopify/LineItem/{line_id}", "sku": sku},
            }
            for line_id, sku, quantity in lines
        ]
        left = sum(node["remainingQuantity"] for node in nodes)
        return {
            "id": f"gid://shopify/FulfillmentOrder/{order_id}",
            "status": "CLOSED" if left == 0 else "IN_PROGRESS" if done else "OPEN",
            "requestStatus": "UNSUBMITTED",
            "orderId": f"gid://shopify/Order/{order_id}",
            "assignedLocation": {"name": "Main", "location": {"id": "gid://shopify/Location/1"}},
            "fulfillmentHolds": [],
            "supportedActions": [{"action": "CREATE_FULFILLMENT"}] if left else [],
            "lineItems": connection(nodes),
        }

    # -------------------------------------------------------------- fulfillmentCreate

    def _create(self, db: sqlite3.Connection, given: dict[str, Any]) -> Answer:
        wanted = given["lineItemsByFulfillmentOrder"]
        orders = {_number(str(each["fulfillmentOrderId"])) for each in wanted}
        if len(orders) != 1:
            return _refused("lineItemsByFulfillmentOrder", "All fulfillment orders must be of one order.")
        order_id = orders.pop()
        remaining = self._fulfilment_order(db, order_id)["lineItems"]["nodes"]
        open_pieces = {_number(node["id"]): node["remainingQuantity"] for node in remaining}
        asked: dict[str, int] = {}
        for each in wanted:
            for line in each.get("fulfillmentOrderLineItems") or ():
                line_id = _number(str(line["id"]))
                asked[line_id] = asked.get(line_id, 0) + int(line["quantity"])
        pieces = asked or {line_id: left for line_id, left in open_pieces.items() if left}
        unknown = [line_id for line_id in pieces if line_id not in open_pieces]
        if unknown or not pieces:
            return _refused("fulfillmentOrderId", "Fulfillment order does not exist or is closed.")
        if any(quantity < 1 or quantity > open_pieces[line_id] for line_id, quantity in pieces.items()):
            return _refused("fulfillmentOrderLineItems", "Invalid fulfillment order line item quantity requested.")
        tracking = given.get("trackingInfo") or {}
        number = str(tracking.get("number") or ",".join(tracking.get("numbers") or ()))
        company = str(tracking.get("company") or "")
        made = record_fulfilment(
            db,
            Fulfilment("", self.party.name, order_id, number, company, pieces),
            key="",
            sha256=content_sha256(given),
            at=self.party.clock(),
        )
        return _data({"fulfillmentCreate": {"fulfillment": _fulfilment(made), "userErrors": []}})


def _inputs(value: object) -> Iterator[dict[str, Any]]:
    """The fulfilment input, wherever the caller's variables have it."""
    if isinstance(value, dict):
        if "lineItemsByFulfillmentOrder" in value:
            yield value
        for inner in value.values():
            yield from _inputs(inner)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)


def _variable(variables: dict[str, Any], part: str) -> str:
    """The first gid of a kind among the variables; "" without one."""
    return next((value for value in _strings(variables) if part in value), "")


def _number(gid: str) -> str:
    return gid.rpartition("/")[2]


def _fulfilment(made: Fulfilment) -> dict[str, Any]:
    lines = [
        {
            "id": f"gid://shopify/FulfillmentLineItem/{line_id}",
            "quantity": quantity,
            "lineItem": {"id": f"gid://shopify/LineItem/{line_id}"},
        }
        for line_id, quantity in made.pieces.items()
    ]
    return {
        "id": f"gid://shopify/Fulfillment/{made.shipment_id}",
        "legacyResourceId": made.shipment_id,
        "status": "SUCCESS",
        "trackingInfo": [{"number": made.reference, "company": made.company, "url": None}],
        "totalQuantity": sum(made.pieces.values()),
        "fulfillmentLineItems": connection(lines),
    }


def _data(data: dict[str, Any]) -> Answer:
    return Answer(200, {"data": data})


def _refused(where: str, message: str) -> Answer:
    errors = [{"field": ["fulfillment", where], "message": message}]
    return _data({"fulfillmentCreate": {"fulfillment": None, "userErrors": errors}})


def _errors(message: str) -> dict[str, Any]:
    return {"errors": [{"message": message, "extensions": {"code": "BAD_REQUEST"}}]}
