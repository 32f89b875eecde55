"""What our own order format can say besides the plain sale, and the envelope that it may come in."""

from __future__ import annotations

import copy
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.connectors.channels.inhouse.mapping import normalise
from kept.domain.events import Package, ShippedLine
from kept.domain.money import to_decimal_string
from kept.domain.order import OrderContent, Payment
from kept.domain.skus import Component, in_channel_pieces, mapped
from kept.ports import BadMessage, Incoming
from tests.unit.connectors.channels.inhouse.orders import line, order

NOW = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
CLOUD_EVENTS = {"content-type": "application/cloudevents+json; charset=utf-8"}
Json = dict[str, Any]


def read(value: Any, headers: dict[str, str] | None = None) -> OrderContent:
    content = normalise("app", Incoming(headers or {}, json.dumps(value).encode()), NOW)
    assert content is not None
    return content


def refused(value: Any, headers: dict[str, str] | None = None) -> str:
    with pytest.raises(BadMessage) as caught:
        read(value, headers)
    return caught.value.where


# ------------------------------------------------------------------ what an order can say


def test_what_is_left_out_says_nothing_special() -> None:
    content = read(order(line()))
    assert (content.test, content.cancelled, content.already_shipped, content.fulfilled_by_channel) == (False,) * 4
    assert (content.hold, content.refunded_minor, content.acknowledge_by) == ("", 0, None)
    (only,) = content.lines
    assert (only.gift, only.cancel_requested, only.kit_pieces) == (False, False, 0)


def test_an_order_tells_of_holds_refunds_tests_and_who_ships() -> None:
    told = order(
        line(),
        hold="fraud check",
        refunded="3.50",
        test=True,
        fulfilled_by_channel=True,
        already_shipped=True,
        acknowledge_by="2026-11-03T12:00:00+01:00",
    )
    content = read(told)
    assert (content.hold, content.refunded_minor, content.test) == ("fraud check", 350, True)
    assert (content.fulfilled_by_channel, content.already_shipped) == (True, True)
    assert content.acknowledge_by == datetime(2026, 11, 3, 11, 0, tzinfo=UTC)


def test_a_gift_and_a_free_line_are_lines_that_ship() -> None:
    content = read(order(line(gift=True), line(id="2", unit_price="0", quantity=1), total="2.00"))
    assert [(each.gift, each.unit_price_minor, each.quantity) for each in content.lines] == [
        (True, 100, 2),
        (False, 0, 1),
    ]
    assert content.computed_total_minor() == content.total_minor == 200


def test_an_order_for_nothing_is_free() -> None:
    content = read(order(line(discount="2.00"), payment="free", total="0"))
    assert content.payment is Payment.FREE
    assert content.computed_total_minor() == content.total_minor == 0


def test_cancelled_pieces_are_no_longer_wanted() -> None:
    content = read(order(line(quantity=5, cancelled_quantity=2), line(id="2", cancelled_quantity=2), total="3.00"))
    assert [each.quantity for each in content.lines] == [3, 0]
    assert content.cancelled is False
    assert content.computed_total_minor() == content.total_minor


def test_an_order_of_which_every_piece_is_cancelled_is_cancelled() -> None:
    assert read(order(line(cancelled_quantity=2), total="0")).cancelled is True


def test_a_buyers_wish_to_cancel_is_of_a_line_or_of_all() -> None:
    lines = [line(), line(id="2", cancel_requested=True)]
    assert [each.cancel_requested for each in read(order(*lines)).lines] == [False, True]
    assert [each.cancel_requested for each in read(order(*lines, cancel_requested=True)).lines] == [True, True]


