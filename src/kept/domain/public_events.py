"""What the outside is told of an order: each published fact as a CloudEvent, without personal data unless allowed.

The contract is docs/contracts/events.asyncapi.yaml. Public names and members stay; new members may come.
Sources: CloudEvents 1.0.2, JSON event format; its extensions `sequence` and `correlation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from kept.domain.keys import fulfilment_reference
from kept.domain.order import OrderContent

Members = dict[str, Any]
TYPE_PREFIX = "io.kept."
PING = TYPE_PREFIX + "ping"
MEDIA_TYPE = "application/cloudevents+json"


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact of the ledger with what its event says of the order. `position` is its place in the feed."""

    position: int
    order_id: int
    seq: int
    type: str  # the ledger's
    part: int | None
    state: str
    at: datetime
    correlation_id: str
    data: Mapping[str, Any]
    reference: str
    account: str
    external_id: str
    number: str
    content: OrderContent | None = None  # of the message that the fact names, if it names one


@dataclass(frozen=True, slots=True)
class _Published:
    """How a fact is published: its public name, its own members, and those that are personal data."""

    name: str
    members: Callable[[Fact], Members]
    personal: Callable[[Fact], Members] = lambda _: {}


def event_id(fact: Fact) -> str:
    """The event's id, the same for ever. No full stop: Standard Webhooks signs `id.timestamp.body`."""
    return f"evt_{fact.reference}_{fact.seq}"


def fact_named(identity: str) -> tuple[str, int] | None:
    """(order reference, seq) of an event's id; None if it is no id of ours."""
    prefix, _, rest = identity.partition("_")
    reference, _, seq = rest.rpartition("_")
    if prefix != "evt" or not reference or not (seq.isascii() and seq.isdigit() and len(seq) <= 9):
        return None
    return reference, int(seq)


def cloud_event(fact: Fact, *, personal_data: bool) -> Members:
    """The event, ready to be written as JSON. KeyError for a fact that is not published."""
    published = PUBLISHED[fact.type]
    data: Members = {
        "order": {
            "reference": fact.reference,
            "account": fact.account,
            "external_id": fact.external_id,
            "number": fact.number,
        },
        "state": fact.state,
    }
    if fact.part is not None:
        data["fulfilment"] = {"reference": fulfilment_reference(fact.reference, fact.part), "number": fact.part}
    data |= published.members(fact)
    if personal_data and (personal := published.personal(fact)):
        data["personal"] = personal
    return {
        "specversion": "1.0",
        "id": event_id(fact),
        "source": f"/accounts/{quote(fact.account, safe='')}",
        "type": TYPE_PREFIX + published.name,
        "subject": fact.reference,
        "time": _time(fact.at),
        "sequence": f"{fact.seq:010d}",  # the extension wants texts that sort
        "correlationid": fact.correlation_id,
        "datacontenttype": "application/json",
        "data": data,
    }


def ping_event(identity: str, now: datetime) -> Members:
    """What a subscription is tried with. It is about no order."""
    return {
        "specversion": "1.0",
        "id": identity,
        "source": "/",
        "type": PING,
        "time": _time(now),
        "datacontenttype": "application/json",
        "data": {},
    }


def ledger_types(public: Iterable[str]) -> list[str]:
    """The ledger's names of public types, of all for none. Raises KeyError with the first that is unknown."""
    wanted = list(public)
    by_name = {TYPE_PREFIX + published.name: kind for kind, published in PUBLISHED.items()}
    return [by_name[name] for name in wanted] if wanted else list(PUBLISHED)


def public_types() -> list[str]:
    """All types that can be subscribed to."""
    return [TYPE_PREFIX + published.name for published in PUBLISHED.values()]


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _taken(*names: str) -> Callable[[Fact], Members]:
    """The fact's own members of these names, as they are."""
    return lambda fact: {name: fact.data[name] for name in names}


