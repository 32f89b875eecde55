"""The records of one account: how they are read, made and changed, and queries over all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from kept.connectors.erp_amounts import Writers
from kept.connectors.erps.netsuite.options import Options
from kept.connectors.erps.netsuite.schemas import Item, Order, Rows, order_of
from kept.connectors.http import HttpTarget, Request
from kept.ports import PermanentFault

T = TypeVar("T")

_RECORDS = "/services/rest/record/v1"
_QUERIES = "/services/rest/query/v1/suiteql"
_PAGE = 1000  # the most that a query gives at once
_IN_MAX = 500  # values in one IN: Oracle Database, on which SuiteQL runs, allows 1,000
_WHOLE = {"expandSubResources": "true"}


class Records:
    """Raises the faults of `HttpTarget.call`."""

    def __init__(self, target: HttpTarget, options: Options) -> None:
        self._target = target
        self.options = options
        self.writers = Writers()

    async def find(self, kind: type[T], record: str, external_id: str) -> T | None:
        """The record under an external id of ours, with all that is within it."""
        return await self._look_up(record, external_id, lambda answer: msgspec.convert(answer, kind))

    async def get(self, kind: type[T], record: str, number: str, fields: str) -> T | None:
        request = Request("GET", f"{_RECORDS}/{record}/{number}", params={"fields": fields}, name=f"GET {record}")
        return await self._target.look_up(request, lambda answer: msgspec.convert(answer, kind))

    async def create(self, record: str, body: Mapping[str, Any], key: str) -> None:
        """Never by PUT on an external id: that would change a record that is there.

        Raises PermanentFault "exists" if there is one under the external id, which is unique among records of a type.
        """
        await self._change(f"{_RECORDS}/{record}", "POST", record, body, key)

    async def transform(self, record: str, number: str, into: str, body: Mapping[str, Any], key: str) -> None:
        """Make one record of another. Raises as `create`."""
        path = f"{_RECORDS}/{record}/{number}/!transform/{into}"
        await self._change(path, "POST", f"{record} to {into}", body, key)

    async def change(self, record: str, number: str, body: Mapping[str, Any], key: str, *, replacing: str = "") -> None:
        """Change fields; lines that `body` names by their number are changed, and the others left, unless their whole
        sublist is `replacing`."""
        more = {"replace": replacing} if replacing else {}
        await self._change(f"{_RECORDS}/{record}/{number}", "PATCH", record, body, key, **more)

    async def delete(self, record: str, number: str, key: str) -> None:
        """Delete a record; that there is none is as good."""
        request = Request("DELETE", f"{_RECORDS}/{record}/{number}", key=key, name=f"DELETE {record}")
        await self._target.look_up(request, lambda answer: None)

    async def query(self, kind: type[T], suiteql: str) -> list[T]:
        """All rows of a query, page by page."""
        found: list[T] = []
        while True:
            request = Request(
                "POST",
                _QUERIES,
                json={"q": suiteql},
                params={"limit": str(_PAGE), "offset": str(len(found))},
                headers={"prefer": "transient"},
                reads_only=True,
                name="POST suiteql",
            )
            page = await self._target.call(request, partial(_page, kind))
            found += page.items
            if not page.has_more or not page.items:
                return found

    async def order(self, reference: str) -> Order | None:
        return await self._look_up("salesOrder", reference, lambda answer: order_of(answer, self.options.line_field))

    async def items(self, skus: Sequence[str]) -> dict[str, Item]:
        """The items that there are, by SKU: their name, which is unique in NetSuite."""
        unit = ", saleunit" if self.options.unit else ""  # a column only where units of measure are used
        found: dict[str, Item] = {}
        distinct = list(dict.fromkeys(skus))
        for start in range(0, len(distinct), _IN_MAX):
            names = ", ".join(quoted(sku) for sku in distinct[start : start + _IN_MAX])
            where = f"itemid IN ({names}) ORDER BY id"
            rows = await self.query(Item, f"SELECT id, itemid, isinactive{unit} FROM item WHERE {where}")  # noqa: S608 - quoted
            found |= {row.itemid: row for row in rows}
        return found

    async def item_ids(self, skus: Sequence[str]) -> dict[str, str]:
        """Internal ids by SKU. Raises PermanentFault "sku_unknown"."""
        items = await self.items(skus)
        for sku in skus:
            if sku not in items:
                raise PermanentFault(f"NetSuite has no item {sku}", code="sku_unknown")
        return {sku: items[sku].id for sku in skus}

    async def _look_up(self, record: str, external_id: str, read: Callable[[Any], T]) -> T | None:
        path = f"{_RECORDS}/{record}/eid:{external_id}"
        return await self._target.look_up(Request("GET", path, params=_WHOLE, name=f"GET {record}"), read)

    async def _change(self, path: str, method: str, name: str, body: Mapping[str, Any], key: str, **more: str) -> None:
        """What was done is read back: the answer says no more than where it is (204 with a Location)."""
        params = dict(more) or None
        request = Request(method, path, json=body, params=params, key=key, name=f"{method} {name}")
        await self._target.call(request, lambda answer: None)


def quoted(text: str) -> str:
    """A string in SuiteQL."""
    return "'" + text.replace("'", "''") + "'"


def _page(kind: type[T], answer: Any) -> Rows[T]:
    return msgspec.convert(answer, Rows[kind])  # type: ignore[valid-type]  # the caller's
