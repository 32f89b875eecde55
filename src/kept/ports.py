"""What Kept needs of the outside, as single-capability Protocols, and the faults they raise.

A capability that a vendor lacks is None in its bundle (`Channel`, `Erp`, `Centre`), so the type checker
asks. Connectors raise faults and return values; only the engine turns a fault into an outcome.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from kept.domain.events import Package
from kept.domain.order import Address, OrderContent

# ------------------------------------------------------------------ faults


class Fault(Exception):
    """Something outside went wrong. The text says what, which value and what to do; no secrets, no personal data."""


class TemporaryFault(Fault):
    """The target surely did nothing, and may do it later. `retry_after_s` is the target's own wish, if it had one."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotAsked(TemporaryFault):
    """We did not even ask. Costs the delivery no attempt."""


class CircuitOpen(NotAsked):
    """The target failed too often just now, or refuses us."""


class QuotaSpent(NotAsked):
    """The vendor allows no more calls for now; `retry_after_s` is when our turn comes."""


class PermanentFault(Fault):
    """The target refused for good, or the content can't be sent: a person has to look. `code` is the vendor's."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class AccessRefused(PermanentFault):
    """The target refused us and not this request: our credentials, their rights, the account.

    With `whole_account` any call would fail; otherwise every call of this kind.
    """

    def __init__(self, message: str, *, code: str = "", whole_account: bool = True) -> None:
        super().__init__(message, code=code)
        self.whole_account = whole_account


class UnknownResult(Fault):
    """Sent, and no telling whether it was done: timeout or cut after sending, or a 5xx that may have applied."""


class BadMessage(Exception):
    """An authentic message that can't be read. `where` is its position: "line 3 column 7" or "$.lines[0].sku"."""

    def __init__(self, message: str, *, where: str = "") -> None:
        super().__init__(f"{message} (at {where})" if where else message)
        self.where = where


class NotAuthentic(Exception):
    """A message whose sender can't be verified. Its text is for our log only; the caller learns nothing."""


# ------------------------------------------------------------------ effects

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Effect:
    """One change that we want outside, written ahead. Same key and same request, however often it is tried."""

    key: str
    target: str  # which system: "erp:main", "centre:east", "channel:shop"
    operation: str
    request: Any  # a value that orjson can write; its hash guards the key against a second content


class Effects(Protocol):
    """Performs effects so that a retry, a replay or a second worker never does one twice."""

    async def perform(
        self,
        effect: Effect,
        send: Callable[[], Awaitable[Answer]],
        *,
        answer_type: type[Answer],
        find: Callable[[], Awaitable[Answer | None]] | None,
        honours_key: bool,
        write_horizon: timedelta = timedelta(0),
    ) -> Answer:
        """The target's answer: from `send`, from `find` (adopted), or as stored by an earlier try.

        `find` looks the effect up at the target by our reference. `honours_key` says that the target does
        one thing per key however often it is asked. `write_horizon` is how late a lost request may still
        apply; with neither key nor horizon over, nothing is sent again. Raises the connector's faults.
        """
        ...


# ------------------------------------------------------------------ channels


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as it came over the wire. Header names are lower case."""

    headers: Mapping[str, str]
    body: bytes


class Verify(Protocol):
    """Checks who sent a message, over its raw bytes, before anything is parsed."""

    def __call__(self, message: Incoming, now: datetime) -> None:
        """Raises NotAuthentic."""
        ...


class Identify(Protocol):
    """The sender's own id of a message, for the inbox' unique key; the same message again has the same id."""

    def __call__(self, message: Incoming) -> str: ...


class Normalise(Protocol):
    """Reads a channel's message. Pure: same bytes, same result."""

    def __call__(self, account: str, message: Incoming, received_at: datetime) -> OrderContent | None:
        """The order's content, or None for a topic that says nothing about an order. Raises BadMessage."""
        ...


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a channel is told of a shipment."""

    order_ref: str
    fulfilment_ref: str
    channel_order_id: str
    shipped_at: datetime
    packages: tuple[Package, ...]
    line_ids: Mapping[int, str]  # line_no -> the channel's id of the line


@dataclass(frozen=True, slots=True)
class ChannelShipment:
    """The channel's own record of a shipment that we confirmed."""

    shipment_id: str


class ConfirmShipment(Protocol):
    """Tells a channel that a part has shipped."""

    honours_key: bool

    async def confirm(self, confirmation: Confirmation, key: str) -> ChannelShipment: ...

    async def find(self, confirmation: Confirmation) -> ChannelShipment | None: ...