@pytest.mark.parametrize(
    ("own", "of_order", "kept"),
    [
        ("+33 (0)4 72-00.00/12", "", "+33472000012"),
        ("", "+1 (518) 555-0101", "+15185550101"),
        ("04 72 00 00 12", "+1 518 555 0101", "+33472000012"),
        ("555 0101", "+1 518 555 0101", "555 0101"),
        ("+33 4 72 00 00 12 ext. 3", "", "+33472000012;ext=3"),
        ("", "", ""),
    ],
)
def test_a_phone_is_put_into_standard_form_where_its_country_is_known(own: str, of_order: str, kept: str) -> None:
    told = order(line(), phone=of_order)
    told["ship_to"] = {**told["ship_to"], "phone": own}
    content = read(told)
    assert content.ship_to is not None
    assert content.ship_to.phone == kept


# ------------------------------------------------------------------ kits


def test_a_kit_is_taken_apart_and_the_sender_hears_of_kits() -> None:
    kit = [{"sku": "BOX", "share": 3}, {"sku": "PEN", "quantity": 4}]
    content = read(order(line(sku="SET", quantity=2, kit=kit), line(id="2"), total="4.00"))
    assert [(each.line_no, each.external_id, each.sku, each.quantity) for each in content.lines] == [
        (1, "1", "BOX", 2),
        (2, "1", "PEN", 8),
        (3, "2", "MUG", 2),
    ]
    assert content.computed_total_minor() == content.total_minor
    packed = Package("0" * 18, "UPS", "1Z", 1, (ShippedLine(1, "BOX", 2), ShippedLine(2, "PEN", 8)))
    (told,) = in_channel_pieces([packed], content)
    assert told.lines == (ShippedLine(1, "SET", 2),)


def test_a_part_of_a_kit_that_is_a_kit_of_ours_still_counts_in_the_senders_kits() -> None:
    content = read(order(line(sku="SET", quantity=3, kit=[{"sku": "PACK", "quantity": 2}, {"sku": "CARD"}]), total="3"))
    ours = mapped(
        content, {"PACK": (Component("CUP", 4), Component("LID", 1)), "CARD": (Component("C-1"),)}, required=True
    )
    assert [(each.sku, each.quantity, each.kit_pieces, each.kit_lead, each.channel_sku) for each in ours.lines] == [
        ("CUP", 24, 8, True, "SET"),
        ("LID", 6, 2, False, "SET"),
        ("C-1", 3, 1, False, "SET"),
    ]
    assert ours.computed_total_minor() == content.total_minor
    (told,) = in_channel_pieces([Package("0" * 18, "UPS", "1Z", 1, (ShippedLine(1, "CUP", 24),))], ours)
    assert told.lines == (ShippedLine(1, "SET", 3),)


def test_too_many_lines_by_kits_are_refused_where_they_become_too_many() -> None:
    kit = [{"sku": f"S{number}"} for number in range(50)]
    assert refused(order(*(line(id=str(number), kit=kit) for number in range(11)))) == "$.lines[10]"


# ------------------------------------------------------------------ properties

CURRENCIES = st.sampled_from(["USD", "JPY", "KWD", "EUR"])
MINOR = st.integers(min_value=0, max_value=10_000_000)
LINE = st.fixed_dictionaries(
    {
        "ordered": st.integers(1, 1000),
        "cancelled": st.integers(0, 1000),
        "unit_price": MINOR,
        "discount": MINOR,
        "tax": MINOR,
        "kit": st.lists(st.tuples(st.integers(1, 9), st.integers(0, 100)), max_size=4),
    }
)


