"""The feed: facts of the ledger get their positions, in the order in which they became visible.

Settlements commit in another order than they begin in, so that a cursor over anything that they number would
skip what is committed late. Positions are therefore given afterwards, by one publisher at a time: each pass takes
exactly the transactions that were over at this look and not at the last one. Settlements do nothing for it.

Within an order positions follow seq: a settlement begins only after the facts that it was decided on are
committed, so its transaction number is higher than theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import orjson
import structlog

from kept.domain.numbering import renumbered
from kept.domain.order import OrderContent
from kept.domain.public_events import PUBLISHED, Fact
from kept.engine.interfaces import StoreUnavailable
from kept.store.database import Database
from kept.store.loading import Orders

log = structlog.get_logger("kept.publishing")

# Any number: publishers take turns. Another lock than the migrations'.
_PUBLISHING_LOCK = 7_065_742
# Transactions taken in one pass; a pass that found little takes more the next time, one that found much less.
_STEP_FIRST, _STEP_MAX = 200, 2**40
_FOUND_LITTLE, _FOUND_MUCH = 2_000, 20_000
# An idle pass is not written down, until so many transactions have gone by that looking at them again costs.
_IDLE_TRANSACTIONS_MAX = 10_000
# Facts published in one transaction when beginning anew.
_CHUNK = 10_000
# How many publications one reading looks at: a reader of few types gets an empty page rather than a long wait.
SCANNED_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Horizon:
    """Which transactions are over: all before `until` but those in `still_open`."""

    until: int
    still_open: frozenset[int]


@dataclass(frozen=True, slots=True)
class Window:
    """Which transactions a pass takes: [since, until) without `not_yet`, and `late`, which were open before."""

    since: int
    until: int
    not_yet: frozenset[int]
    late: frozenset[int]

    @property
    def after(self) -> Horizon:
        """The horizon up to which everything is published after the pass."""
        return Horizon(self.until, self.not_yet)


def window(done: Horizon, now: Horizon, step: int) -> Window:
    """What became visible since `done`, at most `step` transactions further."""
    until = min(now.until, done.until + step)
    not_yet = frozenset(xact for xact in now.still_open if xact < until)
    return Window(done.until, until, not_yet, done.still_open - now.still_open)


@dataclass(frozen=True, slots=True)
class Page:
    """A reading of the feed: everything that was chosen up to `until`. `more` says that there is more by now."""

    facts: tuple[Fact, ...]
    until: int
    more: bool


class Publisher:
    """Gives facts their positions. Any number may run; one publishes, the others find nothing to do."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._step = _STEP_FIRST

    async def publish(self) -> bool:
        """One pass; whether another one is due at once. Raises StoreUnavailable."""
        try:
            return await self._pass()
        except StoreUnavailable:
            # Perhaps it took too long: then a smaller one comes through.
            self._step = max(1, self._step // 2)
            raise

    async def _pass(self) -> bool:
        async with self._database.transaction() as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _PUBLISHING_LOCK):
                return False
            row = await connection.fetchrow(_LOOK)
            done = Horizon(row["done_until"], frozenset(row["still_open"]))
            now = Horizon(row["until"], frozenset(row["open_now"]))
            if 0 < done.until <= now.until:
                return await self._take(connection, window(done, now, self._step), now, row["position"])
        if done.until:
            # Restored from a copy, or moved to another server: its transactions are numbered from low again.
            log.warning("publishing.anew", transactions=now.until, published_until=done.until)
        await self._begin_anew(now)
        return True

    async def _take(self, connection: asyncpg.Connection, taken: Window, now: Horizon, position: int) -> bool:
        found: int = await connection.fetchval(
            _PUBLISH,
            position,
            list(PUBLISHED),
            taken.since,
            taken.until,
            list(taken.not_yet),
            list(taken.late),
        )
        more = taken.until < now.until
        if found or more or taken.until - taken.since > _IDLE_TRANSACTIONS_MAX:
            await _write_down(connection, position + found, taken.after)
        if found > _FOUND_MUCH:
            self._step = max(1, self._step // 2)
        elif found < _FOUND_LITTLE and more:
            self._step = min(_STEP_MAX, self._step * 2)
        return more

    async def _begin_anew(self, horizon: Horizon) -> None:
        """Publish all facts that are not published yet, order by order, whatever transaction wrote them."""
        order_id, seq = 0, 0
        while True:
            async with self._database.transaction() as connection:
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _PUBLISHING_LOCK)
                rows = await connection.fetch(_AFTER, order_id, seq, list(PUBLISHED), _CHUNK)
                position: int = await connection.fetchval("SELECT position FROM publishing")
                if not rows:
                    # What was committed meanwhile is found again by the next pass, and is not published twice.
                    await _write_down(connection, position, horizon)
                    return
                order_id, seq = rows[-1]["order_id"], rows[-1]["seq"]
                keys = ([row["order_id"] for row in rows], [row["seq"] for row in rows])
                await connection.execute(_PUBLISH_THESE, position, *keys)
                await connection.execute("UPDATE publishing SET position = $1", position + len(rows))


async def _write_down(connection: asyncpg.Connection, position: int, done: Horizon) -> None:
    await connection.execute(
        "UPDATE publishing SET position = $1, done_until = $2, still_open = $3",
        position,
        done.until,
        list(done.still_open),
    )


