"""The lifecycles: one transition table for orders, one for fulfilment orders, one for inbox messages.

A transition that is not in its table is an error, and there is no way round it. Every state says who
moves it on: a step of the flow, somebody outside (`WAITING`), or nobody (`TERMINAL`).
`docs/lifecycle.md` is generated from these tables and checked against them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar


class IllegalTransition(Exception):
    """An event that the subject's state does not allow: a bug in a step, never bad input."""


# Enum, not StrEnum: states of different lifecycles share words, and must not compare equal.
class MessageState(Enum):
    """Where an inbox message stands."""

    RECEIVED = "received"  # a channel's message; step normalise moves it on
    NAMED = "named"  # says which order changed and not how it stands: step fetch moves it on
    NORMALISED = "normalised"  # step deduplicate moves it on
    ARRIVED = "arrived"  # a centre's message; step receive moves it on
    INSTRUCTED = "instructed"  # an operator's word; step instruct moves it on
    PROCESSED = "processed"  # terminal: its facts are in an order's ledger


class OrderState(Enum):
    """Where an order stands. How much of it shipped is told by its lines' quantities, not by a state."""

    UNACKNOWLEDGED = "unacknowledged"  # step acknowledge moves it on
    RECEIVED = "received"  # step validate moves it on
    PENDING = "pending"  # unpaid: the channel moves it on by a newer revision
    HELD = "held"  # needs a person or a cause to go away: a release or a newer revision moves it on
    VALIDATED = "validated"  # may have pieces that no centre was given yet: step route moves it on
    ROUTED = "routed"  # stock is reserved: step book moves it on
    BOOKED = "booked"  # in the ERP: its fulfilment orders move it on
    AMENDING = "amending"  # edited after routing: the fulfilment orders that this stops move it on
    CANCELLING = "cancelling"  # its open fulfilment orders are being stopped: they move it on
    WITHDRAWING = "withdrawing"  # step withdraw takes what will not ship out of the ERP
    RETRACTING = "retracting"  # cancelled by us: step cancel tells the channel what will not ship
    COMPLETE = "complete"  # terminal: everything not cancelled has shipped, channel and ERP know
    CANCELLED = "cancelled"  # terminal: nothing shipped and nothing will
    RECORDED = "recorded"  # terminal: known and never ours to ship (test order, shipped elsewhere)


class PartState(Enum):
    """Where a fulfilment order, one centre's part of an order, stands."""

    PLANNED = "planned"  # stock reserved: the order's booking moves it on
    READY = "ready"  # step label moves it on
    LABELLED = "labelled"  # step release moves it on
    RELEASED = "released"  # asked for: the centre's accept, reject or shipment moves it on
    ACCEPTED = "accepted"  # the centre's shipment moves it on
    SHIPPED = "shipped"  # step advise moves it on
    ADVISED = "advised"  # step confirm moves it on
    CONFIRMED = "confirmed"  # step post moves it on
    POSTED = "posted"  # terminal: shipped, and channel and ERP know
    REJECTED = "rejected"  # terminal: the centre will not; its quantity went back to routing
    WITHDRAWING = "withdrawing"  # step intercept asks the centre to stop
    INTERCEPTING = "intercepting"  # asked to stop: the centre's answer or its shipment moves it on
    CANCELLED = "cancelled"  # terminal: stopped before it shipped


# States in which a part's pieces are reserved and not yet gone.
RESERVING = frozenset(
    {
        PartState.PLANNED,
        PartState.READY,
        PartState.LABELLED,
        PartState.RELEASED,
        PartState.ACCEPTED,
        PartState.WITHDRAWING,
        PartState.INTERCEPTING,
    }
)
# States in which a part was asked to stop, and has neither stopped nor shipped.
STOPPING = frozenset({PartState.WITHDRAWING, PartState.INTERCEPTING})

_S = TypeVar("_S", bound=Enum)
State = MessageState | OrderState | PartState

