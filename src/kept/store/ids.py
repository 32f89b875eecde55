"""Ids taken from PostgreSQL's sequences a block at a time. Gaps are ordinary, repeats impossible."""

from __future__ import annotations

from kept.store.database import Database

# As INCREMENT BY in the schema: a block belongs to whoever drew it.
_BLOCK = {"delivery_ids": 1000, "order_ids": 100, "part_ids": 100, "message_ids": 100, "sscc_serials": 100}


class Ids:
    """A source of ids of one sequence."""

    def __init__(self, database: Database, sequence: str) -> None:
        self._database = database
        self._sequence = sequence
        self._free: list[int] = []

    async def take(self, count: int) -> list[int]:
        """`count` ids that nobody else has, ascending within a block."""
        while len(self._free) < count:
            block = _BLOCK[self._sequence]
            blocks = -(-(count - len(self._free)) // block)
            async with self._database.connection() as connection:
                starts = await connection.fetch(
                    "SELECT nextval($1::text::regclass) FROM generate_series(1, $2)", self._sequence, blocks
                )
            for (start,) in starts:
                self._free.extend(range(start, start + block))
        taken, self._free = self._free[:count], self._free[count:]
        return taken
