"""Parties that answer at once, in this process: for benchmarks and for tests of the engine.

They honour keys as the real ones do and count what they did; what a centre says comes back through
`deliver`, as a message for the inbox.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson

from kept.domain.events import Package, ShippedLine
from kept.domain.order import Address
from kept.ports import (
    BadMessage,
    BookedOrder,
    Centre,
    CentreEvent,
    CentreEventKind,
    ChannelShipment,
    Confirmation,
    Erp,
    FulfilmentRequest,
    Incoming,
    Intercept,
    InterceptAnswer,
    ItemCheck,
    PostedShipment,
    RequestReceipt,
    SalesOrder,
    ShipmentPosting,
    StockLevel,
    StockSnapshot,
    Withdrawal,
)

Deliver = Callable[[str, str, bytes], None]  # (centre, the message's own id, body)


@dataclass(slots=True)
class InstantErp:
    """An ERP with one order per reference."""

    honours_key: bool = True
    write_horizon: timedelta = timedelta(0)
    orders: dict[str, BookedOrder] = field(default_factory=dict)
    shipments: dict[str, PostedShipment] = field(default_factory=dict)
    withdrawn: set[str] = field(default_factory=set)

    async def check_items(self, skus: Sequence[str]) -> Sequence[ItemCheck]:
        return [ItemCheck(sku, known=True, saleable=True) for sku in skus]

    async def resolve_customer(self, account: str, email: str, address: Address) -> str:
        return f"C-{account}"

    async def book(self, order: SalesOrder, key: str) -> BookedOrder:
        booked = BookedOrder(f"SO-{order.reference}", order.total_minor, order.currency)
        return self.orders.setdefault(order.reference, booked)

    async def amend(self, order: SalesOrder, key: str) -> BookedOrder:
        amended = BookedOrder(f"SO-{order.reference}", order.total_minor, order.currency)
        self.orders[order.reference] = amended
        return amended

    async def find_order(self, reference: str) -> BookedOrder | None:
        return self.orders.get(reference)

    async def post_shipment(self, posting: ShipmentPosting, key: str) -> PostedShipment:
        return self.shipments.setdefault(posting.reference, PostedShipment(f"D-{posting.reference}"))

    async def find_shipment(self, posting: ShipmentPosting) -> PostedShipment | None:
        return self.shipments.get(posting.reference)

    async def withdraw(self, reference: str, key: str) -> Withdrawal:
        self.withdrawn.add(reference)
        return Withdrawal(f"SO-{reference}")

    def port(self, name: str = "main") -> Erp:
        return Erp(name, items=self, customers=self, booking=self, shipments=self, withdrawal=self, amendment=self)


@dataclass(slots=True)
class InstantCentre:
    """A centre that accepts and ships in the moment it is asked."""

    name: str
    deliver: Deliver
    clock: Callable[[], datetime]
    stock_of: Sequence[StockLevel] = ()
    honours_key: bool = True
    write_horizon: timedelta = timedelta(0)
    requests: dict[str, RequestReceipt] = field(default_factory=dict)

    async def request(self, request: FulfilmentRequest, key: str) -> RequestReceipt:
        known = self.requests.get(request.reference)
        if known is not None:
            return known
        receipt = self.requests[request.reference] = RequestReceipt(f"{self.name}-{len(self.requests)}")
        now = self.clock()
        package = Package(
            sscc=request.sscc,
            carrier="INSTANT",
            tracking=f"T{request.reference}",
            weight_g=500,
            lines=tuple(ShippedLine(line.line_no, line.sku, line.quantity) for line in request.lines),
        )
        for kind, packages in ((CentreEventKind.ACCEPTED, ()), (CentreEventKind.SHIPPED, (package,))):
            event = CentreEvent(kind, request.reference, now, "", packages)
            self.deliver(self.name, f"{request.reference}:{kind.value}", orjson.dumps(event))
        return receipt

    async def find_request(self, reference: str) -> RequestReceipt | None:
        return self.requests.get(reference)

    async def intercept(self, reference: str, key: str) -> Intercept:
        return Intercept(InterceptAnswer.TOO_LATE if reference in self.requests else InterceptAnswer.UNKNOWN)

    async def stock(self) -> StockSnapshot:
        return StockSnapshot(self.clock(), tuple(self.stock_of))

    def port(self) -> Centre:
        return Centre(
            name=self.name,
            verify=_trust,
            identify=lambda message: message.headers["webhook-id"],
            read_event=_read_event,
            requests=self,
            intercepts=self,
            stock=self,
        )


@dataclass(slots=True)
class InstantConfirmations:
    """A channel's end for confirmations."""

    honours_key: bool = True
    told: dict[str, ChannelShipment] = field(default_factory=dict)

    async def confirm(self, confirmation: Confirmation, key: str) -> ChannelShipment:
        shipment = ChannelShipment(f"F-{confirmation.fulfilment_ref}")
        return self.told.setdefault(confirmation.fulfilment_ref, shipment)

    async def find(self, confirmation: Confirmation) -> ChannelShipment | None:
        return self.told.get(confirmation.fulfilment_ref)


def _trust(message: Incoming, now: datetime) -> None:
    """In one process there is nobody to doubt."""


def _read_event(message: Incoming) -> CentreEvent:
    import msgspec

    try:
        return msgspec.json.decode(message.body, type=CentreEvent)
    except msgspec.DecodeError as error:
        raise BadMessage(str(error)) from error
