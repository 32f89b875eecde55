"""What happens behind a centre's desk: accepting, rejecting, packing, shipping, and telling Kept.

All of it is stored with a due time before it happens, so that a centre which was killed goes on where it
stopped. An event is sent until Kept takes it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from kept.settings import Secret
from kept.simulator.books import Book
from kept.simulator.config import Delays
from kept.simulator.faults import Luck, unit
from kept.simulator.orders import SKU_COUNT, catalogue, weight_g
from kept.simulator.outbox import Outbox, pause
from kept.simulator.party import Clock
from kept.simulator.payloads import iso
from kept.simulator.sender import Webhooks, retry_delay_s
from kept.simulator.signing import standard_headers
from kept.simulator.times import moment

_TASKS_AT_ONCE_MAX = 200  # in one transaction: some ms, so that the desk is not kept waiting
_EVENTS_AT_ONCE = 16
_TASKS_POLL_S = 0.05
_EVENT_FIRST_WAIT_S = 2.0  # how long an answer is held back for its event to arrive first
_ECHO_S = 0.3  # a duplicate event follows so soon


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event to send."""

    id: int
    webhook_id: str
    reference: str
    body: bytes
    attempts: int


@dataclass(slots=True)
class Floor:
    """One centre's floor. `centres` names all centres of the world: who refuses an order is drawn among them."""

    name: str
    centres: Sequence[str]
    book: Book
    luck: Luck
    delays: Delays
    clock: Clock
    webhooks: Webhooks
    secret: Secret
    taken: dict[str, asyncio.Event] = field(default_factory=dict)  # reference -> its accepted event was taken

    async def stock_up(self, on_hand: int) -> None:
        """Fill the shelves when the book is new."""
        rows = [(item.sku, on_hand) for item in catalogue()]
        assert len(rows) == SKU_COUNT

        def fill(db: sqlite3.Connection) -> None:
            if db.execute("SELECT count(*) FROM stock").fetchone()[0] == 0:
                db.executemany("INSERT INTO stock VALUES (?, ?)", rows)

        await self.book.write(fill)

    async def run(self, stop: asyncio.Event) -> None:
        """Do what is due until `stop`."""
        outbox = Outbox(self._due_events, self._send, _EVENTS_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            group.create_task(outbox.run(stop))
            group.create_task(self._work(stop))

    async def _work(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.book.write(self._do_due)
            await pause(stop, _TASKS_POLL_S)

    # -------------------------------------------------------------- decisions

    def fate(self, order_reference: str) -> str:
        """ "ship", "reject" or "short". Only one centre of the world is ever unkind to one order."""
        designated = int(unit(self.luck.seed, "designated", order_reference) * len(self.centres))
        if sorted(self.centres)[designated] != self.name:
            return "ship"
        if self.luck.strikes("rejects", order_reference):
            return "reject"
        return "short" if self.luck.strikes("short_picks", order_reference) else "ship"

    def plan(self, db: sqlite3.Connection, reference: str, order_reference: str, now_s: float) -> None:
        """Store what will be done with a new request, and when."""
        if self.fate(order_reference) == "reject":
            tasks = [(reference, "reject", now_s + self.delays.accept_s)]
        else:
            tasks = [
                (reference, "accept", now_s + self.delays.accept_s),
                (reference, "ship", now_s + self.delays.ship_s),
            ]
        db.executemany("INSERT INTO tasks (reference, action, due_at) VALUES (?, ?, ?)", tasks)

    def cancel(self, db: sqlite3.Connection, reference: str, now_s: float) -> str:
        """The answer to a cancel, and its effect."""
        row = db.execute("SELECT state FROM requests WHERE reference = ?", (reference,)).fetchone()
        if row is None:
            return "unknown"
        open_question = "SELECT 1 FROM tasks WHERE reference = ? AND action = 'resolve' AND done = 0"
        if db.execute(open_question, (reference,)).fetchone():
            return "pending"
        if row[0] == "shipped":
            return "too_late"
        if row[0] in {"received", "accepted"}:
            if self.luck.strikes("pending_cancels", reference):
                due_at = now_s + self.delays.accept_s
                db.execute(
                    "INSERT INTO tasks (reference, action, due_at) VALUES (?, 'resolve', ?)", (reference, due_at)
                )
                return "pending"
            _set_state(db, reference, "cancelled")
        return "cancelled"

    # -------------------------------------------------------------- due work

    def _do_due(self, db: sqlite3.Connection) -> None:
        now_s = self.clock()
        due = db.execute(
            "SELECT id, reference, action FROM tasks WHERE done = 0 AND due_at <= ? ORDER BY due_at, id LIMIT ?",
            (now_s, _TASKS_AT_ONCE_MAX),
        ).fetchall()
        for task, reference, action in due:
            self._do(db, reference, action, now_s)
            db.execute("UPDATE tasks SET done = 1 WHERE id = ?", (task,))

    def _do(self, db: sqlite3.Connection, reference: str, action: str, now_s: float) -> None:
        """One task, unless the request's state has made it pointless."""
        found = db.execute("SELECT state FROM requests WHERE reference = ?", (reference,))
        state: str = found.fetchone()[0]
        match action, state:
            case "accept", "received":
                _set_state(db, reference, "accepted")
                overtaken = self.luck.strikes("shipped_first", reference)
                due_at = now_s + self.delays.ship_s + 2 * _ECHO_S if overtaken else now_s
                self._emit(db, reference, "accepted", now_s, due_at=due_at)
            case "reject", "received":
                _set_state(db, reference, "rejected")
                self._emit(db, reference, "rejected", now_s, reason="damaged_stock")
            case "ship", "accepted":
                self._ship(db, reference, now_s)
            case "resolve", "shipped":
                self._emit(db, reference, "cancel_refused", now_s, reason="already_shipped")
            case "resolve", _:
                _set_state(db, reference, "cancelled")
                self._emit(db, reference, "cancelled", now_s)
            case _:  # cancelled or rejected in between: nothing left to do
                pass

    def _ship(self, db: sqlite3.Connection, reference: str, now_s: float) -> None:
        """Take what there is from the shelves and send it off; with nothing to send, reject."""
        order_reference, sscc = db.execute(
            "SELECT order_reference, sscc FROM requests WHERE reference = ?", (reference,)
        ).fetchone()
        picked = self._pick(db, reference, short=self.fate(order_reference) == "short")
        if not picked:
            _set_state(db, reference, "rejected")
            self._emit(db, reference, "rejected", now_s, reason="out_of_stock")
            return
        shipped_at = iso(moment(now_s))
        tracking = f"SIM{uuid.uuid5(uuid.NAMESPACE_OID, reference).int % 10**12:012d}"
        for line_no, sku, quantity in picked:
            db.execute("UPDATE stock SET on_hand = on_hand - ? WHERE sku = ?", (quantity, sku))
            row = (reference, order_reference, line_no, sku, quantity, sscc, tracking, shipped_at)
            db.execute("INSERT INTO shipments VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        _set_state(db, reference, "shipped")
        package = {
            "sscc": sscc,
            "carrier": "UPS",
            "tracking": tracking,
            "weight_g": sum(weight_g(sku) * quantity for _, sku, quantity in picked),
            "lines": [{"line_no": line, "sku": sku, "quantity": pieces} for line, sku, pieces in picked],
        }
        self._emit(db, reference, "shipped", now_s, packages=[package])

    def _pick(self, db: sqlite3.Connection, reference: str, *, short: bool) -> list[tuple[int, str, int]]:
        """What the picker finds of each line; a short pick leaves one piece of the last line on the shelf."""
        lines = db.execute(
            "SELECT l.line_no, l.sku, l.quantity, coalesce(s.on_hand, 0) FROM request_lines l"
            " LEFT JOIN stock s ON s.sku = l.sku WHERE l.reference = ? ORDER BY l.line_no",
            (reference,),
        ).fetchall()
        left: dict[str, int] = {}
        picked = []
        for line_no, sku, quantity, on_hand in lines:
            free = left.setdefault(sku, on_hand)
            pieces = min(quantity, free)
            left[sku] = free - pieces
            picked.append((line_no, sku, pieces))
        if short:
            line_no, sku, pieces = picked[-1]
            picked[-1] = (line_no, sku, pieces - 1)
        return [(line_no, sku, pieces) for line_no, sku, pieces in picked if pieces > 0]

    # -------------------------------------------------------------- events

    def _emit(
        self,
        db: sqlite3.Connection,
        reference: str,
        kind: str,
        now_s: float,
        *,
        due_at: float | None = None,
        **extra: Any,
    ) -> None:
        """Store an event for sending, and its duplicates where the world is clumsy."""
        body: dict[str, Any] = {"type": f"fulfilment.{kind}", "reference": reference}
        raw = orjson.dumps(body | {"occurred_at": iso(moment(now_s))} | extra)
        due = now_s if due_at is None else due_at
        rows = [("event", due)]
        if self.luck.strikes("event_duplicates", reference, kind):
            rows.append(("event", due + _ECHO_S))
        if self.luck.strikes("event_twins", reference, kind):
            rows.append(("twin", due + _ECHO_S))
        for salt, at in rows:
            webhook_id = f"msg_{uuid.uuid5(uuid.NAMESPACE_OID, f'{self.name}/{reference}/{kind}/{salt}').hex}"
            db.execute(
                "INSERT INTO events (webhook_id, reference, type, due_at, body) VALUES (?, ?, ?, ?, ?)",
                (webhook_id, reference, kind, at, raw),
            )

    async def accept_at_once(self, reference: str) -> None:
        """Accept before the request's answer is out, and wait a moment for Kept to have taken the event."""
        if self.luck.strikes("shipped_first", reference):
            return

        def accept(db: sqlite3.Connection) -> bool:
            mine = "reference = ? AND action = 'accept' AND done = 0"
            changed = db.execute(f"UPDATE tasks SET done = 1 WHERE {mine}", (reference,)).rowcount  # noqa: S608 - fixed text
            if changed:
                self._do(db, reference, "accept", self.clock())
            return bool(changed)

        taken = self.taken.setdefault(reference, asyncio.Event())
        if await self.book.write(accept):
            await pause(taken, _EVENT_FIRST_WAIT_S)
        self.taken.pop(reference, None)

    async def _due_events(self, limit: int) -> Sequence[EventRow]:
        def select(db: sqlite3.Connection) -> list[EventRow]:
            rows = db.execute(
                "SELECT id, webhook_id, reference, body, attempts FROM events"
                " WHERE answered_at IS NULL AND due_at <= ? ORDER BY due_at, id LIMIT ?",
                (self.clock(), limit),
            )
            return [EventRow(*row) for row in rows]

        return await self.book.write(select)

    async def _send(self, row: EventRow) -> None:
        now_s = self.clock()
        headers = standard_headers(self.secret.reveal(), row.webhook_id, row.body, now_s)
        reply = await self.webhooks.post(self.name, headers, row.body)
        now_s = self.clock()

        def record(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE events SET attempts = attempts + 1, status = ?, correlation_id = ?, answered_at = ?,"
                " due_at = ? WHERE id = ?",
                (
                    reply.status,
                    reply.correlation_id,
                    now_s if reply.accepted else None,
                    now_s + retry_delay_s(self.delays, row.attempts),
                    row.id,
                ),
            )

        await self.book.write(record)
        if reply.accepted and row.reference in self.taken:
            self.taken[row.reference].set()


def _set_state(db: sqlite3.Connection, reference: str, state: str) -> None:
    db.execute("UPDATE requests SET state = ? WHERE reference = ?", (state, reference))
