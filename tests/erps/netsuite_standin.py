"""A stand-in for NetSuite's SuiteTalk REST Web Services, with a memory.

Records, fields and sublists: the REST API Browser of Oracle NetSuite (salesOrder, itemFulfillment, customer); how
records are made (204 and a Location), found by an external id (`eid:`), transformed and queried, and the form of
errors: the help center's "SuiteTalk REST Web Services API Guide". As there, an external id is unique among the records
of a type, a transformation takes all that is left unless it is told otherwise, a line of which something was fulfilled
can't be replaced, and an order is closed with its last line.
"""

from __future__ import annotations

import asyncio
import re
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote

import httpx2
import jwt
import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.conformance.wire import answer

Json = dict[str, Any]

BASE_URL = "http://erp.test"
TOKEN_PATH = "/services/rest/auth/oauth2/v1/token"
TOKEN = "token-of-suite"
CLIENT, CERTIFICATE = "client-1", "certificate-1"
LINE_FIELD = "custcol_kept_line"
OPTIONS = {
    "client_id": CLIENT,
    "certificate_id": CERTIFICATE,
    "algorithm": "ES256",
    "currencies": "EUR=4, USD=1",
    "location": "7",
    "shipping_item": "SHIP",
    "discount_item": "DISC",
    "tax_item": "TAX",
    "line_field": LINE_FIELD,
}
_RECORDS, _QUERIES = "/services/rest/record/v1/", "/services/rest/query/v1/suiteql"
_GOODS = {"11", "12"}  # items that are fulfilled: the others are charges

_ORDER_FIELDS = {
    *("externalId", "entity", "currency", "tranDate", "otherRefNum", "location", "orderStatus", "memo"),
    *("shippingAddress", "item"),
}
_LINE_FIELDS = {"line", "item", "quantity", "price", "rate", "description", "isClosed", LINE_FIELD}
_FULFILMENT_FIELDS = {"externalId", "tranDate", "shipStatus", "memo", "item"}
_FULFILMENT_LINE_FIELDS = {"orderLine", "itemReceive", "quantity", "location"}
_CUSTOMER_FIELDS = {"externalId", "isPerson", "companyName", "email", "subsidiary"}


@cache
def private_key() -> str:
    """A key of its own for each run of the tests."""
    key = ec.generate_private_key(ec.SECP256R1())
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


class Refusal(Exception):
    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code = status, code


