"""Every recorded Amazon payload becomes its golden order, or is refused for the reason given here."""

from __future__ import annotations

import csv
from collections.abc import Callable

import pytest

from kept.connectors.channels.amazon.mapping import normalise
from kept.ports import BadMessage
from tests.fixtures_location import shared_fixtures
from tests.unit.connectors.channels.amazon.recorded import (
    NOW,
    Json,
    answer,
    golden,
    golden_form,
    message,
    moved,
    of_file,
    read,
)

_2026 = "orders_2026-01-01/orders_2026-01-01."
_V0 = "orders_v0/ordersV0."

# Recorded files with a whole order -> golden file.
WHOLE = {
    _2026 + "getOrder.200.example.application_json.json": "2026-uk-shipped-with-tax-and-shipping",
    _2026 + "getOrder.200.sandbox0.json": "2026-br-unshipped-gift",
    _2026 + "searchOrders.200.example.application_json.json": "2026-us-two-items-tip-cancel-request",
    _2026 + "searchOrders.200.sandbox1.json": "2026-uk-shipped-substitution",
    _2026 + "searchOrders.200.sandbox2.json": "2026-br-delivery-by-amazon",
}
NO_ITEMS = "the order came without its items"
VENDOR = "this is a purchase order of Amazon to a vendor, no customer's order (at $"
MULTI = "multi-channel fulfilment order"
ALONE = "put it beside"
# Recorded files of the manifest's kinds order, order_items and order_part that are no whole order of a customer.
REFUSED = {
    _V0 + "getOrder.200.example.application_json.json": NO_ITEMS,
    _V0 + "getOrder.200.sandbox0.json": NO_ITEMS,
    _V0 + "getOrders.200.example.application_json.json": NO_ITEMS,
    _V0 + "getOrders.200.sandbox0.json": NO_ITEMS,
    _V0 + "getOrderAddress.200.example.application_json.json": ALONE,
    _V0 + "getOrderAddress.200.sandbox0.json": ALONE,
    _V0 + "getOrderBuyerInfo.200.example.application_json.json": ALONE,
    _V0 + "getOrderBuyerInfo.200.sandbox0.json": ALONE,
    _V0 + "getOrderItems.200.example.application_json.json": ALONE,
    _V0 + "getOrderItems.200.sandbox0.json": ALONE,
    _V0 + "getOrderItemsBuyerInfo.200.example.application_json.json": "wishes for one item alone",
    _V0 + "getOrderItemsBuyerInfo.200.sandbox0.json": ALONE,
    _V0 + "getOrderRegulatedInfo.200.example.ApprovedOrder.json": "getOrderRegulatedInfo alone",
    _V0 + "getOrderRegulatedInfo.200.example.PendingOrder.json": "getOrderRegulatedInfo alone",
    _V0 + "getOrderRegulatedInfo.200.example.RejectedOrder.json": "getOrderRegulatedInfo alone",
    _V0 + "getOrderRegulatedInfo.200.sandbox0.json": "getOrderRegulatedInfo alone",
    "samples_repo/orders-getOrderItems.json": ALONE,
    "vendor_df/vendorDirectFulfillmentOrdersV1.getOrder.200.sandbox0.json": VENDOR,
    "vendor_df/vendorDirectFulfillmentOrdersV1.getOrder.200.sandbox1.json": VENDOR,
    "vendor_df/vendorDirectFulfillmentOrdersV1.getOrders.200.example.payload.json": VENDOR,
    "vendor_df/vendorDirectFulfillmentOrdersV1.getOrders.200.sandbox1.json": VENDOR,
    "vendor_df/vendorDirectFulfillmentOrdersV1.getOrders.200.sandbox4.json": VENDOR,
    "vendor_po/vendorOrders.getPurchaseOrder.200.example.application_json.json": VENDOR,
    "vendor_po/vendorOrders.getPurchaseOrders.200.example.payload.json": VENDOR,
    "vendor_po/vendorOrders.getPurchaseOrders.200.sandbox2.json": VENDOR,
    "vendor_po/vendorOrders.getPurchaseOrders.200.sandbox3.json": VENDOR,
    "vendor_po/vendorOrders.getPurchaseOrders.200.sandbox5.json": VENDOR,
}
# And some that the manifest counts as something else, but that look like orders.
LOOK_ALIKE = {
    _2026 + "getOrder.400.sandbox0.json": "an error answer of Amazon's",
    _V0 + "getOrders.400.sandbox0.json": "an error answer of Amazon's",
    "samples_repo/orders-getOrderAddress.json": ALONE,
    "mcf/fulfillmentOutbound_2020-07-01.listAllFulfillmentOrders.200.example.payload.json": MULTI,
    "mcf/fulfillmentOutbound_2026-07-04.getOrder.200.example.application_json.json": MULTI,
    "mcf/fulfillmentOutbound_2026-07-04.createOrder.202.example.application_json.json": "no order of Amazon's",
    "external_fulfillment/externalFulfillmentShipments_2024-09-11.getShipment.200.sandbox0.json": "no order of Am",
    "vendor_po/vendorOrders.getPurchaseOrdersStatus.200.sandbox0.json": "states of purchase orders",
    "vendor_df/vendorDirectFulfillmentOrdersV1.submitAcknowledgement.202.sandbox0.json": "a receipt",
}


