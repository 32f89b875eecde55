"""What was sold: one channel-neutral schema for an order's content.

An `OrderContent` is what one revision of an order says, as the channel told it. It never changes: an
edit is a new revision. Where the order stands is told by `kept.domain.lifecycle` and its progress.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from kept.domain.values import changed


class Payment(StrEnum):
    """What the channel says of the money. Only PAID, AUTHORISED and FREE may be shipped against."""

    PENDING = "pending"  # the channel moves it on
    AUTHORISED = "authorised"
    PAID = "paid"
    FREE = "free"  # nothing to pay: a 100 % discount still ships
    REFUNDED = "refunded"
    VOIDED = "voided"


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address; `country` is ISO 3166-1 alpha-2. Empty strings where the channel gave nothing."""

    name: str
    line1: str
    line2: str
    city: str
    region: str
    postal_code: str
    country: str
    phone: str = ""
    company: str = ""


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One line as sold.

    Amounts are for the *whole quantity*, in minor units of the order's currency:
    `total_minor = unit_price_minor * quantity - discount_minor + tax_minor` when tax is added on top,
    and without the tax where `OrderContent.tax_included` says that prices contain it.
    """

    line_no: int  # 1, 2, ... in the channel's order
    external_id: str  # the channel's id of the line
    sku: str
    title: str
    quantity: int  # still wanted: ordered less what the channel already cancelled or refunded
    unit_price_minor: int
    discount_minor: int
    tax_minor: int
    requires_shipping: bool = True
    weight_g: int = 0  # of one piece
    gift: bool = False  # packed as a gift, without prices
    cancel_requested: bool = False  # the buyer asked the channel to cancel it; the seller decides
    channel_sku: str = ""  # what the channel calls it, where a mapping gave `sku`
    unmapped: bool = False  # `sku` is the channel's, and the account's mapping has none of ours for it
    kit_pieces: int = 0  # pieces of this component in one of the channel's kits; 0: it is no kit's
    kit_lead: bool = False  # this component stands for its kit when the channel is told


@dataclass(frozen=True, slots=True)
class Promise:
    """What the buyer was promised, in UTC. Urgency is judged by it."""

    ship_by: datetime
    deliver_by: datetime
    service: str  # the channel's service level, as it names it


@dataclass(frozen=True, slots=True)
class OrderContent:
    """One revision of an order. `revision` orders revisions of one order: the channel's update time in
    microseconds since 1970; the larger one is the newer one."""

    account: str  # name of the channel account in kept.toml
    external_id: str  # the channel's id of the order, unique within the account
    revision: int
    number: str  # what the buyer and the channel's people call it
    currency: str
    placed_at: datetime
    payment: Payment
    cancelled: bool  # the channel withdrew the whole order
    test: bool  # recorded, never shipped
    tax_included: bool
    lines: tuple[OrderLine, ...]
    shipping_minor: int  # and every other charge that stands on no line: gift wrap, duties, fees, tips
    shipping_tax_minor: int  # the tax of all of these
    total_minor: int  # the channel's own total of what is still wanted
    ship_to: Address | None
    email: str
    promise: Promise
    already_shipped: bool = False  # the channel says that somebody shipped it: recorded, never routed
    fulfilled_by_channel: bool = False  # the marketplace ships it from its own stock: recorded, never routed
    acknowledge_by: datetime | None = None  # until then the channel wants to hear that we took the order
    hold: str = ""  # why the channel itself says to wait; lifted by a newer revision
    refunded_minor: int = 0  # what the channel gave back of the order so far

    def same_destination(self, other: OrderContent) -> bool:
        """Whether a parcel for the one reaches the other: the addresses but for the telephone number."""
        ours, theirs = self.ship_to, other.ship_to
        if ours is None or theirs is None:
            return ours is theirs
        return changed(ours, phone="") == changed(theirs, phone="")

    def computed_total_minor(self) -> int:
        """The total by our own sums, to tie with the channel's."""
        goods = sum(line.unit_price_minor * line.quantity - line.discount_minor for line in self.lines)
        tax = 0 if self.tax_included else sum(line.tax_minor for line in self.lines) + self.shipping_tax_minor
        return goods + self.shipping_minor + tax
