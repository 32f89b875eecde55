"""What Kept needs of a sales channel, as single-capability Protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from kept.domain.events import Package
from kept.domain.order import OrderContent
from kept.ports.messages import Identify, Incoming, Verify


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
class Subscription:
    """One kind of message that a channel should send us. `elsewhere`: every address that it sends it to."""

    topic: str  # as the channel names it
    stands: bool
    elsewhere: tuple[str, ...] = ()


class KeepSubscriptions(Protocol):
    """Looks after what a channel tells us of by itself."""

    async def standing(self, address: str) -> Sequence[Subscription]:
        """How each kind of message that we take stands, to `address`, the full URL of our webhook."""
        ...

    async def subscribe(self, topic: str, address: str, key: str) -> None:
        """Make one; doing it twice is doing it once."""
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
    subscriptions: KeepSubscriptions | None = None
    admit: Verify | None = None  # who may post orders to our REST intake and ask after them, by bearer token
