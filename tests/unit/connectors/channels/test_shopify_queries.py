"""Our GraphQL against Shopify's published Admin schema 2026-10."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from graphql import (
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    build_client_schema,
    graphql_sync,
    parse,
    validate,
)
from graphql.execution.values import get_variable_values

from kept.connectors.channels.shopify import answers, fulfilling, queries
from kept.connectors.channels.shopify.codes import CREATE_FULFILMENT, DEAD_FULFILMENTS, PAYMENTS
from kept.domain.events import Package, ShippedLine
from kept.ports import Confirmation
from tests.fixtures_location import shared_specs

CONFIRMATION = Confirmation(
    order_ref="K7Q2F-000000123",
    fulfilment_ref="K7Q2F-000000123-1",
    channel_order_id="5001",
    shipped_at=datetime(2026, 11, 3, tzinfo=UTC),
    packages=(
        Package("006141411234567890", "UPS", "1Z1", 100, (ShippedLine(1, "S1", 1),)),
        Package("006141411234567891", "UPS", "1Z2", 100, (ShippedLine(1, "S1", 1),)),
    ),
    line_ids={1: "11"},
)
_NO_PAGE = {"hasNextPage": False, "endCursor": None}
_ORDER = {
    "id": "gid://shopify/Order/5001",
    "fulfillments": [
        {
            "id": "gid://shopify/Fulfillment/7",
            "status": "SUCCESS",
            "trackingInfo": [{"number": "1Z1"}, {"number": "1Z2"}],
            "fulfillmentLineItems": {
                "nodes": [{"quantity": 2, "lineItem": {"id": "gid://shopify/LineItem/11"}}],
                "pageInfo": _NO_PAGE,
            },
        }
    ],
    "fulfillmentOrders": {
        "nodes": [
            {
                "id": "gid://shopify/FulfillmentOrder/9",
                "status": "OPEN",
                "supportedActions": [{"action": "CREATE_FULFILLMENT"}],
                "assignedLocation": {"location": None},
                "lineItems": {
                    "nodes": [
                        {
                            "id": "gid://shopify/FulfillmentOrderLineItem/90",
                            "remainingQuantity": 2,
                            "lineItem": {"id": "gid://shopify/LineItem/11"},
                        }
                    ],
                    "pageInfo": _NO_PAGE,
                },
            }
        ],
        "pageInfo": _NO_PAGE,
    },
}


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    raw = json.loads(gzip.decompress(shared_specs("shopify", "admin_2026-10.json.gz").read_bytes()))
    # Shopify deprecates some fields of objects but not of their interfaces, which graphql-core takes for a
    # fault of the schema; what we validate are our operations.
    return build_client_schema(raw.get("data", raw), assume_valid=True)


@pytest.mark.parametrize("operation", queries.ALL, ids=lambda operation: operation.name)
def test_every_operation_is_valid_and_says_truly_whether_it_changes_anything(
    schema: GraphQLSchema, operation: queries.Operation
) -> None:
    document = parse(operation.document)
    assert validate(schema, document) == []
    (definition,) = document.definitions
    assert isinstance(definition, OperationDefinitionNode)
    assert (definition.operation is OperationType.MUTATION) == operation.changes
    assert definition.name is not None
    assert definition.name.value == operation.name


def test_our_fulfilment_input_is_one_by_the_schema(schema: GraphQLSchema) -> None:
    (definition,) = parse(queries.CREATE.document).definitions
    assert isinstance(definition, OperationDefinitionNode)
    place = fulfilling.LocationPieces({"gid://shopify/FulfillmentOrder/9": {"gid://shopify/X/90": 2}})
    variables = {"fulfillment": fulfilling.fulfilment_input(CONFIRMATION, place)}
    coerced: Any = get_variable_values(schema, definition.variable_definitions or (), variables)
    assert not isinstance(coerced, list), coerced
    assert variables["fulfillment"]["trackingInfo"] == {"company": "UPS", "numbers": ["1Z1", "1Z2"]}


def test_what_the_schema_makes_of_an_order_is_what_we_read(schema: GraphQLSchema) -> None:
    """Executed by graphql-core over a whole order, so that only what we select comes back."""
    gid = "gid://shopify/Order/5001"
    variables = {"id": gid}
    result = graphql_sync(schema, queries.ORDER.document, root_value={"order": _ORDER}, variable_values=variables)
    assert result.errors is None
    order = answers.order(result.data, gid)
    assert order is not None
    assert fulfilling.is_ours(order.fulfillments[0], ["1Z1", "1Z2"])
    assert fulfilling.done_pieces(order.fulfillments) == {"11": 2}
    (place,) = fulfilling.match(CONFIRMATION, {"11": 2}, order.fulfillment_orders.nodes)
    assert list(place.pieces) == ["gid://shopify/FulfillmentOrder/9"]


def test_our_codes_are_values_of_the_schemas_enums(schema: GraphQLSchema) -> None:
    def values(name: str) -> set[str]:
        kind: Any = schema.get_type(name)
        return set(kind.values)

    assert values("FulfillmentStatus") >= DEAD_FULFILMENTS
    assert CREATE_FULFILMENT in values("FulfillmentOrderAction")
    assert {code.upper() for code in PAYMENTS} == values("OrderDisplayFinancialStatus")
