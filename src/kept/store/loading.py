"""Reading orders and messages back into values, many at once."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import asyncpg
import msgspec
import orjson

from kept.domain.events import PartShipped
from kept.domain.lifecycle import OrderState, PartState
from kept.domain.numbering import renumbered
from kept.domain.order import OrderContent
from kept.domain.progress import LineProgress, Order, Part, PartLine
from kept.domain.subjects import Message
from kept.store.database import Database

# About 15 MB: the contents of the orders that a worker is busy with, read by each of their steps.
_CONTENTS_MAX = 5000

_decode_content = msgspec.json.Decoder(OrderContent).decode
_decode_shipment = msgspec.json.Decoder(PartShipped).decode


def encode_content(content: OrderContent) -> bytes:
    """The stored form of a content; `decode_content` reads it back equal."""
    return orjson.dumps(content)


def decode_content(stored: bytes) -> OrderContent:
    return _decode_content(stored)


class Orders:
    """Loads orders whole. Contents never change, so they are cached."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._contents: OrderedDict[int, OrderContent] = OrderedDict()

    async def by_ids(self, ids: Sequence[int]) -> dict[int, Order]:
        """Orders by id; ids that are unknown are left out."""
        if not ids:
            return {}
        async with self._database.connection() as connection:
            return await self.load(connection, ids)

    async def by_external(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Order]:
        """Orders by (channel account, external id)."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT id, account, external_id FROM orders WHERE (account, external_id) IN"
                " (SELECT * FROM unnest($1::text[], $2::text[]))",
                [account for account, _ in keys],
                [external_id for _, external_id in keys],
            )
            orders = await self.load(connection, [row["id"] for row in rows])
        return {(row["account"], row["external_id"]): orders[row["id"]] for row in rows}

    async def by_references(self, references: Sequence[str]) -> dict[str, Order]:
        """Orders by our own reference."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT id, reference FROM orders WHERE reference = ANY($1::text[])", references
            )
            orders = await self.load(connection, [row["id"] for row in rows])
        return {row["reference"]: orders[row["id"]] for row in rows}

    async def load(self, connection: asyncpg.Connection, ids: Sequence[int]) -> dict[int, Order]:
        """Orders by id, on a given connection."""
        rows = await connection.fetch(
            "SELECT id, reference, state, seq, message_id, customer_id, erp_order_id, correlation_id,"
            " revision, cancel_reason, accepted_holds, version, booked_version, numbering FROM orders"
            " WHERE id = ANY($1::bigint[])",
            ids,
        )
        if not rows:
            return {}
        contents = await self.contents(connection, [row["message_id"] for row in rows])
        lines = await _lines(connection, ids)
        parts = await _parts(connection, ids)
        return {
            row["id"]: Order(
                id=row["id"],
                reference=row["reference"],
                state=OrderState(row["state"]),
                seq=row["seq"],
                message_id=row["message_id"],
                revision=row["revision"],
                correlation_id=row["correlation_id"],
                content=renumbered(contents[row["message_id"]], row["numbering"]),
                lines=tuple(lines[row["id"]]),
                parts=tuple(parts.get(row["id"], ())),
                customer_id=row["customer_id"],
                erp_order_id=row["erp_order_id"],
                cancel_reason=row["cancel_reason"],
                accepted_holds=tuple(row["accepted_holds"]),
                version=row["version"],
                booked_version=row["booked_version"],
                numbering=tuple(row["numbering"]),
            )
            for row in rows
        }

    async def contents(self, connection: asyncpg.Connection, message_ids: Iterable[int]) -> Mapping[int, OrderContent]:
        """Contents by the message that brought them."""
        found: dict[int, OrderContent] = {}
        missing = []
        for message_id in message_ids:
            content = self._contents.get(message_id)
            if content is None:
                missing.append(message_id)
            else:
                self._contents.move_to_end(message_id)
                found[message_id] = content
        if missing:
            rows = await connection.fetch(
                "SELECT message_id, content FROM contents WHERE message_id = ANY($1::bigint[])", missing
            )
            for row in rows:
                content = decode_content(row["content"])
                found[row["message_id"]] = content
                self.remember(row["message_id"], content)
        return found

    def remember(self, message_id: int, content: OrderContent) -> None:
        """Keep a content at hand that was just written."""
        self._contents[message_id] = content
        while len(self._contents) > _CONTENTS_MAX:
            self._contents.popitem(last=False)


async def _lines(connection: asyncpg.Connection, ids: Sequence[int]) -> dict[int, list[LineProgress]]:
    lines: dict[int, list[LineProgress]] = defaultdict(list)
    for row in await connection.fetch(
        "SELECT order_id, line_no, sku, ordered, cancelled, shipped FROM order_lines"
        " WHERE order_id = ANY($1::bigint[]) ORDER BY order_id, line_no",
        ids,
    ):
        order_id, *values = row
        lines[order_id].append(LineProgress(*values))
    return lines


async def _parts(connection: asyncpg.Connection, ids: Sequence[int]) -> dict[int, list[Part]]:
    rows = await connection.fetch(
        "SELECT id, order_id, number, centre, service, state, sscc, label_sha256, shipment FROM parts"
        " WHERE order_id = ANY($1::bigint[]) ORDER BY order_id, number",
        ids,
    )
    if not rows:
        return {}
    lines: dict[tuple[int, int], list[PartLine]] = defaultdict(list)
    for row in await connection.fetch(
        "SELECT order_id, number, line_no, sku, quantity, shipped FROM part_lines"
        " WHERE order_id = ANY($1::bigint[]) ORDER BY order_id, number, line_no",
        ids,
    ):
        order_id, number, *values = row
        lines[order_id, number].append(PartLine(*values))
    parts: dict[int, list[Part]] = defaultdict(list)
    for row in rows:
        parts[row["order_id"]].append(_part(row, lines[row["order_id"], row["number"]]))
    return parts


def _part(row: Mapping[str, Any], lines: Sequence[PartLine]) -> Part:
    shipment = row["shipment"]
    return Part(
        id=row["id"],
        number=row["number"],
        centre=row["centre"],
        service=row["service"],
        state=PartState(row["state"]),
        lines=tuple(lines),
        sscc=row["sscc"],
        label_sha256=row["label_sha256"],
        shipment=_decode_shipment(shipment) if shipment is not None else None,
    )


async def load_messages(
    connection: asyncpg.Connection, orders: Orders, ids: Sequence[int], *, with_content: bool
) -> dict[int, Message]:
    """Inbox messages by id. With content, the raw body stays where it is."""
    body = "''::bytea AS body, '{}'::jsonb AS headers" if with_content else "body, headers"
    rows = await connection.fetch(
        f"SELECT id, source, received_at, correlation_id, {body} FROM inbox"  # noqa: S608 - one of two literals
        " WHERE id = ANY($1::bigint[])",
        ids,
    )
    contents = await orders.contents(connection, ids) if with_content else {}
    return {
        row["id"]: Message(
            id=row["id"],
            source=row["source"],
            headers=orjson.loads(row["headers"]),
            body=row["body"],
            received_at=row["received_at"],
            correlation_id=row["correlation_id"],
            content=contents.get(row["id"]),
        )
        for row in rows
    }
