"""What else the simulated shop's Admin API does: stock, and the points that its calls cost."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from kept.simulator.orders import catalogue

Json = dict[str, Any]
LOCATION = "gid://shopify/Location/1"
_BUCKET_S = 20  # a plan's bucket holds what comes in 20 s; source: shopify.dev, "Rate limits"


@dataclass(slots=True)
class Points:
    """The shop's bucket of points."""

    per_s: float
    clock: Callable[[], float]
    _left: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._left, self._at = self.per_s * _BUCKET_S, self.clock()

    def take(self, cost: float) -> bool:
        """Whether there were that many; they are gone then."""
        now = self.clock()
        self._left = min(self.per_s * _BUCKET_S, self._left + (now - self._at) * self.per_s)
        self._at = now
        if self._left < cost:
            return False
        self._left -= cost
        return True

    def told(self, cost: float, *, spent: bool) -> Json:
        """The `extensions.cost` of an answer."""
        status = {
            "maximumAvailable": self.per_s * _BUCKET_S,
            "currentlyAvailable": int(self._left),
            "restoreRate": self.per_s,
        }
        return {"requestedQueryCost": cost, "actualQueryCost": cost if spent else None, "throttleStatus": status}


# ------------------------------------------------------------------ webhook subscriptions


def subscriptions(db: sqlite3.Connection, account: str, topics: set[str]) -> Json:
    """The app's subscriptions to these topics, all on one page; to any topic if none is named."""
    rows = db.execute("SELECT id, topic, uri FROM webhook_subscriptions WHERE account = ? ORDER BY id", (account,))
    nodes = [
        {"id": f"gid://shopify/WebhookSubscription/{number}", "topic": topic, "uri": uri}
        for number, topic, uri in rows
        if topic in topics or not topics
    ]
    return {"nodes": nodes, "pageInfo": {"hasNextPage": False, "endCursor": None}}


def subscribe(db: sqlite3.Connection, account: str, topic: str, uri: str) -> Json:
    """One subscription per topic and address, to an address by TLS."""
    if not uri.startswith("https://"):
        return {"webhookSubscription": None, "userErrors": [_problem("Address protocol http:// is not supported")]}
    values = (account, topic, uri)
    made = db.execute(
        "INSERT INTO webhook_subscriptions (account, topic, uri) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", values
    )
    if not made.rowcount:
        return {
            "webhookSubscription": None,
            "userErrors": [_problem("Address for this topic has already been taken")],
        }
    gid = f"gid://shopify/WebhookSubscription/{made.lastrowid}"
    return {"webhookSubscription": {"id": gid}, "userErrors": []}


def _problem(message: str) -> Json:
    return {"field": ["webhookSubscription", "callbackUrl"], "message": message}


# ------------------------------------------------------------------ stock


def items(query: str) -> list[Json]:
    """Inventory items whose SKU the search names."""
    wanted = set(re.findall(r"sku:'([^']*)'", query))
    return [{"id": _item(item.sku), "sku": item.sku} for item in catalogue() if item.sku in wanted]


def set_quantities(db: sqlite3.Connection, account: str, variables: Json, at: float) -> Json:
    """inventorySetQuantities' answer: all rows are set, or none and why not. One key does one thing."""
    given, key = variables["input"], str(variables["key"])
    content = orjson.dumps(given, option=orjson.OPT_SORT_KEYS).decode()
    before = db.execute("SELECT sha256 FROM stock_pushes WHERE account = ? AND key = ?", (account, key)).fetchone()
    if before is not None:
        errors = [] if before[0] == content else [_blame("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", None)]
        return {"inventorySetQuantities": {"userErrors": errors}}
    known = {_item(item.sku): item.sku for item in catalogue()}
    errors = []
    for at_row, row in enumerate(given["quantities"]):
        sku = known.get(row["inventoryItemId"])
        held = _held(db, account, sku) if sku else None
        if sku is None:
            errors.append(_blame("INVALID_INVENTORY_ITEM", at_row))
        elif row["changeFromQuantity"] is not None and row["changeFromQuantity"] != held:
            errors.append(_blame("CHANGE_FROM_QUANTITY_STALE", at_row))
    if not errors:
        for row in given["quantities"]:
            db.execute(
                "INSERT OR REPLACE INTO offered_stock VALUES (?, ?, ?, ?)",
                (account, LOCATION, known[row["inventoryItemId"]], row["quantity"]),
            )
        db.execute("INSERT INTO stock_pushes VALUES (?, ?, ?, '', ?)", (account, key, content, at))
    return {"inventorySetQuantities": {"userErrors": errors}}


def level(db: sqlite3.Connection, account: str, gid: str) -> Json | None:
    """An item with what may be sold of it, which it has once that was told; None for an item that is not there."""
    sku = next((item.sku for item in catalogue() if _item(item.sku) == gid), None)
    if sku is None:
        return None
    held = _held(db, account, sku)
    quantities = {"quantities": [{"name": "available", "quantity": held}]}
    return {"__typename": "InventoryItem", "id": gid, "inventoryLevel": None if held is None else quantities}


def _held(db: sqlite3.Connection, account: str, sku: str) -> int | None:
    row = db.execute("SELECT quantity FROM offered_stock WHERE account = ? AND sku = ?", (account, sku)).fetchone()
    return row[0] if row else None


def _blame(code: str, row: int | None) -> Json:
    way = ["input"] if row is None else ["input", "quantities", str(row), "changeFromQuantity"]
    return {"code": code, "field": way, "message": f"Simulated {code.lower()}."}


def _item(sku: str) -> str:
    return f"gid://shopify/InventoryItem/{int(sku.removeprefix('SKU-'))}"
