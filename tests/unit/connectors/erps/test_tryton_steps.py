"""A shipment's and a sale's next step in Tryton, by their state alone; what needs a rare state is tried here."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from kept.connectors.erps.tryton import mapping, shipping, withdrawing
from kept.connectors.erps.tryton.schemas import Sale, Shipment
from kept.domain.events import Package, ShippedLine
from kept.ports import PermanentFault, PostedShipment, ShipmentPosting, Withdrawal

PACKAGE = Package("006141411234567890", "UPS", "1Z999", 700, (ShippedLine(1, "S1", 2),))
POSTING = ShipmentPosting("K7Q2F-000000123", "K7Q2F-000000123-1", datetime(2026, 11, 3, tzinfo=UTC), (PACKAGE,))
LINES = {"sale.line,1": 1, "sale.line,2": 2}


def shipment(state: str, *, mine: bool = True, pickings: bool = True, number: int = 1, quantity: int = 2) -> Shipment:
    """A shipment of line 1, with a picking for it unless the warehouse has no place to pick to."""
    moves: list[dict[str, Any]] = [{"id": 10, "quantity": 2.0, "origin": "sale.line,1", "state": "draft"}]
    if pickings:
        moves.append({"id": 11, "quantity": float(quantity), "origin": "stock.move,10", "state": "draft"})
    record = {
        "id": number,
        "state": state,
        "reference": POSTING.reference if mine else None,
        "number": str(number),
        "inventory_moves": [11] if pickings else [],
        "outgoing_moves": [10],
        "_timestamp": "1.0",
        "moves.": moves,
    }
    return msgspec.convert(record, Shipment)


def sale(state: str, **changes: object) -> Sale:
    record: dict[str, object] = {
        "id": 7,
        "state": state,
        "reference": "K",
        "web_id": "K",
        "total_amount": {"decimal": "10.00"},
        "shipment_state": "waiting",
        "invoice_state": "none",
        "currency.": {"id": 1, "code": "EUR"},
        "lines.": [],
        "shipments.": [],
        "invoices.": [],
        "moves.": [],
        "invoices_ignored": [],
        "invoices_recreated": [],
    }
    return msgspec.convert(record | changes, Sale)


def step(*shipments: Shipment, last: shipping.Step | None = None) -> shipping.Step:
    return shipping.next_step(POSTING, shipments, LINES, last=last)


@pytest.mark.parametrize(
    ("state", "button"),
    [("draft", "wait"), ("waiting", "assign_try"), ("assigned", "pick"), ("picked", "pack"), ("packed", "do")],
)
def test_each_state_has_its_button(state: str, button: str) -> None:
    assert step(shipment(state)) == shipping.Button(1, button)


def test_one_that_a_clerk_has_sent_already_is_only_brought_to_its_end() -> None:
    assert step(shipment("shipped")) == shipping.Button(1, "do")
    assert step(shipment("done")) == PostedShipment("1")


def test_without_a_place_to_pick_to_it_is_packed_at_once() -> None:
    assert step(shipment("assigned", pickings=False)) == shipping.Button(1, "pack")
    more = shipping.next_step(
        replace(POSTING, packages=(replace(PACKAGE, lines=(ShippedLine(1, "S1", 1),)),)),
        [shipment("waiting", pickings=False)],
        LINES,
    )
    assert more == shipping.SetQuantities({10: 1})


def test_too_little_stock_in_tryton_is_no_reason_not_to_post_what_has_left() -> None:
    assert step(shipment("waiting"), last=shipping.Button(1, "assign_try")) == shipping.Button(1, "assign_force")


def test_pickings_that_are_not_what_was_packed_are_set_and_lost_ones_are_made_anew() -> None:
    assert step(shipment("waiting", quantity=1)) == shipping.SetQuantities({11: 2})
    lost = shipment("waiting")
    lost.moves[1].origin = "stock.move,99"
    assert step(lost) == shipping.Button(1, "wait")


def test_a_free_one_is_taken_and_a_cancelled_one_of_ours_is_none() -> None:
    free = shipment("waiting", mine=False, number=2)
    assert step(shipment("cancelled"), free) == shipping.Claim(free)


def test_where_nothing_is_planned_tryton_is_told_to_plan_once() -> None:
    assert step() == shipping.Plan()
    with pytest.raises(PermanentFault, match="it lacks 2 of line 1; sent are: none") as caught:
        step(last=shipping.Plan())
    assert caught.value.code == "nothing_to_ship"


def test_two_of_ours_and_a_state_of_no_meaning_are_a_persons() -> None:
    with pytest.raises(PermanentFault, match="2 shipments under K7Q2F-000000123-1: 1, 2"):
        step(shipment("waiting"), shipment("done", number=2))
    with pytest.raises(PermanentFault, match="'lost'"):
        step(shipment("lost"))


def test_an_order_can_be_withdrawn_in_every_state_and_an_unknown_one_is_named() -> None:
    assert withdrawing.next_step(sale("quotation")) == withdrawing.Push("sale.sale", "cancel", [7])
    assert withdrawing.next_step(sale("confirmed")) == withdrawing.Push("sale.sale", "draft", [7])
    assert withdrawing.next_step(sale("cancelled")) == Withdrawal("7")
    assert withdrawing.next_step(sale("done")) == Withdrawal("7")
    with pytest.raises(PermanentFault, match="'lost'"):
        withdrawing.next_step(sale("lost"))
    with pytest.raises(PermanentFault, match="'lost'"):
        mapping.booking_step(sale("lost"))


def test_a_sale_that_has_not_seen_yet_what_became_of_it_is_told_to_look() -> None:
    moves = {"moves.": [{"id": 5, "state": "cancelled"}, {"id": 6, "state": "done"}]}
    look = withdrawing.Push("sale.sale", "process", [7])
    assert withdrawing.next_step(sale("processing", **moves)) == look
    ignore = withdrawing.Ignore("sale.handle.shipment.exception", "moves", [5])
    assert withdrawing.next_step(sale("processing", shipment_state="exception", **moves)) == ignore
    invoices = {"invoices.": [{"id": 8, "state": "cancelled"}]}
    assert withdrawing.next_step(sale("processing", **invoices)) == look
    assert withdrawing.next_step(sale("processing", invoices_ignored=[8], **invoices)) == Withdrawal("7")


def test_a_posted_invoice_is_left_to_the_accountants() -> None:
    posted = sale("processing", **{"shipment_state": "none", "invoices.": [{"id": 3, "state": "posted"}]})
    assert withdrawing.next_step(posted) == Withdrawal("7")


def test_two_sales_under_one_reference_are_a_persons() -> None:
    with pytest.raises(PermanentFault, match="2 sales under K") as caught:
        mapping.only_sale([sale("done"), sale("done")], "K")
    assert caught.value.code == "ambiguous"
