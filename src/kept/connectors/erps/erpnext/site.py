"""One site of ERPNext: its documents, read and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

import orjson

from kept.connectors.answers import UnexpectedAnswer
from kept.connectors.erps.erpnext.codes import status_of
from kept.connectors.erps.erpnext.options import Options
from kept.connectors.erps.erpnext.schemas import Named, Order, one, several
from kept.connectors.http import HttpTarget, Request
from kept.ports import ErpOrderStatus, PermanentFault

T = TypeVar("T")
RECORDS_MAX = 20_000  # more than any list of ours has; one that is longer would be cut off, and is a fault
_PER_CALL = 100  # values in one filter, which travels in the address


class Site:
    """Raises the faults of `HttpTarget.call`."""

    def __init__(self, target: HttpTarget, options: Options) -> None:
        self.target = target
        self.options = options

    async def find(self, kind: type[T], doctype: str, fields: Sequence[str], *filters: Sequence[object]) -> list[T]:
        """The documents that pass all filters, without their rows."""
        params = {
            "fields": _json(fields),
            "filters": _json(filters),
            "limit_page_length": str(RECORDS_MAX + 1),
            "order_by": "name asc",
        }
        request = Request("GET", _path(doctype), params=params, name=f"GET {doctype}")
        found = await self.target.call(request, partial(several, kind))
        if len(found) > RECORDS_MAX:
            raise UnexpectedAnswer(f"more than {RECORDS_MAX} of {doctype}")
        return found

    async def find_any(
        self, kind: type[T], doctype: str, fields: Sequence[str], field: str, values: Sequence[str]
    ) -> list[T]:
        """The documents whose field has one of the values, in as many calls as it takes."""
        found: list[T] = []
        distinct = list(dict.fromkeys(values))
        for start in range(0, len(distinct), _PER_CALL):
            found += await self.find(kind, doctype, fields, [field, "in", distinct[start : start + _PER_CALL]])
        return found

    async def get(self, kind: type[T], doctype: str, name: str) -> T | None:
        """One document with its rows; None if there is none."""
        request = Request("GET", _path(doctype, name), name=f"GET {doctype}/one")
        return await self.target.look_up(request, partial(one, kind))

    async def create(self, doctype: str, body: Mapping[str, Any], key: str) -> str:
        """Make a document, in one transaction; its name."""
        request = Request("POST", _path(doctype), json=body, key=key, name=f"POST {doctype}")
        return (await self.target.call(request, partial(one, Named))).name

    async def change(self, doctype: str, name: str, body: Mapping[str, Any], key: str) -> None:
        request = Request("PUT", _path(doctype, name), json=body, key=key, name=f"PUT {doctype}")
        await self.target.call(request, partial(one, Named))

    async def delete(self, doctype: str, name: str, key: str) -> None:
        """Delete a document; that there is none is as good."""
        request = Request("DELETE", _path(doctype, name), key=key, name=f"DELETE {doctype}")
        await self.target.look_up(request, lambda answer: None)

    async def act(self, method: str, body: Mapping[str, Any], key: str) -> None:
        """Call a method of ERPNext's code."""
        name = method.rpartition(".")[2]
        request = Request("POST", f"/api/method/{method}", json=body, key=key, name=name)
        await self.target.call(request, lambda answer: None)

    # -------------------------------------------------------------- orders

    async def order(self, reference: str) -> Order | None:
        """The sales order under our reference, which a unique field keeps single."""
        found = await self.find(Named, "Sales Order", ["name"], ["kept_reference", "=", reference])
        if len(found) > 1:
            names = ", ".join(each.name for each in found[:10])
            raise PermanentFault(
                f"ERPNext has {len(found)} orders under {reference} ({names}): kept_reference is not unique there",
                code="ambiguous",
            )
        return await self.get(Order, "Sales Order", found[0].name) if found else None

    async def open_order(self, reference: str) -> Order:
        """Raises PermanentFault "not_found" for an order that is not booked."""
        order = await self.order(reference)
        if order is None or status_of(order) not in (ErpOrderStatus.OPEN, ErpOrderStatus.CLOSED):
            raise PermanentFault(f"ERPNext has no open order {reference}", code="not_found")
        return order


def _path(doctype: str, name: str = "") -> str:
    return f"/api/resource/{quote(doctype, safe='')}" + (f"/{quote(name, safe='')}" if name else "")


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
