"""The GraphQL operations that we use. Each is valid against Shopify's Admin schema 2026-10, by test."""

from __future__ import annotations

from dataclasses import dataclass

API_VERSION = "2026-10"

# `Order.fulfillments` is a list without pages. 10 fulfilments and 10 fulfilment orders with 20 lines each
# come to about 850 of the 1,000 points that one query may cost; longer lists of lines follow page by page.
FULFILMENTS_MAX = 10


@dataclass(frozen=True, slots=True)
class Operation:
    """A GraphQL document with one operation; whether it changes anything; the points that it usually costs.

    Those are taken from our bucket before, and made up for by what the answer says. Source: shopify.dev, "Rate limits".
    """

    name: str
    document: str
    changes: bool = False
    cost: float = 10.0


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
    cost=30.0,
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
    cost=20.0,
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
    cost=20.0,
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

_AMOUNT = "fragment amount on MoneyBag { shopMoney { amount } }"
_LINE = """
fragment line on LineItem {
  id
  sku
  title
  quantity
  currentQuantity
  requiresShipping
  weight { value unit }
  originalUnitPriceSet { ...amount }
  customAttributes { key value }
  discountAllocations { allocatedAmountSet { ...amount } }
  taxLines { priceSet { ...amount } }
}
"""

_LISTED = """
fragment listed on Order {
  id
  name
  number
  currencyCode
  createdAt
  updatedAt
  cancelledAt
  test
  taxesIncluded
  dutiesIncluded
  displayFinancialStatus
  displayFulfillmentStatus
  email
  phone
  customAttributes { key value }
  totalPriceSet { ...amount }
  currentTotalPriceSet { ...amount }
  totalTipReceivedSet { ...amount }
  currentTotalDutiesSet { ...amount }
  currentTotalAdditionalFeesSet { ...amount }
  shippingAddress {
    name firstName lastName company address1 address2 city province provinceCode zip countryCodeV2 phone
  }
  shippingLines(first: 3) {
    nodes {
      title
      code
      isRemoved
      originalPriceSet { ...amount }
      currentDiscountedPriceSet { ...amount }
      taxLines { priceSet { ...amount } }
    }
    pageInfo { hasNextPage }
  }
  lineItems(first: 10) {
    nodes { ...line }
    pageInfo { hasNextPage endCursor }
  }
  refunds(first: 20) { id }
  fulfillmentOrders(first: 5) { nodes { status fulfillmentHolds { reason } } }
}
"""

# 5 orders with 10 lines each come to 927 of the 1,000 points; further lines follow page by page, and
# refunds, which few orders have, one by one. Shipping lines beyond 3 have never been seen: see `nodes`.
ORDERS = Operation(
    "orders",
    """
query orders($query: String!, $after: String) {
  orders(first: 5, query: $query, sortKey: UPDATED_AT, after: $after) {
    nodes { ...listed }
    pageInfo { hasNextPage endCursor }
  }
}
"""
    + _LISTED
    + _LINE
    + _AMOUNT,
    cost=100.0,
)

LISTED_ORDER = Operation(
    "listedOrder",
    """
query listedOrder($id: ID!) {
  order(id: $id) { ...listed }
}
"""
    + _LISTED
    + _LINE
    + _AMOUNT,
    cost=40.0,
)

ORDER_OF_FULFILMENT_ORDER = Operation(
    "orderOfFulfillmentOrder",
    """
query orderOfFulfillmentOrder($id: ID!) {
  fulfillmentOrder(id: $id) { id orderId }
}
""",
)

