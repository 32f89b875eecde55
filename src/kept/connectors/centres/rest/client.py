"""The REST centre's calls. It honours keys and unique references, so nothing is packed twice."""

from __future__ import annotations

from datetime import timedelta

from kept.connectors.centres.rest import mapping
from kept.connectors.http import HttpTarget, Request
from kept.connectors.wire import segment
from kept.ports import FulfilmentRequest, Intercept, RequestReceipt, StockSnapshot


class RestCentre:
    """Requests, intercepts and stock over one HTTP target. Raises the faults of `HttpTarget.call`."""

    honours_key = True
    write_horizon = timedelta(0)  # with a key, a lost request may apply late without harm

    def __init__(self, target: HttpTarget) -> None:
        self._target = target

    async def request(self, request: FulfilmentRequest, key: str) -> RequestReceipt:
        path = f"/v1/requests/{segment(request.reference)}"
        return await self._target.call(
            Request("PUT", path, json=mapping.request_json(request), key=key), mapping.receipt
        )

    async def find_request(self, reference: str) -> RequestReceipt | None:
        return await self._target.look_up(Request("GET", f"/v1/requests/{segment(reference)}"), mapping.receipt)

    async def intercept(self, reference: str, key: str) -> Intercept:
        """What the centre says to stopping a request. A 404 is a refusal and no "unknown": a wrong base_url
        answers so too, and a part taken for cancelled would ship all the same."""
        path = f"/v1/requests/{segment(reference)}/cancel"
        return await self._target.call(Request("POST", path, json={}, key=key), mapping.intercept)

    async def stock(self) -> StockSnapshot:
        return await self._target.call(Request("GET", "/v1/stock"), mapping.stock)