# One statement, one snapshot: what it says of transactions is all from the same instant.
_LOOK = """
SELECT position, done_until, still_open,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS until,
       ARRAY(SELECT x::text::bigint FROM pg_snapshot_xip(pg_current_snapshot()) x) AS open_now
FROM publishing
"""
# Reads what the look saw as over, by arithmetic: this statement's own snapshot is later. UNION ALL, so that each
# half finds its blocks by the index. Positions are given to all that were found, so that gaps and no doubles arise
# where some were published before.
_PUBLISH = """
WITH found AS (
    SELECT l.xact, l.order_id, l.seq, l.type, l.at FROM ledger l
    WHERE l.xact >= $3 AND l.xact < $4 AND l.xact <> ALL($5::bigint[]) AND l.type = ANY($2::text[])
    UNION ALL
    SELECT l.xact, l.order_id, l.seq, l.type, l.at FROM ledger l
    WHERE l.xact = ANY($6::bigint[]) AND l.type = ANY($2::text[])
), numbered AS (
    SELECT f.*, row_number() OVER (ORDER BY f.xact, f.order_id, f.seq) AS n FROM found f
), published AS (
    INSERT INTO publications (position, order_id, seq, type, account, at)
    SELECT $1::bigint + f.n, f.order_id, f.seq, f.type, o.account, f.at
    FROM numbered f JOIN orders o ON o.id = f.order_id
    ON CONFLICT (order_id, seq) DO NOTHING
)
SELECT count(*) FROM found
"""
_AFTER = """
SELECT order_id, seq FROM ledger WHERE (order_id, seq) > ($1, $2) AND type = ANY($3::text[])
ORDER BY order_id, seq LIMIT $4
"""
_PUBLISH_THESE = """
INSERT INTO publications (position, order_id, seq, type, account, at)
SELECT $1::bigint + row_number() OVER (ORDER BY l.order_id, l.seq), l.order_id, l.seq, l.type, o.account, l.at
FROM unnest($2::bigint[], $3::int[]) AS x(order_id, seq)
JOIN ledger l USING (order_id, seq) JOIN orders o ON o.id = l.order_id
ON CONFLICT (order_id, seq) DO NOTHING
"""


class Feed:
    """Reads what is published."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._orders = Orders(database)

    async def head(self) -> int:
        """The position of the newest publication."""
        async with self._database.connection() as connection:
            position: int = await connection.fetchval("SELECT position FROM publishing")
        return position

    async def read(self, after: int, types: Sequence[str], accounts: Sequence[str], limit: int) -> Page:
        """The next facts of these types (the ledger's names) and accounts (none: all) after a position."""
        async with self._database.connection() as connection:
            # The head first: what is read afterwards holds everything up to it.
            head: int = await connection.fetchval("SELECT position FROM publishing")
            until = min(head, after + SCANNED_MAX)
            rows = await connection.fetch(_READ, after, until, list(types), list(accounts), limit)
        if len(rows) == limit:
            until = rows[-1]["position"]
        return Page(await self.facts([row["position"] for row in rows]), until, until < head)

    async def position_of(self, reference: str, seq: int) -> int | None:
        """Where a fact stands in the feed; None if it is not published."""
        async with self._database.connection() as connection:
            position: int | None = await connection.fetchval(
                "SELECT p.position FROM publications p JOIN orders o ON o.id = p.order_id"
                " WHERE o.reference = $1 AND p.seq = $2",
                reference,
                seq,
            )
        return position

    async def position_before(self, since: datetime) -> int:
        """The position after which everything that happened at `since` or later stands."""
        async with self._database.connection() as connection:
            position: int = await connection.fetchval(
                "SELECT coalesce((SELECT min(position) - 1 FROM publications WHERE at >= $1),"
                " (SELECT position FROM publishing))",
                since,
            )
        return position

    async def facts(self, positions: Sequence[int]) -> tuple[Fact, ...]:
        """The facts at these positions, in their order."""
        if not positions:
            return ()
        async with self._database.connection() as connection:
            rows = await connection.fetch(_FACTS, list(positions))
            data = [orjson.loads(row["data"]) for row in rows]
            told = {each["message_id"] for row, each in zip(rows, data, strict=True) if row["type"] in _WITH_CONTENT}
            contents = await self._orders.contents(connection, told)
        return tuple(
            Fact(
                **{name: row[name] for name in _FACT_COLUMNS},
                data=each,
                content=_content(contents.get(each["message_id"]), each) if row["type"] in _WITH_CONTENT else None,
            )
            for row, each in zip(rows, data, strict=True)
        )


def _content(content: OrderContent | None, data: Mapping[str, Any]) -> OrderContent | None:
    return renumbered(content, data.get("numbers", ())) if content is not None else None


_WITH_CONTENT = frozenset({"OrderReceived", "OrderRevised", "OrderAmended"})
_FACT_COLUMNS = (
    "position",
    "order_id",
    "seq",
    "type",
    "part",
    "state",
    "at",
    "correlation_id",
    "reference",
    "account",
    "external_id",
    "number",
)
_READ = """
SELECT position FROM publications
WHERE position > $1 AND position <= $2 AND type = ANY($3::text[]) AND ($4::text[] = '{}' OR account = ANY($4::text[]))
ORDER BY position LIMIT $5
"""
_FACTS = """
SELECT p.position, p.order_id, p.seq, l.type, l.part, l.state, l.at, l.correlation_id, l.data,
       o.reference, o.account, o.external_id, o.number
FROM publications p JOIN ledger l USING (order_id, seq) JOIN orders o ON o.id = p.order_id
WHERE p.position = ANY($1::bigint[]) ORDER BY p.position
"""
