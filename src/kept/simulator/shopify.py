"""The simulated shop's Admin API: GraphQL at one path, well enough to confirm shipments.

It tells the operation by its text and always answers with the whole shape, whatever was selected.
Shopify has no idempotency key for fulfillmentCreate; asking twice ships twice, as far as pieces are left.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kept.simulator.confirmations import Fulfilment, confirmed_pieces, fulfilments_of, record_fulfilment
from kept.simulator.driver import Driver
from kept.simulator.party import Answer, Party, content_sha256, read_json

_PATH = "/admin/api/2026-10/graphql.json"


class GraphqlBody(msgspec.Struct):
    query: str
    variables: dict[str, Any] = msgspec.field(default_factory=dict)


class Shop:
    """One shop's Admin API."""

    def __init__(self, party: Party, driver: Driver) -> None:
        self.party = party
        self.driver = driver

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
        key = content_sha256(body.variables)
        if "mutation" in body.query and "fulfillmentCreate" in body.query:
            given = next(_inputs(body.variables), None)
            if given is None:
                return JSONResponse(_errors("fulfillmentCreate needs its fulfillment as a variable"))
            tracking = str((given.get("trackingInfo") or {}).get("number") or "")
            return await self.party.answer(
                request, "fulfillmentCreate", key=key, reference=tracking, apply=lambda db: self._create(db, given)
            )
        gid = next((value for value in _strings(body.variables) if "/Order/" in value), "")
        if not gid:
            return JSONResponse(_errors("only order(id:) and fulfillmentCreate are served, ids as variables"))
        order_id = _number(gid)
        return await self.party.answer(
            request, "order", key=key, reference=order_id, apply=lambda db: self._order(db, order_id)
        )

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
            "fulfillmentOrders": _connection([self._fulfilment_order(db, order_id)]),
            "fulfillments": [_fulfilment(each) for each in fulfilments_of(db, account, order_id)],
        }
        return _data({"order": order, "node": order})

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
            "lineItems": _connection(nodes),
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


def _number(gid: str) -> str:
    return gid.rpartition("/")[2]


def _connection(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    page = {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None}
    return {"nodes": nodes, "edges": [{"cursor": node["id"], "node": node} for node in nodes], "pageInfo": page}


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
        "fulfillmentLineItems": _connection(lines),
    }


def _data(data: dict[str, Any]) -> Answer:
    bucket = {"maximumAvailable": 2000.0, "currentlyAvailable": 1990, "restoreRate": 100.0}
    cost = {"requestedQueryCost": 10, "actualQueryCost": 10, "throttleStatus": bucket}
    return Answer(200, {"data": data, "extensions": {"cost": cost}})


def _refused(where: str, message: str) -> Answer:
    errors = [{"field": ["fulfillment", where], "message": message}]
    return _data({"fulfillmentCreate": {"fulfillment": None, "userErrors": errors}})


def _errors(message: str) -> dict[str, Any]:
    return {"errors": [{"message": message, "extensions": {"code": "BAD_REQUEST"}}]}