MESSAGE_TRANSITIONS: Mapping[tuple[MessageState, str], MessageState] = {
    (MessageState.RECEIVED, "MessageNormalised"): MessageState.NORMALISED,
    (MessageState.RECEIVED, "MessageIgnored"): MessageState.PROCESSED,
    (MessageState.RECEIVED, "OrderNamed"): MessageState.NAMED,
    (MessageState.NAMED, "MessageNormalised"): MessageState.NORMALISED,
    (MessageState.NAMED, "MessageIgnored"): MessageState.PROCESSED,
    (MessageState.NORMALISED, "MessageProcessed"): MessageState.PROCESSED,
    (MessageState.ARRIVED, "MessageProcessed"): MessageState.PROCESSED,
    (MessageState.ARRIVED, "MessageIgnored"): MessageState.PROCESSED,
    (MessageState.INSTRUCTED, "MessageProcessed"): MessageState.PROCESSED,
    (MessageState.INSTRUCTED, "MessageIgnored"): MessageState.PROCESSED,
}

_BEFORE_ROUTING = (OrderState.RECEIVED, OrderState.PENDING, OrderState.HELD, OrderState.VALIDATED)
_AMENDABLE = (*_BEFORE_ROUTING, OrderState.ROUTED, OrderState.BOOKED, OrderState.AMENDING)
_OPEN = (OrderState.UNACKNOWLEDGED, *_AMENDABLE)

ORDER_TRANSITIONS: Mapping[tuple[OrderState, str], OrderState] = {
    (OrderState.UNACKNOWLEDGED, "OrderAcknowledged"): OrderState.RECEIVED,
    (OrderState.UNACKNOWLEDGED, "OrderRevised"): OrderState.UNACKNOWLEDGED,
    **{(state, "OrderRevised"): OrderState.RECEIVED for state in _BEFORE_ROUTING},
    **{(state, "OrderAmended"): OrderState.AMENDING for state in _AMENDABLE},
    (OrderState.AMENDING, "AmendmentSettled"): OrderState.RECEIVED,
    **{(state, "ReturnNeeded"): state for state in (*_AMENDABLE, OrderState.CANCELLING)},
    **{(state, "RevisionIgnored"): state for state in OrderState},
    (OrderState.RECEIVED, "OrderRecorded"): OrderState.RECORDED,
    (OrderState.RECEIVED, "PaymentAwaited"): OrderState.PENDING,
    (OrderState.RECEIVED, "OrderHeld"): OrderState.HELD,
    (OrderState.HELD, "HoldReleased"): OrderState.RECEIVED,
    (OrderState.RECEIVED, "OrderValidated"): OrderState.VALIDATED,
    (OrderState.VALIDATED, "OrderRouted"): OrderState.ROUTED,
    (OrderState.ROUTED, "OrderBooked"): OrderState.BOOKED,
    (OrderState.ROUTED, "OrderHeld"): OrderState.HELD,
    (OrderState.ROUTED, "ErpNotAmended"): OrderState.ROUTED,
    **{
        (state, "QuantityReturned"): OrderState.VALIDATED
        for state in (OrderState.VALIDATED, OrderState.ROUTED, OrderState.BOOKED)
    },
    **{(state, "CancelRequested"): OrderState.CANCELLING for state in _OPEN},
    (OrderState.CANCELLING, "PartsStopped"): OrderState.WITHDRAWING,
    (OrderState.WITHDRAWING, "OrderWithdrawn"): OrderState.RETRACTING,
    (OrderState.RETRACTING, "OrderRetracted"): OrderState.RETRACTING,
    (OrderState.RETRACTING, "OrderCancelled"): OrderState.CANCELLED,
    (OrderState.RETRACTING, "OrderCompleted"): OrderState.COMPLETE,
    (OrderState.WITHDRAWING, "OrderCancelled"): OrderState.CANCELLED,
    (OrderState.WITHDRAWING, "OrderCompleted"): OrderState.COMPLETE,
    (OrderState.CANCELLING, "OrderCompleted"): OrderState.COMPLETE,
    (OrderState.BOOKED, "OrderCompleted"): OrderState.COMPLETE,
}

