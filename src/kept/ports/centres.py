"""What Kept needs of a fulfilment centre, as single-capability Protocols."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from kept.domain.events import Package
from kept.domain.order import Address
from kept.ports.messages import Identify, Incoming, Verify


@dataclass(frozen=True, slots=True)
class RequestLine:
    """Pieces that a centre is asked to ship."""

    line_no: int
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class FulfilmentRequest:
    """What a centre is asked to ship. `reference` is ours and unique."""

    reference: str
    order_reference: str
    service: str
    ship_by: datetime
    ship_to: Address
    sscc: str
    label_sha256: str
    lines: tuple[RequestLine, ...]


@dataclass(frozen=True, slots=True)
class RequestReceipt:
    """The centre has the request; whether it will ship comes later, as an event."""

    centre_request_id: str


class InterceptAnswer(StrEnum):
    """What a centre says when asked to stop a request."""

    CANCELLED = "cancelled"  # stopped
    PENDING = "pending"  # its event will tell
    TOO_LATE = "too_late"  # shipped or about to: its shipment event will come
    UNKNOWN = "unknown"  # it never got the request, and refuses it should it still come


@dataclass(frozen=True, slots=True)
class Intercept:
    """A centre's answer to a request to stop."""

    answer: InterceptAnswer


class RequestFulfilment(Protocol):
    """Asks a centre to ship, once per reference."""

    honours_key: bool
    write_horizon: timedelta

    async def request(self, request: FulfilmentRequest, key: str) -> RequestReceipt: ...

    async def find_request(self, reference: str) -> RequestReceipt | None: ...


class InterceptFulfilment(Protocol):
    """Asks a centre to stop a request; it may lose the race. Asking twice is asking once."""

    async def intercept(self, reference: str, key: str) -> Intercept: ...


@dataclass(frozen=True, slots=True)
class StockLevel:
    """Pieces of a SKU on a centre's shelves, whether promised or not."""

    sku: str
    on_hand: int


@dataclass(frozen=True, slots=True)
class StockSnapshot:
    """A centre's count at one moment, by the centre's clock."""

    as_of: datetime
    levels: tuple[StockLevel, ...]
    by_books: bool = False  # an ERP's count: what shipped is in it until we post it there


class ReadStock(Protocol):
    """Reads what a centre has."""

    async def stock(self) -> StockSnapshot: ...


class CentreEventKind(StrEnum):
    """What a centre can tell."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"  # the answer to an intercept that was pending
    CANCEL_REFUSED = "cancel_refused"


@dataclass(frozen=True, slots=True)
class CentreEvent:
    """A centre's message about one of our requests."""

    kind: CentreEventKind
    reference: str  # the fulfilment order's
    occurred_at: datetime
    reason: str = ""
    packages: tuple[Package, ...] = ()


class ReadCentreEvent(Protocol):
    """Reads a centre's message. Pure: same bytes, same result."""

    def __call__(self, message: Incoming) -> CentreEvent:
        """Raises BadMessage."""
        ...


@dataclass(frozen=True, slots=True)
class Centre:
    """One fulfilment centre."""

    name: str
    verify: Verify
    identify: Identify
    read_event: ReadCentreEvent
    requests: RequestFulfilment
    intercepts: InterceptFulfilment
    stock: ReadStock
