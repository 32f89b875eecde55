"""Orders API 2026-01-01: proceeds by type, pieces still wanted, states, holds, refusals."""

from __future__ import annotations

import pytest

from kept.domain.order import Payment
from kept.ports import BadMessage
from tests.unit.connectors.channels.amazon.orders import Json, fulfilment, item_2026, money, order_2026, proceeds
from tests.unit.connectors.channels.amazon.recorded import read


def detailed(kind: str, amount: str, **details: str) -> Json:
    return {
        "type": kind,
        "subtotal": money(amount),
        "detailedBreakdowns": [{"subtype": name, "value": money(value)} for name, value in details.items()],
    }


def total(amount: str, *breakdowns: Json) -> Json:
    return {"grandTotal": money(amount), "breakdowns": list(breakdowns)}


def test_an_order_is_read_bare_and_wrapped_alike() -> None:
    content = read(order_2026())
    assert read({"order": order_2026()}) == content
    assert content.external_id == content.number == "111-0000001-0000001"
    assert content.revision == 1_793_529_000_123_000
    (line,) = content.lines
    assert (line.quantity, line.unit_price_minor, line.tax_minor) == (2, 1000, 160)
    assert content.computed_total_minor() == content.total_minor == 2160


@pytest.mark.parametrize("sign", ["", "-"])
def test_proceeds_tie_whichever_sign_discounts_have(sign: str) -> None:
    item = item_2026(
        proceeds={
            "breakdowns": [
                *proceeds(ITEM="20.00", SHIPPING="7.00", GIFT_WRAP="4.00", COD_FEE="3.00", OTHER="0.50"),
                detailed("DISCOUNT", f"{sign}7.00", ITEM=f"{sign}5.00", SHIPPING=f"{sign}2.00"),
                detailed("TAX", "2.00", ITEM="1.60", DISCOUNT="-0.40", SHIPPING="0.56", GIFT_WRAP="0.24"),
            ]
        }
    )
    content = read(order_2026(item, proceeds=total("29.50")))
    (line,) = content.lines
    assert (line.unit_price_minor, line.discount_minor, line.tax_minor) == (1000, 500, 120)
    assert (content.shipping_minor, content.shipping_tax_minor) == (1250, 80)
    assert content.computed_total_minor() == content.total_minor == 2950
    assert not content.tax_included


def test_without_a_breakdown_the_unit_price_counts_for_each_piece() -> None:
    item = item_2026()
    del item["proceeds"]
    content = read(order_2026(item, proceeds=total("20.00")))
    assert content.computed_total_minor() == content.total_minor == 2000


def test_an_item_price_that_has_the_tax_in_it_is_seen_by_the_total() -> None:
    assert read(order_2026(proceeds=total("20.00"))).tax_included


@pytest.mark.parametrize(
    ("status", "grand_total", "tip_minor"),
    [("FINALIZED", "24.60", 300), ("PENDING", "24.60", 300), ("PENDING", "21.60", 0), (None, "24.60", 300)],
)
def test_a_tip_counts_once_it_is_charged_or_in_the_total(status: str | None, grand_total: str, tip_minor: int) -> None:
    tip = {"type": "DELIVERY_TIP", "subtotal": money("3.00"), "status": status}
    content = read(order_2026(proceeds=total(grand_total, tip)))
    assert content.shipping_minor == tip_minor
    assert content.computed_total_minor() == content.total_minor


def test_a_total_that_does_not_tie_stands_beside_our_sum() -> None:
    content = read(order_2026(proceeds=total("22.00")))
    assert (content.total_minor, content.computed_total_minor()) == (2200, 2160)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"fulfillment": {"quantityFulfilled": 1, "quantityUnfulfilled": 1}}, 2),
        ({"fulfillment": {"quantityFulfilled": 0, "quantityUnfulfilled": 1}}, 1),
        ({"fulfillment": {"quantityUnfulfilled": 1}}, 1),
        ({"fulfillment": {"quantityFulfilled": 0, "quantityUnfulfilled": 0}}, 0),
        ({"fulfillment": {}}, 2),
        ({"fulfillment": None}, 2),
        ({"fulfillment": None, "cancellation": {"cancellationExecution": {"cancelledBy": "MERCHANT"}}}, 0),
    ],
)
def test_pieces_still_wanted(changes: Json, wanted: int) -> None:
    assert read(order_2026(item_2026(**changes))).lines[0].quantity == wanted


def test_a_line_with_nothing_wanted_costs_nothing() -> None:
    gone = item_2026(fulfillment={"quantityFulfilled": 0, "quantityUnfulfilled": 0})
    (line,) = read(order_2026(gone)).lines
    assert (line.quantity, line.unit_price_minor, line.discount_minor, line.tax_minor) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("status", "payment", "cancelled", "shipped"),
    [
        ("PENDING", Payment.PENDING, False, False),
        ("PENDING_AVAILABILITY", Payment.PENDING, False, False),
        ("UNSHIPPED", Payment.AUTHORISED, False, False),
        ("SHIPPED", Payment.PAID, False, True),
        ("INVOICE_UNCONFIRMED", Payment.PAID, False, True),
        ("CANCELLED", Payment.VOIDED, True, False),
    ],
)
def test_states(status: str, payment: Payment, cancelled: bool, shipped: bool) -> None:
    content = read(order_2026(fulfillment=fulfilment(fulfillmentStatus=status)))
    assert (content.payment, content.cancelled, content.already_shipped) == (payment, cancelled, shipped)
    assert content.hold == ""