PART_TRANSITIONS: Mapping[tuple[PartState, str], PartState] = {
    (PartState.PLANNED, "PartReady"): PartState.READY,
    (PartState.PLANNED, "PartCancelled"): PartState.CANCELLED,
    (PartState.READY, "PartLabelled"): PartState.LABELLED,
    (PartState.LABELLED, "PartReleased"): PartState.RELEASED,
    (PartState.RELEASED, "PartAccepted"): PartState.ACCEPTED,
    **{
        (state, "PartRejected"): PartState.REJECTED
        for state in (PartState.RELEASED, PartState.ACCEPTED, PartState.WITHDRAWING, PartState.INTERCEPTING)
    },
    **{
        (state, "PartShipped"): PartState.SHIPPED
        for state in (PartState.RELEASED, PartState.ACCEPTED, PartState.INTERCEPTING, PartState.WITHDRAWING)
    },
    **{
        (state, "PartWithdrawn"): PartState.WITHDRAWING
        for state in (PartState.READY, PartState.LABELLED, PartState.RELEASED, PartState.ACCEPTED)
    },
    (PartState.WITHDRAWING, "InterceptAsked"): PartState.INTERCEPTING,
    **{(state, "PartCancelled"): PartState.CANCELLED for state in (PartState.WITHDRAWING, PartState.INTERCEPTING)},
    (PartState.SHIPPED, "PartAdvised"): PartState.ADVISED,
    (PartState.ADVISED, "PartConfirmed"): PartState.CONFIRMED,
    (PartState.CONFIRMED, "PartPosted"): PartState.POSTED,
    # A centre repeats and reorders what it says: what is already known is recorded and changes nothing.
    **{(state, "CentreEventIgnored"): state for state in PartState},
}

# The step that moves each state on; `kept.flow` is checked against it.
STEP_OF_STATE: Mapping[State, str] = {
    MessageState.RECEIVED: "normalise",
    MessageState.NAMED: "fetch",
    MessageState.NORMALISED: "deduplicate",
    MessageState.ARRIVED: "receive",
    MessageState.INSTRUCTED: "instruct",
    OrderState.UNACKNOWLEDGED: "acknowledge",
    OrderState.RECEIVED: "validate",
    OrderState.VALIDATED: "route",
    OrderState.ROUTED: "book",
    OrderState.WITHDRAWING: "withdraw",
    OrderState.RETRACTING: "cancel",
    PartState.READY: "label",
    PartState.LABELLED: "release",
    PartState.SHIPPED: "advise",
    PartState.ADVISED: "confirm",
    PartState.CONFIRMED: "post",
    PartState.WITHDRAWING: "intercept",
}

# Who outside the flow moves a waiting state on.
WAITING: Mapping[State, str] = {
    OrderState.PENDING: "the channel, by a newer revision",
    OrderState.HELD: "a person's release, or a newer revision",
    OrderState.BOOKED: "its fulfilment orders",
    OrderState.AMENDING: "its fulfilment orders",
    OrderState.CANCELLING: "its fulfilment orders",
    PartState.PLANNED: "its order's booking",
    PartState.RELEASED: "the centre's accept, reject or shipment",
    PartState.ACCEPTED: "the centre's shipment or rejection",
    PartState.INTERCEPTING: "the centre's answer or its shipment",
}

TERMINAL: frozenset[State] = frozenset(
    {
        MessageState.PROCESSED,
        OrderState.COMPLETE,
        OrderState.CANCELLED,
        OrderState.RECORDED,
        PartState.POSTED,
        PartState.REJECTED,
        PartState.CANCELLED,
    }
)


def advance_message(state: MessageState, event: str) -> MessageState:
    """The message's next state, or IllegalTransition."""
    return _look_up(MESSAGE_TRANSITIONS, state, event)


def advance_order(state: OrderState, event: str) -> OrderState:
    """The order's next state, or IllegalTransition."""
    return _look_up(ORDER_TRANSITIONS, state, event)


def advance_part(state: PartState, event: str) -> PartState:
    """The fulfilment order's next state, or IllegalTransition."""
    return _look_up(PART_TRANSITIONS, state, event)


def _look_up(table: Mapping[tuple[_S, str], _S], state: _S, event: str) -> _S:
    try:
        return table[state, event]
    except KeyError:
        raise IllegalTransition(f"{type(state).__name__} {state.value!r} does not allow {event}") from None
