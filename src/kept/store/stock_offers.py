"""What channels were told of stock, so that only what changed is told, by one process at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kept.domain.skus import SkuMap
from kept.ports import StockOffer, StockRefused
from kept.store.appending import columns
from kept.store.database import Database
from kept.store.skus import SkuMaps

# Longer than a batch may take with its timeouts; a pusher that died is replaced after it.
_LEASE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Standing:
    """What an account was told of a SKU; None where nothing is known.

    Not to be told before `not_before`, unless another quantity than `refused`; any quantity where that is None.
    """

    told: int | None
    refused: int | None
    not_before: datetime


class StockOffers:
    """The tables of offers and pushes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, account: str) -> bool:
        """Whether it is our turn to push to the account; it stays ours for a minute, and each claim renews that."""
        async with self._database.connection() as connection:
            await connection.execute("INSERT INTO stock_pushes (account) VALUES ($1) ON CONFLICT DO NOTHING", account)
            got = await connection.fetchval(
                "UPDATE stock_pushes SET held_until = now() + $2::interval"
                " WHERE account = $1 AND (held_until IS NULL OR held_until < now()) RETURNING true",
                account,
                _LEASE,
            )
        return bool(got)

    async def release(self, account: str, error: str) -> None:
        """End our turn; `error` is what went wrong, "" if nothing did."""
        async with self._database.connection() as connection:
            await connection.execute(
                "UPDATE stock_pushes SET held_until = NULL, last_error = $2,"
                " pushed_at = CASE WHEN $2 = '' THEN now() ELSE pushed_at END WHERE account = $1",
                account,
                error[:500],
            )

    async def number(self, account: str) -> int:
        """A number for the next push, which names it at the channel; our turn goes on for another minute."""
        async with self._database.connection() as connection:
            number: int = await connection.fetchval(
                "UPDATE stock_pushes SET number = number + 1, held_until = now() + $2::interval"
                " WHERE account = $1 RETURNING number",
                account,
                _LEASE,
            )
        return number

    async def free(self) -> dict[str, int]:
        """Pieces that may still be promised, by our SKU, over all centres."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT sku, sum(greatest(0, on_hand - reserved - coalesce(k.pieces, 0)))::int AS free FROM stock"
                " LEFT JOIN stock_safety k USING (centre, sku) GROUP BY sku"
            )
        return {row["sku"]: row["free"] for row in rows}

    async def mapping(self, account: str) -> SkuMap:
        """The account's whole SKU map."""
        return await SkuMaps(self._database).of_account(account)

    async def standing(self, account: str) -> dict[str, Standing]:
        """What the account was told, by its SKU."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT sku, told, refused, not_before FROM stock_offers WHERE account = $1", account
            )
        return {row["sku"]: Standing(row["told"], row["refused"], row["not_before"]) for row in rows}

    async def told(self, account: str, offers: Sequence[StockOffer], now: datetime) -> None:
        """The account took these quantities."""
        await self._write(account, [(offer.sku, offer.quantity, None, "", now) for offer in offers], now)

    async def not_told(self, account: str, offers: Sequence[StockOffer], now: datetime) -> None:
        """There is no telling whether the account took these: nothing is known of what it has."""
        await self._write(account, [(offer.sku, None, None, "no answer", now) for offer in offers], now)

    async def refused(
        self, account: str, refusals: Sequence[StockRefused], asked: Mapping[str, int], now: datetime, until: datetime
    ) -> None:
        """The account did not take these; not to be told again before `until`.

        A SKU with its quantity in `asked` is told sooner if that changes.
        """
        rows = [(each.sku, None, asked.get(each.sku), f"{each.code}: {each.reason}", until) for each in refusals]
        await self._write(account, rows, now)

    async def _write(
        self, account: str, rows: Sequence[tuple[str, int | None, int | None, str, datetime]], now: datetime
    ) -> None:
        if not rows:
            return
        async with self._database.connection() as connection:
            await connection.execute(
                "INSERT INTO stock_offers (account, sku, told, refused, reason, not_before, told_at)"
                " SELECT $1, x.*, $7 FROM unnest($2::text[], $3::int[], $4::int[], $5::text[], $6::timestamptz[]) AS x"
                " ON CONFLICT (account, sku) DO UPDATE SET told = EXCLUDED.told, refused = EXCLUDED.refused,"
                " reason = EXCLUDED.reason, not_before = EXCLUDED.not_before, told_at = EXCLUDED.told_at",
                account,
                *columns(sorted(rows), 5),
                now,
            )

    async def listed(self, account: str | None) -> list[dict[str, object]]:
        """Every offer (of one account), for people."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT account, sku, told, refused, reason, told_at FROM stock_offers"
                " WHERE $1::text IS NULL OR account = $1 ORDER BY account, sku",
                account,
            )
        return [dict(row) for row in rows]