def test_orders_that_amazon_ships_are_told_apart() -> None:
    assert read(order_2026(fulfillment=fulfilment(fulfilledBy="AMAZON"))).fulfilled_by_channel
    assert not read(order_2026()).fulfilled_by_channel


def test_a_replacement_without_a_total_is_free_and_any_other_order_is_held() -> None:
    free = item_2026(proceeds=None, product={"sellerSku": "S1"})
    order = order_2026(free, proceeds=None)
    assert read(order).hold == "Amazon gave no total for it"
    replaced = read(order | {"associatedOrders": [{"orderId": "1", "associationType": "REPLACEMENT_ORIGINAL_ID"}]})
    assert (replaced.payment, replaced.hold) == (Payment.FREE, "")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"programs": ["PRIME", "AMAZON_EASY_SHIP"]}, "Easy Ship"),
        ({"programs": ["DELIVERY_BY_AMAZON"]}, "Delivery by Amazon"),
        ({"programs": ["IN_STORE_PICK_UP"]}, "picks it up in the store"),
        ({"payment": {"paymentExecutions": [{"paymentMethod": "CashOnDelivery"}]}}, "collect the payment"),
        ({"fulfillment": fulfilment(fulfillmentStatus="PARTIALLY_SHIPPED")}, "a part of it has been shipped"),
        ({"fulfillment": fulfilment(fulfillmentStatus="UNFULFILLABLE")}, "can't be fulfilled"),
    ],
)
def test_what_changes_the_shipping_in_a_way_no_centre_is_told_is_held(changes: Json, reason: str) -> None:
    assert reason in read(order_2026(**changes)).hold
    assert read(order_2026(programs=["PRIME", "AMAZON_BUSINESS", "FBM_SHIP_PLUS"])).hold == ""


def test_the_constraints_of_all_items_are_named() -> None:
    def constrained(number: str, name: str) -> Json:
        shipping = {"shippingConstraints": {name: "MANDATORY"}}
        return item_2026(orderItemId=number, fulfillment={"quantityUnfulfilled": 2, "shipping": shipping})

    hold = read(order_2026(constrained("1", "signatureConfirmation"), constrained("2", "palletDelivery"))).hold
    assert hold.endswith("no centre is told: palletDelivery, signatureConfirmation")


def test_gifts_and_the_buyers_cancel_request_are_per_item() -> None:
    asked = item_2026(
        cancellation={"cancellationRequest": {"requester": "BUYER", "cancelReason": "x"}},
        fulfillment={"quantityUnfulfilled": 2, "packing": {"giftOption": {"giftMessage": "Hi"}}},
    )
    content = read(order_2026(asked, item_2026(orderItemId="12"), proceeds=total("43.20")))
    assert [(line.gift, line.cancel_requested) for line in content.lines] == [(True, True), (False, False)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fulfillment": None}, "there is no fulfilment: ask with includedData=FULFILLMENT (at $.fulfillment)"),
        (
            {"fulfillment": fulfilment(fulfillmentStatus="LOST")},
            "unknown order status 'LOST' (at $.fulfillment.fulfillmentStatus)",
        ),
        (
            {"fulfillment": fulfilment(fulfilledBy="NOBODY")},
            "unknown fulfilling party 'NOBODY' (at $.fulfillment.fulfilledBy)",
        ),
        (
            {"orderItems": [item_2026(proceeds={"breakdowns": proceeds(REBATE="1.00")})]},
            "unknown kind of proceeds 'REBATE' (at $.orderItems[0].proceeds.breakdowns[0].type)",
        ),
        (
            {"orderItems": [item_2026(proceeds={"breakdowns": proceeds(ITEM="-1.00")})]},
            "-100 minor units, which is below zero (at $.orderItems[0].proceeds.breakdowns[0].subtotal)",
        ),
        (
            {"orderItems": [item_2026(fulfillment={"quantityFulfilled": 2, "quantityUnfulfilled": 1})]},
            "3 pieces are shipped or left of 2 (at $.orderItems[0].fulfillment)",
        ),
        (
            {"orderItems": [item_2026(cancellation={"cancellationRequest": {"requester": "CAT"}})]},
            "unknown requester 'CAT' (at $.orderItems[0].cancellation.cancellationRequest.requester)",
        ),
        (
            {
                "proceeds": total("1600", {"type": "ITEM", "subtotal": money("1", "USD")})
                | {"grandTotal": money("1600", "JPY")}
            },
            "the currency 'USD' is not the order's JPY (at $.orderItems[0].proceeds.breakdowns[0].subtotal)",
        ),
        ({"createdTime": "1970-01-01T00:00:00Z"}, "the year 1970 is not between 1990 and 2200 (at $.createdTime)"),
        (
            {"proceeds": {"grandTotal": money("1.00", "usd")}},
            "currency 'usd' is not a three-letter ISO 4217 code in capitals (at $.proceeds.grandTotal.currencyCode)",
        ),
    ],
)
def test_what_can_not_be_read_is_refused_with_its_place(changes: Json, message: str) -> None:
    with pytest.raises(BadMessage) as caught:
        read(order_2026(**changes))
    assert str(caught.value) == message
    with pytest.raises(BadMessage) as caught:
        read({"order": order_2026(**changes)})
    assert str(caught.value) == message.replace("(at $", "(at $.order")
