"""The operations of an ERP over a real Tryton: each bench has an order, or a buyer, that nobody else knows.

The wire is between the connector and Tryton's own HTTP server. A trouble befalls the call that does the thing
(confirming a sale, the last step of a shipment); the calls that lead to it pass.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2

from kept.connectors.http import HttpTargets
from kept.connectors.registry import build_erp
from kept.ports import Erp, SalesOrder
from tests.conformance.operations import AT_ONCE, KEY, Bench, Builder, Perform, there
from tests.conformance.wire import NO_LIMITS, Wire
from tests.erps.tryton_desk import Desk
from tests.erps.tryton_orders import ADDRESS, line, new_reference, open_erp, order_of, posting_of, settings
from tests.erps.tryton_server import TrytonServer

SERVER: TrytonServer | None = None  # put there by the suite, which also closes what benches have opened
OPENED: list[HttpTargets | httpx2.AsyncHTTPTransport] = []

# A real server on a busy machine; and where the suite waits for the deadline, the calls before must still come through.
_TIMEOUT_S, _SHORT_S = 30.0, 3.0
Act = Callable[[Erp, SalesOrder], tuple[Perform, Perform | None]]
Count = Callable[[Desk, SalesOrder], int]


class _LoginsBeside(httpx2.AsyncBaseTransport):
    """Leads signing in past the wire: it has the same address as everything else."""

    def __init__(self, wire: Wire, past: httpx2.AsyncBaseTransport) -> None:
        self._wire = wire
        self._past = past

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if b"common.db.login" not in request.content:
            return await self._wire.handle_async_request(request)
        self._wire.beside.append(request)
        return await self._past.handle_async_request(request)


def _operation(act: Act, hits: bytes = b"", count: Count | None = None, *, booked: bool = False) -> Builder:
    """A bench for an operation; `hits` is the method that a trouble may befall, `booked` whether the sale is there."""

    def build(folder: Path, clock: Callable[[], float], timeout_s: float) -> Bench:
        server = SERVER
        assert server is not None, "the suite starts it"
        network = httpx2.AsyncHTTPTransport()
        wire = Wire(network, lambda request: hits in request.content)
        transport = _LoginsBeside(wire, network)
        targets = HttpTargets(transport=transport, clock=clock, shared=NO_LIMITS)
        OPENED.extend((network, targets))
        own_timeout_s = _TIMEOUT_S if timeout_s >= 1 else _SHORT_S
        erp = build_erp("main", settings(server, folder, own_timeout_s, AT_ONCE), targets)
        desk = _desk(server)
        order = _prepared(desk, booked=booked)
        perform, find = act(erp, order)
        documents = None if count is None else lambda: count(desk, order)
        return Bench(
            wire, targets, perform, find, documents, key_travels=False, token="Session ", timeout_s=own_timeout_s
        )

    return build


def _prepared(desk: Desk, *, booked: bool) -> SalesOrder:
    """An order of a buyer that is there, and where it is `booked`, its sale; made past the wire."""
    first, first_sale = _first(desk.server)
    order = replace(first, reference=new_reference())
    if booked:
        (shop,) = desk.find("web.shop", [])
        named = {"web_shop": shop["id"], "web_id": order.reference, "reference": order.reference}
        sales = desk.call("sale.sale.copy", [first_sale], named)
        desk.call("sale.sale.quote", sales)
        desk.call("sale.sale.confirm", sales)
    return order


@cache
def _first(server: TrytonServer) -> tuple[SalesOrder, int]:
    """An order that is booked as any other, and its sale, which the others are copies of."""
    made: list[tuple[SalesOrder, int]] = []

    async def prepare() -> None:
        with TemporaryDirectory() as folder:
            erp, targets = open_erp(server, Path(folder))
        try:
            customer = await erp.customers.resolve_customer("shop", "zoe@example.com", ADDRESS)
            order = order_of(line(1, "S1", 2, 1000, tax=400), customer=customer)
            made.append((order, int((await erp.booking.book(order, KEY)).erp_order_id)))
        finally:
            await targets.aclose()

    _run_beside(prepare)
    return made[0]


@cache
def _desk(server: TrytonServer) -> Desk:
    """Signed in once: checking a password takes long, and is meant to."""
    return Desk(server)


def _run_beside(work: Callable[[], Awaitable[None]]) -> None:
    """Run to its end in a loop of its own: benches are built where a loop runs already."""

    async def run() -> None:
        await work()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    thread.join()


def _resolve(erp: Erp, order: SalesOrder) -> tuple[Perform, None]:
    return lambda: erp.customers.resolve_customer("shop", f"{order.reference}@example.com", ADDRESS), None


def _post(erp: Erp, order: SalesOrder) -> tuple[Perform, Perform]:
    posting = posting_of(order)
    return lambda: erp.shipments.post_shipment(posting, KEY), lambda: erp.shipments.find_shipment(posting)


def _sales(desk: Desk, order: SalesOrder) -> int:
    return len(desk.find("sale.sale", [["web_id", "=", order.reference]]))


def _shipments(desk: Desk, order: SalesOrder) -> int:
    ours = ["reference", "=", posting_of(order).reference]
    return len(desk.find("stock.shipment.out", [ours, ["state", "=", "done"]]))


def _withdrawn(desk: Desk, order: SalesOrder) -> int:
    done = [["state", "=", "done"], ["shipment_state", "=", "none"], ["web_id", "=", order.reference]]
    return len(desk.find("sale.sale", done))


def _parties(desk: Desk, order: SalesOrder) -> int:
    return len(desk.find("party.contact_mechanism", [["value", "=", f"{order.reference}@example.com"]]))


WRITES: dict[str, Builder] = {
    "tryton.book": _operation(
        lambda erp, order: (
            lambda: erp.booking.book(order, KEY),
            lambda: erp.booking.find_order(order.reference),
        ),
        b"model.sale.sale.confirm",
        _sales,
    ),
    "tryton.post_shipment": _operation(_post, b"model.stock.shipment.out.do", _shipments, booked=True),
    "tryton.withdraw": _operation(
        lambda erp, order: (lambda: erp.withdrawal.withdraw(order.reference, KEY), None),
        b"model.stock.shipment.out.cancel",
        _withdrawn,
        booked=True,
    ),
    "tryton.resolve_customer": _operation(_resolve, b"model.party.party.create", _parties),
}
READS: dict[str, Builder] = {
    "tryton.check_items": _operation(lambda erp, order: (lambda: erp.items.check_items(["S1", "NO"]), None)),
    "tryton.find_order": _operation(
        lambda erp, order: (lambda: erp.booking.find_order(order.reference), None), booked=True
    ),
    "tryton.find_shipment": _operation(
        lambda erp, order: (lambda: erp.shipments.find_shipment(posting_of(order)), None), booked=True
    ),
    "tryton.object_to": _operation(lambda erp, order: (lambda: there(erp.check).object_to(order), None)),
    "tryton.warehouse_stock": _operation(
        lambda erp, order: (lambda: there(erp.warehouses).warehouse_stock("WH"), None)
    ),
    "tryton.read_orders": _operation(
        lambda erp, order: (lambda: there(erp.orders).read_orders([order.reference]), None), booked=True
    ),
}