@given(st.lists(LINE, min_size=1, max_size=6), MINOR, MINOR, st.booleans(), CURRENCIES)
def test_whatever_is_sold_its_parts_come_to_the_total_and_its_pieces_to_what_is_wanted(
    sold: list[dict[str, Any]], shipping: int, shipping_tax: int, tax_included: bool, currency: str
) -> None:
    def amount(minor: int) -> str:
        return to_decimal_string(minor, currency)

    lines, total, wanted = [], shipping + (0 if tax_included else shipping_tax), []
    for number, each in enumerate(sold):
        gone = min(each["cancelled"], each["ordered"])
        wanted.append(each["ordered"] - gone)
        discount = min(each["discount"], each["unit_price"] * wanted[-1])
        total += each["unit_price"] * wanted[-1] - discount + (0 if tax_included else each["tax"])
        parts = [
            {"sku": f"P{at}", "quantity": pieces, "share": share} for at, (pieces, share) in enumerate(each["kit"])
        ]
        lines.append(
            line(
                id=str(number),
                quantity=each["ordered"],
                cancelled_quantity=gone,
                unit_price=amount(each["unit_price"]),
                discount=amount(discount),
                tax=amount(each["tax"]),
                kit=parts,
            )
        )
    told = order(*lines, currency=currency, tax_included=tax_included, total=amount(total))
    content = read(told | {"shipping": amount(shipping), "shipping_tax": amount(shipping_tax)})
    assert content.computed_total_minor() == content.total_minor == total
    for number, each in enumerate(sold):
        pieces = [one for one in content.lines if one.external_id == str(number)]
        expected = [wanted[number] * of_kit for of_kit, _ in each["kit"]] or [wanted[number]]
        assert [one.quantity for one in pieces] == expected
        assert sum(one.tax_minor for one in pieces) == each["tax"]
        assert all(one.unit_price_minor >= 0 for one in pieces)


@given(
    st.from_regex(r"[0-9+.,e -]{1,9}", fullmatch=True)
    | st.integers(-(10**9), 10**9)
    | st.floats(-1e9, 1e9)
    | st.booleans()
    | st.none()
)
def test_an_amount_is_exact_or_refused_at_its_place(value: Any) -> None:
    told = order(line(unit_price=value))
    if isinstance(value, str) and re.fullmatch(r"[0-9]+(\.[0-9]{1,2}0{0,4})?", value):
        whole, _, decimals = value.partition(".")
        assert read(told).lines[0].unit_price_minor == int(f"{whole}{decimals[:2]:0<2}")
    else:
        assert refused(told) == "$.lines[0].unit_price"


# ------------------------------------------------------------------ the envelope


def event(data: Any, **changes: Any) -> Json:
    envelope = {"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "com.example.order", "data": data}
    return {**envelope, "time": "2026-11-03T09:30:00Z", "datacontenttype": "application/json", **changes}


def test_an_order_in_an_envelope_is_the_same_order() -> None:
    bare = order(line())
    assert read(event(bare), CLOUD_EVENTS) == read(event(bare)) == read(bare)
    assert read(bare, {"content-type": "application/json", "ce-specversion": "1.0"}) == read(bare)


def test_a_place_in_an_envelope_is_told_from_its_top() -> None:
    assert refused(event(order(line(quantity=0))), CLOUD_EVENTS) == "$.data.lines[0].quantity"
    assert refused(event("text"), CLOUD_EVENTS) == "$.data"
    with pytest.raises(BadMessage, match=r"ordered \(at \$\.data\.lines\[0\]\.cancelled_quantity\)$"):
        read(event(order(line(cancelled_quantity=3))), CLOUD_EVENTS)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"specversion": "0.3"}, "$.specversion"),
        ({"id": ""}, "$.id"),
        ({"source": None}, "$.source"),
        ({"type": 7}, "$.type"),
        ({"data_base64": "e30="}, "$.data_base64"),
        ({"datacontenttype": "application/xml"}, "$.datacontenttype"),
        ({"Extension": "x"}, "$"),
    ],
)
def test_an_envelope_that_is_none_is_refused_with_its_place(changes: Json, where: str) -> None:
    assert refused(event(order(line()), **changes), CLOUD_EVENTS) == where


def test_an_envelope_without_data_a_missing_envelope_and_a_batch_are_refused() -> None:
    empty = copy.deepcopy(event(None))
    del empty["data"]
    assert refused(empty) == "$.data"
    assert refused(order(line()), CLOUD_EVENTS) == "$"
    assert refused([event(order(line()))], {"content-type": "application/cloudevents-batch+json"}) == "$"
