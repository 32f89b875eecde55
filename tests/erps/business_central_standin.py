"""A stand-in for Business Central's API v2.0, with a memory, and as strict.

Fields, which of them are read-only, and the one bound action: the AL source of the pages "APIV2 - Sales Orders",
"... Sales Order Lines", "... Sales Shipments", "... Sales Shipment Lines" and "... Customers" at
github.com/microsoft/ALAppExtensions, Apps/W1/APIV2; items, and the codes of errors: dev-itpro/api-reference/v2.0 and
dev-itpro/webservices/dynamics-error-codes.md of github.com/MicrosoftDocs/dynamics365smb-devitpro-pb.
An order keeps its status when a part is posted (codeunit Sales-Post, ReleaseSalesDocument).
As there, nothing about a sales order is unique but its number, setting a quantity brings the item's price back, a PATCH
needs If-Match, and an order that is posted whole is deleted.
"""

from __future__ import annotations

import asyncio
import copy
import re
import uuid
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from urllib.parse import parse_qs

import httpx2
import orjson

from tests.conformance.wire import answer

Json = dict[str, Any]

COMPANY = "6f9a1f42-5b0f-4b6e-9a56-1d2f3e4c5b6a"
HOST = "erp.test"
BASE_URL = f"http://{HOST}/v2.0/tenant/production/api/v2.0"
TOKEN_URL = "http://login.test/tenant/oauth2/v2.0/token"
TOKEN = "token-of-central"
SECRET = "token-of-erp"
TAX_CODES = {"NOTAX": Decimal(0), "VAT8": Decimal(8), "VAT20": Decimal(20), "ZERO": Decimal(0)}
ACCOUNTS = {"6710", "2300"}

_ORDER_FIELDS = {  # writable ones, and the longest text
    "externalDocumentNumber": 35,
    "orderDate": 10,
    "postingDate": 10,
    "customerNumber": 20,
    "currencyCode": 10,
    "pricesIncludeTax": bool,
    "partialShipping": bool,
    "shipToName": 100,
    "shipToContact": 100,
    "shipToAddressLine1": 100,
    "shipToAddressLine2": 50,
    "shipToCity": 30,
    "shipToState": 30,
    "shipToPostCode": 20,
    "shipToCountry": 10,
    "salesOrderLines": list,
}
_LINE_FIELDS = {
    "sequence": int,
    "lineType": 10,
    "lineObjectNumber": 20,
    "description": 100,
    "unitOfMeasureCode": 10,
    "quantity": float,
    "unitPrice": float,
    "discountAmount": float,
    "taxCode": 20,
    "shipQuantity": float,
    "invoiceQuantity": float,
    "locationId": 36,
}
_CUSTOMER_FIELDS = {
    "number": 20,
    "displayName": 100,
    "type": 10,
    "addressLine1": 100,
    "addressLine2": 50,
    "city": 30,
    "state": 30,
    "country": 10,
    "postalCode": 20,
    "phoneNumber": 30,
    "email": 80,
}
# Fields of type Code, which are kept in capitals.
_CODES = {"externalDocumentNumber", "customerNumber", "currencyCode", "lineObjectNumber", "unitOfMeasureCode", "number"}
_EXPAND = {
    "salesOrders": "salesOrderLines",
    "salesInvoices": "salesInvoiceLines",
    "salesShipments": "salesShipmentLines",
}


def order_json(reference: str, customer: str, lines: list[Json]) -> Json:
    """A sales order as one would POST it."""
    return {
        "customerNumber": customer,
        "externalDocumentNumber": reference,
        "currencyCode": "EUR",
        "pricesIncludeTax": False,
        "partialShipping": True,
        "salesOrderLines": lines,
    }


def comment_json(text: str) -> Json:
    return {"sequence": 1, "lineType": "Comment", "description": text}


def line_json(sequence: int, kind: str, number: str, quantity: int, price: float) -> Json:
    unit = {"unitOfMeasureCode": "PCS"} if kind == "Item" else {}
    line = {"sequence": sequence, "lineType": kind, "lineObjectNumber": number, **unit}
    return line | {"quantity": quantity, "unitPrice": price, "discountAmount": 0.0, "taxCode": "NOTAX"}


