"""Asks Shopify for the orders that changed, by its Admin GraphQL API.

Needs the access scopes read_orders, and read_merchant_managed_fulfillment_orders for holds; orders older than
60 days need read_all_orders as well.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import orjson

from kept.connectors.answers import UnexpectedAnswer, same
from kept.connectors.channels.shopify import queries
from kept.connectors.channels.shopify.answers import next_cursor
from kept.connectors.channels.shopify.fulfilling import number_of
from kept.connectors.channels.shopify.graphql import execute
from kept.connectors.channels.shopify.mapping import LISTED
from kept.connectors.channels.shopify.schemas import Node, PageInfo
from kept.connectors.http import HttpTarget
from kept.ports import Page, Polled, TemporaryFault

_PAGES_MAX = 20  # of the lines of one order or refund: 1,600 lines are beyond what we read of an order


class _Rows(msgspec.Struct, rename="camel"):
    """A page of a connection, its nodes as they came: whether one can be read is judged with its order."""

    nodes: list[Any]
    page_info: PageInfo


class OrderSeen(msgspec.Struct, rename="camel"):
    """What has to be known of an order to complete it."""

    id: str
    updated_at: str
    line_items: _Rows
    refunds: list[Node]


class _OrderLines(msgspec.Struct, rename="camel"):
    updated_at: str
    line_items: _Rows


class _Refund(msgspec.Struct, rename="camel"):
    id: str
    order: _Updated
    refund_line_items: _Rows


class _Updated(msgspec.Struct, rename="camel"):
    updated_at: str


class _OrdersData(msgspec.Struct):
    orders: _Rows


class _OrderLinesData(msgspec.Struct):
    order: _OrderLines | None


class _RefundData(msgspec.Struct):
    refund: _Refund | None


class ShopifyPoll:
    """`kept.ports.PollOrders` for one shop. Raises the faults of a read, as `HttpTarget.call` does.

    The search behind the query lags a little behind the orders, so windows reach well back into each other;
    an order that changes while it is read is read again.
    """

    overlap = timedelta(minutes=15)
    delay = timedelta(seconds=30)

    def __init__(self, target: HttpTarget) -> None:
        self._target = target

    async def changed(self, since: datetime, until: datetime, cursor: str = "") -> Page:
        """Orders with `updated_at` in [since, until), to the second, oldest change first; 5 a page."""
        variables = {"query": search(since, until)} | ({"after": cursor} if cursor else {})
        rows = await execute(self._target, queries.ORDERS, variables, _orders)
        polled = [await self.whole(node, seen(node)) for node in rows.nodes]
        return Page(tuple(polled), next_cursor(rows.page_info))

    async def whole(self, node: dict[str, Any], order: OrderSeen) -> Polled:
        """A listed order, of which `order` was seen, with all its lines and refunds."""
        lines = await self._all_lines(order)
        refunds = [await self._refund(order, each.id) for each in order.refunds]
        whole = node | {"lineItems": {"nodes": lines}, "refunds": refunds}
        return Polled(f"{number_of(order.id)}:{order.updated_at}", LISTED, _encoded(whole))

    async def _all_lines(self, order: OrderSeen) -> list[Any]:
        found, after = list(order.line_items.nodes), next_cursor(order.line_items.page_info)
        for _ in range(_PAGES_MAX):
            if not after:
                break
            variables = {"id": order.id, "after": after}
            page = await execute(self._target, queries.ORDER_LINES, variables, _order_lines)
            self._unchanged(order, page.updated_at)
            found += page.line_items.nodes
            after = next_cursor(page.line_items.page_info)
        return found

    async def _refund(self, order: OrderSeen, gid: str) -> dict[str, Any]:
        """A refund as it came, with all its lines."""
        whole: dict[str, Any] = {}
        rows: list[Any] = []
        after = ""
        for _ in range(_PAGES_MAX):
            variables = {"id": gid} | ({"after": after} if after else {})
            raw, page = await execute(self._target, queries.REFUND, variables, partial(_refund, gid=gid))
            self._unchanged(order, page.order.updated_at)
            whole = whole or raw
            rows += page.refund_line_items.nodes
            after = next_cursor(page.refund_line_items.page_info)
            if not after:
                break
        return whole | {"refundLineItems": {"nodes": rows}}

    def _unchanged(self, order: OrderSeen, updated_at: str) -> None:
        """Raises TemporaryFault if the order changed meanwhile: half of it would be of another revision."""
        if updated_at != order.updated_at:
            raise TemporaryFault(f"{self._target.name}: order {number_of(order.id)} changed while it was read")


def search(since: datetime, until: datetime) -> str:
    """The search that finds what changed in [since, until). Shopify's times have whole seconds: the end is
    rounded up, so that nothing falls between two windows.
    """
    end = until if until.microsecond == 0 else until.replace(microsecond=0) + timedelta(seconds=1)
    return f"updated_at:>='{_second(since)}' updated_at:<'{_second(end)}'"


def _second(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seen(node: Any) -> OrderSeen:
    """What has to be known of a listed order. Raises what `HttpTarget.call` takes for no answer: to be called by
    the reader of an answer before anything else is done with the order.
    """
    order = msgspec.convert(node, OrderSeen)
    next_cursor(order.line_items.page_info)
    return order


def _encoded(whole: dict[str, Any]) -> bytes:
    """An order that can't be read is told of when it is read, so a number beyond 64 bits has to get there."""
    try:
        return orjson.dumps(whole)
    except orjson.JSONEncodeError:
        return json.dumps(whole, ensure_ascii=False).encode()


def _orders(data: Any) -> _Rows:
    rows = msgspec.convert(data, _OrdersData).orders
    for node in rows.nodes:
        seen(node)
    next_cursor(rows.page_info)
    return rows


def _order_lines(data: Any) -> _OrderLines:
    found = msgspec.convert(data, _OrderLinesData).order
    if found is None:
        raise UnexpectedAnswer("the order that was just listed is not there")
    next_cursor(found.line_items.page_info)
    return found


def _refund(data: Any, gid: str) -> tuple[dict[str, Any], _Refund]:
    found = msgspec.convert(data, _RefundData).refund
    if found is None:
        raise UnexpectedAnswer("the refund that was just listed is not there")
    same("the refund", gid, found.id)
    next_cursor(found.refund_line_items.page_info)
    return data["refund"], found
