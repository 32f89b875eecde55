"""The facts of the ledger. A class name is stored with each fact and so is never renamed.

Order events change an order; part events, which name a fulfilment order by its `part` number, change
one centre's part of it; message events change an inbox message and are not written to the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kept.domain.order import OrderContent

# ------------------------------------------------------------------ a message's


@dataclass(frozen=True, slots=True)
class MessageNormalised:
    """A channel's message was understood."""

    content: OrderContent


@dataclass(frozen=True, slots=True)
class OrderNamed:
    """A channel's message says that an order changed, and not how it stands: it has to be fetched."""


@dataclass(frozen=True, slots=True)
class MessageProcessed:
    """A message's facts have been applied to its order."""


@dataclass(frozen=True, slots=True)
class MessageIgnored:
    """A message of a kind that needs nothing from us."""

    reason: str


# ------------------------------------------------------------------ an order's


@dataclass(frozen=True, slots=True)
class OrderReceived:
    """The first revision of an order arrived."""

    revision: int
    message_id: int


@dataclass(frozen=True, slots=True)
class OrderRevised:
    """A newer revision replaced the content before anything was promised to a centre."""

    revision: int
    message_id: int


@dataclass(frozen=True, slots=True)
class OrderAmended:
    """A newer revision replaced the content after centres were chosen; what it takes away is being stopped.

    `numbers` are our numbers of the revision's lines, in its order: parts and shipments know lines by number,
    and a channel may list them in another order, or leave out those that it removed.
    """

    revision: int
    message_id: int
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AmendmentSettled:
    """Everything that an amendment takes away has stopped, or has shipped all the same."""


@dataclass(frozen=True, slots=True)
class ReturnLine:
    """Pieces of one order line that shipped although the channel had taken them off the order."""

    line_no: int
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class ReturnNeeded:
    """An amendment lost the race: these pieces are on their way to a buyer who did not want them any more."""

    lines: tuple[ReturnLine, ...]


@dataclass(frozen=True, slots=True)
class RevisionIgnored:
    """A revision that changed nothing: older or equal to the current one, or too late to apply."""

    revision: int
    message_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class OrderRecorded:
    """An order that is known and never ours to ship."""

    reason: str


@dataclass(frozen=True, slots=True)
class PaymentAwaited:
    """The channel has not got the money yet."""

    payment: str


@dataclass(frozen=True, slots=True)
class OrderHeld:
    """The order needs a person, or a cause to go away. `code` is the kind of hold, `evidence` the values."""

    code: str
    evidence: str


@dataclass(frozen=True, slots=True)
class HoldReleased:
    """A person let a held order go on: what it was held for, by its `code`, is no reason any more."""

    by: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class OrderAcknowledged:
    """The channel knows that we took the order; the id is the channel's, "" where nothing had to be told."""

    channel_order_id: str


@dataclass(frozen=True, slots=True)
class OrderValidated:
    """ERP and content agree that the order can be fulfilled."""

    customer_id: str


@dataclass(frozen=True, slots=True)
class PlannedLine:
    """Pieces of one order line that a centre is to ship."""

    line_no: int
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """One centre's part of a routing decision. `cost_minor` is in the policy's currency."""

    centre: str
    service: str
    ships_at: datetime
    delivers_at: datetime
    cost_minor: int
    lines: tuple[PlannedLine, ...]


@dataclass(frozen=True, slots=True)
class OrderRouted:
    """Centres were chosen and their stock reserved. `late` says that the promise could not be met.

    `decision` is the SHA-256 of the record of how it was decided, a document of the order; "" for none.
    """

    parts: tuple[PlannedPart, ...]
    late: bool
    ruled_out: tuple[str, ...]
    policy: str
    policy_sha256: str = ""
    decision: str = ""


@dataclass(frozen=True, slots=True)
class OrderBooked:
    """The ERP holds the sales order. `adopted` when it was already there under our reference."""

    erp_order_id: str
    adopted: bool


@dataclass(frozen=True, slots=True)
class ErpNotAmended:
    """The ERP keeps an older content of the order than the channel: a person has to bring the two together."""

    reason: str


@dataclass(frozen=True, slots=True)
class QuantityReturned:
    """Pieces that a centre will not ship went back to routing."""

    part: int
    reason: str


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """The channel, the buyer or a person wants the order stopped.

    `reason` is a `kept.ports.CancelReason` that the channel has yet to be told; "" where the cancel is its own.
    """

    by: str
    message_id: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PartsStopped:
    """No part of a cancelled order is on its way any more."""


