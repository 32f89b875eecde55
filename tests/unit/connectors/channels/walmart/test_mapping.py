"""Walmart's purchase orders, rule by rule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kept.connectors.channels.walmart.mapping import identify, messages_of_file, normalise
from kept.connectors.zones import end_of_day, zone_of
from kept.domain.order import Payment
from kept.ports import BadMessage, Incoming
from tests.unit.connectors.channels.walmart.orders import (
    NOW,
    PLACED,
    charge,
    line,
    message,
    money,
    order,
    read,
)

PLACED_AT = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)


def refusal(body: object) -> str:
    with pytest.raises(BadMessage) as caught:
        normalise("market", message(body), NOW)
    return str(caught.value)


# ------------------------------------------------------------------ quantities


def test_a_line_wants_what_was_ordered_less_what_is_cancelled() -> None:
    content = read(order(line("1", 3, charge("20.00"), statuses={"Acknowledged": 2, "Cancelled": 1})))
    (only,) = content.lines
    assert (only.quantity, only.unit_price_minor, content.total_minor) == (2, 1000, 2000)
    assert not content.cancelled


def test_an_order_is_cancelled_when_every_line_is() -> None:
    gone = {"statuses": {"Cancelled": 1}}
    assert not read(order(line("1", 1, **gone), line("2"))).cancelled
    content = read(order(line("1", 1, **gone), line("2", 1, **gone)))
    assert content.cancelled
    assert content.total_minor == 0
    assert content.payment is Payment.AUTHORISED


def test_what_was_shipped_delivered_or_refunded_is_gone() -> None:
    statuses = {"Shipped": 1, "Delivered": 1, "Refund": 1, "Cancelled": 1}
    content = read(order(line("1", 4, charge("30.00"), statuses=statuses)))
    assert content.already_shipped
    assert content.payment is Payment.PAID
    assert content.lines[0].quantity == 3
    assert content.hold == ""


def test_a_part_shipped_elsewhere_holds_the_rest_for_a_person() -> None:
    content = read(order(line("1", 3, statuses={"Shipped": 1, "Acknowledged": 2})))
    assert not content.already_shipped
    assert content.lines[0].quantity == 3
    assert content.hold == "1 pieces are marked as shipped at Walmart already"


def test_three_lines_of_one_piece_are_as_good_as_one_line_of_three() -> None:
    legacy = read(order(*(line(str(number), 1, charge("10.00", "0.80")) for number in (1, 2, 3))))
    modern = read(order(line("1", 3, charge("30.00", "2.40"))))
    assert legacy.total_minor == modern.total_minor == 3240
    assert sum(each.quantity for each in legacy.lines) == modern.lines[0].quantity == 3


@pytest.mark.parametrize("amount", ["1.5", "-1", "", "1e3", "two", 1.5, "1000001"])
def test_a_quantity_that_is_no_whole_number_is_refused(amount: Any) -> None:
    body = order(line("1", 1, orderLineQuantity={"unitOfMeasurement": "EACH", "amount": amount}))
    assert "$.orderLines[0].orderLineQuantity.amount" in refusal(body)


def test_more_cancelled_than_ordered_is_refused() -> None:
    assert refusal(order(line("1", 1, statuses={"Cancelled": 2}))) == (
        "2 pieces are cancelled of 1 (at $.orderLines[0].orderLineStatuses)"
    )


def test_an_unknown_status_is_refused_with_its_name() -> None:
    assert "unknown line status 'Vanished'" in refusal(order(line("1", 1, statuses={"Vanished": 1})))


def test_the_same_line_twice_is_refused() -> None:
    assert refusal(order(line("1"), line("1"))) == "the line '1' twice (at $.orderLines[1].lineNumber)"


def test_an_order_without_lines_is_refused() -> None:
    assert refusal(order(orderLines={"orderLine": []})) == "an order without lines (at $.orderLines)"


# ------------------------------------------------------------------ money


def test_a_charge_is_for_the_whole_line_and_ties_though_it_does_not_divide() -> None:
    content = read(order(line("1", 3, charge("10.00", "0.85"))))
    (only,) = content.lines
    assert (only.unit_price_minor, only.discount_minor, only.tax_minor) == (334, 2, 85)
    assert content.total_minor == content.computed_total_minor() == 1085


def test_shipping_fees_and_their_taxes_stand_on_the_order() -> None:
    shipping = charge("5.00", "0.40", "SHIPPING", "Shipping")
    fee = charge("1.50", None, "FEE", "CA_RECYCLE")
    content = read(order(line("1", 1, charge("10.00", "1.00"), shipping, fee)))
    assert (content.shipping_minor, content.shipping_tax_minor) == (650, 40)
    assert content.total_minor == 1790


def test_a_product_charge_below_zero_is_a_discount() -> None:
    discount = charge("-2.00", "-0.20", "PRODUCT", "SubscriptionDiscount")
    (only,) = read(order(line("1", 2, charge("20.00", "2.00"), discount))).lines
    assert (only.unit_price_minor, only.discount_minor, only.tax_minor) == (1000, 200, 180)


def test_discounts_go_to_the_goods_or_to_the_shipping_by_their_name() -> None:
    coupon = charge("-3.00", None, "DISCOUNT", "COUPON_DISC")
    free = charge("-5.00", None, "DISCOUNT", "SHIP_DISC")
    shipping = charge("5.00", None, "SHIPPING", "Shipping")
    content = read(order(line("1", 1, charge("10.00"), coupon, shipping, free)))
    assert (content.lines[0].discount_minor, content.shipping_minor, content.total_minor) == (300, 0, 700)


def test_walmarts_own_total_stands_though_it_does_not_tie() -> None:
    summary = {"totalAmount": {"currencyAmount": 12.5, "currencyUnit": "USD"}}
    content = read(order(orderSummary=summary))
    assert (content.total_minor, content.computed_total_minor()) == (1250, 1100)


def test_a_total_from_before_a_cancel_is_not_used() -> None:
    summary = {"totalAmount": {"currencyAmount": 22, "currencyUnit": "USD"}}
    content = read(order(line("1"), line("2", 1, statuses={"Cancelled": 1}), orderSummary=summary))
    assert content.total_minor == 1100


def test_nothing_to_pay_is_free_and_ships() -> None:
    assert read(order(line("1", 1, charge(0, 0)))).payment is Payment.FREE


def test_refunds_are_recorded_with_their_tax() -> None:
    back = {"refundCharges": {"refundCharge": [{"refundReason": "Others", "charge": charge(-2.11, "-0.15")}]}}
    content = read(order(line("1", 1, statuses={"Shipped": 1}, refund=back)))
    assert content.refunded_minor == 226


def test_a_second_currency_and_a_third_decimal_are_refused() -> None:
    other = charge("1.00", None, "SHIPPING") | {"chargeAmount": money("1.00", "CAD")}
    assert "the currency 'CAD' is not the order's USD" in refusal(order(line("1", 1, charge(10), other)))
    assert "more than the 2 decimals of USD" in refusal(order(line("1", 1, charge("10.005"))))


def test_a_cancelled_order_without_any_amount_is_still_understood() -> None:
    gone = line("1", 1, statuses={"Cancelled": 1}, charges=None)
    content = read(order(gone))
    assert (content.cancelled, content.currency, content.total_minor) == (True, "USD", 0)
    nowhere = order()["shippingInfo"] | {"postalAddress": None}
    assert "no currency" in refusal(order(gone, shippingInfo=nowhere))


def test_an_unknown_charge_type_and_a_missing_amount_are_refused() -> None:
    assert "unknown charge type 'TIP'" in refusal(order(line("1", 1, charge(10), charge(1, None, "TIP"))))
    bare = {"chargeType": "SHIPPING", "chargeName": "Shipping"}
    assert "a charge without its amount" in refusal(order(line("1", 1, charge(10), bare)))


# ------------------------------------------------------------------ who ships, by when


@pytest.mark.parametrize(
    ("kind", "by_walmart"), [("SellerFulfilled", False), ("WFSFulfilled", True), ("3PLFulfilled", True)]
)
def test_the_ship_node_says_who_ships(kind: str, by_walmart: bool) -> None:
    content = read(order(line("1", 1, statuses={"Created": 1}), shipNode={"type": kind}))
    assert content.fulfilled_by_channel is by_walmart
    assert (content.acknowledge_by is None) is by_walmart


def test_an_unknown_ship_node_is_refused() -> None:
    assert refusal(order(shipNode={"type": "Drone"})) == "unknown type of ship node 'Drone' (at $.shipNode.type)"


def test_a_created_line_is_to_be_acknowledged_within_four_hours() -> None:
    both = order(line("1"), line("2", 1, statuses={"Created": 1}))
    assert read(both).acknowledge_by == PLACED_AT + timedelta(hours=4)
    assert read(order(line("1"))).acknowledge_by is None


def test_the_promise_is_walmarts_own_dates() -> None:
    promise = read(order()).promise
    assert promise.ship_by == PLACED_AT + timedelta(days=1)
    assert promise.deliver_by == PLACED_AT + timedelta(days=5)
    assert promise.service == "Standard"


def test_without_dates_the_method_promises_and_an_unknown_one_is_refused() -> None:
    info = order()["shippingInfo"] | {"estimatedShipDate": None, "estimatedDeliveryDate": None}
    promise = read(order(shippingInfo=info | {"methodCode": "OneDay"})).promise
    assert (promise.ship_by, promise.deliver_by) == (
        PLACED_AT + timedelta(days=1),
        end_of_day(PLACED_AT, 2, zone_of(read(order()).ship_to)),
    )
    assert "unknown method 'Zeppelin'" in refusal(order(shippingInfo=info | {"methodCode": "Zeppelin"}))


def test_a_buyers_wish_to_cancel_is_on_the_line_and_makes_a_newer_revision() -> None:
    before, after = order(line("1"), line("2")), order(line("1"), line("2", intentToCancel="true"))
    assert [each.cancel_requested for each in read(after).lines] == [False, True]
    assert read(after).revision == read(before).revision + 1


@pytest.mark.parametrize("said", [None, "", "false", "False", "N", False])
def test_no_wish_to_cancel(said: Any) -> None:
    assert not read(order(line("1", intentToCancel=said))).lines[0].cancel_requested


def test_the_revision_is_the_newest_date_of_any_line() -> None:
    assert read(order()).revision == PLACED * 1000
    later = order(line("1", statusDate=PLACED + 5), line("2", statusDate=PLACED + 3))
    assert read(later).revision == (PLACED + 5) * 1000


def test_times_come_as_milliseconds_or_with_an_offset() -> None:
    assert read(order(orderDate="2026-11-03T04:00:00.000-05:00")).placed_at == PLACED_AT
    for wrong in ("2026-11-03T04:00:00", "yesterday", 17, PLACED * 1000):
        assert "$.orderDate" in refusal(order(orderDate=wrong))


def test_an_address_has_its_country_in_two_letters() -> None:
    content = read(order())
    assert content.ship_to is not None
    assert (content.ship_to.country, content.ship_to.phone) == ("US", "+14155550100")


# ------------------------------------------------------------------ messages


EVENT = {
    "source": {"eventType": "ORDER_UPDATES", "eventId": "e-1", "eventTime": "2026-11-03T09:00:00Z"},
    "payload": {"subEventType": "INTENT_TO_CANCEL", "order": {"purchaseOrderId": "1796277083022"}},
}


def test_a_notification_says_nothing_of_an_orders_content_and_has_its_own_id() -> None:
    assert normalise("market", message(EVENT), NOW) is None
    assert identify(message(EVENT)) == "e-1"
    assert [normalise("market", each, NOW) for each in messages_of_file(message(EVENT).body)] == [None]


def test_a_message_without_an_id_is_known_by_its_bytes() -> None:
    assert identify(message(order())) == identify(message(order()))
    assert identify(message(order())) != identify(message(order(line("2"))))
    assert identify(Incoming({}, b"no json")).startswith("sha256:")


def test_a_list_is_taken_apart_into_its_orders() -> None:
    listed = {"list": {"meta": {"totalCount": 2}, "elements": {"order": [order(), order(purchaseOrderId="2")]}}}
    found = [normalise("market", each, NOW) for each in messages_of_file(message(listed).body)]
    assert [each.external_id for each in found if each] == ["1796277083022", "2"]
    assert "2 orders in one message" in refusal(listed)
    assert read({"order": order()}) == read(order())


def test_what_is_no_order_is_refused_for_what_it_is() -> None:
    assert refusal({"orderShipment": {}}) == "this is a request to ship, which is no order (at $.orderShipment)"
    assert refusal([1]) == "a list where an order was expected (at $)"
    assert "neither purchaseOrderId nor order" in refusal({})


DATE = "2026-11-03T09:00:00.000Z"
XML = f"""<?xml version="1.0"?><ns3:order xmlns:ns3="http://walmart.com/mp/v3/orders">
<ns3:purchaseOrderId>1</ns3:purchaseOrderId><ns3:orderDate>{DATE}</ns3:orderDate>
<ns3:shippingInfo><ns3:methodCode>Value</ns3:methodCode></ns3:shippingInfo>
<ns3:orderLines><ns3:orderLine><ns3:lineNumber>1</ns3:lineNumber><ns3:item><ns3:sku>A &amp; B</ns3:sku></ns3:item>
<ns3:charges><ns3:charge><ns3:chargeType>PRODUCT</ns3:chargeType><ns3:chargeAmount><ns3:currency>USD</ns3:currency>
<ns3:amount>5.00</ns3:amount></ns3:chargeAmount></ns3:charge></ns3:charges>
<ns3:orderLineQuantity><ns3:amount>1</ns3:amount></ns3:orderLineQuantity></ns3:orderLine></ns3:orderLines></ns3:order>"""


def test_xml_says_the_same_as_json() -> None:
    content = normalise("market", Incoming({}, XML.encode()), NOW)
    assert content is not None
    assert (content.lines[0].sku, content.total_minor, content.placed_at) == ("A & B", 500, PLACED_AT)


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        ('<!DOCTYPE a [<!ENTITY b "c">]><order>&b;</order>', "a document type"),
        ("<order><a></order>", "not XML: mismatched tag (at line 1 column 13)"),
        ("<a>" * 40 + "</a>" * 40, "nested deeper than 32 levels"),
        ("<order>text<a>1</a></order>", "text between the elements of 'order'"),
        (f"<order><a>{'x' * 10_001}</a></order>", "more than 10000 characters"),
    ],
)
def test_unsafe_or_broken_xml_is_refused_with_its_place(xml: str, reason: str) -> None:
    with pytest.raises(BadMessage) as caught:
        normalise("market", Incoming({}, xml.encode()), NOW)
    assert reason in str(caught.value)
