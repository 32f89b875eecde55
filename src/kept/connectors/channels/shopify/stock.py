"""Tells Shopify what may be sold, by its Admin GraphQL API.

Needs the access scopes write_inventory, read_products and read_locations. Quantities are absolute and compared
before they are swapped: one that Shopify sold from meanwhile is refused as stale, and no sale is undone. Where
Shopify says that a key of ours failed before, the shop is asked what it has: what was applied is not sent again.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from kept.connectors.answers import masked
from kept.connectors.channels.shopify import answers, queries
from kept.connectors.channels.shopify.codes import AVAILABLE, KEY_BURNT, STALE, STOCK_ERRORS, STOCK_REFUSALS
from kept.connectors.channels.shopify.graphql import execute
from kept.connectors.channels.shopify.schemas import CodedError
from kept.connectors.http import HttpTarget
from kept.connectors.meanings import Meaning, fault_of
from kept.ports import PermanentFault, StockOffer, StockRefused, TemporaryFault

_BATCH_MAX = 250  # Shopify's limit for an array in a request
_SKUS_A_QUERY = 50  # keeps the search text below 4 kB
_LEVELS_A_QUERY = 100  # some 300 points of the 1,000 that a query may cost
_PAGES_MAX = 20  # of one search: 5,000 items for 50 SKUs are somebody's mistake
_TRIES_MAX = 4  # each leaves the refused rows out; Shopify names all of them at once
_CACHED_MAX = 100_000  # SKUs of one shop, some 20 MB; then the cache begins anew
_REASON = "correction"  # one of Shopify's own reasons for a change of stock


@dataclass(frozen=True, slots=True)
class _Row:
    """One quantity to set."""

    offer: StockOffer
    item: str  # the inventory item's gid


class ShopifyStock:
    """`kept.ports.PushStock` for one location of a shop. Raises the faults of `HttpTarget.call`.

    `location` is Shopify's id of it; empty for the shop's only one.
    """

    batch_max = _BATCH_MAX

    def __init__(self, target: HttpTarget, location: str) -> None:
        self._target = target
        self._location = f"gid://shopify/Location/{location}" if location else ""
        self._items: dict[str, str] = {}  # SKU -> its inventory item's gid

    async def push(self, offers: Sequence[StockOffer], key: str) -> Sequence[StockRefused]:
        """Set the quantities; of two offers of a SKU the later one counts. See `kept.ports.PushStock`."""
        newest = {offer.sku: offer for offer in offers}
        refused = await self._look_up([sku for sku in newest if sku not in self._items])
        rows = [_Row(offer, self._items[sku]) for sku, offer in newest.items() if sku in self._items]
        if rows:
            refused += await self._set(rows, await self._place(), key)
        return refused

    # -------------------------------------------------------------- what and where

    async def _look_up(self, skus: Sequence[str]) -> list[StockRefused]:
        """Learn the items of these SKUs; those that Shopify does not have, or has several of, are refused."""
        if len(self._items) + len(skus) > _CACHED_MAX:
            self._items.clear()
        refused: list[StockRefused] = []
        for start in range(0, len(skus), _SKUS_A_QUERY):
            asked = skus[start : start + _SKUS_A_QUERY]
            found = await self._search(asked)
            for sku in asked:
                items = found.get(sku, [])
                if len(items) == 1:
                    self._items[sku] = items[0]
                elif items:
                    refused.append(StockRefused(sku, "ambiguous", f"{len(items)} items of the shop have this SKU"))
                else:
                    refused.append(StockRefused(sku, "unknown_item", "no item of the shop has this SKU"))
        return refused

    async def _search(self, skus: Sequence[str]) -> dict[str, list[str]]:
        """Items by SKU. The search is not exact (case, word by word): only equal SKUs count."""
        wanted = set(skus)
        found: dict[str, list[str]] = {}
        after: str | None = None
        for _ in range(_PAGES_MAX):
            variables = {"query": search(skus)} | ({"after": after} if after else {})
            page = await execute(self._target, queries.INVENTORY_ITEMS, variables, answers.items)
            for item in page.nodes:
                if item.sku in wanted:
                    found.setdefault(item.sku, []).append(item.id)
            after = page.page_info.end_cursor
            if not page.page_info.has_next_page:
                return found
        raise PermanentFault(
            f"{self._target.name}: {len(skus)} SKUs, {skus[0]!r} first, fit more than {_PAGES_MAX} pages of items; "
            f"give the shop's items distinct SKUs",
            code="too_many_items",
        )

    async def _place(self) -> str:
        """The location's gid. Raises PermanentFault if there are several and none is set."""
        if not self._location:
            found = await execute(self._target, queries.LOCATIONS, {}, answers.locations)
            if len(found) != 1:
                count = "no" if not found else "several"
                raise PermanentFault(
                    f"{self._target.name} has {count} locations: set `location` of this channel in kept.toml",
                    code="location_unset",
                )
            self._location = found[0]
        return self._location

    # -------------------------------------------------------------- the quantities

    async def _set(self, rows: list[_Row], location: str, key: str) -> list[StockRefused]:
        """Set all rows that Shopify takes. It takes all or none, so refused rows are left out of a next try."""
        refused: list[StockRefused] = []
        for attempt in range(_TRIES_MAX):
            variables = quantities_input(rows, location, key, attempt)
            errors = await execute(self._target, queries.SET_QUANTITIES, variables, answers.quantity_errors, key=key)
            if not errors:
                return refused
            if any(error.code == KEY_BURNT for error in errors):
                rows, stale = not_applied(rows, await self._levels(rows, location))
                refused += stale
            else:
                blamed = self._blamed(rows, errors)
                refused += blamed.values()
                rows = [row for at, row in enumerate(rows) if at not in blamed]
            if not rows:
                return refused
        raise TemporaryFault(f"{self._target.name} refused {_TRIES_MAX} tries to set {len(rows)} quantities")

    async def _levels(self, rows: Sequence[_Row], location: str) -> dict[str, int]:
        """What the shop has of these rows' items now."""
        found: dict[str, int] = {}
        for start in range(0, len(rows), _LEVELS_A_QUERY):
            ids = [row.item for row in rows[start : start + _LEVELS_A_QUERY]]
            variables = {"ids": ids, "location": location}
            found |= await execute(self._target, queries.STOCK_LEVELS, variables, answers.stock_levels)
        return found

    def _blamed(self, rows: Sequence[_Row], errors: Sequence[CodedError]) -> dict[int, StockRefused]:
        """The rows that the errors blame, by position. Raises the fault of an error that blames none."""
        blamed: dict[int, StockRefused] = {}
        for error in errors:
            code = error.code or "user_error"
            at = _position(error, len(rows))
            if code not in STOCK_REFUSALS or at is None:
                text = f"{self._target.name} refused to set quantities: {code}: {masked(error.message)}"
                raise fault_of(STOCK_ERRORS.get(code, Meaning.PERMANENT), text, code)
            sku = rows[at].offer.sku
            if STOCK_REFUSALS[code] == "unknown_item":
                self._items.pop(sku, None)  # deleted, or made anew: to be looked up again
            blamed[at] = StockRefused(sku, STOCK_REFUSALS[code], masked(error.message))
        return blamed


