"""A stand-in for S/4HANA's OData V2 services, with a memory.

Entities, fields and which of them may be written: $metadata of API_SALES_ORDER_SRV, API_OUTBOUND_DELIVERY_SRV;v=0002,
API_BUSINESS_PARTNER, API_PRODUCT_SRV and API_MATERIAL_STOCK_SRV; the form of answers and errors, and CSRF protection:
SAP Help Portal, SAP Gateway, "OData V2". As there, nothing about a sales order is unique but its number, a change needs
a token with the cookies it came with, decimals are strings, and a delivery can't be posted twice.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import re
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import httpx2
import orjson

from tests.conformance.wire import answer

Json = dict[str, Any]

BASE_URL = "http://erp.test"
USER = "KEPT"
PASSWORD = "token-of-erp"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
_CSRF, _SESSION = "cSrF0123==", "SAP_SESSIONID_S4H_100=abc"
_ROOT = "/sap/opu/odata/sap/"

_ORDER = {
    *("SalesOrderType", "SalesOrganization", "DistributionChannel", "OrganizationDivision", "SoldToParty"),
    *("PurchaseOrderByCustomer", "PurchaseOrderByShipToParty", "TransactionCurrency", "CustomerPurchaseOrderDate"),
    *("to_Partner", "to_Item"),
}
_ITEM = {
    "SalesOrderItem",
    "Material",
    "RequestedQuantity",
    "RequestedQuantityUnit",
    "ProductionPlant",
    "to_PricingElement",
}
_ELEMENT = {"ConditionType", "ConditionRateValue", "ConditionCurrency", "ConditionQuantity", "ConditionQuantityUnit"}
_EXPANDS = {"to_Item,to_Item/to_PricingElement", "to_DeliveryDocumentItem", None}


class Refusal(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class S4:
    """One system. `lose_next` loses the answer of the next change."""

    def __init__(self) -> None:
        self.orders: list[Json] = []
        self.deliveries: list[Json] = []
        self.partners: list[Json] = [_partner("1000001")]
        self.products = [_product("S1"), _product("S2"), _product("OLD", status="01"), _product("SHIP")]
        self.stock = {"S1": 1000, "S2": 1000}
        self.requests: list[httpx2.Request] = []
        self.lose_next = False
        self.csrf = _CSRF
        self.tokens_given = 0
        self.surcharge = Decimal(0)  # what a pricing procedure adds to every order
        self._number = 0

    def transport(self) -> httpx2.MockTransport:
        return httpx2.MockTransport(self.handle)

    def book(self, reference: str) -> None:
        """As if two of S1 at 10.00, with a tax of 1.00 and shipping of 5.00, were booked for the customer 1000001."""
        line = {"SalesOrderItem": "10", "Material": "S1", "RequestedQuantity": "2", "RequestedQuantityUnit": "PC"}
        ship = {"SalesOrderItem": "990000", "Material": "SHIP", "RequestedQuantity": "1", "RequestedQuantityUnit": "PC"}
        priced = [_element("PMP0", "10.00"), _element("ZTAX", "1.00")]
        items = [{**line, "to_PricingElement": priced}, {**ship, "to_PricingElement": [_element("PMP0", "5.00")]}]
        body = {"SoldToParty": "1000001", "PurchaseOrderByCustomer": reference, "TransactionCurrency": "EUR"}
        self._add_order({**body, "SalesOrderType": "OR", "to_Item": items})

    def count(self, kind: str) -> int:
        match kind:
            case "bookings":
                return len(self.orders)
            case "shipments":
                return sum(each["OverallGoodsMovementStatus"] == "C" for each in self.deliveries)
            case "withdrawals":
                return sum(self._shown_order(order)["OverallSDDocumentRejectionSts"] == "C" for order in self.orders)
        return len(self.partners) - 1

    async def handle(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        await asyncio.sleep(0)  # others come in between
        if request.headers.get("authorization") != BASIC:
            return httpx2.Response(401, stream=httpx2.ByteStream(b"<html>Anmeldung fehlgeschlagen</html>"))
        if request.headers.get("x-csrf-token") == "Fetch":
            self.tokens_given += 1
            cookies = [
                ("set-cookie", f"{_SESSION}; path=/; secure"),
                ("set-cookie", "sap-usercontext=sap-client=100; path=/"),
            ]
            headers = [("x-csrf-token", self.csrf), *cookies, ("content-type", "application/json")]
            return httpx2.Response(200, headers=headers, stream=httpx2.ByteStream(b'{"d":{"EntitySets":[]}}'))
        if request.method != "GET" and not self._may_change(request):
            return httpx2.Response(403, headers={"x-csrf-token": "Required"}, stream=httpx2.ByteStream(b"CSRF token"))
        try:
            status, body = self._serve(request)
        except Refusal as refusal:
            message = {"lang": "en", "value": str(refusal)}
            return answer(refusal.status, {"error": {"code": refusal.code, "message": message}})
        if self.lose_next and request.method != "GET":
            self.lose_next = False
            raise httpx2.ReadTimeout("no answer")
        return httpx2.Response(204, stream=httpx2.ByteStream(b"")) if status == 204 else answer(status, {"d": body})

    def _may_change(self, request: httpx2.Request) -> bool:
        cookies = request.headers.get("cookie", "")
        return request.headers.get("x-csrf-token") == self.csrf and _SESSION in cookies and "sap-usercontext" in cookies

    # -------------------------------------------------------------- the protocol

    def _serve(self, request: httpx2.Request) -> tuple[int, Any]:
        path = unquote(request.url.path)
        assert path.startswith(_ROOT), path
        service, _, rest = path.removeprefix(_ROOT).partition("/")
        entity, keys = re.fullmatch(r"(\w+)(?:\((.*)\))?", rest).groups()  # type: ignore[union-attr]  # every path of ours
        params = dict(request.url.params)
        body = orjson.loads(request.content) if request.content else {}
        match request.method, service, entity:
            case "GET", "API_SALES_ORDER_SRV", "A_SalesOrder":
                return 200, _page([self._shown_order(order) for order in self.orders], params)
            case "GET", "API_OUTBOUND_DELIVERY_SRV;v=0002", "A_OutbDeliveryHeader":
                return 200, _page(self.deliveries, params)
            case "GET", "API_OUTBOUND_DELIVERY_SRV;v=0002", "A_OutbDeliveryItem":
                return 200, _page(self._delivery_rows(), params)
            case "GET", "API_PRODUCT_SRV", "A_Product":
                return 200, _page(self.products, params)
            case "GET", "API_BUSINESS_PARTNER", "A_CustomerSalesArea":
                return 200, _page(self.partners, params)
            case "GET", "API_MATERIAL_STOCK_SRV", "A_MatlStkInAcctMod":
                return 200, _page(self._stock_rows(), params)
            case "POST", "API_SALES_ORDER_SRV", "A_SalesOrder":
                return 201, self._add_order(body)
            case "POST", "API_BUSINESS_PARTNER", "A_BusinessPartner":
                return 201, self._add_partner(body)
            case "POST", "API_OUTBOUND_DELIVERY_SRV;v=0002", "A_OutbDeliveryHeader":
                return 201, self._add_delivery(body)
            case "POST", "API_OUTBOUND_DELIVERY_SRV;v=0002", "PickAllItems" | "PostGoodsIssue":
                self._act(entity, params["DeliveryDocument"].strip("'"))
                return 200, {"results": []}
        assert request.headers.get("if-match") == "*"
        if (request.method, entity) == ("DELETE", "A_SalesOrder"):
            self.orders.remove(self._order(keys.strip("'")))
            return 204, {}
        if (request.method, entity) == ("PATCH", "A_SalesOrderItem"):
            order_number, item_number = re.findall(r"'([^']*)'", keys)
            (item,) = (each for each in self._order(order_number)["items"] if each["SalesOrderItem"] == item_number)
            assert set(body) == {"SalesDocumentRjcnReason"}
            item |= body
            return 204, {}
        assert (request.method, entity, set(body)) == ("PATCH", "A_OutbDeliveryHeader", {"BillOfLading"})
        self._delivery(keys.strip("'"))["BillOfLading"] = body["BillOfLading"]
        return 204, {}

    # -------------------------------------------------------------- orders

    def _order(self, number: str) -> Json:
        for order in self.orders:
            if order["SalesOrder"] == number:
                return order
        raise Refusal(404, "V1/302", f"Sales document {number} is not in the database")

    def _next(self, first: int) -> str:
        self._number += 1
        return str(first + self._number)

    def _add_order(self, body: Json) -> Json:
        unknown = set(body) - _ORDER
        items = copy.deepcopy(body["to_Item"])
        for item in items:
            unknown |= set(item) - _ITEM
            for element in item["to_PricingElement"]:
                unknown |= set(element) - _ELEMENT
            if item["Material"] not in {product["Product"] for product in self.products}:
                raise Refusal(400, "V1/384", f"Material {item['Material']} is not defined for sales org.")
        if unknown:
            raise Refusal(400, "/IWCOR/CX_OD_EDM_ERROR/500", f"Property {sorted(unknown)[0]} is invalid")
        if body["SoldToParty"] not in {partner["Customer"] for partner in self.partners}:
            raise Refusal(400, "VP/199", f"Sold-to party {body['SoldToParty']} not maintained for sales area")
        order = {name: value for name, value in body.items() if name not in ("to_Item", "to_Partner")}
        order |= {"SalesOrder": self._next(4000), "items": items}
        for item in items:
            item |= {"SalesDocumentRjcnReason": "", "delivered": 0}
        self.orders.append(order)
        return {"SalesOrder": order["SalesOrder"]}

    def _shown_order(self, order: Json) -> Json:
        items = [self._shown_item(item) for item in order["items"]]
        net = sum((Decimal(item["NetAmount"]) for item in items if not item["SalesDocumentRjcnReason"]), self.surcharge)
        rejected = [bool(item["SalesDocumentRjcnReason"]) for item in items]
        done = all(item["DeliveryStatus"] == "C" or item["SalesDocumentRjcnReason"] for item in items)
        shown = {name: value for name, value in order.items() if name != "items"}
        return shown | {
            "TotalNetAmount": str(net),
            "OverallSDProcessStatus": "C" if done else "A",
            "OverallSDDocumentRejectionSts": "C" if all(rejected) else "B" if any(rejected) else "A",
            "TotalCreditCheckStatus": "",
            "to_Item": {"results": items},
        }

    def _shown_item(self, item: Json) -> Json:
        rates = {each["ConditionType"]: Decimal(each["ConditionRateValue"]) for each in item["to_PricingElement"]}
        pieces = int(item["RequestedQuantity"])
        net = rates.get("PMP0", Decimal(0)) * pieces + rates.get("DRV1", Decimal(0))
        delivered = item["delivered"]
        return {
            **{name: value for name, value in item.items() if name != "delivered"},
            "NetAmount": f"{net:.2f}",
            "TaxAmount": f"{rates.get('ZTAX', Decimal(0)):.2f}",
            "DeliveryStatus": "A" if not delivered else "C" if delivered == pieces else "B",
            "to_PricingElement": {"results": item["to_PricingElement"]},
        }

    def _add_partner(self, body: Json) -> Json:
        number = body["BusinessPartner"]
        assert len(number) <= 10
        if any(each["Customer"] == number for each in self.partners):
            raise Refusal(400, "R11/657", f"Business partner {number} already exists")
        self.partners.append(_partner(number))
        return {"BusinessPartner": number}

    # -------------------------------------------------------------- deliveries

    def _delivery(self, number: str) -> Json:
        return next(each for each in self.deliveries if each["DeliveryDocument"] == number)

    def _item_of(self, row: Json) -> Json:
        order = self._order(row["ReferenceSDDocument"])
        number = row["ReferenceSDDocumentItem"]
        found: list[Json] = [item for item in order["items"] if item["SalesOrderItem"] == number]
        if not found:
            raise Refusal(400, "VL/001", f"Item {number} does not exist")
        return found[0]

    def _add_delivery(self, body: Json) -> Json:
        assert set(body) == {"ShippingPoint", "to_DeliveryDocumentItem"}
        rows = body["to_DeliveryDocumentItem"]
        for row in rows:
            item = self._item_of(row)
            if item["SalesDocumentRjcnReason"] or item["delivered"] + int(row["ActualDeliveryQuantity"]) > int(
                item["RequestedQuantity"]
            ):
                raise Refusal(400, "VL/363", "Only a quantity that is open can be delivered")
        number = self._next(80_000_000)
        delivery = {"DeliveryDocument": number, "BillOfLading": "", "OverallGoodsMovementStatus": "A", "picked": False}
        self.deliveries.append({**delivery, "to_DeliveryDocumentItem": {"results": rows}})
        return {"DeliveryDocument": number}

    def _act(self, function: str, number: str) -> None:
        delivery = self._delivery(number)
        if delivery["OverallGoodsMovementStatus"] == "C":
            raise Refusal(400, "VL/609", f"Goods issue has already been posted for delivery {number}")
        if function == "PickAllItems":
            delivery["picked"] = True
            return
        if not delivery["picked"]:
            raise Refusal(400, "VL/608", f"Delivery {number} has not yet been picked completely")
        delivery["OverallGoodsMovementStatus"] = "C"
        for row in delivery["to_DeliveryDocumentItem"]["results"]:
            pieces = int(row["ActualDeliveryQuantity"])
            self._item_of(row)["delivered"] += pieces
            self.stock[self._item_of(row)["Material"]] -= pieces

    def _delivery_rows(self) -> list[Json]:
        return [
            {
                **row,
                "DeliveryDocument": delivery["DeliveryDocument"],
                "GoodsMovementStatus": delivery["OverallGoodsMovementStatus"],
            }
            for delivery in self.deliveries
            for row in delivery["to_DeliveryDocumentItem"]["results"]
        ]

    def _stock_rows(self) -> list[Json]:
        row = {"Plant": "1010", "StorageLocation": "101A", "InventoryStockType": "01"}
        return [{**row, "Material": sku, "MatlWrhsStkQtyInMatlBaseUnit": str(n)} for sku, n in self.stock.items()]


def _element(kind: str, rate: str) -> Json:
    return {"ConditionType": kind, "ConditionRateValue": rate, "ConditionCurrency": "EUR"}


def _partner(number: str) -> Json:
    area = {"SalesOrganization": "1010", "DistributionChannel": "10", "Division": "00"}
    return {"Customer": number, **area, "OrderIsBlockedForCustomer": "", "DeliveryIsBlockedForCustomer": ""}


def _product(sku: str, *, status: str = "") -> Json:
    return {"Product": sku, "BaseUnit": "PC", "IsMarkedForDeletion": False, "SalesStatus": status}


def _page(rows: list[Json], params: dict[str, str]) -> Json:
    """A page of what passes the filter: comparisons joined by "and", or by "or"."""
    assert params.pop("$format") == "json"
    assert params.pop("$expand", None) in _EXPANDS
    skip, top = int(params.pop("$skip")), int(params.pop("$top"))
    text = params.pop("$filter")
    assert not params
    comparisons = re.findall(r"(\w+) eq '((?:[^']|'')*)'", text)
    how = any if " or " in text else all
    found = [row for row in rows if how(row.get(name) == value.replace("''", "'") for name, value in comparisons)]
    return {"results": found[skip : skip + top]}
