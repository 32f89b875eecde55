"""The REST ERP's calls. It honours keys and unique references, so nothing is ever booked twice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from kept.connectors.erps.rest import mapping
from kept.connectors.http import HttpTarget, Request
from kept.connectors.wire import segment
from kept.domain.order import Address
from kept.ports import (
    BookedOrder,
    ItemCheck,
    PermanentFault,
    PostedShipment,
    SalesOrder,
    ShipmentPosting,
    Withdrawal,
)

_SKUS_PER_CHECK = 1000  # what the contract allows in one call


class RestErp:
    """All six capabilities of an ERP, over one HTTP target. Raises the faults of `HttpTarget.call`."""

    honours_key = True
    write_horizon = timedelta(0)  # with a key, a lost request may apply late without harm

    def __init__(self, target: HttpTarget) -> None:
        self._target = target

    async def check_items(self, skus: Sequence[str]) -> Sequence[ItemCheck]:
        """What the ERP says of each SKU, in the order asked."""
        checks: list[ItemCheck] = []
        for start in range(0, len(skus), _SKUS_PER_CHECK):
            asked = list(skus[start : start + _SKUS_PER_CHECK])
            request = Request("POST", "/v1/items/check", json={"skus": asked}, reads_only=True)
            checks += await self._target.call(request, partial(mapping.item_checks, skus=asked))
        return checks

    async def resolve_customer(self, account: str, email: str, address: Address) -> str:
        """The ERP's id of the customer; a PUT under a key of ours, so that asking twice makes one."""
        path = f"/v1/customers/{mapping.customer_key(account, email)}"
        request = Request("PUT", path, json=mapping.customer_json(email, address), name="PUT /v1/customers")
        return await self._target.call(request, mapping.customer_id)

    async def book(self, order: SalesOrder, key: str) -> BookedOrder:
        request = Request("POST", "/v1/orders", json=mapping.order_json(order), key=key)
        return await self._target.call(request, partial(mapping.booked, reference=order.reference))

    async def find_order(self, reference: str) -> BookedOrder | None:
        request = Request("GET", "/v1/orders", params={"reference": reference})
        return await self._target.call(request, partial(mapping.found_order, reference=reference))

    async def amend(self, order: SalesOrder, key: str) -> BookedOrder:
        """Raises PermanentFault "not_found" if the ERP has no such order."""
        path = f"/v1/orders/{segment(order.reference)}"
        request = Request("PUT", path, json=mapping.order_json(order), key=key)
        amended = await self._target.look_up(request, partial(mapping.booked, reference=order.reference))
        if amended is None:
            raise PermanentFault(f"{self._target.name} has no order {order.reference} to amend", code="not_found")
        return amended

    async def post_shipment(self, posting: ShipmentPosting, key: str) -> PostedShipment:
        path = f"/v1/orders/{segment(posting.order_reference)}/shipments"
        return await self._target.call(
            Request("POST", path, json=mapping.posting_json(posting), key=key), mapping.posted
        )

    async def find_shipment(self, posting: ShipmentPosting) -> PostedShipment | None:
        path = f"/v1/orders/{segment(posting.order_reference)}/shipments/{segment(posting.reference)}"
        return await self._target.look_up(Request("GET", path), mapping.posted)

    async def withdraw(self, reference: str, key: str) -> Withdrawal:
        """Raises PermanentFault "not_found" if the ERP has no such order."""
        path = f"/v1/orders/{segment(reference)}/withdrawal"
        withdrawn = await self._target.look_up(Request("POST", path, json={}, key=key), mapping.withdrawn)
        if withdrawn is None:
            raise PermanentFault(f"{self._target.name} has no order {reference} to withdraw", code="not_found")
        return withdrawn
