"""The simulated seller's notification queue: as much of the SQS protocol (AWS JSON 1.0) as a receiver needs.

A message that was received is hidden for its visibility time and comes again unless it was deleted.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from kept.simulator.dialects import MessageRow
from kept.simulator.driver import Driver
from kept.simulator.outbox import pause
from kept.simulator.party import Party
from kept.simulator.script import Flavour

_LOOK_EVERY_S = 0.05
_DELETED = 200  # of a malformed message: whoever deletes it took it
_AHEAD = 50  # of what is hidden; what is forged goes away once it was seen


class Queue:
    """One account's queue. Its messages are those of the driver's book; which are hidden is forgotten by a restart."""

    def __init__(self, party: Party, driver: Driver) -> None:
        self._party = party
        self._driver = driver
        self._hidden: dict[int, float] = {}  # message id -> visible again at

    async def serve(self, request: Request) -> Response:
        """One call. Any key is good that names the account: the world has no secrets from itself."""
        if f"Credential={self._party.name}/" not in request.headers.get("authorization", ""):
            return _answer(403, {"__type": "com.amazon.coral.service#InvalidClientTokenId", "message": "unknown key"})
        body = orjson.loads(await request.body())
        match request.headers.get("x-amz-target", "").rpartition(".")[2]:
            case "ReceiveMessage":
                return await self._receive(body)
            case "DeleteMessageBatch":
                return await self._delete(body)
        return _answer(400, {"__type": "com.amazon.coral.service#InvalidAction", "message": "not served"})

    async def _receive(self, body: dict[str, Any]) -> Response:
        waits_until = self._party.clock() + body.get("WaitTimeSeconds", 0)
        while True:
            rows = await self._party.book.write(lambda db: self._take(db, body))
            if rows or self._party.clock() >= waits_until:
                return _answer(200, {"Messages": [_message(row) for row in rows]})
            await pause(asyncio.Event(), _LOOK_EVERY_S)

    def _take(self, db: sqlite3.Connection, body: dict[str, Any]) -> list[MessageRow]:
        now_s = self._party.clock()
        self._hidden = {number: at_s for number, at_s in self._hidden.items() if at_s > now_s}
        due = self._driver.due(db, [self._party.name], len(self._hidden) + _AHEAD)
        # Nobody but Amazon can write into the queue, so nothing forged ever is in it.
        self._close(db, [row.id for row in due if row.flavour == Flavour.FORGED], None)
        open_rows = [row for row in due if row.flavour != Flavour.FORGED and row.id not in self._hidden]
        taken = open_rows[: body.get("MaxNumberOfMessages", 1)]
        for row in taken:
            self._hidden[row.id] = now_s + body.get("VisibilityTimeout", 30)
            db.execute("UPDATE messages SET attempts = attempts + 1 WHERE id = ?", (row.id,))
        return taken

    async def _delete(self, body: dict[str, Any]) -> Response:
        entries = body["Entries"]
        ids = [int(entry["ReceiptHandle"].partition(".")[0]) for entry in entries]
        await self._party.book.write(lambda db: self._close(db, ids, _DELETED))
        return _answer(200, {"Successful": [{"Id": entry["Id"]} for entry in entries], "Failed": []})

    def _close(self, db: sqlite3.Connection, ids: Sequence[int], status: int | None) -> None:
        """Take messages off the queue. A good one gets no status: the inbox may have its order by another way."""
        db.executemany(
            "UPDATE messages SET answered_at = ?, body = x'', status = CASE flavour WHEN 'malformed' THEN ? END"
            " WHERE id = ? AND answered_at IS NULL",
            [(self._party.clock(), status, number) for number in ids],
        )


def _message(row: MessageRow) -> dict[str, Any]:
    body = row.body.decode()
    return {
        "MessageId": row.webhook_id,
        "ReceiptHandle": f"{row.id}.{row.attempts}",
        "MD5OfBody": hashlib.md5(row.body, usedforsecurity=False).hexdigest(),
        "Body": body,
        "Attributes": {"ApproximateReceiveCount": str(row.attempts + 1)},
    }


def _answer(status: int, body: dict[str, Any]) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/x-amz-json-1.0")
