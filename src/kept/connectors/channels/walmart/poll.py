"""Asks Walmart for the orders that changed.

A list call gives one type of ship node, and without dates only the orders of the last seven days: types and dates are
always said. A cursor is `type` and Walmart's `nextCursor`, a whole query string, which goes back to it as it came.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import orjson

from kept.connectors.answers import UnexpectedAnswer
from kept.connectors.channels.walmart.codes import SHIP_NODE_TYPES
from kept.connectors.http import HttpTarget, Request
from kept.ports import Page, Polled

LIMIT = 200  # us_orders.json, getAllOrders: "cannot be larger than 200"
# "Only orders created in last 180 days" can be fetched; a day less, since the call takes its time.
CREATED_WITHIN = timedelta(days=179)
_SEPARATOR = " "


class _Meta(msgspec.Struct, rename="camel"):
    next_cursor: str | None = None


class _Elements(msgspec.Struct):
    order: list[dict[str, Any]] = []


class _List(msgspec.Struct):
    meta: _Meta = msgspec.field(default_factory=_Meta)
    elements: _Elements = msgspec.field(default_factory=_Elements)


class _Answer(msgspec.Struct):
    list: _List


class WalmartPoll:
    """`kept.ports.PollOrders` for one seller. Raises the faults of a read, as `HttpTarget.call` does.

    Orders are known by their bytes: a list gives no time of change, and what differs in anything is worth reading.
    """

    overlap = timedelta(minutes=15)
    delay = timedelta(minutes=1)

    def __init__(self, target: HttpTarget, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._target = target
        self._now = now

    async def changed(self, since: datetime, until: datetime, cursor: str = "") -> Page:
        """Orders modified in [since, until), one type of ship node after the other, 200 a page."""
        kind, _, after = cursor.partition(_SEPARATOR)
        kind = kind or SHIP_NODE_TYPES[0]
        path = "/v3/orders" + (after or query(since, until, kind, self._now()))
        # Walmart answers 404 where there is nothing to list.
        found = await self._target.look_up(Request("GET", path, name="getAllOrders"), _listed)
        orders = tuple(polled(order) for order in found.elements.order) if found else ()
        further = found.meta.next_cursor if found else None
        if further and not further.startswith("?"):
            further = f"?{further}"
        return Page(orders, f"{kind}{_SEPARATOR}{further}" if further else _next_kind(kind))


def query(since: datetime, until: datetime, kind: str, now: datetime) -> str:
    """The query of a window's first page. Times have whole seconds: the end is rounded up, so that nothing falls
    between two windows."""
    end = until if until.microsecond == 0 else until + timedelta(seconds=1)
    parts = {
        "lastModifiedStartDate": _second(since),
        "lastModifiedEndDate": _second(end),
        "createdStartDate": _second(now - CREATED_WITHIN),
        "shipNodeType": kind,
        "replacementInfo": "true",
        "limit": str(LIMIT),
    }
    return "?" + "&".join(f"{name}={value}" for name, value in parts.items())


def _second(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _next_kind(kind: str) -> str:
    """The cursor to the first page of the next type; "" after the last one."""
    index = SHIP_NODE_TYPES.index(kind) + 1
    return SHIP_NODE_TYPES[index] if index < len(SHIP_NODE_TYPES) else ""


def _listed(answer: Any) -> _List:
    found = msgspec.convert(answer, _Answer).list
    for order in found.elements.order:
        if not isinstance(order.get("purchaseOrderId"), str):
            raise UnexpectedAnswer("an order without its purchaseOrderId")
    return found


def polled(order: dict[str, Any]) -> Polled:
    """An order as it goes into the inbox."""
    body = orjson.dumps(order)
    digest = hashlib.sha256(orjson.dumps(order, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return Polled(f"{order['purchaseOrderId']}:{digest[:32]}", {}, body)
