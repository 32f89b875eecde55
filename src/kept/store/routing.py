"""How orders were routed: the records of decisions, and the policies that they were made under."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from kept.domain.routing import RoutingPolicy
from kept.domain.routing.policy import canonical
from kept.domain.routing.record import KIND, RecordError, policy_from
from kept.store.database import Database
from kept.store.packing import unpacked

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Kept:
    """A record as it is stored. `at` is when the decision was written."""

    reference: str
    at: datetime
    sha256: str
    content: bytes


class RoutingRecords:
    """Reads decisions; keeps policies."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._policies: dict[str, RoutingPolicy] = {}

    async def keep_policy(self, policy: RoutingPolicy, now: datetime) -> None:
        """So that what is decided under it can be decided again. Done once, however often."""
        async with self._database.connection() as connection:
            await connection.execute(
                "INSERT INTO routing_policies (sha256, name, content, first_seen) VALUES ($1, $2, $3, $4)"
                " ON CONFLICT (sha256) DO NOTHING",
                policy.sha256,
                policy.name,
                canonical(policy),
                now,
            )

    async def load_policies(self) -> None:
        """Every policy, for `policy`. Raises RecordError for one that is not what it was."""
        async with self._database.connection() as connection:
            rows = await connection.fetch("SELECT sha256, content FROM routing_policies")
        self._policies = {row["sha256"]: policy_from(row["content"]) for row in rows}

    def policy(self, sha256: str) -> RoutingPolicy:
        """One that was loaded. Raises RecordError."""
        if sha256 not in self._policies:
            raise RecordError(f"no policy has the SHA-256 {sha256}")
        return self._policies[sha256]

    async def of_order(self, order_id: int) -> list[Kept]:
        """An order's decisions, the first one first: it is routed again after a rejection, a short pick, an edit."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_OF_ORDER, order_id, KIND)
        return [_kept(*row) for row in rows]

    async def count_since(self, moment: datetime) -> int:
        async with self._database.connection() as connection:
            count: int = await connection.fetchval(_COUNT_SINCE, KIND, moment)
        return count

    async def since(self, moment: datetime) -> AsyncIterator[Kept]:
        """All decisions since then, as they were written, and those of one moment by order."""
        after: tuple[datetime, int, str] = (moment, 0, "")
        while True:
            async with self._database.connection() as connection:
                rows = await connection.fetch(_SINCE, KIND, *after, _PAGE)
            for order_id, *row in rows:
                kept = _kept(*row)
                after = kept.at, order_id, kept.sha256
                yield kept
            if len(rows) < _PAGE:
                return


def _kept(reference: str, at: datetime, sha256: str, content: bytes, is_packed: bool) -> Kept:
    return Kept(reference, at, sha256, unpacked(content, is_packed))


_OF_ORDER = """
SELECT o.reference, d.created_at, d.sha256, d.content, d.packed
FROM documents d JOIN orders o ON o.id = d.order_id
WHERE d.order_id = $1 AND d.part = 0 AND d.kind = $2 ORDER BY d.created_at
"""
_COUNT_SINCE = "SELECT count(*) FROM documents WHERE part = 0 AND kind = $1 AND created_at >= $2"
_SINCE = """
SELECT o.id, o.reference, d.created_at, d.sha256, d.content, d.packed
FROM documents d JOIN orders o ON o.id = d.order_id
WHERE d.part = 0 AND d.kind = $1 AND (d.created_at, d.order_id, d.sha256) > ($2, $3, $4)
ORDER BY d.created_at, d.order_id, d.sha256 LIMIT $5
"""
