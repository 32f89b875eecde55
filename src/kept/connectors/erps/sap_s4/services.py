"""The services of one system: how entities are read and changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from kept.connectors.answers import UnexpectedAnswer, given
from kept.connectors.erp_amounts import Writers
from kept.connectors.erps.sap_s4.options import Options
from kept.connectors.erps.sap_s4.schemas import Order, several
from kept.connectors.http import HttpTarget, Request
from kept.ports import PermanentFault

T = TypeVar("T")

_ROOT = "/sap/opu/odata/sap"
SALES_ORDERS = f"{_ROOT}/API_SALES_ORDER_SRV"
DELIVERIES = f"{_ROOT}/API_OUTBOUND_DELIVERY_SRV;v=0002"
PARTNERS = f"{_ROOT}/API_BUSINESS_PARTNER"
PRODUCTS = f"{_ROOT}/API_PRODUCT_SRV"
STOCK = f"{_ROOT}/API_MATERIAL_STOCK_SRV"
_PER_CALL = 30  # values in one filter: below the 2,048 characters of an address that every proxy lets pass
_PAGE = 1000


class Services:
    """Raises the faults of `HttpTarget.call`."""

    def __init__(self, target: HttpTarget, options: Options) -> None:
        self.target = target
        self.options = options
        self.writers = Writers()

    async def find(self, kind: type[T], entities: str, filter_: str, expand: str = "") -> list[T]:
        """All entities that pass a filter, page by page."""
        found: list[T] = []
        while True:
            params = {"$filter": filter_, "$top": str(_PAGE), "$skip": str(len(found)), "$format": "json"}
            if expand:
                params["$expand"] = expand
            request = Request("GET", entities, params=params, name=f"GET {_name(entities)}")
            page = await self.target.call(request, partial(several, kind))
            if len(page) > _PAGE:
                raise UnexpectedAnswer(f"a page of {len(page)} {_name(entities)}, asked for {_PAGE}")
            found += page
            if len(page) < _PAGE:
                return found

    async def find_any(
        self, kind: type[T], entities: str, field: str, values: Sequence[str], also: str = ""
    ) -> list[T]:
        """The entities whose field has one of the values."""
        found: list[T] = []
        distinct = list(dict.fromkeys(values))
        for start in range(0, len(distinct), _PER_CALL):
            any_of = " or ".join(f"{field} eq {quoted(value)}" for value in distinct[start : start + _PER_CALL])
            found += await self.find(kind, entities, f"({any_of}) and {also}" if also else any_of)
        return found

    async def create(self, entities: str, body: Mapping[str, Any], field: str, key: str) -> str:
        """Make an entity, and all that is within it, in one transaction; the value of its `field`."""

        def made(answer: Any) -> str:
            entity = msgspec.convert(answer, dict[str, dict[str, Any]])["d"]
            return given(field, str(entity.get(field, "")))

        request = Request("POST", entities, json=body, key=key, name=f"POST {_name(entities)}")
        return await self.target.call(request, made)

    async def change(self, entity: str, body: Mapping[str, Any], key: str) -> None:
        """Change an entity, whatever it was before."""
        headers = {"if-match": "*"}
        request = Request("PATCH", entity, json=body, key=key, headers=headers, name=f"PATCH {_name(entity)}")
        await self.target.call(request, lambda answer: None)

    async def delete(self, entity: str, key: str) -> None:
        """Delete an entity; that there is none is as good."""
        headers = {"if-match": "*"}
        request = Request("DELETE", entity, key=key, headers=headers, name=f"DELETE {_name(entity)}")
        await self.target.look_up(request, lambda answer: None)

    async def act(self, function: str, params: Mapping[str, str], key: str) -> None:
        """A function import."""
        quoted_params = {name: quoted(value) for name, value in params.items()}
        headers = {"if-match": "*"}
        request = Request(
            "POST", function, params=quoted_params, key=key, headers=headers, name=f"POST {_name(function)}"
        )
        await self.target.call(request, lambda answer: None)

    async def order(self, reference: str) -> Order | None:
        """The order under our reference. Raises PermanentFault "ambiguous" for several that are not rejected."""
        found = await self.orders([reference])
        live = [order for order in found if order.overall_rejection != "C"]
        if len(live) > 1:
            numbers = ", ".join(order.sales_order for order in live[:10])
            raise PermanentFault(
                f"S/4HANA has {len(live)} orders under {reference} ({numbers}): reject all items of all but one there",
                code="ambiguous",
            )
        return next(iter(live or found), None)

    async def orders(self, references: Iterable[str]) -> list[Order]:
        found: list[Order] = []
        for reference in references:
            filter_ = f"PurchaseOrderByCustomer eq {quoted(reference)}"
            expand = "to_Item,to_Item/to_PricingElement"
            found += await self.find(Order, f"{SALES_ORDERS}/A_SalesOrder", filter_, expand)
        return found


def quoted(text: str) -> str:
    """A string in OData."""
    return "'" + text.replace("'", "''") + "'"


def _name(path: str) -> str:
    """ "A_SalesOrder" of its path, to name an operation by."""
    return path.rpartition("/")[2].partition("(")[0]
