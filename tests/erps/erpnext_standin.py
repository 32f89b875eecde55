"""A stand-in for ERPNext's REST API, with a memory.

Statuses and names of errors, and that a document may be made and submitted in one call: frappe/exceptions.py,
frappe/app.py, frappe/api/v1.py and frappe/model/document.py (`check_docstatus_transition`); fields: the DocTypes of
ERPNext 15 that the connector's schemas name; charges of type "Actual": erpnext/controllers/taxes_and_totals.py. As
there, a list gives 20 documents and only their names unless asked for more, a custom field that is unique refuses a
second value with `UniqueValidationError`, a deadlock is a 508, and a cancelled document is never changed.
"""

from __future__ import annotations

import asyncio
import copy
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import httpx2
import orjson

from tests.conformance.wire import answer

Json = dict[str, Any]

BASE_URL = "http://erp.test"
API_KEY = "a1b2c3"
SECRET = "token-of-erp"
ACCOUNTS = {"Shipping - K", "Tax - K", "Discount - K"}
_UNIQUE = {
    "Sales Order": "kept_reference",
    "Delivery Note": "kept_reference",
    "Customer": "kept_buyer",
    "Address": "kept_address",
}
# What may be written; anything else would be dropped silently there, which hides mistakes.
_WRITABLE = {
    "Sales Order": {
        *("kept_reference", "kept_version", "po_no", "company", "customer", "shipping_address_name", "currency"),
        *("transaction_date", "delivery_date", "ignore_pricing_rule", "disable_rounded_total", "items", "taxes"),
        "docstatus",
    },
    "Delivery Note": {
        *("docstatus", "kept_reference", "company", "customer", "currency", "set_posting_time", "posting_date"),
        *("posting_time", "lr_no", "ignore_pricing_rule", "items"),
    },
    "Customer": {"kept_buyer", "customer_name", "customer_type", "customer_group", "territory"},
    "Address": {
        *("kept_address", "address_title", "address_type", "address_line1", "address_line2", "city", "state"),
        *("pincode", "country", "phone", "links"),
    },
}
_DELIVERED_WHOLE = 100.0


class Refusal(Exception):
    def __init__(self, status: int, exc_type: str, message: str) -> None:
        super().__init__(message)
        self.status, self.exc_type = status, exc_type


