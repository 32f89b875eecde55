"""A small stand-in for Amazon's Selling Partner API with one order, of two items, at "111-0000005-0000001"."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import httpx2
import orjson

from tests.conformance.vendors import Json, Vendor
from tests.conformance.wire import answer

TOKEN_URL = "http://token.test/auth/o2/token"
UPLOADS_HOST = "uploads.test"
MARKETPLACE = "ATVPDKIKX0DER"
ORDER_ID = "5001"
AT = "2026-11-03T08:00:00Z"


class FakeAmazon(Vendor):
    """One seller's account. `items` is item id -> [SKU, ordered, shipped, cancelled].

    Feeds are worked off at once, unless `feed_state` says that they end, or stay, in another state without effect.

    Access tokens are "token-of-channel-1", "-2", ...; `end_tokens` makes those given so far worthless.
    """

    def __init__(self, items: dict[str, list[Any]] | None = None) -> None:
        super().__init__()
        self.items = items or {"11": ["S1", 2, 0, 0], "12": ["S2", 3, 0, 0]}
        self.status = ""  # of the order; "" as its items say
        self.packages: dict[str, Json] = {}
        self.listed: list[Json] = []  # orders that lists show instead of the one order
        self.tokens: set[str] = set()
        self.tokens_given = 0
        self.uploaded: dict[str, bytes] = {}
        self.feeds: list[str] = []
        self.feed_state = ""
        self.feed_ended_at = AT
        self.stock: dict[str, int] = {}
        self.refusing: list[httpx2.Response] = []  # answers to the next calls, in place of theirs

    def end_tokens(self) -> None:
        self.tokens.clear()

    def count(self, kind: str) -> int:
        return {"confirmations": len(self.packages), "cancels": len(self.feeds), "stock": len(self.stock)}[kind]

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        if str(request.url) == TOKEN_URL:
            return self._token(request)
        if request.url.host == UPLOADS_HOST:
            self.uploaded[request.url.path] = request.content
            return httpx2.Response(200, stream=httpx2.ByteStream(b""))
        if "(Language=Python/" not in request.headers["user-agent"]:
            return errors(400, "InvalidInput", "no User-Agent")
        if request.headers.get("x-amz-access-token") not in self.tokens:
            return errors(
                403,
                "Unauthorized",
                "Access to requested resource is denied.",
                "The access token you provided has expired.",
            )
        if self.refusing:
            return self.refusing.pop(0)
        body = orjson.loads(request.content) if request.content else {}
        return self.serve(request, request.method, request.url.raw_path.decode().partition("?")[0], body)

    def serve(self, request: httpx2.Request, method: str, path: str, body: Json) -> httpx2.Response:
        match method, path.strip("/").split("/"):
            case "POST", ["orders", "v0", "orders", order_id, "shipmentConfirmation"]:
                return self._confirm(order_id, body["packageDetail"])
            case "GET", ["orders", "2026-01-01", "orders", order_id]:
                if order_id != ORDER_ID:
                    return errors(404, "NotFound", "The requested order does not exist.")
                return answer(200, {"order": self.order()})
            case "GET", ["orders", "2026-01-01", "orders"]:
                return answer(200, {"orders": self.listed or [self.order()]})
            case "POST", ["feeds", "2021-06-30", "documents"]:
                number = len(self.uploaded) + 1
                url = f"http://{UPLOADS_HOST}/{number}?X-Amz-Signature=secret"
                return answer(201, {"feedDocumentId": f"doc-{number}", "url": url})
            case "POST", ["feeds", "2021-06-30", "feeds"]:
                return self._feed(body["inputFeedDocumentId"])
            case "GET", ["feeds", "2021-06-30", "feeds", feed_id]:
                state = self.feed_state or "DONE"
                ended = {"processingEndTime": self.feed_ended_at} if state == "DONE" else {}
                feed = {"feedId": feed_id, "feedType": "POST_ORDER_ACKNOWLEDGEMENT_DATA", "createdTime": AT}
                return answer(200, feed | {"processingStatus": state} | ended)
            case "PATCH", ["listings", "2021-08-01", "items", _, sku]:
                return self._patch(unquote(sku), body["patches"])
            case "POST", ["tokens", "2021-03-01", "restrictedDataToken"]:
                return answer(200, {"restrictedDataToken": self._new_token("restricted-token"), "expiresIn": 3600})
        return errors(404, "NotFound", "no such operation")

    # -------------------------------------------------------------- who asks

    def _token(self, request: httpx2.Request) -> httpx2.Response:
        form = dict(pair.split("=", 1) for pair in request.content.decode().split("&"))
        if form.get("refresh_token") != "token-of-channel" or form.get("client_secret") != "token-of-client":
            return answer(400, {"error": "invalid_grant", "error_description": "The request has an invalid grant"})
        return answer(
            200, {"access_token": self._new_token("token-of-channel"), "token_type": "bearer", "expires_in": 3600}
        )

    def _new_token(self, name: str) -> str:
        self.tokens_given += 1
        made = f"{name}-{self.tokens_given}"
        self.tokens.add(made)
        return made

    # -------------------------------------------------------------- the order

    def order(self) -> Json:
        shipped = sum(item[2] for item in self.items.values())
        left = sum(_left(item) for item in self.items.values())
        status = "CANCELLED" if not shipped and not left else "SHIPPED" if not left else "UNSHIPPED"
        if shipped and left:
            status = "PARTIALLY_SHIPPED"
        return {
            "orderId": ORDER_ID,
            "createdTime": AT,
            "lastUpdatedTime": AT,
            "salesChannel": {"channelName": "AMAZON", "marketplaceId": MARKETPLACE},
            "fulfillment": {
                "fulfillmentStatus": self.status or status,
                "fulfilledBy": "MERCHANT",
                "fulfillmentServiceLevel": "STANDARD",
            },
            "orderItems": [_item(item_id, item) for item_id, item in self.items.items()],
            "packages": [
                {
                    "packageReferenceId": reference,
                    "trackingNumber": detail["trackingNumber"],
                    "carrier": detail.get("carrierName") or detail["carrierCode"],
                    "packageStatus": {"status": "SHIPPED"},
                    "packageItems": [
                        {"orderItemId": item["orderItemId"], "quantity": item["quantity"]}
                        for item in detail["orderItems"]
                    ],
                }
                for reference, detail in self.packages.items()
            ],
        }

    def _confirm(self, order_id: str, detail: Json) -> httpx2.Response:
        reference = detail["packageReferenceId"]
        if order_id != ORDER_ID:
            return errors(404, "NotFound", "no such order")
        if not re.fullmatch(r"[1-9][0-9]*", reference):
            return errors(400, "InvalidInput", "PackageReferenceId: is invalid, must be a positive numeric value.")
        before = self.packages.get(reference, {"orderItems": []})
        for line in before["orderItems"]:
            self.items[line["orderItemId"]][2] -= line["quantity"]
        for line in detail["orderItems"]:
            if line["quantity"] > _left(self.items[line["orderItemId"]]):
                for old in before["orderItems"]:
                    self.items[old["orderItemId"]][2] += old["quantity"]
                return errors(400, "InvalidInput", "Failed to create package: order already fulfilled.")
        for line in detail["orderItems"]:
            self.items[line["orderItemId"]][2] += line["quantity"]
        self.packages[reference] = detail
        return httpx2.Response(204, stream=httpx2.ByteStream(b""))

    # -------------------------------------------------------------- feeds and listings

    def _feed(self, document_id: str) -> httpx2.Response:
        document = self.uploaded["/" + document_id.removeprefix("doc-")]
        self.feeds.append(document.decode())
        message = ElementTree.fromstring(document).find("Message/OrderAcknowledgement")  # noqa: S314 - our own document
        assert message is not None
        assert message.findtext("StatusCode") == "Failure"
        for item in message.iterfind("Item/AmazonOrderItemCode"):
            found = self.items[item.text or ""]
            found[3] = 0 if self.feed_state else found[1] - found[2]
        return answer(202, {"feedId": f"feed-{len(self.feeds)}"})

    def _patch(self, sku: str, patches: list[Json]) -> httpx2.Response:
        made = {"sku": sku, "submissionId": "f1dc2914"}
        if sku == "NO":
            issue = {"code": "90000900", "message": "The SKU is not there.", "severity": "ERROR", "categories": []}
            return answer(200, made | {"status": "INVALID", "issues": [issue]})
        self.stock[sku] = patches[0]["value"][0]["quantity"]
        return answer(200, made | {"status": "ACCEPTED", "issues": []})


def errors(status: int, code: str, message: str, details: str = "") -> httpx2.Response:
    """Amazon's form of a refusal."""
    return answer(status, {"errors": [{"code": code, "message": message, "details": details}]})


def _left(item: list[Any]) -> int:
    left: int = item[1] - item[2] - item[3]
    return left


def _item(item_id: str, item: list[Any]) -> Json:
    cancelled = {"cancellation": {"cancellationExecution": {"cancelledBy": "MERCHANT"}}} if item[3] else {}
    return {
        "orderItemId": item_id,
        "quantityOrdered": item[1],
        "product": {"sellerSku": item[0], "title": item[0]},
        "fulfillment": {"quantityFulfilled": item[2], "quantityUnfulfilled": _left(item)},
        **cancelled,
    }