class Suite:
    """One account. `lose_next` loses the answer of the next change; `tax` is what it adds to every order."""

    def __init__(self) -> None:
        self.orders: list[Json] = []
        self.fulfilments: list[Json] = []
        self.customers: list[Json] = [_customer("900", "")]
        self.items = [
            _item("11", "S1"),
            _item("12", "S2"),
            _item("13", "OLD", inactive="T"),
            _item("21", "SHIP"),
            _item("22", "DISC"),
            _item("23", "TAX"),
        ]
        self.stock = {"11": 1000, "12": 1000}
        self.requests: list[httpx2.Request] = []
        self.token = TOKEN
        self.tokens_given = 0
        self.lose_next = False
        self.tax = Decimal(0)
        self.approves = False  # whether new orders wait for somebody's approval
        self._number = 1000

    def transport(self) -> httpx2.MockTransport:
        return httpx2.MockTransport(self.handle)

    def book(self, reference: str) -> None:
        """As if two of S1 at 10.00, with a tax of 1.00 and shipping of 5.00, were booked for the customer 900."""
        lines = [("line_1", "11", 2, 10), ("tax_1", "23", 1, 1), ("shipping", "21", 1, 5)]
        rows = [{LINE_FIELD: role, "item": {"id": item}, "quantity": n, "rate": rate} for role, item, n, rate in lines]
        body = {"externalId": reference, "entity": {"id": "900"}, "currency": {"id": "4"}, "orderStatus": {"id": "B"}}
        self._add_order({**body, "memo": f"Kept {reference} version 1", "item": {"items": rows}})

    def count(self, kind: str) -> int:
        match kind:
            case "bookings":
                return len(self.orders)
            case "shipments":
                return len(self.fulfilments)
            case "withdrawals":
                return sum(self.status(order) == "H" for order in self.orders)
            case "amendments":
                return sum("version 2" in order["memo"] for order in self.orders)
        return len(self.customers) - 1

    async def handle(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        await asyncio.sleep(0)  # others come in between
        path = unquote(request.url.path)
        if path == TOKEN_PATH:
            return self._token(request)
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return _refused(401, "INVALID_LOGIN", "Invalid login attempt. For more details, see the Login Audit Trail.")
        try:
            status, body = self._serve(request, path)
        except Refusal as refusal:
            return _refused(refusal.status, refusal.code, str(refusal))
        if self.lose_next and request.method != "GET" and path != _QUERIES:
            self.lose_next = False
            raise httpx2.ReadTimeout("no answer")
        if status == 204:
            return httpx2.Response(204, headers={"location": f"{BASE_URL}{path}/1"}, stream=httpx2.ByteStream(b""))
        return answer(status, body)

    def _token(self, request: httpx2.Request) -> httpx2.Response:
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        assertion = form["client_assertion"]
        public = serialization.load_pem_private_key(private_key().encode(), None).public_key()
        try:
            claims = jwt.decode(assertion, public, algorithms=["ES256"], audience=BASE_URL + TOKEN_PATH)  # type: ignore[arg-type]  # an EC key, as made above
        except jwt.exceptions.PyJWTError:
            return answer(400, {"error": "invalid_grant"})
        header = jwt.get_unverified_header(assertion)
        known = (claims["iss"], header["kid"], header["typ"]) == (CLIENT, CERTIFICATE, "JWT")
        if not known or claims["exp"] - claims["iat"] > 3600 or claims["scope"] != ["rest_webservices"]:
            return answer(400, {"error": "invalid_client"})
        assert form["grant_type"] == "client_credentials"
        assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        self.tokens_given += 1
        return answer(200, {"access_token": self.token, "expires_in": "3600", "token_type": "bearer"})

    # -------------------------------------------------------------- the protocol

    def _serve(self, request: httpx2.Request, path: str) -> tuple[int, Any]:
        body = orjson.loads(request.content) if request.content else {}
        params = dict(request.url.params)
        if path == _QUERIES:
            assert (request.method, request.headers["prefer"]) == ("POST", "transient")
            return 200, _page(self._query(body["q"]), params)
        parts = path.removeprefix(_RECORDS).split("/")
        match request.method, parts:
            case "GET", [kind, key]:
                return 200, self._read(kind, key, params)
            case "POST", ["salesOrder"]:
                self._add_order(body)
            case "POST", ["customer"]:
                self._add_customer(body)
            case "POST", ["salesOrder", number, "!transform", "itemFulfillment"]:
                self._fulfil(self._by_id(self.orders, number), body)
            case "PATCH", ["salesOrder", number]:
                self._change(self._by_id(self.orders, number), body, params.get("replace", ""))
            case "DELETE", ["salesOrder", number]:
                self.orders.remove(self._by_id(self.orders, number))
            case _:
                raise AssertionError(f"{request.method} {path}")
        return 204, None

    def _read(self, kind: str, key: str, params: dict[str, str]) -> Json:
        records, shown = {
            "salesOrder": (self.orders, self._shown_order),
            "itemFulfillment": (self.fulfilments, _as_it_is),
            "customer": (self.customers, _as_it_is),
        }[kind]
        if not key.startswith("eid:"):
            fields = params["fields"].split(",")
            return {name: value for name, value in self._by_id(records, key).items() if name in ["id", *fields]}
        assert params == {"expandSubResources": "true"}
        for record in records:
            if record["externalId"] == key.removeprefix("eid:"):
                return shown(record)
        raise _no_such()

    def _by_id(self, records: list[Json], number: str) -> Json:
        for record in records:
            if record["id"] == number:
                return record
        raise _no_such()

    def _next(self) -> str:
        self._number += 1
        return str(self._number)

    def _unique(self, records: list[Json], body: Json) -> None:
        if any(record["externalId"] == body["externalId"] for record in records):
            raise Refusal(400, "DUP_RCRD", f"This record already exists: External ID {body['externalId']}")

    # -------------------------------------------------------------- orders

    def _add_order(self, body: Json) -> None:
        _known(body, _ORDER_FIELDS)
        self._unique(self.orders, body)
        if body["entity"]["id"] not in {customer["id"] for customer in self.customers}:
            raise Refusal(400, "INVALID_KEY_OR_REF", f"Invalid entity reference key {body['entity']['id']}.")
        number = self._next()
        lines = [self._line(row, at) for at, row in enumerate(body["item"]["items"], start=1)]
        status = "A" if self.approves else body["orderStatus"]["id"]
        self.orders.append({**body, "id": number, "tranId": f"SO{number}", "orderStatus": status, "lines": lines})

    def _line(self, row: Json, at: int) -> Json:
        _known(row, _LINE_FIELDS)
        if row["item"]["id"] not in {item["id"] for item in self.items}:
            raise Refusal(400, "INVALID_KEY_OR_REF", f"Invalid item reference key {row['item']['id']}.")
        return {"isClosed": False, "quantityFulfilled": 0, **row, "line": at}

    def _change(self, order: Json, body: Json, replace: str) -> None:
        _known(body, _ORDER_FIELDS - {"externalId", "entity"})
        rows = body.get("item", {}).get("items", [])
        if replace == "item":
            if any(line["quantityFulfilled"] for line in order["lines"]):
                raise Refusal(400, "USER_ERROR", "You cannot delete a line that has been fulfilled.")
            order["lines"] = [self._line(row, at) for at, row in enumerate(rows, start=1)]
        else:
            by_number = {line["line"]: line for line in order["lines"]}
            for row in rows:
                _known(row, _LINE_FIELDS)
                by_number[row["line"]] |= row
        order |= {name: value for name, value in body.items() if name not in ("item", "orderStatus")}
        if "orderStatus" in body:
            order["orderStatus"] = body["orderStatus"]["id"]

    def status(self, order: Json) -> str:
        lines = order["lines"]
        if order["orderStatus"] in "AC":
            return str(order["orderStatus"])
        if all(line["isClosed"] for line in lines):
            return "H"
        goods = [line for line in lines if line["item"]["id"] in _GOODS]
        if all(line["isClosed"] or line["quantityFulfilled"] == line["quantity"] for line in goods):
            return "F"
        return "D" if any(line["quantityFulfilled"] for line in goods) else "B"

    def _shown_order(self, order: Json) -> Json:
        names = {item["id"]: item["itemid"] for item in self.items}
        lines = []
        for line in order["lines"]:
            amount = float(Decimal(str(line["rate"])) * line["quantity"])
            lines.append({**line, "amount": amount, "item": {**line["item"], "refName": names[line["item"]["id"]]}})
        total = sum((Decimal(str(line["amount"])) for line in lines), self.tax)
        shown = {name: value for name, value in order.items() if name not in ("lines", "item")}
        return shown | {
            "orderStatus": {"id": self.status(order), "refName": "whatever it is called"},
            "currency": {**order["currency"], "refName": "Euro"},
            "total": float(total),
            "taxTotal": float(self.tax),
            "item": {"items": lines, "totalResults": len(lines), "hasMore": False, "links": []},
        }

    # -------------------------------------------------------------- fulfilments, customers

    def _fulfil(self, order: Json, body: Json) -> None:
        _known(body, _FULFILMENT_FIELDS)
        self._unique(self.fulfilments, body)
        rows = {row["orderLine"]: row for row in body["item"]["items"]}
        went = []
        for line in order["lines"]:
            left = line["quantity"] - line["quantityFulfilled"]
            if line["item"]["id"] not in _GOODS or not left or line["isClosed"]:
                continue
            row = rows.pop(line["line"], {"itemReceive": True, "quantity": left})
            _known(row, _FULFILMENT_LINE_FIELDS)
            if row["itemReceive"]:
                if row["quantity"] > left:
                    raise Refusal(400, "USER_ERROR", "The quantity exceeds what is left to fulfil.")
                went.append((line, row["quantity"]))
        if rows:
            raise Refusal(400, "INVALID_KEY_OR_REF", f"Invalid orderLine {min(rows)}.")
        assert body["shipStatus"] == {"id": "C"}
        for line, pieces in went:
            line["quantityFulfilled"] += pieces
            self.stock[line["item"]["id"]] -= pieces
        number = self._next()
        lines = [{"orderLine": line["line"], "quantity": pieces, "item": line["item"]} for line, pieces in went]
        fulfilment = {"id": number, "tranId": f"IF{number}", "item": {"items": lines, "hasMore": False}}
        self.fulfilments.append({**body, **fulfilment})

    def _add_customer(self, body: Json) -> None:
        _known(body, _CUSTOMER_FIELDS)
        self._unique(self.customers, body)
        self.customers.append(_customer(self._next(), body["externalId"]) | body)

    # -------------------------------------------------------------- queries

    def _query(self, text: str) -> list[Json]:
        match = re.fullmatch(
            r"SELECT id, itemid, isinactive(, saleunit)? FROM item WHERE itemid IN \((.*)\) ORDER BY id", text
        )
        if match:
            asked = {name.replace("''", "'") for name in re.findall(r"'((?:[^']|'')*)'", match[2])}
            hidden = set() if match[1] else {"saleunit"}
            found = [item for item in self.items if item["itemid"] in asked]
            return [{name: value for name, value in item.items() if name not in hidden} for item in found]
        match = re.search(r"FROM aggregateItemLocation a .* WHERE a\.location = (\d+) ORDER BY a\.item$", text)
        assert match, text
        names = {item["id"]: item["itemid"] for item in self.items}
        rows = [{"itemid": names[number], "quantityonhand": str(pieces)} for number, pieces in self.stock.items()]
        return rows if match[1] == "7" else []


def _as_it_is(record: Json) -> Json:
    return record


def _page(rows: list[Json], params: dict[str, str]) -> Json:
    start, limit = int(params["offset"]), int(params["limit"])
    assert limit <= 1000
    page = [{"links": [], **row} for row in rows[start : start + limit]]
    return {"items": page, "count": len(page), "offset": start, "hasMore": start + limit < len(rows), "links": []}


def _known(body: Json, fields: set[str]) -> None:
    unknown = sorted(set(body) - fields)
    if unknown:
        raise Refusal(400, "INVALID_CONTENT", f"Invalid content in the request body. Unknown field {unknown[0]}.")


def _no_such() -> Refusal:
    return Refusal(404, "NONEXISTENT_ID", "The record instance does not exist. Provide a valid record instance ID.")


def _refused(status: int, code: str, detail: str) -> httpx2.Response:
    details = [{"detail": detail, "o:errorCode": code}]
    body = {"type": "https://www.rfc-editor.org/rfc/rfc9110.html", "title": "Error", "status": status}
    return answer(status, {**body, "o:errorDetails": details})


def _customer(number: str, external_id: str) -> Json:
    credit = {"isInactive": False, "creditHoldOverride": {"id": "AUTO", "refName": "Auto"}, "balance": 0.0}
    return {"id": number, "externalId": external_id, **credit}


def _item(number: str, sku: str, *, inactive: str = "F") -> Json:
    return {"id": number, "itemid": sku, "isinactive": inactive, "saleunit": "1"}
