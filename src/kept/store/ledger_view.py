"""The ledger as the outside parties' books can be compared with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from kept.domain.keys import fulfilment_reference
from kept.domain.lifecycle import PartState
from kept.domain.numbering import renumbered
from kept.domain.order import OrderContent
from kept.store.database import Database
from kept.store.loading import decode_content


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order for the audit."""

    reference: str
    state: str
    booked: bool
    total_minor: int
    currency: str
    version: int  # 1, or more for an amended order
    erp_behind: bool  # the ERP was left with an older content, which a person was told of


@dataclass(frozen=True, slots=True)
class LineView:
    """A line for the audit."""

    ordered: int
    shipped: int


@dataclass(frozen=True, slots=True)
class LedgerView:
    """Everything of the ledger that outside parties can be asked about."""

    orders: tuple[OrderView, ...]
    orders_by_external: Mapping[tuple[str, str], str]
    lines: Mapping[tuple[str, int], LineView]  # (order reference, line)
    shipped_parts: Mapping[str, Mapping[int, int]]  # part reference -> line -> pieces shipped
    posted_parts: frozenset[str]
    shipped_to_tell: Mapping[tuple[str, str], int]  # (external id, channel's line id) -> pieces shipped
    told_the_channel: Mapping[tuple[str, str], int]
    inbox_keys: Mapping[str, set[str]]
    unreadable_messages: int
    polled_until: Mapping[str, datetime]  # by account: changes before that were asked for


async def ledger_view(database: Database) -> LedgerView:
    """The whole ledger for the audit; meant for audits of up to some hundred thousand orders."""
    async with database.connection() as connection:
        orders = await connection.fetch(
            "SELECT reference, account, external_id, state, erp_order_id, total_minor, currency, version,"
            " version > 1 AND EXISTS (SELECT 1 FROM ledger l WHERE l.order_id = o.id AND l.type = 'ErpNotAmended')"
            " AS erp_behind FROM orders o"
        )
        lines = await connection.fetch(
            "SELECT o.reference, l.line_no, l.ordered, l.shipped FROM order_lines l JOIN orders o ON o.id = l.order_id"
        )
        parts = await connection.fetch(
            "SELECT o.reference, o.external_id, o.message_id, o.numbering, p.number, p.state, l.line_no, l.shipped"
            " FROM part_lines l JOIN parts p USING (order_id, number) JOIN orders o ON o.id = l.order_id"
            " WHERE p.shipment IS NOT NULL AND l.shipped > 0"
        )
        contents = await connection.fetch(
            "SELECT message_id, content FROM contents WHERE message_id = ANY($1::bigint[])",
            list({row["message_id"] for row in parts}),
        )
        inbox = await connection.fetch("SELECT source, external_key FROM inbox")
        unreadable = await connection.fetchval(
            "SELECT count(*) FROM dead_letters WHERE code = 'bad_message' AND kind = 'message'"
        )
        windows = await connection.fetch("SELECT account, done_until FROM poll_windows")
    decoded = {row["message_id"]: decode_content(row["content"]) for row in contents}
    shipped: dict[str, dict[int, int]] = defaultdict(dict)
    posted: set[str] = set()
    to_tell: Counter[tuple[str, str]] = Counter()
    told: Counter[tuple[str, str]] = Counter()
    for row in parts:
        reference = fulfilment_reference(row["reference"], row["number"])
        shipped[reference][row["line_no"]] = row["shipped"]
        if row["state"] == PartState.POSTED.value:
            posted.add(reference)
        line_id = _line_ids(decoded[row["message_id"]], row["numbering"]).get(row["line_no"])
        if line_id is None:
            continue  # the channel dropped the line, and is told nothing of it
        key = (row["external_id"], line_id)
        to_tell[key] += row["shipped"]
        if row["state"] in (PartState.CONFIRMED.value, PartState.POSTED.value):
            told[key] += row["shipped"]
    keys: dict[str, set[str]] = defaultdict(set)
    for source, external_key in inbox:
        keys[source].add(external_key)
    return LedgerView(
        orders=tuple(
            OrderView(
                r["reference"],
                r["state"],
                bool(r["erp_order_id"]),
                r["total_minor"],
                r["currency"],
                r["version"],
                r["erp_behind"],
            )
            for r in orders
        ),
        orders_by_external={(r["account"], r["external_id"]): r["reference"] for r in orders},
        lines={(r["reference"], r["line_no"]): LineView(r["ordered"], r["shipped"]) for r in lines},
        shipped_parts=shipped,
        posted_parts=frozenset(posted),
        shipped_to_tell=to_tell,
        told_the_channel=told,
        inbox_keys=keys,
        unreadable_messages=unreadable,
        polled_until={row["account"]: row["done_until"] for row in windows},
    )


def _line_ids(content: OrderContent, numbering: Sequence[int]) -> dict[int, str]:
    return {line.line_no: line.external_id for line in renumbered(content, numbering).lines}