ORDER_LINES = Operation(
    "orderLines",
    """
query orderLines($id: ID!, $after: String) {
  order(id: $id) {
    updatedAt
    lineItems(first: 80, after: $after) {
      nodes { ...line }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""
    + _LINE
    + _AMOUNT,
    cost=60.0,
)

REFUND = Operation(
    "refund",
    """
query refund($id: ID!, $after: String) {
  refund(id: $id) {
    id
    order { updatedAt }
    totalRefundedSet { ...amount }
    refundLineItems(first: 100, after: $after) {
      nodes {
        quantity
        lineItem { id }
        subtotalSet { ...amount }
        totalTaxSet { ...amount }
      }
      pageInfo { hasNextPage endCursor }
    }
    refundShippingLines(first: 10) {
      nodes {
        subtotalAmountSet { ...amount }
        taxAmountSet { ...amount }
      }
    }
  }
}
"""
    + _AMOUNT,
    cost=20.0,
)

_CANCEL_RESULT = """
fragment result on OrderCancelJobResult {
  done
  status
  errors { code field message }
}
"""

CANCELLATION = Operation(
    "cancellation",
    """
query cancellation($id: ID!) {
  order(id: $id) { id cancelledAt }
}
""",
)

CANCEL = Operation(
    "orderCancel",
    """
mutation orderCancel(
  $orderId: ID!, $reason: OrderCancelReason!, $refundMethod: OrderCancelRefundMethodInput!,
  $restock: Boolean!, $notifyCustomer: Boolean!, $staffNote: String!
) {
  orderCancel(
    orderId: $orderId, reason: $reason, refundMethod: $refundMethod,
    restock: $restock, notifyCustomer: $notifyCustomer, staffNote: $staffNote
  ) {
    job { id done }
    jobResult {
      id
      ...result
      order { id cancelledAt }
    }
    orderCancelUserErrors { code field message }
  }
}
"""
    + _CANCEL_RESULT,
    changes=True,
)

# The job's result has a node of its own, which says why; where an answer had none, the job says at least when.
CANCEL_RESULT = Operation(
    "cancelResult",
    """
query cancelResult($job: ID!, $id: ID!) {
  node(id: $job) { ...result }
  order(id: $id) { id cancelledAt }
}
"""
    + _CANCEL_RESULT,
)

CANCEL_JOB = Operation(
    "cancelJob",
    """
query cancelJob($job: ID!, $id: ID!) {
  job(id: $job) { done }
  order(id: $id) { id cancelledAt }
}
""",
)

LOCATIONS = Operation(
    "locations",
    """
query locations {
  locations(first: 2) { nodes { id } }
}
""",
)

INVENTORY_ITEMS = Operation(
    "inventoryItems",
    """
query inventoryItems($query: String!, $after: String) {
  inventoryItems(first: 250, query: $query, after: $after) {
    nodes { id sku }
    pageInfo { hasNextPage endCursor }
  }
}
""",
    cost=50.0,
)

STOCK_LEVELS = Operation(
    "stockLevels",
    """
query stockLevels($ids: [ID!]!, $location: ID!) {
  nodes(ids: $ids) {
    ... on InventoryItem {
      id
      inventoryLevel(locationId: $location) { quantities(names: ["available"]) { name quantity } }
    }
  }
}
""",
    cost=300.0,  # of 100 items
)

# The schema demands @idempotent of inventory mutations since 2026-04.
SET_QUANTITIES = Operation(
    "inventorySetQuantities",
    """
mutation inventorySetQuantities($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    userErrors { code field message }
  }
}
""",
    changes=True,
)

SUBSCRIPTIONS = Operation(
    "webhookSubscriptions",
    """
query webhookSubscriptions($topics: [WebhookSubscriptionTopic!], $after: String) {
  webhookSubscriptions(first: 100, topics: $topics, after: $after) {
    nodes { topic uri }
    pageInfo { hasNextPage endCursor }
  }
}
""",
)

SUBSCRIBE = Operation(
    "webhookSubscriptionCreate",
    """
mutation webhookSubscriptionCreate($topic: WebhookSubscriptionTopic!, $webhookSubscription: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $webhookSubscription) {
    webhookSubscription { id }
    userErrors { field message }
  }
}
""",
    changes=True,
)

ALL = (
    ORDER,
    FULFILMENT_LINES,
    FULFILMENT_ORDER_LINES,
    CREATE,
    ORDERS,
    LISTED_ORDER,
    ORDER_OF_FULFILMENT_ORDER,
    ORDER_LINES,
    REFUND,
    CANCELLATION,
    CANCEL,
    CANCEL_RESULT,
    CANCEL_JOB,
    LOCATIONS,
    INVENTORY_ITEMS,
    STOCK_LEVELS,
    SET_QUANTITIES,
    SUBSCRIPTIONS,
    SUBSCRIBE,
)
