"""What we tell Shopify comes back as webhooks: such an echo changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kept.connectors.channels.shopify.mapping import normalise
from kept.domain import events as ev
from kept.domain.order import OrderContent
from kept.domain.progress import Order
from kept.domain.revisions import facts_of_revision
from kept.ports import Incoming
from tests.unit.connectors.channels.test_shopify_mapping import NOW, item, order, read
from tests.unit.domain.samples import BOOKED, after_shipping, order_after, planned, routed, shipped, up_to_released

Json = dict[str, Any]
SALE = order(
    line_items=[item(1, discount_allocations=[]), item(2, quantity=1, discount_allocations=[])], total_price="30.00"
)
EAST = planned("east", (1, "S1", 2))
WEST = planned("west", (2, "S2", 1))


def booked(*facts: Any) -> Order:
    """The sale as two parts, and then these facts."""
    return order_after(ev.OrderValidated("C-1"), routed(EAST, WEST), BOOKED, *facts, said=read(SALE))


def echo(status: str | None, *fulfillable: int, at: str = "2026-11-04T10:00:00-05:00", **changes: Any) -> OrderContent:
    """The orders/updated after a fulfilment: newer, with the lines' open pieces and the fulfilment in it."""
    lines = [
        line | {"fulfillable_quantity": left, "fulfillment_status": None if left else "fulfilled"}
        for line, left in zip(SALE["line_items"], fulfillable, strict=True)
    ]
    fulfilments = [{"id": 7, "status": "success", "tracking_number": "1Z999", "line_items": lines}]
    told = {"line_items": lines, "fulfillments": fulfilments, "fulfillment_status": status, "updated_at": at}
    return read(SALE | told | changes, "orders/updated")


SHIPPED_EAST = [*up_to_released(1), shipped(1, (1, "S1", 2)), *after_shipping(1)]
SHIPPED_BOTH = [*SHIPPED_EAST, *up_to_released(2), shipped(2, (2, "S2", 1)), *after_shipping(2)]


@pytest.mark.parametrize(
    ("facts", "content"),
    [
        ([*up_to_released(1), shipped(1, (1, "S1", 2))], echo("partial", 0, 1)),
        (SHIPPED_EAST, echo("partial", 0, 1)),
        (SHIPPED_BOTH, echo("fulfilled", 0, 0)),
        (SHIPPED_BOTH, echo("fulfilled", 0, 0, financial_status="refunded")),
    ],
    ids=["before it is confirmed", "of a part", "of the whole", "with the money given back after it"],
)
def test_the_echo_of_our_own_fulfilment_is_recorded_and_changes_nothing(
    facts: list[Any], content: OrderContent
) -> None:
    (fact,) = facts_of_revision(booked(*facts), content, message_id=12)
    assert isinstance(fact, ev.RevisionIgnored)
    assert fact.reason == "nothing that is still to ship differs"


def test_what_only_looks_like_an_echo_is_not_taken_for_one() -> None:
    """Shopify says fulfilled and we shipped nothing: somebody else did, and our parts are stopped."""
    (fact,) = facts_of_revision(booked(), echo("fulfilled", 0, 0), message_id=12)
    assert isinstance(fact, ev.CancelRequested)


def test_an_edit_beside_the_echo_is_no_echo() -> None:
    edited = echo("partial", 0, 1)
    more = read(
        SALE
        | {
            "line_items": [SALE["line_items"][0], item(2, quantity=2, discount_allocations=[])],
            "updated_at": "2026-11-04T10:00:00-05:00",
            "total_price": "40.00",
        }
    )
    assert edited.revision == more.revision
    (fact,) = facts_of_revision(booked(*SHIPPED_EAST), more, message_id=12)
    assert isinstance(fact, ev.RevisionIgnored)
    assert fact.reason.startswith("too late")


@pytest.mark.parametrize(
    "topic",
    [
        "fulfillments/create",
        "fulfillments/update",
        "fulfillment_orders/order_routing_complete",
        "fulfillment_orders/placed_on_hold",
        "inventory_levels/update",
        "refunds/create",
        "order_transactions/create",
    ],
)
def test_echoes_under_other_topics_say_nothing_about_the_order(topic: str) -> None:
    body = json.dumps({"id": 1, "order_id": 5001, "status": "success"}).encode()
    assert normalise("shop", Incoming({"x-shopify-topic": topic}, body), NOW) is None