@dataclass(frozen=True, slots=True)
class Polled:
    """An order as a channel's list or query gave it, to be put into the inbox like a message.

    `key` is the same for the same revision of the same order, so that overlapping windows bring it once.
    """

    key: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """Some of what changed, and where to go on; `next_cursor` is "" after the last page."""

    orders: tuple[Polled, ...]
    next_cursor: str = ""


class FetchOrder(Protocol):
    """Reads one order of a channel, for messages that only say that it changed."""

    def names(self, message: Incoming) -> str:
        """What the message names, in the channel's own id of an order or of something of it; "" if nothing. Pure."""
        ...

    async def fetch(self, name: str) -> Polled | None:
        """The order as it stands now; None if the channel has none of that name. Raises the faults of a read."""
        ...


class PollOrders(Protocol):
    """Asks a channel for the orders that changed, as a backstop to its messages."""

    overlap: timedelta  # how far a window reaches back into the one before
    delay: timedelta  # how old the end of a window must be

    async def changed(self, since: datetime, until: datetime, cursor: str = "") -> Page:
        """Orders changed in [since, until), page by page. Raises the faults of a read."""
        ...


@dataclass(frozen=True, slots=True)
class Received:
    """A notification from a channel's queue, and what goes into the inbox for it; None if it tells of no order.

    `receipt` is what takes this delivery of it off the queue. The key of `order` is the same however often the
    notification is delivered.
    """

    receipt: str
    order: Polled | None


class ReceiveNotifications(Protocol):
    """Takes a channel's notifications from a queue, where it does not call us."""

    async def receive(self) -> Sequence[Received]:
        """Some notifications, or none after waiting a few seconds. Nobody else gets them for a while; what is not
        acknowledged by then comes again. Raises the faults of a read.
        """
        ...

    async def acknowledge(self, receipts: Sequence[str]) -> None:
        """Take off the queue what the inbox has durably. Raises the faults of a read: what stays comes again."""
        ...


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What a channel is told of an order that we took."""

    order_ref: str
    channel_order_id: str
    line_ids: Mapping[int, str]  # line_no -> the channel's id of the line
    quantities: Mapping[int, int]  # line_no -> pieces


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The channel's word that it knows."""

    channel_order_id: str


class AcknowledgeOrder(Protocol):
    """Tells a channel that we took an order."""

    honours_key: bool

    async def acknowledge(self, acknowledgement: Acknowledgement, key: str) -> Acknowledged: ...

    async def find_acknowledgement(self, acknowledgement: Acknowledgement) -> Acknowledged | None: ...


class CancelReason(StrEnum):
    """Why we cancel at a channel; each connector has its vendor's word for it."""

    BUYER = "buyer"
    OUT_OF_STOCK = "out_of_stock"
    BAD_ADDRESS = "bad_address"
    PRICE_ERROR = "price_error"
    FRAUD = "fraud"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ChannelCancel:
    """What a channel is told of pieces that we shall not ship."""

    order_ref: str
    channel_order_id: str
    reason: CancelReason
    line_ids: Mapping[int, str]
    quantities: Mapping[int, int]  # line_no -> pieces to cancel; every wanted piece for a whole cancel
    whole: bool


@dataclass(frozen=True, slots=True)
class ChannelCancelled:
    """The channel's own id of the cancel, or of the order where it has none."""

    cancel_id: str
    job_id: str = ""  # not done yet: the channel took it on under this id, and `CancelJobs` tells what becomes of it


class CancelAtChannel(Protocol):
    """Cancels pieces at a channel."""

    honours_key: bool
    write_horizon: timedelta

    async def cancel(self, cancel: ChannelCancel, key: str) -> ChannelCancelled: ...

    async def find_cancel(self, cancel: ChannelCancel) -> ChannelCancelled | None: ...


class CancelJobs(Protocol):
    """Tells what became of cancels that a channel took on to do them later."""

    async def finished(self, cancel: ChannelCancel, job_id: str) -> ChannelCancelled:
        """The cancel, once it is done. Raises TemporaryFault while it is under way, and PermanentFault with the
        channel's reason when it failed.
        """
        ...


@dataclass(frozen=True, slots=True)
class StockOffer:
    """Pieces of a SKU that a channel may sell. `believed` is what we last told it, where it compares and swaps."""

    sku: str
    quantity: int
    believed: int | None = None


