"""Small made-up orders of both of Amazon's dialects, for tests to change one thing in."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def usd(amount: str) -> Json:
    """v0's form of an amount."""
    return {"CurrencyCode": "USD", "Amount": amount}


def money(amount: str, currency: str = "USD") -> Json:
    """The form of 2026-01-01."""
    return {"amount": amount, "currencyCode": currency}


def item_v0(**changes: object) -> Json:
    return {
        "ASIN": "B000000001",
        "OrderItemId": "11",
        "SellerSKU": "S1",
        "Title": "Mug",
        "QuantityOrdered": 2,
        "QuantityShipped": 0,
        "ItemPrice": usd("20.00"),
        "ItemTax": usd("1.60"),
    } | changes


def order_v0(*items: Json, **changes: object) -> Json:
    """An open order of 21.60 USD unless `changes` say otherwise; the items are put into it."""
    return {
        "AmazonOrderId": "111-0000001-0000001",
        "PurchaseDate": "2026-11-01T10:00:00Z",
        "LastUpdateDate": "2026-11-01T10:30:00Z",
        "OrderStatus": "Unshipped",
        "FulfillmentChannel": "MFN",
        "MarketplaceId": "ATVPDKIKX0DER",
        "ShipmentServiceLevelCategory": "Standard",
        "LatestShipDate": "2026-11-03T07:59:59Z",
        "LatestDeliveryDate": "2026-11-08T07:59:59Z",
        "OrderTotal": usd("21.60"),
        "ShippingAddress": {
            "Name": "Ada",
            "AddressLine1": "1 Pine St",
            "AddressLine2": "Apt 2",
            "AddressLine3": "Rear",
            "City": "Seattle",
            "StateOrRegion": "WA",
            "PostalCode": "98101",
            "CountryCode": "US",
        },
        "BuyerInfo": {"BuyerEmail": "x@marketplace.amazon.com"},
        "OrderItems": list(items) or [item_v0()],
    } | changes


def proceeds(**types: str) -> list[Json]:
    return [{"type": kind, "subtotal": money(amount)} for kind, amount in types.items()]


def item_2026(**changes: object) -> Json:
    return {
        "orderItemId": "11",
        "quantityOrdered": 2,
        "product": {"sellerSku": "S1", "title": "Mug", "price": {"unitPrice": money("10.00")}},
        "proceeds": {"breakdowns": proceeds(ITEM="20.00", TAX="1.60")},
        "fulfillment": {"quantityFulfilled": 0, "quantityUnfulfilled": 2},
    } | changes


def order_2026(*items: Json, **changes: object) -> Json:
    """An open order of 21.60 USD unless `changes` say otherwise."""
    return {
        "orderId": "111-0000001-0000001",
        "createdTime": "2026-11-01T10:00:00.000Z",
        "lastUpdatedTime": "2026-11-01T10:30:00.123Z",
        "salesChannel": {"channelName": "AMAZON", "marketplaceId": "ATVPDKIKX0DER"},
        "recipient": {
            "deliveryAddress": {
                "name": "Ada",
                "addressLine1": "1 Pine St",
                "city": "Seattle",
                "stateOrRegion": "WA",
                "postalCode": "98101",
                "countryCode": "US",
            }
        },
        "proceeds": {"grandTotal": money("21.60")},
        "fulfillment": fulfilment(),
        "orderItems": list(items) or [item_2026()],
    } | changes


def fulfilment(**changes: object) -> Json:
    return {
        "fulfillmentStatus": "UNSHIPPED",
        "fulfilledBy": "MERCHANT",
        "fulfillmentServiceLevel": "STANDARD",
        "shipByWindow": {"latestDateTime": "2026-11-03T07:59:59Z"},
        "deliverByWindow": {"latestDateTime": "2026-11-08T07:59:59Z"},
    } | changes