@dataclass(frozen=True, slots=True)
class OrderWithdrawn:
    """What will not ship is out of the ERP; the channel has yet to hear of it."""


@dataclass(frozen=True, slots=True)
class OrderRetracted:
    """The channel knows what will not ship; the id is the channel's, "" where nothing had to be told."""

    channel_cancel_id: str


@dataclass(frozen=True, slots=True)
class OrderCancelled:
    """What had not shipped is withdrawn from the ERP; nothing shipped at all."""


@dataclass(frozen=True, slots=True)
class OrderCompleted:
    """Everything that was not cancelled has shipped, and channel and ERP know it."""


# ------------------------------------------------------------------ a fulfilment order's


@dataclass(frozen=True, slots=True)
class PartReady:
    """The order is booked: the centre's part may go."""

    part: int


@dataclass(frozen=True, slots=True)
class PartLabelled:
    """The carton has its SSCC and its label."""

    part: int
    sscc: str
    documents: tuple[str, ...]  # SHA-256 of each, in the documents' index


@dataclass(frozen=True, slots=True)
class PartReleased:
    """The centre has our request."""

    part: int
    centre_request_id: str


@dataclass(frozen=True, slots=True)
class PartAccepted:
    """The centre will ship it."""

    part: int


@dataclass(frozen=True, slots=True)
class PartRejected:
    """The centre will not ship it."""

    part: int
    reason: str


@dataclass(frozen=True, slots=True)
class ShippedLine:
    """Pieces of one order line in one package."""

    line_no: int
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Package:
    """A carton as the centre packed it."""

    sscc: str
    carrier: str
    tracking: str
    weight_g: int
    lines: tuple[ShippedLine, ...]


@dataclass(frozen=True, slots=True)
class PartShipped:
    """The centre shipped these packages and will ship no more of this part."""

    part: int
    shipped_at: datetime
    packages: tuple[Package, ...]


@dataclass(frozen=True, slots=True)
class PartWithdrawn:
    """The part is to be stopped if it still can be."""

    part: int


@dataclass(frozen=True, slots=True)
class InterceptAsked:
    """The centre was asked to stop the part."""

    part: int


@dataclass(frozen=True, slots=True)
class PartCancelled:
    """The part will not ship."""

    part: int
    reason: str


@dataclass(frozen=True, slots=True)
class PartAdvised:
    """The ASN of the actual pack is made."""

    part: int
    asn_id: str
    document: str


@dataclass(frozen=True, slots=True)
class PartConfirmed:
    """The channel knows the shipment. `channel_shipment_id` is empty where the channel has nothing to tell."""

    part: int
    channel_shipment_id: str


@dataclass(frozen=True, slots=True)
class PartPosted:
    """The ERP knows the shipment."""

    part: int
    erp_shipment_id: str


@dataclass(frozen=True, slots=True)
class CentreEventIgnored:
    """A centre's message that says nothing new."""

    part: int
    event: str


MessageEvent = MessageNormalised | OrderNamed | MessageProcessed | MessageIgnored
OrderEvent = (
    OrderReceived
    | OrderRevised
    | OrderAmended
    | AmendmentSettled
    | ReturnNeeded
    | RevisionIgnored
    | OrderRecorded
    | PaymentAwaited
    | OrderHeld
    | HoldReleased
    | OrderAcknowledged
    | OrderValidated
    | OrderRouted
    | OrderBooked
    | ErpNotAmended
    | QuantityReturned
    | CancelRequested
    | PartsStopped
    | OrderWithdrawn
    | OrderRetracted
    | OrderCancelled
    | OrderCompleted
)
PartEvent = (
    PartReady
    | PartLabelled
    | PartReleased
    | PartAccepted
    | PartRejected
    | PartShipped
    | PartWithdrawn
    | InterceptAsked
    | PartCancelled
    | PartAdvised
    | PartConfirmed
    | PartPosted
    | CentreEventIgnored
)
LedgerEvent = OrderEvent | PartEvent
Event = MessageEvent | LedgerEvent

PART_EVENTS: frozenset[type[Any]] = frozenset(PartEvent.__args__)
EVENT_TYPES: dict[str, type[Any]] = {kind.__name__: kind for kind in (*OrderEvent.__args__, *PartEvent.__args__)}
