"""The GraphQL operations that we use. Each is valid against Shopify's Admin schema 2026-10, by test."""

from __future__ import annotations

from dataclasses import dataclass

API_VERSION = "2026-10"

# `Order.fulfillments` is a list without pages. 10 fulfilments and 10 fulfilment orders with 20 lines each
# come to about 850 of the 1,000 points that one query may cost; longer lists of lines follow page by page.
FULFILMENTS_MAX = 10


@dataclass(frozen=True, slots=True)
class Operation:
    """A GraphQL document with one operation, and whether it changes anything."""

    name: str
    document: str
    changes: bool = False


ORDER = Operation(
    "order",
    """
query order($id: ID!, $after: String) {
  order(id: $id) {
    id
    fulfillments(first: 10) {
      id
      status
      trackingInfo { number }
      fulfillmentLineItems(first: 20) {
        nodes { quantity lineItem { id } }
        pageInfo { hasNextPage endCursor }
      }
    }
    fulfillmentOrders(first: 10, after: $after) {
      nodes {
        id
        status
        supportedActions { action }
        assignedLocation { location { id } }
        lineItems(first: 20) {
          nodes { id remainingQuantity lineItem { id } }
          pageInfo { hasNextPage endCursor }
        }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
}
""",
)

FULFILMENT_LINES = Operation(
    "fulfillmentLines",
    """
query fulfillmentLines($id: ID!, $after: String) {
  fulfillment(id: $id) {
    fulfillmentLineItems(first: 250, after: $after) {
      nodes { quantity lineItem { id } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
""",
)

FULFILMENT_ORDER_LINES = Operation(
    "fulfillmentOrderLines",
    """
query fulfillmentOrderLines($id: ID!, $after: String) {
  fulfillmentOrder(id: $id) {
    lineItems(first: 250, after: $after) {
      nodes { id remainingQuantity lineItem { id } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
""",
)

CREATE = Operation(
    "fulfillmentCreate",
    """
mutation fulfillmentCreate($fulfillment: FulfillmentInput!) {
  fulfillmentCreate(fulfillment: $fulfillment) {
    fulfillment { id }
    userErrors { field message }
  }
}
""",
    changes=True,
)

ALL = (ORDER, FULFILMENT_LINES, FULFILMENT_ORDER_LINES, CREATE)
