"""Small stand-ins for the vendors, written to the same contracts as the connectors and to nothing else."""

from __future__ import annotations

from typing import Any

import httpx2
import orjson

from tests.conformance.wire import answer

Json = dict[str, Any]


class Vendor:
    """Documents by kind, each made once per key and once per reference."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Json]] = {}

    def transport(self) -> httpx2.MockTransport:
        return httpx2.MockTransport(self.handle)

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        body = orjson.loads(request.content) if request.content else {}
        return self.serve(request, request.method, request.url.path, body)

    def serve(self, request: httpx2.Request, method: str, path: str, body: Json) -> httpx2.Response:
        raise NotImplementedError

    def count(self, kind: str) -> int:
        return len(self.documents.get(kind, {}))

    def once(self, request: httpx2.Request, kind: str, reference: str, body: Json, made: Json) -> httpx2.Response:
        """Make a document, or give back the one that this key or reference made before."""
        key = request.headers.get("idempotency-key", "")
        if not key:
            return answer(400, {"code": "key_missing"})
        found = self.documents.setdefault(kind, {})
        if reference in found:
            if found[reference]["asked"] != body:
                return answer(409, {"code": "reference_conflict", "detail": f"{reference} has other content"})
            return answer(200, found[reference]["made"])
        found[reference] = {"asked": body, "made": made}
        return answer(201, made)

    def found(self, kind: str, reference: str) -> httpx2.Response:
        document = self.documents.get(kind, {}).get(reference)
        return answer(404, {"code": "unknown"}) if document is None else answer(200, document["made"])


class FakeErp(Vendor):
    """The ERP contract."""

    def serve(self, request: httpx2.Request, method: str, path: str, body: Json) -> httpx2.Response:
        match method, path.strip("/").split("/"):
            case "POST", ["v1", "items", "check"]:
                items = [{"sku": sku, "known": sku != "NO", "saleable": sku == "S1"} for sku in body["skus"]]
                return answer(200, {"items": list(reversed(items))})
            case "PUT", ["v1", "customers", key]:
                self.documents.setdefault("customers", {})[key] = body
                return answer(200, {"customer_id": f"C-{key[:6]}"})
            case "POST", ["v1", "orders"]:
                made = {"order_id": f"SO-{self.count('orders') + 1}"}
                made |= {name: body[name] for name in ("reference", "total_minor", "currency")}
                return self.once(request, "orders", body["reference"], body, made)
            case "GET", ["v1", "orders"]:
                document = self.documents.get("orders", {}).get(request.url.params["reference"])
                return answer(200, {"orders": [document["made"]] if document else []})
            case "PUT", ["v1", "orders", reference]:
                if reference == "UNKNOWN":
                    return answer(404, {"code": "order_unknown"})
                made = {"order_id": "SO-1"} | {name: body[name] for name in ("reference", "total_minor", "currency")}
                return self.once(request, "amendments", f"{reference}:{body['version']}", body, made)
            case "POST", ["v1", "orders", _, "shipments"]:
                made = {"shipment_id": f"DL-{self.count('shipments') + 1}"}
                return self.once(request, "shipments", body["reference"], body, made)
            case "GET", ["v1", "orders", _, "shipments", reference]:
                return self.found("shipments", reference)
            case "POST", ["v1", "orders", reference, "withdrawal"]:
                if reference == "UNKNOWN":
                    return answer(404, {"code": "order_unknown"})
                return self.once(request, "withdrawals", reference, body, {"order_id": "SO-1"})
        return self.serve_offered(request, method, path, body)

    def serve_offered(self, request: httpx2.Request, method: str, path: str, body: Json) -> httpx2.Response:
        """The optional operations."""
        match method, path.strip("/").split("/"):
            case "POST", ["v1", "orders", "check"]:
                return answer(200, {"objections": []})
            case "POST", ["v1", "orders", "read"]:
                return answer(200, {"orders": []})
            case "GET", ["v1", "customers", _, "credit"]:
                return answer(200, {"hold": ""})
            case "GET", ["v1", "warehouses", _, "stock"]:
                return answer(200, {"as_of": "2026-11-03T09:00:00Z", "levels": [{"sku": "S1", "on_hand": 7}]})
            case "POST", ["v1", "orders", _, "invoices"]:
                made = {"invoice_id": "IN-1", "reference": body["reference"], "total_minor": 2600, "currency": "EUR"}
                return self.once(request, "invoices", body["reference"], body, made)
            case "GET", ["v1", "orders", _, "invoices", reference]:
                return self.found("invoices", reference)
        return answer(405, {"code": "no_such_operation"})


class FakeCentre(Vendor):
    """The centre contract."""

    def serve(self, request: httpx2.Request, method: str, path: str, body: Json) -> httpx2.Response:
        match method, path.strip("/").split("/"):
            case "PUT", ["v1", "requests", reference]:
                return self.once(request, "requests", reference, body, {"request_id": f"R-{reference}"})
            case "GET", ["v1", "requests", reference]:
                return self.found("requests", reference)
            case "POST", ["v1", "requests", reference, "cancel"]:
                return self.once(request, "cancels", reference, body, {"answer": "pending"})
            case "GET", ["v1", "stock"]:
                return answer(200, {"as_of": "2026-11-03T09:00:00Z", "levels": [{"sku": "S1", "on_hand": 7}]})
        return answer(405, {"code": "no_such_operation"})


class FakeInhouse(Vendor):
    """The in-house contract."""

    def serve(self, request: httpx2.Request, method: str, path: str, body: Json) -> httpx2.Response:
        match method, path.strip("/").split("/"):
            case "POST", ["orders", _, "shipments"]:
                made = {"shipment_id": f"SH-{self.count('confirmations') + 1}"}
                return self.once(request, "confirmations", body["reference"], body, made)
            case "GET", ["orders", _, "shipments", reference]:
                return self.found("confirmations", reference)
            case "POST", ["orders", order, "acknowledgement"]:
                made = {"order_id": order, "reference": body["reference"]}
                return self.once(request, "acknowledgements", order, body, made)
            case "GET", ["orders", order, "acknowledgement"]:
                return self.found("acknowledgements", order)
            case "POST", ["orders", order, "cancellations"]:
                made = {"cancellation_id": f"CX-{self.count('cancellations') + 1}"}
                name = order if body["whole"] else request.headers.get("idempotency-key", "")
                return self.once(request, "cancellations", name, body, made)
            case "GET", ["orders", order, "cancellation"]:
                return self.found("cancellations", order)
            case "POST", ["stock"]:
                refused = [
                    {"sku": level["sku"], "code": "sku_unknown"} for level in body["levels"] if level["sku"] == "NO"
                ]
                return self.once(request, "stock", request.headers["idempotency-key"], body, {"refused": refused})
        return answer(405, {"code": "no_such_operation"})


class FakeShop(Vendor):
    """Shopify's Admin API, as far as we tell it things: one fulfilment order per location of `open_lines`, and the
    item S1 at one location. It honours no key but stock's.
    """

    def __init__(self, open_lines: dict[str, dict[str, int]] | None = None) -> None:
        super().__init__()
        # location -> line id -> pieces still to be fulfilled
        self.open_lines = open_lines or {"1": {"11": 2, "12": 3}}
        self.throttled = self.denied = False

    def serve(self, request: httpx2.Request, method: str, path: str, body: Json) -> httpx2.Response:
        if (method, path) != ("POST", "/admin/api/2026-10/graphql.json"):
            return answer(404, {"errors": "Not Found"})
        if request.headers.get("x-shopify-access-token") != "token-of-channel":
            return answer(401, {"errors": "[API] Invalid API key or access token"})
        if self.throttled:
            bucket = {"maximumAvailable": 1000.0, "currentlyAvailable": 100, "restoreRate": 50.0}
            cost = {"requestedQueryCost": 852, "actualQueryCost": None, "throttleStatus": bucket}
            error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            return answer(200, {"errors": [error], "extensions": {"cost": cost}})
        if self.denied:
            error = {"message": "Access denied", "extensions": {"code": "ACCESS_DENIED"}}
            return answer(200, {"errors": [error], "data": None})
        if "orderCancel(" in body["query"]:
            self.documents.setdefault("cancels", {})["5001"] = body["variables"]
            order = {"id": body["variables"]["orderId"], "cancelledAt": "2026-11-03T09:00:00Z"}
            job = {"id": "gid://shopify/OrderCancelJobResult/1", "done": True, "status": "SUCCEEDED", "errors": []}
            made: Json = {"job": None, "jobResult": job | {"order": order}, "orderCancelUserErrors": []}
            return answer(200, {"data": {"orderCancel": made}})
        if "cancelledAt" in body["query"]:
            at = "2026-11-03T09:00:00Z" if self.count("cancels") else None
            return answer(200, {"data": {"order": {"id": body["variables"]["id"], "cancelledAt": at}}})
        if "locations(" in body["query"]:
            return answer(200, {"data": {"locations": {"nodes": [{"id": "gid://shopify/Location/1"}]}}})
        if "inventoryItems(" in body["query"]:
            found = [{"id": "gid://shopify/InventoryItem/1", "sku": "S1"}]
            return answer(200, {"data": {"inventoryItems": page(found)}})
        if "inventorySetQuantities(" in body["query"]:
            return answer(200, {"data": {"inventorySetQuantities": {"userErrors": self._set(**body["variables"])}}})
        if "mutation" in body["query"]:
            return answer(200, {"data": {"fulfillmentCreate": self._create(body["variables"]["fulfillment"])}})
        return answer(200, {"data": {"order": self._order(body["variables"]["id"])}})

    def _set(self, input: Json, key: str) -> list[Json]:
        if self.documents.setdefault("stock", {}).setdefault(key, input) == input:
            return []
        return [{"code": "IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "field": ["input"], "message": "Another content."}]

    def _create(self, given: Json) -> Json:
        wanted = {
            (group["fulfillmentOrderId"].rpartition("/")[2], line["id"].rpartition("/")[2]): line["quantity"]
            for group in given["lineItemsByFulfillmentOrder"]
            for line in group["fulfillmentOrderLineItems"]
        }
        if len({location for location, _ in wanted}) > 1:
            return self._refused("All fulfillment orders must be at the same location.")
        for (location, line), quantity in wanted.items():
            if quantity > self.open_lines[location][line]:
                return self._refused("Invalid fulfillment order line item quantity requested.")
        for (location, line), quantity in wanted.items():
            self.open_lines[location][line] -= quantity
        tracking = given["trackingInfo"]
        number = str(self.count("confirmations") + 1)
        self.documents.setdefault("confirmations", {})[number] = {
            "numbers": tracking.get("numbers") or [tracking["number"]],
            "pieces": {line: quantity for (_, line), quantity in wanted.items()},
        }
        return {"fulfillment": {"id": f"gid://shopify/Fulfillment/{number}"}, "userErrors": []}

    @staticmethod
    def _refused(message: str) -> Json:
        return {"fulfillment": None, "userErrors": [{"field": ["fulfillment"], "message": message}]}

    def _order(self, gid: str) -> Json | None:
        if gid != "gid://shopify/Order/5001":
            return None
        orders = [self._fulfilment_order(location, lines) for location, lines in self.open_lines.items()]
        made = self.documents.get("confirmations", {}).items()
        fulfilments = [self._fulfilment(number, document) for number, document in made]
        return {"id": gid, "fulfillments": fulfilments, "fulfillmentOrders": page(orders)}

    @staticmethod
    def _fulfilment_order(location: str, lines: dict[str, int]) -> Json:
        nodes = [
            {
                "id": f"gid://shopify/FulfillmentOrderLineItem/{line}",
                "remainingQuantity": left,
                "lineItem": {"id": f"gid://shopify/LineItem/{line}"},
            }
            for line, left in lines.items()
        ]
        is_open = any(lines.values())
        return {
            "id": f"gid://shopify/FulfillmentOrder/{location}",
            "status": "OPEN" if is_open else "CLOSED",
            "supportedActions": [{"action": "CREATE_FULFILLMENT"}] if is_open else [],
            "assignedLocation": {"location": {"id": f"gid://shopify/Location/{location}"}},
            "lineItems": page(nodes),
        }

    @staticmethod
    def _fulfilment(number: str, document: Json) -> Json:
        nodes = [
            {"quantity": quantity, "lineItem": {"id": f"gid://shopify/LineItem/{line}"}}
            for line, quantity in document["pieces"].items()
        ]
        return {
            "id": f"gid://shopify/Fulfillment/{number}",
            "status": "SUCCESS",
            "trackingInfo": [{"number": each} for each in document["numbers"]],
            "fulfillmentLineItems": page(nodes),
        }


def page(nodes: list[Json]) -> Json:
    return {"nodes": nodes, "pageInfo": {"hasNextPage": False, "endCursor": None}}