class Refusal(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class Central:
    """One company's records. `requests` are those of the API, `lose_next` loses the answer of the next that changes."""

    def __init__(self) -> None:
        self.entities: dict[str, list[Json]] = {
            "items": [self._item("S1"), self._item("S2", Decimal(3)), self._item("OLD", blocked=True)],
            "customers": [{"id": _id(), "number": "C-1", "displayName": "Marketplace", "blocked": "_x0020_"}],
            "currencies": [{"id": _id(), "code": "USD"}, {"id": _id(), "code": "JPY"}],
            "locations": [{"id": _id(), "code": "EAST"}],
            "salesOrders": [],
            "salesInvoices": [],
            "salesShipments": [],
        }
        self.requests: list[httpx2.Request] = []
        self.tokens_given = 0
        self.lose_next = False
        self.orders_deleted = 0
        self._numbers = 1000

    def transport(self) -> httpx2.MockTransport:
        return httpx2.MockTransport(self.handle)

    def count(self, kind: str) -> int:
        """Records of a kind; or orders whose first line names a second version, that were deleted, buyers' own."""
        orders = self.entities["salesOrders"]
        match kind:
            case "amendments":
                notes = [line["description"] for order in orders for line in order["salesOrderLines"]]
                return sum(note.endswith(" version 2") for note in notes)
            case "withdrawals":
                return self.orders_deleted
            case "customers_made":
                return len(self.entities["customers"]) - 1
        return len(self.entities[kind])

    def add_order(self, body: Json) -> None:
        """As if somebody had booked it."""
        self._add_order(copy.deepcopy(body))

    async def handle(self, request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(0)  # others come in between
        if str(request.url) == TOKEN_URL:
            return self._token(request)
        self.requests.append(request)
        try:
            if request.headers.get("authorization") != f"Bearer {TOKEN}":
                raise Refusal(
                    401, "Authentication_InvalidCredentials", "The server has rejected the client credentials."
                )
            status, body = self._serve(request)
        except Refusal as refusal:
            message = f"{refusal}  CorrelationId:  {uuid.uuid4()}."
            return answer(refusal.status, {"error": {"code": refusal.code, "message": message}})
        if self.lose_next and request.method != "GET":
            self.lose_next = False
            raise httpx2.ReadTimeout("no answer")
        return httpx2.Response(204, stream=httpx2.ByteStream(b"")) if status == 204 else answer(status, body)

    # -------------------------------------------------------------- the protocol

    def _token(self, request: httpx2.Request) -> httpx2.Response:
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        expected = {
            "grant_type": "client_credentials",
            "client_id": "app",
            "client_secret": SECRET,
            "scope": "https://api.businesscentral.dynamics.com/.default",
        }
        if form != expected:
            return answer(401, {"error": "invalid_client", "error_description": "AADSTS7000215"})
        self.tokens_given += 1
        return answer(200, {"token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN})

    def _serve(self, request: httpx2.Request) -> tuple[int, Json]:
        root = f"/v2.0/tenant/production/api/v2.0/companies({COMPANY})/"
        path = request.url.path
        if not path.startswith(root):
            raise Refusal(404, "Internal_CompanyNotFound", "Cannot find the company")
        segments = path.removeprefix(root).split("/")
        entities, key = re.fullmatch(r"(\w+)(?:\(([0-9a-f-]{36})\))?", segments[0]).groups()  # type: ignore[union-attr]  # every path of ours has one
        if request.method == "GET":
            return 200, self._list(entities, request)
        body = orjson.loads(request.content) if request.content else {}
        match request.method, entities, segments[1:]:
            case "POST", "customers", []:
                return 201, self._add_customer(body)
            case "POST", "salesOrders", [] if key is None:
                return 201, _shown(self._add_order(body))
            case "POST", "salesOrders", ["salesOrderLines"]:
                order = self._one("salesOrders", key)
                return 201, self._add_line(order, body)
            case "POST", "salesOrders", ["Microsoft.NAV.shipAndInvoice"]:
                self._post(self._one("salesOrders", key))
                return 204, {}
            case "PATCH", "salesOrders", []:
                order = self._matching(request, self._one("salesOrders", key))
                return 200, _shown(self._write(order, body, _ORDER_FIELDS))
            case "PATCH", "salesOrderLines", []:
                order, line = self._line(key)
                self._matching(request, line)
                if "sequence" in body or "lineObjectNumber" in body:
                    raise Refusal(400, "Application_DialogException", "The value cannot be modified.")
                return 200, self._set_line(order, line, body)
            case "DELETE", "salesOrders", []:
                order = self._matching(request, self._one("salesOrders", key))
                self.entities["salesOrders"].remove(order)
                self.orders_deleted += 1
                return 204, {}
            case "DELETE", "salesOrderLines", []:
                order, line = self._line(key)
                self._matching(request, line)
                order["salesOrderLines"].remove(line)
                return 204, {}
        raise Refusal(405, "BadRequest_MethodNotAllowed", f"{request.method} requests for {entities} are not allowed")

    def _list(self, entities: str, request: httpx2.Request) -> Json:
        if entities not in self.entities:
            raise Refusal(404, "BadRequest_NotFound", f"Resource not found for the segment '{entities}'")
        params = dict(request.url.params)
        filter_, expand = params.pop("$filter", ""), params.pop("$expand", "")
        if params or expand not in ("", _EXPAND.get(entities)):
            raise Refusal(400, "BadRequest", f"Bad Request - Error in query syntax: {params}")
        found = [_totalled(row) if entities == "salesOrders" else row for row in self.entities[entities]]
        kept = [row for row in found if _passes(row, filter_)]
        return {"value": [row if expand else _shown(row) for row in kept]}

    def _matching(self, request: httpx2.Request, row: Json) -> Json:
        etag = request.headers.get("if-match")
        if etag is None:
            raise Refusal(400, "BadRequest_InvalidToken", "Could not validate the client concurrency token")
        if etag not in ("*", row["@odata.etag"]):
            raise Refusal(409, "Request_EntityChanged", "Another user has already changed the record.")
        return row

    def _one(self, entities: str, key: str | None) -> Json:
        for row in self.entities[entities]:
            if row["id"] == key:
                return row
        raise Refusal(404, "BadRequest_ResourceNotFound", "Resource not found")

    def _line(self, key: str | None) -> tuple[Json, Json]:
        for order in self.entities["salesOrders"]:
            for line in order["salesOrderLines"]:
                if line["id"] == key:
                    return order, line
        raise Refusal(404, "BadRequest_ResourceNotFound", "Resource not found")

    def _write(self, row: Json, body: Json, fields: dict[str, Any]) -> Json:
        for name, value in body.items():
            kind = fields.get(name)
            if kind is None:
                raise Refusal(400, "BadRequest", f"The property '{name}' does not exist on the type or is read-only.")
            text = isinstance(kind, int) and not isinstance(kind, type)
            right = isinstance(value, str) if text else isinstance(value, (int, float) if kind is float else kind)
            if not right or (isinstance(value, bool) and kind is not bool):
                raise Refusal(400, "BadRequest", f"Unable to convert the value of {name}")
            if text and len(value) > kind:
                raise Refusal(400, "Application_StringExceededLength", f"The length of {name} must be <= {kind}")
            row[name] = value.upper() if name in _CODES else value
        row["@odata.etag"] = f'W/"{uuid.uuid4()}"'
        return row

    # -------------------------------------------------------------- what it does

    def _item(self, number: str, price: Decimal = Decimal(25), *, blocked: bool = False) -> Json:
        return {
            "id": _id(),
            "number": number,
            "blocked": blocked,
            "unitPrice": float(price),
            "baseUnitOfMeasureCode": "PCS",
        }

    def _add_customer(self, body: Json) -> Json:
        row = self._write({"id": _id(), "blocked": "_x0020_"}, body, _CUSTOMER_FIELDS)
        if not row.get("displayName"):
            raise Refusal(400, "Application_DialogException", 'A "displayName" must be provided.')
        if any(other["number"] == row["number"] for other in self.entities["customers"]):
            raise Refusal(400, "Internal_EntityWithSameKeyExists", "The Customer already exists.")
        self.entities["customers"].append(row)
        return row

    def _add_order(self, body: Json) -> Json:
        lines = body.pop("salesOrderLines", [])
        row: Json = {"id": _id(), "number": self._number("S-ORD"), "status": "Draft", "currencyCode": "EUR"}
        row |= {name: "" for name, kind in _ORDER_FIELDS.items() if isinstance(kind, int) and name not in row}
        row |= {"pricesIncludeTax": False, "partialShipping": False, "salesOrderLines": []}
        self._write(row, body, _ORDER_FIELDS)
        customer = next((c for c in self.entities["customers"] if c["number"] == row["customerNumber"]), None)
        if customer is None:
            raise Refusal(400, "Application_DialogException", "The sell-to customer cannot be found.")
        if row["currencyCode"] not in {"EUR", *(each["code"] for each in self.entities["currencies"])}:
            raise Refusal(400, "Application_DialogException", 'The "currencyCode" does not match to a Currency.')
        for line in lines:
            self._add_line(row, line)
        self.entities["salesOrders"].append(row)  # one request is one transaction
        return row

    def _add_line(self, order: Json, body: Json) -> Json:
        last = max((line["sequence"] for line in order["salesOrderLines"]), default=0)
        line: Json = {"id": _id(), "sequence": last + 10000, "lineType": "Item", "lineObjectNumber": ""}
        line |= {"description": "", "unitOfMeasureCode": "", "taxCode": "NOTAX"}
        amounts = ("quantity", "unitPrice", "discountAmount", "shipQuantity", "invoiceQuantity")
        line |= dict.fromkeys((*amounts, "shippedQuantity", "invoicedQuantity"), 0)
        sequence = body.get("sequence", 0)
        if any(other["sequence"] == sequence for other in order["salesOrderLines"]):
            raise Refusal(400, "Application_DialogException", "You cannot insert a line that already exists.")
        self._set_line(order, line, body)
        order["salesOrderLines"].append(line)
        return line

    def _set_line(self, order: Json, line: Json, body: Json) -> Json:
        """Each field in turn, as sent: a quantity or a unit brings the item's own price back."""
        if line["shippedQuantity"] and body.get("quantity", line["quantity"]) < line["shippedQuantity"]:
            raise Refusal(400, "Application_DialogException", "Quantity must not be less than Quantity Shipped")
        for name, value in body.items():
            self._write(line, {name: value}, _LINE_FIELDS)
            if name == "lineObjectNumber":
                self._known(line)
            if name in ("quantity", "unitOfMeasureCode") and line["lineType"] == "Item":
                line["unitPrice"] = self._known(line)["unitPrice"]
            if name == "unitOfMeasureCode" and value != "PCS":
                raise Refusal(400, "Internal_InvalidTableRelation", "contains a value that cannot be found")
            if name == "quantity":
                line["shipQuantity"] = line["invoiceQuantity"] = value - line["shippedQuantity"]
            if name == "taxCode" and value not in TAX_CODES:
                raise Refusal(400, "Internal_InvalidTableRelation", f"The field contains a value ({value})")
            if name == "shipQuantity" and value > line["quantity"] - line["shippedQuantity"]:
                raise Refusal(400, "Application_DialogException", "You cannot ship more than the outstanding units.")
        order["@odata.etag"] = f'W/"{uuid.uuid4()}"'
        return line

    def _known(self, line: Json) -> Json:
        number = line["lineObjectNumber"]
        if line["lineType"] == "Account" and number in ACCOUNTS:
            return {"unitPrice": 0}
        found = next((item for item in self.entities["items"] if item["number"] == number), None)
        if line["lineType"] != "Item" or found is None:
            raise Refusal(400, "Application_DialogException", "Item does not exist.")
        if found["blocked"]:
            raise Refusal(400, "Application_FieldValidationException", "Blocked must be equal to 'No' in Item")
        return found

    def _post(self, order: Json) -> None:
        """Ship and invoice what the lines say, in one transaction, and delete an order that is posted whole."""
        lines = [line for line in order["salesOrderLines"] if line["lineType"] != "Comment"]
        customer = next(c for c in self.entities["customers"] if c["number"] == order["customerNumber"])
        if customer["blocked"] != "_x0020_":
            raise Refusal(400, "Application_DialogException", "You cannot post, the customer is blocked.")
        if not any(line["shipQuantity"] for line in lines):
            raise Refusal(400, "Application_DialogException", "There is nothing to post.")
        if not order["partialShipping"] and any(
            line["shipQuantity"] != line["quantity"] - line["shippedQuantity"] for line in lines
        ):
            raise Refusal(400, "Application_DialogException", "This order must be a complete shipment.")
        common = {name: order[name] for name in ("externalDocumentNumber", "currencyCode", "customerNumber")}
        common["orderNumber"] = order["number"]
        going = [(line, line["shipQuantity"]) for line in lines if line["shipQuantity"]]
        shipped = [{**_named(line), "quantity": quantity} for line, quantity in going]
        invoiced = [{**_named(line), "quantity": n, **_amounts(order, line, n)} for line, n in going]
        shipment = {"id": _id(), "number": self._number("SHPT"), **common, "salesShipmentLines": shipped}
        totals = {
            "totalAmountIncludingTax": float(sum(_decimal(line["netAmountIncludingTax"]) for line in invoiced)),
            "totalTaxAmount": float(sum(_decimal(line["netTaxAmount"]) for line in invoiced)),
        }
        invoice = {"id": _id(), "number": self._number("INV"), "status": "Open", **common, **totals}
        self.entities["salesShipments"].append(shipment)
        self.entities["salesInvoices"].append({**invoice, "salesInvoiceLines": invoiced})
        for line, quantity in going:
            line["shippedQuantity"] += quantity
            line["invoicedQuantity"] += quantity
        for line in lines:
            line["shipQuantity"] = line["invoiceQuantity"] = line["quantity"] - line["shippedQuantity"]
        if all(line["quantity"] == line["shippedQuantity"] for line in lines):
            self.entities["salesOrders"].remove(order)

    def _number(self, prefix: str) -> str:
        self._numbers += 1
        return f"{prefix}{self._numbers}"


def _id() -> str:
    return str(uuid.uuid4())


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value))


def _cents(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


def _named(line: Json) -> Json:
    return {name: line[name] for name in ("sequence", "lineObjectNumber", "description")}


def _amounts(order: Json, line: Json, quantity: float) -> Json:
    """What so many of a line come to; the discount in proportion."""
    share = _decimal(quantity) / _decimal(line["quantity"]) if line["quantity"] else Decimal(0)
    amount = _cents(_decimal(quantity) * _decimal(line["unitPrice"]) - _decimal(line["discountAmount"]) * share)
    percent = TAX_CODES[line["taxCode"]]
    net = _cents(amount / (1 + percent / 100)) if order["pricesIncludeTax"] else amount
    tax = amount - net if order["pricesIncludeTax"] else _cents(net * percent / 100)
    return {"netAmount": float(net), "netTaxAmount": float(tax), "netAmountIncludingTax": float(net + tax)}


def _totalled(order: Json) -> Json:
    # An answer's taxCode is the VAT identifier (codeunit Sales Invoice Aggregator, SetTaxGroupIdAndCode).
    lines = [
        {**line, **_amounts(order, line, line["quantity"]), "taxCode": f"ID-{line['taxCode']}"}
        for line in order["salesOrderLines"]
    ]
    return {
        **order,
        "salesOrderLines": sorted(lines, key=lambda line: line["sequence"]),
        "totalAmountIncludingTax": float(sum(_decimal(line["netAmountIncludingTax"]) for line in lines)),
        "totalTaxAmount": float(sum(_decimal(line["netTaxAmount"]) for line in lines)),
    }


def _shown(row: Json) -> Json:
    """Without what comes only when $expand asks for it."""
    return {name: value for name, value in row.items() if name not in _EXPAND.values()}


_EQ = re.compile(r"(\w+) eq '((?:[^']|'')*)'")
_STARTS = re.compile(r"startswith\((\w+),'((?:[^']|'')*)'\)")


def _passes(row: Json, filter_: str) -> bool:
    if not filter_:
        return True
    passed = False
    for term in filter_.split(" or "):
        found = _EQ.fullmatch(term) or _STARTS.fullmatch(term)
        if found is None or found[1] not in row:
            raise Refusal(400, "BadRequest", f"Bad Request - Error in query syntax: {term}")
        value = found[2].replace("''", "'")
        passed |= row[found[1]] == value if _EQ.fullmatch(term) else row[found[1]].startswith(value)
    return passed