class Next:
    """One site. `lose_next` loses the answer of the next call that changes something."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Json]] = {
            "Item": {},
            "Customer": {"C-1": {"name": "C-1", "kept_buyer": "", "disabled": 0, "is_frozen": 0}},
            "Address": {},
            "Country": {"France": {"name": "France", "code": "fr"}, "Germany": {"name": "Germany", "code": "de"}},
            "Warehouse": {
                "Stores - K": {"name": "Stores - K", "is_group": 0},
                "All - K": {"name": "All - K", "is_group": 1},
            },
            "Bin": {},
            "Sales Order": {},
            "Delivery Note": {},
        }
        for sku in ("S1", "S2", "OLD"):
            self.documents["Item"][sku] = {
                "name": sku,
                "disabled": int(sku == "OLD"),
                "is_sales_item": 1,
                "stock_uom": "Nos",
            }
            self.documents["Bin"][sku] = {
                "name": sku,
                "item_code": sku,
                "warehouse": "Stores - K",
                "actual_qty": 1000.0,
            }
        self.requests: list[httpx2.Request] = []
        self.lose_next = False
        self.adds: Decimal = Decimal(0)  # what a rule of this site's puts on every order

    def transport(self) -> httpx2.MockTransport:
        return httpx2.MockTransport(self.handle)

    def book(self, reference: str) -> None:
        """As if two of S1 at 10.00, with a tax of 1.00 and shipping of 5.00, were booked for the customer C-1."""
        line = {"kept_line": 1, "item_code": "S1", "qty": 2, "rate": 10.0}
        taxes = [
            {"charge_type": "Actual", "description": text, "account_head": account, "tax_amount": amount}
            for text, account, amount in (("Kept tax 1", "Tax - K", 1.0), ("Kept shipping", "Shipping - K", 5.0))
        ]
        body = {"kept_reference": reference, "customer": "C-1", "currency": "EUR", "items": [line], "taxes": taxes}
        self._insert("Sales Order", {**body, "docstatus": 1})

    def all(self, doctype: str) -> list[Json]:
        return list(self.documents[doctype].values())

    def count(self, kind: str) -> int:
        match kind:
            case "bookings":
                return sum(order["docstatus"] == 1 for order in self.all("Sales Order"))
            case "withdrawals":
                return sum(order["docstatus"] == 2 for order in self.all("Sales Order"))
            case "customers":
                return sum(bool(customer["kept_buyer"]) for customer in self.all("Customer"))
        return len(self.documents[kind])

    async def handle(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        await asyncio.sleep(0)
        try:
            if request.headers.get("authorization") != f"token {API_KEY}:{SECRET}":
                raise Refusal(401, "AuthenticationError", "")
            status, body = self._serve(request)
        except Refusal as refusal:
            exception = f"frappe.exceptions.{refusal.exc_type}: {refusal}"
            return answer(refusal.status, {"exception": exception, "exc_type": refusal.exc_type, "exc": "[]"})
        if self.lose_next and request.method != "GET":
            self.lose_next = False
            raise httpx2.ReadTimeout("no answer")
        return answer(status, body)

    # -------------------------------------------------------------- the protocol

    def _serve(self, request: httpx2.Request) -> tuple[int, Json]:
        _, api, what, *rest = request.url.path.split("/")
        assert api == "api"
        body = orjson.loads(request.content) if request.content else {}
        if what == "method":
            assert rest == ["erpnext.selling.doctype.sales_order.sales_order.update_status"]
            self._existing("Sales Order", body["name"])["status"] = body["status"]
            return 200, {}
        assert what == "resource"
        doctype, name = unquote(rest[0]), unquote(rest[1]) if len(rest) > 1 else ""
        if doctype not in self.documents:
            raise Refusal(404, "DoesNotExistError", f"DocType {doctype} not found")
        match request.method:
            case "GET" if not name:
                return 200, {"data": self._list(doctype, dict(request.url.params))}
            case "GET":
                return 200, {"data": self._shown(doctype, self._existing(doctype, name))}
            case "POST":
                return 200, {"data": self._shown(doctype, self._insert(doctype, body))}
            case "PUT":
                return 200, {"data": self._shown(doctype, self._update(doctype, self._existing(doctype, name), body))}
            case "DELETE":
                if self._existing(doctype, name).get("docstatus") == 1:
                    raise Refusal(417, "ValidationError", "Submitted Record cannot be deleted.")
                del self.documents[doctype][name]
                return 202, {"data": "ok"}
        raise Refusal(405, "ValidationError", request.method)

    def _list(self, doctype: str, params: dict[str, str]) -> list[Json]:
        fields = orjson.loads(params.get("fields", '["name"]'))
        filters = orjson.loads(params.get("filters", "[]"))
        limit = int(params.get("limit_page_length", "20"))
        found = [row for row in self.all(doctype) if all(_passes(row, *each) for each in filters)]
        return [{field: row[field] for field in fields} for row in sorted(found, key=lambda row: row["name"])][:limit]

    def _existing(self, doctype: str, name: str) -> Json:
        if name not in self.documents[doctype]:
            raise Refusal(404, "DoesNotExistError", f"{doctype} {name} not found")
        return self.documents[doctype][name]

    def _insert(self, doctype: str, body: Json) -> Json:
        self._known(doctype, body)
        unique = _UNIQUE[doctype]
        if any(row.get(unique) == body[unique] for row in self.all(doctype)):
            raise Refusal(417, "UniqueValidationError", f"{doctype} {unique} must be unique")
        row = copy.deepcopy(body) | {"docstatus": 0}
        row["name"] = f"{''.join(word[0] for word in doctype.split())}-{len(self.documents[doctype]) + 1:05d}"
        if doctype == "Sales Order":
            self._check_order(row)
        if doctype == "Delivery Note":
            self._check_note(row)
        if doctype == "Customer":
            row |= {"disabled": 0, "is_frozen": 0}
        self.documents[doctype][row["name"]] = row
        if body.get("docstatus"):
            self._update(doctype, row, {"docstatus": body["docstatus"]})
        return row

    def _known(self, doctype: str, body: Json) -> None:
        unknown = sorted(set(body) - _WRITABLE[doctype])
        assert not unknown, f"ERPNext would drop {unknown} of {doctype}"

    def _update(self, doctype: str, row: Json, body: Json) -> Json:
        self._known(doctype, body)
        before, after = row["docstatus"], body.get("docstatus", row["docstatus"])
        if before == 2 or (before, after) in ((0, 2), (1, 0)):
            raise Refusal(417, "DocstatusTransitionError", f"Cannot change docstatus from {before} to {after}")
        if before == 1 and after == 1 and set(body) - {"docstatus"}:
            raise Refusal(417, "UpdateAfterSubmitError", "Not allowed to change after submission")
        if (
            doctype == "Sales Order"
            and (before, after) == (1, 2)
            and any(line["delivered_qty"] for line in row["items"])
        ):
            raise Refusal(417, "LinkExistsError", "Cannot cancel because submitted Delivery Note exists")
        row |= body
        if doctype == "Delivery Note" and (before, after) == (0, 1):
            self._deliver(row)
        return row

    def _shown(self, doctype: str, row: Json) -> Json:
        if doctype != "Sales Order":
            return row
        amounts = [Decimal(str(line["rate"])) * int(line["qty"]) for line in row["items"]]
        total = sum((*amounts, *(Decimal(str(charge["tax_amount"])) for charge in row["taxes"])), Decimal(0))
        ordered = sum(line["qty"] for line in row["items"])
        delivered = sum(line["delivered_qty"] for line in row["items"])
        status = row.get("status") or ("Draft", "To Deliver and Bill", "Cancelled")[row["docstatus"]]
        if status == "To Deliver and Bill" and delivered == ordered:
            status = "To Bill"
        sums = {"grand_total": float(total), "per_delivered": delivered / ordered * _DELIVERED_WHOLE, "status": status}
        return {**row, **sums}

    # -------------------------------------------------------------- orders and deliveries

    def _check_order(self, row: Json) -> None:
        if row["customer"] not in self.documents["Customer"]:
            raise Refusal(417, "LinkValidationError", f"Could not find Customer: {row['customer']}")
        for index, line in enumerate(row["items"], start=1):
            if line["item_code"] not in self.documents["Item"]:
                raise Refusal(417, "LinkValidationError", f"Could not find Item: {line['item_code']}")
            line |= {"name": f"{row['kept_reference']}-{index}", "delivered_qty": 0.0}
            line["amount"] = line["rate"] * line["qty"]
        for charge in row["taxes"]:
            if charge["charge_type"] != "Actual" or charge["account_head"] not in ACCOUNTS:
                raise Refusal(417, "LinkValidationError", f"Could not find Account Head: {charge['account_head']}")
        if self.adds:
            rule = {"charge_type": "Actual", "account_head": "Tax - K", "description": "Eco tax"}
            row["taxes"].append({**rule, "tax_amount": float(self.adds)})

    def _check_note(self, row: Json) -> None:
        for line in row["items"]:
            order = self._existing("Sales Order", line["against_sales_order"])
            (of,) = (each for each in order["items"] if each["name"] == line["so_detail"])
            if order["docstatus"] != 1 or of["delivered_qty"] + line["qty"] > of["qty"]:
                raise Refusal(417, "OverAllowanceError", "This document is over limit by Qty")

    def _deliver(self, row: Json) -> None:
        for line in row["items"]:
            order = self._existing("Sales Order", line["against_sales_order"])
            for of in order["items"]:
                if of["name"] == line["so_detail"]:
                    of["delivered_qty"] += line["qty"]
            self.documents["Bin"][line["item_code"]]["actual_qty"] -= line["qty"]


def _passes(row: Json, field: str, operator: str, value: Any) -> bool:
    if operator == "in":
        return row.get(field) in value
    assert operator == "="
    return bool(row.get(field) == value)
