"""One company in Business Central: where its records are, and how they are read and changed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

import msgspec

from kept.connectors.answers import given
from kept.connectors.erp_amounts import Writers
from kept.connectors.erps.business_central import mapping
from kept.connectors.erps.business_central.codes import NOT_POSTED
from kept.connectors.erps.business_central.options import Options
from kept.connectors.erps.business_central.schemas import Coded, Invoice, Line, Order, Shipment, several
from kept.connectors.http import HttpTarget, Request
from kept.ports import PermanentFault

T = TypeVar("T")


class _Made(msgspec.Struct):
    id: str


class Company:
    """Reads and writes of one company. Raises the faults of `HttpTarget.call`.

    Every write carries our key, though Business Central does not look at it, so that its telemetry can be searched.
    """

    def __init__(self, target: HttpTarget, options: Options) -> None:
        self.target = target
        self.options = options
        self._root = f"/companies({options.company})"
        self._location_id = ""
        self._writers = Writers()

    def alone(self, reference: str) -> asyncio.Lock:
        """The lock of this process on a reference: one writer at a time."""
        return self._writers.alone(reference)

    # -------------------------------------------------------------- reading

    async def find(self, kind: type[T], entities: str, filter_: str, expand: str = "") -> list[T]:
        params = {"$filter": filter_} | ({"$expand": expand} if expand else {})
        request = Request("GET", f"{self._root}/{entities}", params=params, name=f"GET {entities}")
        return await self.target.call(request, partial(several, kind))

    async def order(self, reference: str) -> Order | None:
        """The order under our reference that is not posted whole. Raises PermanentFault "ambiguous" for several."""
        filter_ = f"startswith(externalDocumentNumber,{mapping.quoted(reference)})"
        found = await self.find(Order, "salesOrders", filter_, "salesOrderLines")
        orders = [order for order in found if mapping.is_ours(order.external_document_number, reference)]
        if len(orders) > 1:
            numbers = ", ".join(order.number for order in orders[:10])
            raise PermanentFault(
                f"Business Central has {len(orders)} orders under {reference} ({numbers}): "
                "delete all but one there, then replay",
                code="ambiguous",
            )
        return orders[0] if orders else None

    async def invoices(self, reference: str) -> list[Invoice]:
        """The posted invoices of an order."""
        filter_ = f"startswith(externalDocumentNumber,{mapping.quoted(reference)})"
        found = await self.find(Invoice, "salesInvoices", filter_, "salesInvoiceLines")
        return [
            invoice
            for invoice in found
            if mapping.is_ours(invoice.external_document_number, reference) and invoice.status not in NOT_POSTED
        ]

    async def shipments(self, reference: str) -> list[Shipment]:
        """The posted shipments under exactly this reference."""
        filter_ = f"externalDocumentNumber eq {mapping.quoted(reference)}"
        return await self.find(Shipment, "salesShipments", filter_, "salesShipmentLines")

    async def location_id(self) -> str:
        """The id of the location that the options name; "" if they name none. Raises PermanentFault for no such one."""
        code = self.options.location
        if code and not self._location_id:
            found = await self.find(Coded, "locations", mapping.any_of("code", [code]))
            if not found:
                raise PermanentFault(f"Business Central has no location {code}", code="warehouse_unmapped")
            self._location_id = found[0].id
        return self._location_id

    # -------------------------------------------------------------- writing

    async def create(self, entities: str, body: Mapping[str, Any], key: str | None) -> str:
        """The new record's id."""
        request = Request("POST", f"{self._root}/{entities}", json=body, key=key, name=f"POST {_kind(entities)}")
        return await self.target.call(request, _id)

    async def change(self, entity: str, body: Mapping[str, Any], etag: str, key: str) -> None:
        """Change a record if nobody did since it was read. The precondition is an OData header, If-Match."""
        request = Request(
            "PATCH",
            f"{self._root}/{entity}",
            json=body,
            key=key,
            headers={"if-match": etag},
            name=f"PATCH {_kind(entity)}",
        )
        await self.target.call(request, _id)

    async def delete(self, entity: str, key: str, etag: str = "*") -> None:
        """Delete a record; that there is none is as good."""
        request = Request(
            "DELETE",
            f"{self._root}/{entity}",
            key=key,
            headers={"if-match": etag},
            name=f"DELETE {_kind(entity)}",
        )
        await self.target.look_up(request, _nothing)

    async def act(self, entity: str, action: str, key: str) -> None:
        """A bound action. Its 204 says all."""
        path = f"{self._root}/{entity}/Microsoft.NAV.{action}"
        await self.target.call(Request("POST", path, key=key, name=f"POST {action}"), _nothing)

    async def change_line(self, line: Line, body: Mapping[str, Any], key: str) -> None:
        await self.change(f"salesOrderLines({line.id})", body, line.etag, key)


def _kind(entity: str) -> str:
    """ "salesOrders" of "salesOrders(1b2c)/salesOrderLines", to name an operation by."""
    return "/".join(part.partition("(")[0] for part in entity.split("/"))


def _id(answer: Any) -> str:
    return given("id", msgspec.convert(answer, _Made).id)


def _nothing(answer: Any) -> None:
    return None