def _sold(fact: Fact) -> Members:
    """What one revision of an order says. The money is in minor units of the currency."""
    content = fact.content
    assert content is not None, f"{fact.type} names a message, whose content is kept"
    return {
        "revision": content.revision,
        "placed_at": _time(content.placed_at),
        "currency": content.currency,
        "total_minor": content.total_minor,
        "payment": content.payment.value,
        "ship_by": _time(content.promise.ship_by),
        "deliver_by": _time(content.promise.deliver_by),
        "lines": [
            {"line_no": line.line_no, "external_id": line.external_id, "sku": line.sku, "quantity": line.quantity}
            for line in content.lines
        ],
    }


def _buyer(fact: Fact) -> Members:
    content = fact.content
    assert content is not None, f"{fact.type} names a message, whose content is kept"
    address = content.ship_to
    names = ("name", "company", "line1", "line2", "city", "region", "postal_code", "country", "phone")
    return {
        "email": content.email,
        "ship_to": {name: getattr(address, name) for name in names} if address is not None else None,
    }


def _plan(fact: Fact) -> Members:
    """The centres that were chosen, without what the routing cost."""
    parts = [
        {name: part[name] for name in ("centre", "service", "ships_at", "delivers_at", "lines")}
        for part in fact.data["parts"]
    ]
    return {"late": fact.data["late"], "parts": parts}


_NOTHING = _taken()

# Texts that a person or an outside party wrote may name people: they are told as personal data only.
PUBLISHED: Mapping[str, _Published] = {
    "OrderReceived": _Published("order.received", _sold, _buyer),
    "OrderRevised": _Published("order.revised", _sold, _buyer),
    "OrderAmended": _Published("order.amended", _sold, _buyer),
    "ReturnNeeded": _Published("order.return_needed", _taken("lines")),
    "ErpNotAmended": _Published("order.erp_not_amended", _taken("reason")),
    "OrderRecorded": _Published("order.recorded", _taken("reason")),
    "PaymentAwaited": _Published("order.payment_awaited", _taken("payment")),
    "OrderHeld": _Published("order.held", _taken("code"), _taken("evidence")),
    "HoldReleased": _Published("order.hold_released", _NOTHING, _taken("by")),
    "OrderAcknowledged": _Published("order.acknowledged", _taken("channel_order_id")),
    "OrderValidated": _Published("order.validated", _NOTHING, _taken("customer_id")),
    "OrderRouted": _Published("order.routed", _plan),
    "OrderBooked": _Published("order.booked", _taken("erp_order_id")),
    "QuantityReturned": _Published(
        "order.quantity_returned",
        lambda fact: {
            "fulfilment": {
                "reference": fulfilment_reference(fact.reference, fact.data["part"]),
                "number": fact.data["part"],
            }
        },
        _taken("reason"),
    ),
    "CancelRequested": _Published("order.cancel_requested", _NOTHING, _taken("by")),
    "OrderCancelled": _Published("order.cancelled", _NOTHING),
    "OrderCompleted": _Published("order.completed", _NOTHING),
    "PartReleased": _Published("fulfilment.released", _taken("centre_request_id")),
    "PartAccepted": _Published("fulfilment.accepted", _NOTHING),
    "PartRejected": _Published("fulfilment.rejected", _NOTHING, _taken("reason")),
    "PartShipped": _Published("fulfilment.shipped", _taken("shipped_at", "packages")),
    "PartCancelled": _Published("fulfilment.cancelled", _taken("reason")),
    "PartAdvised": _Published("fulfilment.advised", _taken("asn_id")),
    "PartConfirmed": _Published("fulfilment.confirmed", _taken("channel_shipment_id")),
    "PartPosted": _Published("fulfilment.posted", _taken("erp_shipment_id")),
}

# Ours alone: they change nothing, or say what another event says.
INTERNAL: frozenset[str] = frozenset(
    {
        "RevisionIgnored",
        "AmendmentSettled",  # the order is validated next
        "PartsStopped",  # the order is cancelled or completed next
        "OrderWithdrawn",  # likewise
        "OrderRetracted",  # likewise
        "PartReady",  # follows by itself from order.booked
        "PartLabelled",  # the release that follows carries the label
        "PartWithdrawn",
        "InterceptAsked",  # the centre's answer is told
        "CentreEventIgnored",
    }
)
