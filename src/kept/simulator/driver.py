"""Sells: makes orders at a rate, and sends their webhooks until Kept has taken each of them.

An order and all that will be said of it are stored in one transaction before anything is sent, so that a
driver which was killed goes on with the same story.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from kept.settings import Secret, resolve_secret
from kept.simulator.books import Book
from kept.simulator.config import WorldConfig
from kept.simulator.dialects import DIALECTS, Dialect, MessageRow
from kept.simulator.faults import Luck
from kept.simulator.orders import Sale, cut, make_sale
from kept.simulator.outbox import Outbox, pause
from kept.simulator.party import Clock
from kept.simulator.payloads import Version, iso
from kept.simulator.script import Draft, Flavour, is_cancelled, script
from kept.simulator.sender import Reply, Webhooks, retry_delay_s
from kept.simulator.times import moment

_ORDERS_AT_ONCE_MAX = 100  # in one transaction: about 50 ms of work
_PRODUCE_POLL_S = 0.05
_FORGED_SEQ = 500_000_000  # forged orders have numbers of their own, so that one that gets in is seen
_WRONG_SECRET = "whsec_d3JvbmcgYW5kIGtub3duIHRvIGJlIHdyb25n"  # noqa: S105 - known to be wrong, on purpose


@dataclass(slots=True)
class Driver:
    """The sales side of the world."""

    config: WorldConfig
    book: Book
    webhooks: Webhooks
    clock: Clock
    secrets: Mapping[str, Secret] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.secrets:
            channels = self.config.channels
            self.secrets = {name: resolve_secret(each.webhook_secret) for name, each in channels.items()}

    async def run(self, stop: asyncio.Event) -> None:
        """Sell and send until `stop`."""
        outbox = Outbox(self._due, self._send, self.config.webhooks_at_once)
        async with asyncio.TaskGroup() as group:
            group.create_task(outbox.run(stop))
            group.create_task(self._produce(stop))

    # -------------------------------------------------------------- making orders

    async def _produce(self, stop: asyncio.Event) -> None:
        """Make orders at the rate; the count is over all runs of this book."""
        made: int = await self.book.write(lambda db: db.execute("SELECT count(*) FROM orders").fetchone()[0])
        first, started = made, self.clock()
        while not stop.is_set():
            wanted = first + int((self.clock() - started) * self.config.rate) + 1
            if self.config.count:
                wanted = min(wanted, self.config.count)
            fresh = range(made + 1, min(wanted, made + _ORDERS_AT_ONCE_MAX) + 1)
            if fresh:
                await self.book.write(partial(self.sell, fresh))
                made = fresh[-1]
            if self.config.count and made >= self.config.count:
                return
            await pause(stop, _PRODUCE_POLL_S)

    def sell(self, seqs: range, db: sqlite3.Connection) -> None:
        """Store these orders, and all that will be said of them."""
        for seq in seqs:
            self._make(db, seq)

    def _make(self, db: sqlite3.Connection, seq: int) -> None:
        """Store one order and all its webhooks. Accounts take turns."""
        now_s = self.clock()
        sale = make_sale(self.config.seed, seq, moment(now_s))
        accounts = sorted(self.config.channels)
        account = accounts[seq % len(accounts)]
        dialect = self._dialect(account)
        drafts = self._drafts(account, sale)
        external_id, number = dialect.order_id(seq), dialect.number(seq)
        cancelled = int(is_cancelled(drafts))
        db.execute(
            "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (seq, account, external_id, number, sale.currency, sale.total_minor, cancelled, now_s),
        )
        db.executemany(
            "INSERT INTO order_lines VALUES (?, ?, ?, ?, ?, ?)",
            [
                (
                    account,
                    external_id,
                    dialect.line_id(seq, line.line_no),
                    line.item.sku,
                    line.wanted,
                    int(line.requires_shipping),
                )
                for line in sale.lines
            ],
        )
        unheard = self._unheard(account, seq)
        for draft in drafts:
            if not (unheard and draft.flavour is Flavour.GOOD):
                self._store(db, account, sale, draft, now_s)

    def _dialect(self, account: str) -> Dialect:
        return DIALECTS[self.config.channels[account].type]

    def lists(self, account: str, seq: int) -> bool:
        """Whether the channel's call that lists orders shows this one."""
        luck = Luck(self.config.seed, self.config.behaviour)
        return self._unheard(account, seq) or not luck.strikes("unlisted", account, seq)

    def _unheard(self, account: str, seq: int) -> bool:
        luck = Luck(self.config.seed, self.config.behaviour)
        return self._dialect(account).listed and luck.strikes("unheard", account, seq)

    def _drafts(self, account: str, sale: Sale) -> tuple[Draft, ...]:
        luck = Luck(self.config.seed, self.config.behaviour)
        drafts = script(luck, account, sale.seq, self.config.delays, free=sale.free)
        if self._dialect(account).cancels_late:
            return drafts
        late_s = self.config.delays.cancel_late_s
        return tuple(
            each for each in drafts if not (each.version.cut or (each.version.cancelled and each.after_s >= late_s))
        )

    def stands(self, account: str, seq: int, made_at: float) -> tuple[Sale, Version]:
        """The order as its channel has it now, whatever webhooks were sent of it, or lost."""
        sale = make_sale(self.config.seed, seq, moment(made_at))
        drafts = self._drafts(account, sale)
        age_s = self.clock() - made_at
        said = [
            draft.version
            for draft in drafts
            if draft.flavour is Flavour.GOOD and (draft.name == "create" or draft.after_s <= age_s)
        ]
        version = max(said, key=lambda version: version.age_s)
        return cut(sale) if version.cut else sale, version

    def _store(self, db: sqlite3.Connection, account: str, sale: Sale, draft: Draft, now_s: float) -> None:
        dialect = self._dialect(account)
        shown = cut(sale) if draft.version.cut else sale
        if draft.flavour is Flavour.FORGED:
            shown = replace(shown, seq=sale.seq + _FORGED_SEQ)
        body = _malformed(sale.seq) if draft.flavour is Flavour.MALFORMED else dialect.body(shown, draft.version)
        own = f"{self.config.seed}/{account}/{sale.seq}/{sale.placed_at}/{draft.name}"
        webhook_id = str(uuid.uuid5(uuid.NAMESPACE_URL, own))
        if dialect.message_id is not None and draft.flavour is not Flavour.MALFORMED:
            webhook_id = dialect.message_id(body)
        event_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{own}/event"))
        db.execute(
            "INSERT INTO messages (seq, account, external_id, topic, webhook_id, event_id, triggered_at, flavour,"
            " due_at, body, sha256) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                sale.seq,
                account,
                dialect.order_id(shown.seq),
                draft.topic,
                webhook_id,
                event_id,
                iso(moment(now_s + draft.after_s)),
                draft.flavour.value,
                now_s + draft.after_s,
                body,
                hashlib.sha256(body).hexdigest(),
            ),
        )

    # -------------------------------------------------------------- sending

    async def _due(self, limit: int) -> Sequence[MessageRow]:
        posting = [account for account in self.config.channels if self._dialect(account).headers is not None]
        return await self.book.write(lambda db: self.due(db, posting, limit))

    def due(self, db: sqlite3.Connection, accounts: Sequence[str], limit: int) -> list[MessageRow]:
        """Messages of these accounts whose time has come, oldest first."""
        rows = db.execute(
            "SELECT id, account, topic, webhook_id, event_id, triggered_at, flavour, body, attempts"
            " FROM messages WHERE answered_at IS NULL AND due_at <= ?"
            " AND account IN (SELECT value FROM json_each(?)) ORDER BY due_at, id LIMIT ?",
            (self.clock(), json.dumps(list(accounts)), limit),
        )
        return [MessageRow(*row) for row in rows]

    async def _send(self, row: MessageRow) -> None:
        """One try. A good webhook is tried until 2xx; a bad one until it is answered for good."""
        reply = await self.webhooks.post(row.account, self.headers(row), row.body)
        finished = reply.accepted if row.flavour == Flavour.GOOD else reply.definite
        now_s = self.clock()
        await self.book.write(lambda db: self._record(db, row, reply, now_s, finished=finished))

    def headers(self, row: MessageRow) -> Mapping[str, str]:
        """The channel's own headers, signed now over the unchanged body."""
        secret = _WRONG_SECRET if row.flavour == Flavour.FORGED else self.secrets[row.account].reveal()
        sign = self._dialect(row.account).headers
        assert sign is not None, "_due gives only what is posted"
        return sign(secret, row, self.clock())

    def _record(self, db: sqlite3.Connection, row: MessageRow, reply: Reply, now_s: float, *, finished: bool) -> None:
        """Each try is kept; the body of a finished webhook is not: its hash is enough, and books stay small."""
        db.execute(
            "INSERT INTO tries VALUES (?, ?, ?, ?, ?)",
            (row.id, now_s, reply.status, reply.correlation_id, reply.error),
        )
        db.execute(
            "UPDATE messages SET attempts = attempts + 1, status = ?, correlation_id = ?, answered_at = ?,"
            " due_at = ?, body = ? WHERE id = ?",
            (
                reply.status,
                reply.correlation_id,
                now_s if finished else None,
                now_s + retry_delay_s(self.config.delays, row.attempts),
                b"" if finished else row.body,
                row.id,
            ),
        )

    # -------------------------------------------------------------- progress

    async def status(self) -> dict[str, Any]:
        """Counters; `done` when the count is reached and every webhook was answered."""

        def count(db: sqlite3.Connection) -> dict[str, Any]:
            def one(sql: str) -> int:
                number: int = db.execute(sql).fetchone()[0]
                return number

            return {
                "sent": one("SELECT count(*) FROM orders"),
                "webhooks": one("SELECT count(*) FROM messages"),
                "answered": one("SELECT count(*) FROM messages WHERE answered_at IS NOT NULL"),
                "tries": one("SELECT count(*) FROM tries"),
                "confirmed": one("SELECT count(*) FROM fulfilments"),
                "malformed": one("SELECT count(*) FROM messages WHERE flavour = 'malformed'"),
                "forged": one("SELECT count(*) FROM messages WHERE flavour = 'forged'"),
            }

        counts = await self.book.write(count)
        all_made = bool(self.config.count) and counts["sent"] >= self.config.count
        return counts | {"done": all_made and counts["answered"] == counts["webhooks"]}


def _malformed(seq: int) -> bytes:
    """Something that is no order: cut JSON, another JSON, an order without its parts. In turns."""
    shapes = (b'{"id": 12345, "line_items": [{"sku": "SKU-0', b'["not", "an", "order"]', b'{"hello": "world"}')
    return shapes[seq % len(shapes)]
