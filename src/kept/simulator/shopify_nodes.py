"""Writes an order resource down as the Admin GraphQL API lists it: other names, other shapes, the same order."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def order_node(order: Json, fulfilment_order: Json) -> Json:
    """An order of the connection `orders`; `order` is the REST resource, with its one fulfilment order."""
    currency = order["currency"]
    lines = [_line(line) for line in order["line_items"]]
    return {
        "id": order["admin_graphql_api_id"],
        "name": order["name"],
        "number": order["order_number"],
        "currencyCode": currency,
        "createdAt": order["created_at"],
        "updatedAt": order["updated_at"],
        "cancelledAt": order["cancelled_at"],
        "test": order["test"],
        "taxesIncluded": order["taxes_included"],
        "dutiesIncluded": order["duties_included"],
        "displayFinancialStatus": order["financial_status"].upper(),
        "displayFulfillmentStatus": _fulfilment_status(fulfilment_order["lineItems"]["nodes"]),
        "email": order["email"],
        "phone": order["phone"],
        "customAttributes": [],
        "totalPriceSet": _bag(order["total_price_set"]),
        "currentTotalPriceSet": _bag(order["current_total_price_set"]),
        "totalTipReceivedSet": _plain_bag(order["total_tip_received"], currency),
        "currentTotalDutiesSet": None,
        "currentTotalAdditionalFeesSet": None,
        "shippingAddress": _address(order["shipping_address"]),
        "shippingLines": connection([_shipping(line) for line in order["shipping_lines"]]),
        "lineItems": connection(lines),
        "refunds": [{"id": refund["admin_graphql_api_id"]} for refund in order["refunds"]],
        "fulfillmentOrders": connection([fulfilment_order]),
    }


def refund_node(order: Json, gid: str) -> Json | None:
    """A refund of the order, if it is one of its."""
    currency = order["currency"]
    for refund in order["refunds"]:
        if refund["admin_graphql_api_id"] != gid:
            continue
        items = [
            {
                "quantity": item["quantity"],
                "lineItem": {"id": f"gid://shopify/LineItem/{item['line_item_id']}"},
                "subtotalSet": _bag(item["subtotal_set"]),
                "totalTaxSet": _bag(item["total_tax_set"]),
            }
            for item in refund["refund_line_items"]
        ]
        return {
            "id": gid,
            "order": {"updatedAt": order["updated_at"]},
            "totalRefundedSet": _plain_bag("0", currency),
            "refundLineItems": connection(items),
            "refundShippingLines": connection([]),
        }
    return None


def connection(nodes: list[Json], after: str = "", *, more: bool = False) -> Json:
    """A page of a connection; `after` is the cursor of its last node."""
    page = {
        "hasNextPage": more,
        "hasPreviousPage": False,
        "startCursor": None,
        "endCursor": after or None,
    }
    return {"nodes": nodes, "edges": [{"cursor": node.get("id"), "node": node} for node in nodes], "pageInfo": page}


def _fulfilment_status(lines: list[Json]) -> str:
    left = sum(line["remainingQuantity"] for line in lines)
    if left == sum(line["totalQuantity"] for line in lines):
        return "UNFULFILLED"
    return "PARTIALLY_FULFILLED" if left else "FULFILLED"


def _line(line: Json) -> Json:
    return {
        "id": line["admin_graphql_api_id"],
        "sku": line["sku"],
        "title": line["title"],
        "quantity": line["quantity"],
        "currentQuantity": line["current_quantity"],
        "requiresShipping": line["requires_shipping"],
        "weight": {"value": float(line["grams"]), "unit": "GRAMS"},
        "originalUnitPriceSet": _bag(line["price_set"]),
        "customAttributes": [],
        "discountAllocations": [
            {"allocatedAmountSet": _bag(each["amount_set"])} for each in line["discount_allocations"]
        ],
        "taxLines": _taxes(line),
    }


def _shipping(line: Json) -> Json:
    return {
        "title": line["title"],
        "code": line["code"],
        "isRemoved": line["is_removed"],
        "originalPriceSet": _bag(line["price_set"]),
        "currentDiscountedPriceSet": _bag(line["current_discounted_price_set"]),
        "taxLines": _taxes(line),
    }


def _taxes(line: Json) -> list[Json]:
    return [{"priceSet": _bag(tax["price_set"])} for tax in line["tax_lines"]]


def _address(address: Json) -> Json:
    names = {
        "name": "name",
        "first_name": "firstName",
        "last_name": "lastName",
        "company": "company",
        "address1": "address1",
        "address2": "address2",
        "city": "city",
        "province": "province",
        "province_code": "provinceCode",
        "zip": "zip",
        "country_code": "countryCodeV2",
        "phone": "phone",
    }
    return {theirs: address[ours] for ours, theirs in names.items()}


def _bag(bag: Json) -> Json:
    return {"shopMoney": _money(bag["shop_money"]), "presentmentMoney": _money(bag["presentment_money"])}


def _plain_bag(amount: str, currency: str) -> Json:
    money = {"amount": amount, "currencyCode": currency}
    return {"shopMoney": money, "presentmentMoney": dict(money)}


def _money(money: Json) -> Json:
    return {"amount": money["amount"], "currencyCode": money["currency_code"]}
