"""The SKU map, and the orders that waited for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec
import orjson

from kept.domain.skus import Component, SkuMap, unmapped
from kept.store.appending import columns
from kept.store.database import Database
from kept.store.inbox import Arrival
from kept.store.loading import Orders

_decode = msgspec.json.Decoder(tuple[Component, ...]).decode


class SkuMaps:
    """`kept.steps.ports.ReadSkus`, and what fills it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def components(self, asked: Iterable[tuple[str, str]]) -> dict[str, dict[str, tuple[Component, ...]]]:
        """Mappings by account and the channel's SKU, for these (account, SKU); unknown ones are left out."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT account, channel_sku, components FROM sku_map WHERE (account, channel_sku) IN"
                " (SELECT * FROM unnest($1::text[], $2::text[]))",
                *columns(sorted(set(asked)), 2),
            )
        found: dict[str, dict[str, tuple[Component, ...]]] = defaultdict(dict)
        for row in rows:
            found[row["account"]][row["channel_sku"]] = _decode(row["components"])
        return found

    async def of_account(self, account: str) -> SkuMap:
        """Every mapping of an account."""
        async with self._database.connection() as connection:
            rows = await connection.fetch("SELECT channel_sku, components FROM sku_map WHERE account = $1", account)
        return {row["channel_sku"]: _decode(row["components"]) for row in rows}

    async def put(self, account: str, mapping: SkuMap, now: datetime) -> None:
        """Add mappings, or replace those that are there."""
        rows = [(sku, orjson.dumps(components).decode()) for sku, components in sorted(mapping.items())]
        async with self._database.connection() as connection:
            await connection.execute(
                "INSERT INTO sku_map SELECT $1, x.sku, x.components::jsonb, $4"
                " FROM unnest($2::text[], $3::text[]) AS x(sku, components)"
                " ON CONFLICT (account, channel_sku) DO UPDATE"
                " SET components = EXCLUDED.components, imported_at = EXCLUDED.imported_at",
                account,
                *columns(rows, 2),
                now,
            )

    async def listed(self, account: str | None) -> list[dict[str, object]]:
        """Every mapping (of one account), a row each."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT account, channel_sku, components, imported_at FROM sku_map"
                " WHERE $1::text IS NULL OR account = $1 ORDER BY account, channel_sku",
                account,
            )
        return [{**dict(row), "components": orjson.loads(row["components"])} for row in rows]

    async def waiting(self, account: str, mapping: Mapping[str, object], now: datetime) -> list[Arrival]:
        """The messages, to be taken in again, of held orders that name one of these SKUs as unmapped."""
        async with self._database.connection() as connection:
            held = await connection.fetch(
                "SELECT id, message_id FROM orders WHERE account = $1 AND state = 'held' ORDER BY ship_by", account
            )
            contents = await Orders(self._database).contents(connection, [row["message_id"] for row in held])
            ids = [i for i, content in contents.items() if any(sku in mapping for sku in unmapped(content))]
            rows = await connection.fetch(
                "SELECT id, headers, body, correlation_id FROM inbox WHERE id = ANY($1::bigint[])", ids
            )
        return [
            Arrival(
                source=account,
                source_kind="channel",
                external_key=f"mapped:{row['id']}:{now.isoformat()}",
                headers=orjson.loads(row["headers"]),
                body=row["body"],
                correlation_id=row["correlation_id"],
                received_at=now,
            )
            for row in rows
        ]