@dataclass(frozen=True, slots=True)
class StockRefused:
    """A SKU whose quantity a channel did not take. `code` "stale": it had another quantity than we believed."""

    sku: str
    code: str
    reason: str


class PushStock(Protocol):
    """Tells a channel what it may sell; the newest figure replaces the one before. Repeating it is harmless."""

    batch_max: int

    async def push(self, offers: Sequence[StockOffer], key: str) -> Sequence[StockRefused]:
        """Those that were not taken. Raises the channel's faults if none was."""
        ...


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel account. What a vendor has no call for is None."""

    account: str
    verify: Verify
    identify: Identify
    normalise: Normalise
    confirm: ConfirmShipment | None
    poll: PollOrders | None = None
    fetch: FetchOrder | None = None
    notifications: ReceiveNotifications | None = None
    acknowledge: AcknowledgeOrder | None = None
    cancel: CancelAtChannel | None = None
    cancel_jobs: CancelJobs | None = None  # of a channel whose `cancel` may answer with a job
    push_stock: PushStock | None = None
    admit: Verify | None = None  # who may post orders to our REST intake and ask after them, by bearer token


# ------------------------------------------------------------------ ERP


@dataclass(frozen=True, slots=True)
class ItemCheck:
    """What an ERP says of a SKU."""

    sku: str
    known: bool
    saleable: bool


@dataclass(frozen=True, slots=True)
class SalesOrderLine:
    """One line of a sales order, in minor units: `unit_price` of one piece, the rest of the whole quantity."""

    line_no: int
    sku: str
    quantity: int
    unit_price_minor: int
    discount_minor: int
    tax_minor: int
    free: bool  # nothing to pay for it, and meant so: it ships and is booked all the same


@dataclass(frozen=True, slots=True)
class SalesOrder:
    """What an ERP is asked to book. `reference` is ours and unique."""

    reference: str
    channel: str
    channel_number: str
    customer_id: str
    currency: str
    placed_at: datetime
    ship_to: Address
    lines: tuple[SalesOrderLine, ...]
    shipping_minor: int
    shipping_tax_minor: int
    total_minor: int
    tax_included: bool  # prices contain the tax; else it comes on top of them
    version: int  # 1, and one more with every amendment


@dataclass(frozen=True, slots=True)
class BookedOrder:
    """A sales order in the ERP."""

    erp_order_id: str
    total_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class PostedShipment:
    """A shipment in the ERP."""

    erp_shipment_id: str


@dataclass(frozen=True, slots=True)
class ShipmentPosting:
    """What an ERP is told of a shipment; `reference` is the fulfilment order's."""

    order_reference: str
    reference: str
    shipped_at: datetime
    packages: tuple[Package, ...]


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """The ERP's word that the open rest of an order will not be delivered."""

    erp_order_id: str


class CheckItems(Protocol):
    """Asks an ERP about SKUs, many at once."""

    async def check_items(self, skus: Sequence[str]) -> Sequence[ItemCheck]: ...


class ResolveCustomer(Protocol):
    """Finds or makes the ERP's customer for an order; asking twice makes one customer."""

    async def resolve_customer(self, account: str, email: str, address: Address) -> str: ...


class BookOrder(Protocol):
    """Books sales orders, once per reference."""

    honours_key: bool
    write_horizon: timedelta

    async def book(self, order: SalesOrder, key: str) -> BookedOrder: ...

    async def find_order(self, reference: str) -> BookedOrder | None: ...


class AmendOrder(Protocol):
    """Makes a booked order say what a newer version of it says.

    Doing it twice is doing it once, and an older version that arrives late never overwrites a newer one.
    """

    async def amend(self, order: SalesOrder, key: str) -> BookedOrder: ...


class PostShipment(Protocol):
    """Posts a shipment against a booked order, once per reference."""

    honours_key: bool

    async def post_shipment(self, posting: ShipmentPosting, key: str) -> PostedShipment: ...

    async def find_shipment(self, posting: ShipmentPosting) -> PostedShipment | None: ...


class WithdrawOrder(Protocol):
    """Cancels what is still open of a booked order; doing it twice is doing it once."""

    async def withdraw(self, reference: str, key: str) -> Withdrawal: ...


@dataclass(frozen=True, slots=True)
class Erp:
    """One ERP."""

    name: str
    items: CheckItems
    customers: ResolveCustomer
    booking: BookOrder
    shipments: PostShipment
    withdrawal: WithdrawOrder
    amendment: AmendOrder | None  # None: what is edited after routing is too late


# ------------------------------------------------------------------ centres


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
