"""A stand-in for Odoo, with a memory: both of its APIs, over the few models that the connector uses.

Every answer has the shape that a running Odoo 19.0 gave to the same call (`make test-odoo` runs the same suite over the
real one), and what it does is that of its source: odoo/orm/models.py (`load`), addons/rpc/controllers/json2.py,
addons/sale, addons/sale_stock, addons/stock and addons/stock_sms. As there: fields without a value are false, an
unknown field is a ValueError with status 500, an external id is unique and whoever comes second is told so with status
200, confirming twice is refused, a backorder copies its source document, and `button_validate` answers with a question
unless the context says not to ask.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import httpx2
import orjson

from tests.conformance.wire import answer

Json = dict[str, Any]

BASE_URL = "http://erp.test"
DATABASE = "odoo"
KEY = "token-of-erp"
LOGIN = "kept"
USER_ID = 5
TAXES = {4: Decimal(0), 5: Decimal(8), 6: Decimal(20)}
CURRENCIES = {2: "EUR", 3: "USD"}  # by pricelist
_CENT = Decimal("0.01")

# Fields that may be read, or loaded, of each model. Any other is refused, as there.
_FIELDS = {
    "res.partner": {"name", "email", "type", "street", "street2", "city", "zip", "country_id", "phone"},
    "sale.order": {
        *("name", "state", "client_order_ref", "origin", "partner_id", "partner_shipping_id", "pricelist_id"),
        *("date_order", "currency_id", "amount_total", "amount_tax", "order_line"),
    },
    "sale.order.line": {
        *("order_id", "product_id", "name", "sequence", "product_uom_qty", "price_unit", "price_subtotal"),
        *("price_tax", "qty_delivered", "tax_ids", "display_type"),
    },
    "product.product": {"default_code", "sale_ok", "active", "uom_id", "list_price", "currency_id"},
    "stock.picking": {"name", "state", "origin", "note", "sale_id", "picking_type_code", "move_ids"},
    "stock.move": {"state", "product_uom_qty", "quantity", "picked", "sale_line_id", "picking_id", "product_id"},
    "stock.warehouse": {"code", "name", "lot_stock_id"},
}
_COUNTRIES = {"base.fr": 75, "base.us": 233, "base.de": 57, "base.uk": 231}


class Refusal(Exception):
    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status, self.name = status, name


class Odoo:
    """One database. `lose_next` loses the answer of the next call that carries a key."""

    def __init__(self) -> None:
        self.records: dict[str, dict[int, Json]] = {model: {} for model in _FIELDS}
        self.external: dict[str, tuple[str, int]] = {}
        self._ids = {model: itertools.count(1) for model in _FIELDS}
        self.requests: list[httpx2.Request] = []
        self.lose_next = False
        self.asks: list[str] = []  # wizards that come up on validating
        for sku in ("S1", "S2", "OLD", "SHIPPING", "TAX", "DISCOUNT"):
            self.add_product(sku, sale_ok=sku != "OLD")
        self._add("stock.warehouse", {"code": "WH", "name": "Main", "lot_stock_id": 8})
        self._add("res.partner", {"name": "Marketplace", "type": "contact"})

    def transport(self) -> httpx2.MockTransport:
        return httpx2.MockTransport(self.handle)

    def add_product(self, sku: str, **values: Any) -> Json:
        product = {"default_code": sku, "sale_ok": True, "active": True, "uom_id": [1, "Units"], "list_price": 25.0}
        return self._add("product.product", {**product, "currency_id": [126, "EUR"], "on_hand": 1000, **values})

    def book(self, reference: str) -> None:
        """As if two of S1 at 10.00, with a tax of 1.00 and shipping of 5.00, were booked for the first customer."""
        order = {"id": f"kept.{reference}", "client_order_ref": reference, "origin": f"Kept {reference} version 1"}
        order_id = self._make("sale.order", {**order, "partner_id/.id": "1", "pricelist_id/.id": "2"})
        self.records["sale.order"][order_id]["partner_shipping_id"] = 1
        products = {product["default_code"]: str(product["id"]) for product in self.all("product.product")}
        for role, product, quantity, amount in (
            ("line_1", "S1", 2, 10.0),
            ("tax_1", "TAX", 1, 1.0),
            ("shipping", "SHIPPING", 1, 5.0),
        ):
            cells = {"id": f"kept.{reference}_{role}", "order_id/.id": str(order_id), "name": product, "tax_ids": ""}
            cells |= {"product_id/.id": products[product], "product_uom_qty": str(quantity), "price_unit": str(amount)}
            self._make("sale.order.line", cells)
        self._confirm("sale.order", [order_id], {})

    def all(self, model: str) -> list[Json]:
        return list(self.records[model].values())

    def count(self, kind: str) -> int:
        match kind:
            case "amendments":
                return sum(str(order["origin"]).endswith("version 2") for order in self.all("sale.order"))
            case "bookings":
                return sum(order["state"] == "sale" for order in self.all("sale.order"))
            case "withdrawals":
                return sum(order["state"] == "cancel" for order in self.all("sale.order"))
            case "customers":
                return sum(name.startswith("kept.customer_") for name in self.external)
            case "shipments":
                return sum(picking["state"] == "done" for picking in self.all("stock.picking"))
        return len(self.records[kind])

    async def handle(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        await asyncio.sleep(0)
        json_rpc = request.url.path == "/jsonrpc"
        try:
            body = orjson.loads(request.content)
            result = await (self._json_rpc(body) if json_rpc else self._json2(request, body))
        except Refusal as refusal:
            data = {"name": refusal.name, "message": str(refusal), "arguments": [], "context": {}, "debug": "Traceback"}
            if json_rpc:
                error = {"code": 0, "message": "Odoo Server Error", "data": data}
                return answer(200, {"jsonrpc": "2.0", "id": 1, "error": error})
            return answer(refusal.status, data)
        if self.lose_next and "idempotency-key" in request.headers:
            self.lose_next = False
            raise httpx2.ReadTimeout("no answer")
        return answer(200, {"jsonrpc": "2.0", "id": 1, "result": result} if json_rpc else result)

    # -------------------------------------------------------------- the protocols

    async def _json2(self, request: httpx2.Request, body: Json) -> Any:
        if request.headers.get("authorization") != f"bearer {KEY}":
            raise Refusal(401, "werkzeug.exceptions.Unauthorized", "Invalid apikey")
        if request.headers.get("x-odoo-database") != DATABASE:
            raise Refusal(404, "werkzeug.exceptions.NotFound", "no database")
        _, json, two, model, method = request.url.path.split("/")
        assert (request.method, json, two) == ("POST", "json", "2")
        return await self._call(model, method, body.pop("ids", []), body.pop("context", {}), body)

    async def _json_rpc(self, body: Json) -> Any:
        assert (body["jsonrpc"], body["method"]) == ("2.0", "call")
        service, method, args = (body["params"][name] for name in ("service", "method", "args"))
        if (service, method) == ("common", "authenticate"):
            return USER_ID if args[:3] == [DATABASE, LOGIN, KEY] else False
        assert (service, method) == ("object", "execute_kw")
        if args[:3] != [DATABASE, USER_ID, KEY]:
            raise Refusal(200, "odoo.exceptions.AccessDenied", "Access Denied")
        ids = args[5][0] if args[5] else []
        named = dict(args[6])
        return await self._call(args[3], args[4], ids, named.pop("context", {}), named)

    async def _call(self, model: str, method: str, ids: list[int], context: Json, named: Json) -> Any:
        if (model, method) == ("stock.quant", "formatted_read_group"):
            return [
                {"product_id": [p["id"], p["default_code"]], "quantity:sum": float(p["on_hand"])}
                for p in self.products()
            ]
        if (model, method) == ("stock.quant", "read_group"):
            return [
                {"product_id": [p["id"], p["default_code"]], "quantity": float(p["on_hand"])} for p in self.products()
            ]
        if model not in self.records:
            raise Refusal(404, "werkzeug.exceptions.NotFound", f"the model {model!r} does not exist")
        if method == "load":
            return await self._load(model, context, **named)
        methods: dict[str, Callable[..., Any]] = {
            "search_read": self._search_read,
            "get_external_id": self._external_ids,
            "write": self._write,
            "unlink": self._unlink,
            "action_confirm": self._confirm,
            "action_cancel": self._cancel,
            "button_validate": self._validate,
        }
        if method not in methods:
            raise Refusal(404, "werkzeug.exceptions.NotFound", f"The method '{model}.{method}' does not exist")
        return methods[method](model, ids, context, **named)

    def products(self) -> list[Json]:
        return [product for product in self.all("product.product") if product["on_hand"]]

    # -------------------------------------------------------------- records

    def _add(self, model: str, values: Json) -> Json:
        record = {"id": next(self._ids[model]), **values}
        self.records[model][record["id"]] = record
        return record

    def _search_read(
        self, model: str, ids: list[int], context: Json, *, domain: list[Any], fields: list[str], limit: int, order: str
    ) -> list[Json]:
        unknown = sorted(set(fields) - _FIELDS[model])
        if unknown:
            raise Refusal(500, "builtins.ValueError", f"Invalid field {unknown[0]!r} on {model!r}")
        found = []
        for record in self.all(model):
            archived = record.get("active") is False and context.get("active_test", True)
            if not archived and all(_holds(record, *each) for each in domain):
                found.append({"id": record["id"]} | {field: self._shown(model, record, field) for field in fields})
        assert order == "id"
        return found[:limit]

    def _shown(self, model: str, record: Json, field: str) -> Any:
        if model == "sale.order" and field in ("amount_total", "amount_tax"):
            lines = [line for line in self.all("sale.order.line") if line["order_id"] == record["id"]]
            net, tax = (sum((_amounts(line)[n] for line in lines), Decimal(0)) for n in (0, 1))
            return float(tax if field == "amount_tax" else net + tax)
        if model == "sale.order.line" and field in ("price_subtotal", "price_tax"):
            return float(_amounts(record)[0 if field == "price_subtotal" else 1])
        value = record.get(field, False)
        if field in ("order_id", "product_id", "sale_line_id", "picking_id", "sale_id", "lot_stock_id") and value:
            return [value, f"{field} {value}"]
        if field in ("partner_id", "partner_shipping_id"):
            return [value, self.records["res.partner"][value]["name"]]
        if model == "sale.order" and field == "currency_id":
            return [126, CURRENCIES[record["pricelist_id"]]]
        return value

    def _external_ids(self, model: str, ids: list[int], context: Json) -> Json:
        names = {there: name for name, there in self.external.items()}
        return {str(each): names.get((model, each), "") for each in ids}

    async def _load(self, model: str, context: Json, *, fields: list[str], data: list[list[str]]) -> Json:
        assert context == {"mode": "update", "noupdate": True}
        named = [field.removeprefix("order_line/") for field in fields]
        known = _FIELDS[model] | (_FIELDS["sale.order.line"] if model == "sale.order" else set())
        unknown = sorted({field.partition("/")[0] for field in named} - known - {"id"})
        if unknown:
            raise Refusal(500, "builtins.ValueError", f"Invalid field name {unknown[0]!r}")
        names = [row[0] for row in data if row[0]]
        before = {name: name in self.external for name in names}
        await asyncio.sleep(0)  # others come in between
        if any(not before[name] and name in self.external for name in names):
            return _not_loaded("could not serialize access due to concurrent update\n")
        ids: list[int] = []
        for row in data:
            cells = dict(zip(fields, row, strict=True))
            own = {name: cell for name, cell in cells.items() if not name.startswith("order_line/")}
            if own["id"] or not ids:
                if own["id"] in self.external:
                    return {"ids": [self.external[own["id"]][1]], "messages": [], "nextrow": 0}
                try:
                    ids.append(self._make(model, own))
                except KeyError as missing:
                    return _not_loaded(f"No matching record found for {missing}")
            line = {name.partition("/")[2]: cell for name, cell in cells.items() if name.startswith("order_line/")}
            if line:
                self._make("sale.order.line", {**line, "order_id/.id": str(ids[-1])})
        return {"ids": ids, "messages": [], "nextrow": 0}

    def _make(self, model: str, cells: dict[str, str]) -> int:
        values: Json = {}
        for name, cell in cells.items():
            field, _, how = name.partition("/")
            if field == "tax_ids":
                values[field] = [int(part) for part in cell.split(",") if part]
            elif how == ".id":
                related = {"product_id": "product.product", "order_id": "sale.order"}.get(field, "res.partner")
                if field != "pricelist_id" and int(cell) not in self.records[related]:
                    raise KeyError(f"database id {cell!r} in field {field!r}")
                values[field] = int(cell)
            elif how == "id":
                values[field] = _COUNTRIES[cell]
            elif field != "id":
                values[field] = cell or False
        if model == "sale.order":
            values |= {"state": "draft", "name": f"S{len(self.records[model]) + 1:05d}"}
        if model == "sale.order.line":
            numbers = {field: float(values[field]) for field in ("product_uom_qty", "price_unit")}
            values |= numbers | {"qty_delivered": 0.0, "display_type": False}
        record = self._add(model, values)
        self.external[cells["id"]] = (model, record["id"])
        if model == "sale.order.line" and self.records["sale.order"][record["order_id"]]["state"] == "sale":
            self._launch(record)
        return int(record["id"])

    def _write(self, model: str, ids: list[int], context: Json, *, vals: Json) -> bool:
        for each in ids:
            record = self.records[model][each]
            for field, value in vals.items():
                if field not in _FIELDS[model]:
                    raise Refusal(500, "builtins.ValueError", f"Invalid field {field!r} in {model!r}")
                if field in ("order_line", "move_ids"):
                    lines = "sale.order.line" if field == "order_line" else "stock.move"
                    for command, line_id, values in value:
                        assert command == 1, "the connector only updates lines in a write"
                        self._write(lines, [line_id], context, vals=values)
                elif field == "tax_ids":
                    record[field] = value[0][2]
                else:
                    record[field] = value
            if model == "sale.order.line" and "product_uom_qty" in vals:
                self._follow(record)
        return True

    def _unlink(self, model: str, ids: list[int], context: Json) -> bool:
        for each in ids:
            if self.records[model][each]["state"] not in ("draft", "cancel"):
                raise Refusal(
                    422, "odoo.exceptions.UserError", "You can not delete a sent quotation or a confirmed order."
                )
            del self.records[model][each]
            gone = {line["id"] for line in self.all("sale.order.line") if line["order_id"] == each}
            for line_id in gone:
                del self.records["sale.order.line"][line_id]
            lost = {(model, each), *(("sale.order.line", line_id) for line_id in gone)}
            self.external = {name: there for name, there in self.external.items() if there not in lost}
        return True

    # -------------------------------------------------------------- orders and deliveries

    def _confirm(self, model: str, ids: list[int], context: Json) -> bool:
        for each in ids:
            order = self.records[model][each]
            if order["state"] not in ("draft", "sent"):
                text = "Some orders are not in a state requiring confirmation."
                raise Refusal(422, "odoo.exceptions.UserError", text)
            order["state"] = "sale"
            for line in self.all("sale.order.line"):
                if line["order_id"] == each:
                    self._launch(line)
        return True

    def _cancel(self, model: str, ids: list[int], context: Json) -> bool:
        for each in ids:
            self.records[model][each]["state"] = "cancel"
            for picking in self._open_pickings(each):
                picking["state"] = "cancel"
                for move in self._moves(picking["id"]):
                    move["state"] = "cancel"
        return True

    def _open_pickings(self, order_id: int) -> list[Json]:
        pickings = [picking for picking in self.all("stock.picking") if picking["sale_id"] == order_id]
        return [picking for picking in pickings if picking["state"] not in ("done", "cancel")]

    def _moves(self, picking_id: int) -> list[Json]:
        return [move for move in self.all("stock.move") if move["picking_id"] == picking_id]

    def _launch(self, line: Json) -> None:
        """Goods go onto the order's open delivery; services go nowhere."""
        order = self.records["sale.order"][line["order_id"]]
        sku = self.records["product.product"][line["product_id"]]["default_code"]
        if sku in ("SHIPPING", "TAX", "DISCOUNT") or not line["product_uom_qty"]:
            return
        (picking,) = self._open_pickings(order["id"]) or [self._delivery(order["id"], order["name"])]
        pieces = line["product_uom_qty"]
        self._add_move(picking["id"], line, pieces, pieces)

    def _delivery(self, order_id: int, origin: str) -> Json:
        name = f"WH/OUT/{len(self.records['stock.picking']) + 1:05d}"
        values = {"name": name, "state": "assigned", "origin": origin, "sale_id": order_id}
        return self._add("stock.picking", {**values, "picking_type_code": "outgoing"})

    def _add_move(self, picking_id: int, line: Json, pieces: float, quantity: float) -> Json:
        values = {"state": "assigned", "product_uom_qty": pieces, "quantity": quantity, "picked": False}
        values |= {"sale_line_id": line["id"], "picking_id": picking_id, "product_id": line["product_id"]}
        return self._add("stock.move", values)

    def _follow(self, line: Json) -> None:
        """What is to move follows what is on order."""
        moves = [move for move in self.all("stock.move") if move["sale_line_id"] == line["id"]]
        going = [move for move in moves if move["state"] not in ("done", "cancel")]
        left = line["product_uom_qty"] - line["qty_delivered"]
        for move in going:
            move |= {"product_uom_qty": left, "quantity": left, "state": "assigned" if left else "cancel"}
        if not going and left > 0 and self.records["sale.order"][line["order_id"]]["state"] == "sale":
            self._launch({**line, "product_uom_qty": left})

    def _validate(self, model: str, ids: list[int], context: Json) -> Any:
        if self.asks:
            return {"type": "ir.actions.act_window", "res_model": self.asks[0], "target": "new"}
        if not context.get("skip_sms"):
            return {"type": "ir.actions.act_window", "res_model": "confirm.stock.sms", "target": "new"}
        assert context.get("skip_backorder")
        for each in ids:
            picking = self.records[model][each]
            if picking["state"] == "done":
                continue
            rest = []
            for move in self._moves(each):
                if move["state"] == "cancel":
                    continue
                went = move["quantity"] if move["picked"] else 0
                line = self.records["sale.order.line"][move["sale_line_id"]]
                if went < move["product_uom_qty"]:
                    rest.append((line, move["product_uom_qty"] - went))
                if went:
                    move |= {"product_uom_qty": went, "state": "done"}
                    line["qty_delivered"] += went
                    self.records["product.product"][move["product_id"]]["on_hand"] -= int(went)
                else:
                    del self.records["stock.move"][move["id"]]
            picking["state"] = "done"
            if rest:
                backorder = self._delivery(picking["sale_id"], picking["origin"])  # copied, reference and all
                for line, pieces in rest:
                    self._add_move(backorder["id"], line, pieces, pieces)
        return True


def _amounts(line: Json) -> tuple[Decimal, Decimal]:
    """Net and tax of a line, rounded as a line is."""
    gross = Decimal(str(line["product_uom_qty"])) * Decimal(str(line["price_unit"]))
    percent = sum((TAXES[tax] for tax in line["tax_ids"]), Decimal(0))
    return gross.quantize(_CENT, ROUND_HALF_UP), (gross * percent / 100).quantize(_CENT, ROUND_HALF_UP)


def _holds(record: Json, field: str, operator: str, value: Any) -> bool:
    ours = record.get(field, False)
    match operator:
        case "=":
            return bool(ours == value)
        case "!=":
            return bool(ours != value)
        case "in":
            return ours in value
    raise AssertionError(f"the connector asks with {operator}")


def _not_loaded(text: str) -> Json:
    message = {"rows": {"from": 0, "to": 0}, "record": 0, "type": "error", "message": text}
    return {"ids": False, "messages": [message], "nextrow": 0}