def test_every_recorded_file_with_an_order_or_a_part_of_one_is_in_this_test() -> None:
    with shared_fixtures("MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        kinds = {"order", "order_items", "order_part"}
        listed = {row["file"] for row in csv.DictReader(file) if row["channel"] == "amazon" and row["kind"] in kinds}
    covered = {f"amazon/{name}" for name in (*WHOLE, *REFUSED, *LOOK_ALIKE)}
    assert listed - covered == set()
    assert len(listed) == 32


NOTIFICATIONS = [
    "OrderChangeNotification.example0.json",
    "FeedProcessingFinishedNotification.example0.json",
    "FulfillmentOrderStatusNotification.example0.json",
    "ItemInventoryEventChangeNotification.example0.json",
    "ReportProcessingFinishedNotification.example0.json",
    "ReportProcessingFinishedNotification.example1.json",
]
# Answers to what we send, and their refusals: none of them is an order.
ANSWERS = {
    _V0 + "confirmShipment.204.sandbox0.json": "this is no order of Amazon's",
    _V0 + "confirmShipment.400.sandbox0.json": "an error answer of Amazon's",
    _V0 + "updateShipmentStatus.204.sandbox0.json": "this is no order of Amazon's",
    _V0 + "updateShipmentStatus.400.sandbox0.json": "an error answer of Amazon's",
    _V0 + "updateVerificationStatus.204.sandbox0.json": "this is no order of Amazon's",
    _V0 + "updateVerificationStatus.400.sandbox0.json": "an error answer of Amazon's",
    _V0 + "updateVerificationStatus.400.sandbox4.json": "this is no order of Amazon's",
}


def test_every_file_of_both_order_apis_and_of_the_notifications_is_in_this_test() -> None:
    covered = {*WHOLE, *REFUSED, *LOOK_ALIKE, *ANSWERS, *(f"notifications/{name}" for name in NOTIFICATIONS)}
    for folder in ("orders_v0", "orders_2026-01-01", "notifications"):
        files = {f"{folder}/{path.name}" for path in shared_fixtures("amazon", folder).glob("*.json")}
        assert files
        assert files - covered == set()


@pytest.mark.parametrize("name", WHOLE)
def test_a_recorded_order_is_its_golden_order_and_its_money_ties(name: str) -> None:
    (only,) = of_file(name)
    content = normalise("amazon", only, NOW)
    assert content is not None
    assert golden_form(content) == golden(WHOLE[name])
    assert content.computed_total_minor() == content.total_minor


@pytest.mark.parametrize("name", [*REFUSED, *LOOK_ALIKE, *ANSWERS])
def test_what_is_no_whole_order_is_refused_with_the_reason(name: str) -> None:
    messages = of_file(name)
    assert messages
    for each in messages:
        with pytest.raises(BadMessage) as caught:
            normalise("amazon", each, NOW)
        assert (REFUSED | LOOK_ALIKE | ANSWERS)[name] in str(caught.value)


# ------------------------------------------------------------------ orders of v0, put together of their answers


def sandbox() -> Json:
    """The sandbox' order with the answers about it, dated 2026: as recorded it is of 1970."""
    parts = {
        "order": answer(_V0 + "getOrder.200.sandbox0.json"),
        "orderItems": answer(_V0 + "getOrderItems.200.sandbox0.json"),
        "address": answer(_V0 + "getOrderAddress.200.sandbox0.json"),
        "buyerInfo": answer(_V0 + "getOrderBuyerInfo.200.sandbox0.json"),
    }
    return moved(parts, "1970-01-", "2026-01-")


def pending() -> Json:
    """The example of a pending order, with its own address and buyer and the items that were recorded for another."""
    items = answer("samples_repo/orders-getOrderItems.json")
    items["payload"]["AmazonOrderId"] = "902-3159896-1390916"
    for item in items["payload"]["OrderItems"]:
        for name in [name for name, value in item.items() if isinstance(value, dict) and "Amount" in value]:
            del item[name]  # no prices while pending
    return {
        "order": answer(_V0 + "getOrder.200.example.application_json.json"),
        "orderItems": items,
        "address": answer(_V0 + "getOrderAddress.200.example.application_json.json"),
        "buyerInfo": answer(_V0 + "getOrderBuyerInfo.200.example.application_json.json"),
    }


def brazil() -> Json:
    """The recorded Brazilian items under the sandbox' order: 1.00 of goods and 7.02 of shipping."""
    parts = sandbox()
    parts["orderItems"] = answer("samples_repo/orders-getOrderItems.json")
    parts["orderItems"]["payload"]["AmazonOrderId"] = "902-1845936-5435065"
    order = parts["order"]["payload"]
    order["OrderTotal"] = {"CurrencyCode": "BRL", "Amount": "8.02"}
    order["MarketplaceId"] = "A2Q3Y263D00KWC"
    return parts


PUT_TOGETHER: dict[str, Callable[[], Json]] = {
    "v0-us-unshipped-cancel-request": sandbox,
    "v0-us-pending-without-prices": pending,
    "v0-br-shipping-charged": brazil,
}


@pytest.mark.parametrize("name", PUT_TOGETHER)
def test_an_order_put_together_of_recorded_answers_is_its_golden_order_and_ties(name: str) -> None:
    content = read(PUT_TOGETHER[name]())
    assert golden_form(content) == golden(name)
    assert content.computed_total_minor() == content.total_minor


def test_the_sandbox_order_as_it_is_dated_is_refused_for_its_year() -> None:
    with pytest.raises(BadMessage) as caught:
        read(moved(sandbox(), "2026-01-", "1970-01-"))
    assert str(caught.value) == ("the year 1970 is not between 1990 and 2200 (at $.order.payload.PurchaseDate)")


def test_the_example_items_are_refused_for_their_order_their_further_page_and_their_half_yen() -> None:
    items = answer(_V0 + "getOrderItems.200.example.application_json.json")
    parts = {"order": answer(_V0 + "getOrder.200.example.application_json.json"), "orderItems": items}
    with pytest.raises(BadMessage) as caught:
        read(parts)
    assert str(caught.value) == (
        "this is of the order 903-1671087-0812628, not of 902-3159896-1390916 (at $.orderItems.payload.AmazonOrderId)"
    )
    items["payload"]["AmazonOrderId"] = "902-3159896-1390916"
    with pytest.raises(BadMessage) as caught:
        read(parts)
    assert str(caught.value) == (
        "there are more items than these: put every page into orderItems (at $.orderItems.payload.NextToken)"
    )
    del items["payload"]["NextToken"]
    with pytest.raises(BadMessage) as caught:
        read(parts)
    assert str(caught.value) == (
        "amount '25.99' has more than the 0 decimals of JPY (at $.orderItems.payload.OrderItems[0].ItemPrice)"
    )


@pytest.mark.parametrize("name", NOTIFICATIONS)
def test_every_recorded_notification_says_nothing_of_an_orders_content(name: str) -> None:
    body = answer(f"notifications/{name}")
    assert normalise("amazon", message(body), NOW) is None
    assert normalise("amazon", message({"detail-type": "x", "detail": body}), NOW) is None
