"""What the ERP last said of SKUs, for all workers and over restarts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from kept.store.database import Database

# A row that is younger is left alone: it is asked for a day, and workers ask the ERP once a minute.
_FRESH_FOR = timedelta(minutes=10)


class ErpItems:
    """The table of SKUs that were known and saleable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def good(self, skus: Sequence[str]) -> None:
        """The ERP knows and sells these."""
        async with self._database.connection() as connection:
            await connection.execute(_GOOD, sorted(set(skus)), _FRESH_FOR)

    async def not_good(self, skus: Sequence[str]) -> None:
        """The ERP does not sell these, whatever it said before."""
        async with self._database.connection() as connection:
            await connection.execute("DELETE FROM erp_items WHERE sku = ANY($1::text[])", list(skus))

    async def were_good(self, skus: Sequence[str], within: timedelta) -> bool:
        """Whether each of them was good when the ERP was last asked, no longer ago than that."""
        async with self._database.connection() as connection:
            count: int = await connection.fetchval(
                "SELECT count(*) FROM erp_items WHERE sku = ANY($1::text[]) AND good_at > now() - $2::interval",
                sorted(set(skus)),
                within,
            )
        return count == len(set(skus))


# Rows are locked in one order, so that workers wait for each other and do not block each other.
_GOOD = """
INSERT INTO erp_items AS e (sku, good_at) SELECT sku, now() FROM unnest($1::text[]) AS x(sku) ORDER BY sku
ON CONFLICT (sku) DO UPDATE SET good_at = now() WHERE e.good_at < now() - $2::interval
"""