def not_applied(rows: Sequence[_Row], levels: Mapping[str, int]) -> tuple[list[_Row], list[StockRefused]]:
    """Of rows whose earlier try may have been done: those that were not, and those of which there is no telling.

    What has the wanted quantity was applied. What has the one that we believed was not, and is compared once more
    when it is sent. Anything else may have been applied and sold from since, or is somebody's newer figure: stale.
    """
    left: list[_Row] = []
    stale: list[StockRefused] = []
    for row in rows:
        has = levels.get(row.item)
        if has is not None and has == row.offer.quantity:
            continue
        if has is not None and has == row.offer.believed:
            left.append(row)
        else:
            stale.append(StockRefused(row.offer.sku, STALE, f"a try before it failed, and the shop has {has} now"))
    return left, stale


def quantities_input(rows: Sequence[_Row], location: str, key: str, attempt: int) -> dict[str, Any]:
    """The variables of inventorySetQuantities.

    Its idempotency key is made of ours and of what is sent, since Shopify refuses one key with two contents.
    """
    quantities = [
        {
            "inventoryItemId": row.item,
            "locationId": location,
            "quantity": row.offer.quantity,
            "changeFromQuantity": row.offer.believed,  # null: not compared, as nothing is known to compare with
        }
        for row in rows
    ]
    content = orjson.dumps([key, attempt, quantities]).decode()
    return {
        "input": {"name": AVAILABLE, "reason": _REASON, "quantities": quantities},
        "key": str(uuid.uuid5(uuid.NAMESPACE_OID, content)),
    }


def search(skus: Sequence[str]) -> str:
    """The search for these SKUs. Source: shopify.dev, "Shopify API search syntax"."""
    escaped = (sku.replace("\\", "\\\\").replace("'", "\\'") for sku in skus)
    return " OR ".join(f"sku:'{sku}'" for sku in escaped)


def _position(error: CodedError, rows: int) -> int | None:
    """The row that an error blames: 3 of ["input", "quantities", "3", "changeFromQuantity"]."""
    at = next((int(step) for step in error.field or () if step.isascii() and step.isdigit() and len(step) <= 4), None)
    return at if at is not None and at < rows else None
