"""Orders API v0: money for the whole quantity, states, holds, and everything that is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kept.domain.order import Payment
from kept.ports import BadMessage
from tests.unit.connectors.channels.amazon.orders import Json, item_v0, order_v0, usd
from tests.unit.connectors.channels.amazon.recorded import read


def test_the_item_price_is_for_the_whole_quantity() -> None:
    content = read(order_v0())
    (line,) = content.lines
    assert (line.quantity, line.unit_price_minor, line.discount_minor, line.tax_minor) == (2, 1000, 0, 160)
    assert content.computed_total_minor() == content.total_minor == 2160


def test_a_price_that_does_not_divide_keeps_its_sum() -> None:
    content = read(order_v0(item_v0(QuantityOrdered=3, ItemPrice=usd("10.00")), OrderTotal=usd("11.60")))
    (line,) = content.lines
    assert (line.unit_price_minor, line.discount_minor) == (334, 2)
    assert content.computed_total_minor() == content.total_minor == 1160


def test_discounts_shipping_gift_wrap_and_collection_fee_tie_with_their_taxes() -> None:
    item = item_v0(
        PromotionDiscount=usd("5.00"),
        PromotionDiscountTax=usd("0.40"),
        ShippingPrice=usd("7.00"),
        ShippingTax=usd("0.56"),
        ShippingDiscount=usd("2.00"),
        ShippingDiscountTax=usd("0.16"),
        CODFee=usd("3.00"),
        CODFeeDiscount=usd("1.00"),
        BuyerInfo={"GiftWrapPrice": usd("4.00"), "GiftWrapTax": usd("0.32"), "GiftMessageText": "Hi"},
    )
    content = read(order_v0(item, OrderTotal=usd("27.92")))
    (line,) = content.lines
    assert (line.unit_price_minor, line.discount_minor, line.tax_minor, line.gift) == (1000, 500, 120, True)
    assert (content.shipping_minor, content.shipping_tax_minor) == (700 - 200 + 400 + 300 - 100, 56 - 16 + 32)
    assert content.computed_total_minor() == content.total_minor == 2792


@pytest.mark.parametrize(
    ("marketplace", "total", "included"),
    [
        ("A1PA6795UKMFR9", "20.00", True),  # Germany: the price has the tax in it
        ("A1PA6795UKMFR9", "21.60", False),  # Amazon collects it on top: its total says so
        ("ATVPDKIKX0DER", "21.60", False),
        ("ATVPDKIKX0DER", "20.00", True),
        ("A1PA6795UKMFR9", "19.00", True),  # neither ties: as the marketplace does it, and both sums stand
        ("ATVPDKIKX0DER", "19.00", False),
    ],
)
def test_amazons_total_says_whether_prices_contain_the_tax(marketplace: str, total: str, included: bool) -> None:
    content = read(order_v0(MarketplaceId=marketplace, OrderTotal=usd(total)))
    assert content.tax_included is included
    assert content.total_minor == int(total.replace(".", ""))
    assert (content.computed_total_minor() == content.total_minor) == (total != "19.00")


@pytest.mark.parametrize(
    ("status", "payment", "cancelled", "shipped"),
    [
        ("Pending", Payment.PENDING, False, False),
        ("PendingAvailability", Payment.PENDING, False, False),
        ("Unshipped", Payment.AUTHORISED, False, False),
        ("Shipped", Payment.PAID, False, True),
        ("InvoiceUnconfirmed", Payment.PAID, False, True),
        ("Canceled", Payment.VOIDED, True, False),
    ],
)
def test_states(status: str, payment: Payment, cancelled: bool, shipped: bool) -> None:
    content = read(order_v0(OrderStatus=status))
    assert (content.payment, content.cancelled, content.already_shipped) == (payment, cancelled, shipped)
    assert content.hold == ""


def test_a_pending_order_has_no_prices_and_its_marketplaces_currency() -> None:
    bare = item_v0()
    del bare["ItemPrice"], bare["ItemTax"]
    order = order_v0(bare, OrderStatus="Pending", MarketplaceId="A1VC38T7YXB528")
    del order["OrderTotal"]
    content = read(order)
    assert (content.currency, content.total_minor, content.payment) == ("JPY", 0, Payment.PENDING)
    assert content.hold == ""


def test_a_free_replacement_ships_and_a_missing_total_is_held() -> None:
    free = item_v0(ItemPrice=usd("0.00"), ItemTax=usd("0.00"))
    assert read(order_v0(free, OrderTotal=usd("0.00"))).payment is Payment.FREE
    bare = item_v0()
    del bare["ItemPrice"], bare["ItemTax"]
    order = order_v0(bare)
    del order["OrderTotal"]
    assert read(order | {"IsReplacementOrder": "true"}).payment is Payment.FREE
    assert read(order | {"IsReplacementOrder": True}).hold == ""
    assert read(order).payment is Payment.AUTHORISED
    assert read(order).hold == "Amazon gave no total for it"


def test_orders_that_amazon_ships_are_told_apart() -> None:
    assert read(order_v0(FulfillmentChannel="AFN")).fulfilled_by_channel
    assert not read(order_v0()).fulfilled_by_channel


@pytest.mark.parametrize("flag", ["true", True])
def test_the_buyers_cancel_request_is_per_item(flag: object) -> None:
    asked = item_v0(BuyerRequestedCancel={"IsBuyerRequestedCancel": flag, "BuyerCancelReason": "Cheaper elsewhere"})
    content = read(order_v0(asked, item_v0(OrderItemId="12"), OrderTotal=usd("43.20")))
    assert [line.cancel_requested for line in content.lines] == [True, False]
    declined = item_v0(BuyerRequestedCancel={"IsBuyerRequestedCancel": "false"})
    assert not read(order_v0(declined)).lines[0].cancel_requested


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"OrderStatus": "PartiallyShipped"}, "a part of it has been shipped"),
        ({"OrderStatus": "Unfulfillable"}, "can't be fulfilled"),
        ({"EasyShipShipmentStatus": "PendingSchedule"}, "Easy Ship"),
        ({"IsISPU": True}, "picks it up in the store"),
        ({"HasRegulatedItems": True}, "regulated items"),
        ({"PaymentMethod": "COD"}, "collect the payment"),
        (
            {"OrderItems": [item_v0(ShippingConstraints={"SignatureConfirmation": "MANDATORY"})]},
            "SignatureConfirmation",
        ),
    ],
)
def test_what_changes_the_shipping_in_a_way_no_centre_is_told_is_held(changes: Json, reason: str) -> None:
    assert reason in read(order_v0(**changes)).hold


def test_flags_that_change_nothing_hold_nothing() -> None:
    flags = {"IsPrime": True, "IsBusinessOrder": True, "IsPremiumOrder": True, "IsISPU": False, "PaymentMethod": "CVS"}
    assert read(order_v0(**flags)).hold == ""


def test_dates_are_the_promise_and_a_chosen_window_binds_as_well() -> None:
    promise = read(order_v0()).promise
    assert promise.ship_by == datetime(2026, 11, 3, 7, 59, 59, tzinfo=UTC)
    assert promise.deliver_by == datetime(2026, 11, 8, 7, 59, 59, tzinfo=UTC)
    chosen = item_v0(ScheduledDeliveryEndDate="2026-11-06T18:00:00+01:00")
    assert read(order_v0(chosen)).promise.deliver_by == datetime(2026, 11, 6, 17, 0, tzinfo=UTC)


def test_missing_dates_come_from_the_service_and_an_unknown_service_then_is_refused() -> None:
    order = order_v0(ShipmentServiceLevelCategory="NextDay")
    del order["LatestShipDate"], order["LatestDeliveryDate"]
    promise = read(order).promise
    assert promise.ship_by == datetime(2026, 11, 2, 10, 0, tzinfo=UTC)
    assert promise.deliver_by == datetime(2026, 11, 4, 8, 0, tzinfo=UTC)  # the end of the next day in Seattle
    with pytest.raises(BadMessage, match=r"unknown service level 'drone' \(at \$\.ShipmentServiceLevelCategory\)"):
        read(order | {"ShipmentServiceLevelCategory": "Drone"})
    assert read(order_v0(ShipmentServiceLevelCategory="Drone")).promise.service == "Drone"


def test_an_address_joins_its_lines_and_without_a_street_there_is_none() -> None:
    address = read(order_v0()).ship_to
    assert address is not None
    assert (address.line1, address.line2) == ("1 Pine St", "Apt 2, Rear")
    without = {"City": "Seattle", "PostalCode": "98101", "CountryCode": "US"}
    assert read(order_v0(ShippingAddress=without)).ship_to is None


def test_the_parts_of_an_order_come_together() -> None:
    whole = order_v0()
    items = whole.pop("OrderItems")
    whole["ShippingAddress"] = {"City": "Seattle"}
    order_id = {"AmazonOrderId": whole["AmazonOrderId"]}
    second = item_v0(OrderItemId="12", ItemPrice=usd("1.00"), ItemTax=usd("0.00"))
    content = read(
        {
            "order": {"payload": whole | {"OrderTotal": usd("25.10")}},
            "orderItems": [
                {"payload": order_id | {"OrderItems": items, "NextToken": "n"}},
                {"payload": order_id | {"OrderItems": [second]}},
            ],
            "address": {"payload": order_id | {"ShippingAddress": {"AddressLine1": "2 Oak St", "CountryCode": "US"}}},
            "buyerInfo": {"payload": order_id | {"BuyerEmail": "y@marketplace.amazon.com"}},
            "orderItemsBuyerInfo": {
                "payload": order_id
                | {"OrderItems": [{"OrderItemId": "12", "GiftWrapPrice": usd("2.50"), "GiftWrapLevel": "Classic"}]}
            },
        }
    )
    assert [line.gift for line in content.lines] == [False, True]
    assert content.shipping_minor == 250
    assert content.computed_total_minor() == content.total_minor == 2510
    assert content.ship_to is not None
    assert content.ship_to.line1 == "2 Oak St"
    assert content.email == "y@marketplace.amazon.com"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"OrderStatus": "Lost"}, "unknown order status 'Lost' (at $.OrderStatus)"),
        ({"FulfillmentChannel": "XFN"}, "unknown fulfilment channel 'XFN' (at $.FulfillmentChannel)"),
        ({"FulfillmentChannel": None}, "there is no fulfilment channel (at $.FulfillmentChannel)"),
        ({"PurchaseDate": "2026-11-01T10:00:00"}, "Expected `datetime` with a timezone component (at $.PurchaseDate)"),
        ({"OrderTotal": usd("21.605")}, "amount '21.605' has more than the 2 decimals of USD (at $.OrderTotal)"),
        ({"OrderTotal": {"Amount": "21.60"}}, "the currency None is not the order's USD (at $.OrderTotal)"),
        ({"OrderTotal": usd("-1.00")}, "-100 minor units, which is below zero (at $.OrderTotal)"),
        (
            {"OrderItems": [item_v0(ItemTax={"CurrencyCode": "EUR", "Amount": "1.60"})]},
            "the currency 'EUR' is not the order's USD (at $.OrderItems[0].ItemTax)",
        ),
        (
            {"OrderItems": [item_v0(ItemTax={"CurrencyCode": "USD"})]},
            "an amount of money without its number (at $.OrderItems[0].ItemTax)",
        ),
        (
            {"OrderItems": [item_v0(QuantityOrdered=-1)]},
            "Expected `int` >= 0 (at $.OrderItems[0].QuantityOrdered)",
        ),
        (
            {"OrderItems": [item_v0(QuantityOrdered="2")]},
            "Expected `int`, got `str` (at $.OrderItems[0].QuantityOrdered)",
        ),
    ],
)
def test_what_can_not_be_read_is_refused_with_its_place(changes: Json, message: str) -> None:
    with pytest.raises(BadMessage) as caught:
        read(order_v0(**changes))
    assert str(caught.value) == message


def test_no_price_and_no_known_marketplace_leave_no_currency() -> None:
    bare = item_v0()
    del bare["ItemPrice"], bare["ItemTax"]
    order = order_v0(bare, MarketplaceId="NOWHERE")
    del order["OrderTotal"]
    with pytest.raises(BadMessage, match=r"unknown marketplace 'NOWHERE' \(at \$\.MarketplaceId\)"):
        read(order)


def test_parts_that_do_not_fit_are_refused() -> None:
    whole = order_v0()
    items = {"AmazonOrderId": whole["AmazonOrderId"], "OrderItems": whole.pop("OrderItems")}
    other = {"AmazonOrderId": "999-0000001-0000001"}
    parts: tuple[Json, ...] = (
        {"address": other},
        {"buyerInfo": other},
        {"orderItemsBuyerInfo": other | {"OrderItems": []}},
    )
    for part in parts:
        with pytest.raises(BadMessage, match="of the order 999-0000001-0000001"):
            read({"order": whole, "orderItems": items} | part)
    strange = {"AmazonOrderId": whole["AmazonOrderId"], "OrderItems": [{"OrderItemId": "99"}]}
    with pytest.raises(BadMessage, match="an item that the order has not"):
        read({"order": whole, "orderItems": items, "orderItemsBuyerInfo": strange})
    for pages in ([], [items] * 21):
        with pytest.raises(BadMessage, match="where there may be 1 to 20"):
            read({"order": whole, "orderItems": pages})
    with pytest.raises(BadMessage, match=r"Expected `object`, got `int` \(at \$\.orderItems\)"):
        read({"order": whole, "orderItems": 7})
