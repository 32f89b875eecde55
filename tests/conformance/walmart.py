"""A small stand-in for Walmart's Marketplace API with one order of two lines, "5001"."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import unquote

import httpx2
import orjson

from tests.conformance.vendors import Json, Vendor
from tests.conformance.wire import answer

TOKEN_HOST = "token.test"
ORDER_ID = "5001"
AT = 1_793_696_400_000  # 2026-11-03T09:00:00Z
CREATED, ACKNOWLEDGED, SHIPPED, CANCELLED = "Created", "Acknowledged", "Shipped", "Cancelled"


class FakeWalmart(Vendor):
    """One seller. `lines` is line number -> list of [status, pieces, tracking number].

    Tokens are "token-of-channel-1", "-2", ...; `end_tokens` makes those given so far worthless.
    """

    def __init__(self, status: str = ACKNOWLEDGED) -> None:
        super().__init__()
        self.lines: dict[str, list[list[Any]]] = {"11": [[status, 2, ""]], "12": [[status, 3, ""]]}
        self.asking: set[str] = set()  # lines whose buyer asked to cancel
        self.tokens: set[str] = set()
        self.tokens_given = 0
        self.stock: dict[str, int] = {}
        self.bodies: list[tuple[str, Json]] = []  # what was asked, by the path's end
        self.listed: dict[str, httpx2.Response] = {}  # answers of lists, by what the query contains
        self.asked: list[str] = []  # queries of lists
        self.refusing: list[httpx2.Response] = []  # answers to the next calls, in place of theirs
        self.guids: list[str] = []

    def end_tokens(self) -> None:
        self.tokens.clear()

    def count(self, kind: str) -> int:
        statuses = [status for line in self.lines.values() for status in line]
        match kind:
            case "acknowledgements":
                return int(not any(status == CREATED for status, _, _ in statuses))
            case "confirmations":
                return len({tracking for status, _, tracking in statuses if status == SHIPPED})
            case "cancels":
                return int(any(status == CANCELLED for status, _, _ in statuses))
        return len(self.stock)

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        self.guids.append(request.headers["wm_qos.correlation_id"])
        assert request.headers["wm_svc.name"] == "Walmart Marketplace"
        if request.url.path == "/v3/token":
            return self._token(request)
        if request.headers.get("wm_sec.access_token") not in self.tokens:
            return errors(401, "UNAUTHORIZED.GMP_GATEWAY_API", "Unauthorized")
        if self.refusing:
            return self.refusing.pop(0)
        body = orjson.loads(request.content) if request.content else {}
        return self.serve(request, request.method, unquote(request.url.path), body)

    def serve(self, request: httpx2.Request, method: str, path: str, body: Json) -> httpx2.Response:
        match method, path.strip("/").split("/"):
            case "GET", ["v3", "orders"]:
                query = request.url.query.decode()
                self.asked.append(query)
                found = next((each for part, each in self.listed.items() if part in query), None)
                return found or errors(404, "CONTENT_NOT_FOUND.GMP_ORDER_API", "No orders found")
            case "GET", ["v3", "orders", order_id] if order_id == ORDER_ID:
                return answer(200, {"order": self.order()})
            case "POST", ["v3", "orders", order_id, what] if order_id == ORDER_ID:
                self.bodies.append((what, body))
                return self._change(what, body)
            case "PUT", ["v3", "inventory"]:
                self.bodies.append(("inventory", body))
                if body["sku"] == "NO":
                    return errors(404, "CONTENT_NOT_FOUND.GMP_INVENTORY_API", "Requested content could not be found.")
                self.stock[request.url.params["sku"]] = body["quantity"]["amount"]
                return answer(200, body)
        return errors(404, "CONTENT_NOT_FOUND.GMP_ORDER_API", "no such order")

    # -------------------------------------------------------------- who asks

    def _token(self, request: httpx2.Request) -> httpx2.Response:
        scheme, _, credentials = request.headers["authorization"].partition(" ")
        asked = (scheme, base64.b64decode(credentials), request.content)
        if asked != ("Basic", b"app:token-of-client", b"grant_type=client_credentials"):
            return errors(401, "UNAUTHORIZED.GMP_GATEWAY_API", "client id or secret is wrong")
        self.tokens_given += 1
        made = f"token-of-channel-{self.tokens_given}"
        self.tokens.add(made)
        return answer(200, {"access_token": made, "token_type": "Bearer", "expires_in": 900})

    # -------------------------------------------------------------- the order

    def order(self) -> Json:
        return {
            "purchaseOrderId": ORDER_ID,
            "customerOrderId": "9001",
            "customerEmailId": "a@relay.walmart.com",
            "orderDate": AT,
            "shippingInfo": {
                "phone": "4155550100",
                "estimatedShipDate": AT,
                "estimatedDeliveryDate": AT,
                "methodCode": "Value",
            },
            "orderLines": {"orderLine": [self._line(number) for number in self.lines]},
        }

    def _line(self, number: str) -> Json:
        statuses = [
            {
                "status": status,
                "statusQuantity": {"unitOfMeasurement": "EACH", "amount": str(pieces)},
                "trackingInfo": {"trackingNumber": tracking} if tracking else None,
            }
            for status, pieces, tracking in self.lines[number]
        ]
        quantity = sum(pieces for _, pieces, _ in self.lines[number])
        return {
            "lineNumber": number,
            "item": {"sku": f"S{number}", "productName": "Lamp"},
            "charges": {"charge": []},
            "orderLineQuantity": {"unitOfMeasurement": "EACH", "amount": str(quantity)},
            "statusDate": AT,
            "intentToCancel": "true" if number in self.asking else None,
            "orderLineStatuses": {"orderLineStatus": statuses},
        }

    def _change(self, what: str, body: Json) -> httpx2.Response:
        if what == "acknowledge":
            for line in self.lines.values():
                for status in line:
                    status[0] = ACKNOWLEDGED if status[0] == CREATED else status[0]
            return answer(200, {"order": self.order()})
        (asked,) = body.values()
        for line in asked["orderLines"]["orderLine"]:
            for status in line["orderLineStatuses"]["orderLineStatus"]:
                tracking = status.get("trackingInfo", {}).get("trackingNumber", "")
                pieces = int(status["statusQuantity"]["amount"])
                if not self._move(line["lineNumber"], pieces, status["status"], tracking):
                    return errors(400, "INVALID_REQUEST_CONTENT.GMP_ORDER_API", "the line is not open")
        return answer(200, {"order": self.order()})

    def _move(self, number: str, pieces: int, status: str, tracking: str) -> bool:
        for each in self.lines[number]:
            if each[0] == ACKNOWLEDGED and each[1] >= pieces:
                each[1] -= pieces
                self.lines[number] = [left for left in self.lines[number] if left[1]]
                self.lines[number].append([status, pieces, tracking])
                return True
        return False


def errors(status: int, code: str, description: str) -> httpx2.Response:
    """The gateway's form of a refusal."""
    error = {"code": code, "description": description, "severity": "ERROR", "category": "DATA"}
    return answer(status, {"errors": {"error": [error]}})
