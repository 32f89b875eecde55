"""Our GraphQL against Shopify's published Admin schema 2026-10."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import pytest
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    graphql_sync,
    is_enum_type,
    parse,
    validate,
    visit,
)
from graphql.execution.values import get_variable_values

from kept.connectors.channels.shopify import answers, fulfilling, queries
from kept.connectors.channels.shopify.codes import (
    CANCEL_ENDS,
    CANCEL_ERRORS,
    CANCEL_UNDER_WAY,
    CREATE_FULFILMENT,
    DEAD_FULFILMENTS,
    GRAMS,
    ON_HOLD,
    PAYMENTS,
    STOCK_ERRORS,
    STOCK_REFUSALS,
)
from kept.connectors.channels.shopify.mapping import LISTED, normalise
from kept.domain.events import Package, ShippedLine
from kept.domain.order import OrderContent
from kept.ports import Confirmation, Incoming
from tests.unit.connectors.channels.shopify.admin_schema import admin_schema
from tests.unit.connectors.channels.shopify.sales import SaleOfShop, SoldLine

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
    return admin_schema()


@pytest.mark.parametrize("operation", queries.ALL, ids=lambda operation: operation.name)
def test_every_operation_is_valid_and_says_truly_whether_it_changes_anything(
    schema: GraphQLSchema, operation: queries.Operation
) -> None:
    document = parse(operation.document)
    assert validate(schema, document) == []
    (definition,) = (each for each in document.definitions if isinstance(each, OperationDefinitionNode))
    assert (definition.operation is OperationType.MUTATION) == operation.changes
    assert definition.name is not None
    assert definition.name.value == operation.name


@pytest.mark.parametrize("operation", queries.ALL, ids=lambda operation: operation.name)
def test_no_operation_can_cost_more_than_one_query_may(operation: queries.Operation) -> None:
    assert 0 < most_points(operation.document) < 1000


def test_the_page_of_orders_is_as_large_as_its_cost_allows() -> None:
    one_more = queries.ORDERS.document.replace("first: 5, query", "first: 6, query")
    assert most_points(one_more) > 1000


def most_points(document: str) -> int:
    """The points that a document costs at most.

    Source: shopify.dev, "GraphQL Admin API rate limits": an object costs 1, a connection 2 and what it may
    return, a mutation 10. Shopify charges long connections less than that, and only what came back.
    """
    parsed = parse(document)
    fragments = {each.name.value: each for each in parsed.definitions if isinstance(each, FragmentDefinitionNode)}

    def points(selections: SelectionSetNode) -> int:
        total = 0
        for field in selections.selections:
            if isinstance(field, FragmentSpreadNode):
                total += points(fragments[field.name.value].selection_set)
            elif isinstance(field, FieldNode) and field.selection_set is not None and field.name.value != "pageInfo":
                sizes = [argument.value for argument in field.arguments or () if argument.name.value == "first"]
                if sizes:
                    assert isinstance(sizes[0], IntValueNode)
                    total += 2 + int(sizes[0].value) * max(1, points(field.selection_set))
                else:
                    total += 1 + points(field.selection_set)
        return total

    (operation,) = (each for each in parsed.definitions if isinstance(each, OperationDefinitionNode))
    return points(operation.selection_set) + (10 if operation.operation is OperationType.MUTATION else 0)


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


def test_what_the_schema_makes_of_a_listed_order_is_all_that_we_read(schema: GraphQLSchema) -> None:
    """Executed by graphql-core over whole orders: what we read and do not select would be missing."""
    line = SoldLine(1, 3, 1000, 1, grams=350, discounts=(100,), taxes=(60,), attributes=(("gift", "yes"),))
    sale = SaleOfShop((line,), shipping=500, shipping_back=100, paid_back=1100, held=("OTHER",), duties=10)
    connection = {"nodes": [sale.node()], "pageInfo": _NO_PAGE}
    root = {"orders": connection, "order": sale.node(), "refund": sale.refund_node()}
    variables = {"query": "updated_at:>='2026-11-03T00:00:00Z'", "id": sale.gid}

    def executed(operation: queries.Operation) -> Any:
        result = graphql_sync(schema, operation.document, root_value=root, variable_values=variables)
        assert result.errors is None
        assert result.data is not None
        return result.data

    (node,) = executed(queries.ORDERS)["orders"]["nodes"]
    assert executed(queries.ORDER_LINES)["order"]["lineItems"] == node["lineItems"]
    assert node["refunds"] == [{"id": sale.refund_node()["id"]}]
    node["refunds"] = [executed(queries.REFUND)["refund"]]
    assert by_query_of(node) == by_query_of(sale.node())


def by_query_of(node: dict[str, Any]) -> OrderContent | None:
    return normalise("shop", Incoming(LISTED, json.dumps(node).encode()), datetime(2026, 11, 3, tzinfo=UTC))


def test_our_codes_are_values_of_the_schemas_enums(schema: GraphQLSchema) -> None:
    def values(name: str) -> set[str]:
        kind: Any = schema.get_type(name)
        return set(kind.values)

    assert values("FulfillmentStatus") >= DEAD_FULFILMENTS
    assert CREATE_FULFILMENT in values("FulfillmentOrderAction")
    assert ON_HOLD in values("FulfillmentOrderStatus") & values("OrderDisplayFulfillmentStatus")
    assert set(GRAMS) == values("WeightUnit")
    assert {code.upper() for code in PAYMENTS} == values("OrderDisplayFinancialStatus")


# The enums of errors that our operations can be answered with, and the tables that say what each value means.
_ERROR_TABLES: dict[str, list[Collection[str]]] = {
    "OrderCancelUserErrorCode": [CANCEL_ERRORS],
    "OrderCancelStatus": [{CANCEL_UNDER_WAY}, CANCEL_ENDS],
    "InventorySetQuantitiesUserErrorCode": [STOCK_ERRORS, STOCK_REFUSALS],
}


class _EnumsSelected(Visitor):
    """The enums of the fields `code`, and of what becomes of jobs, that a document selects."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self.info = info
        self.found: set[str] = set()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        kind, parent = self.info.get_type(), self.info.get_parent_type()
        named = get_named_type(kind) if kind is not None else None
        of_errors = parent is not None and parent.name.endswith(("Error", "JobResult"))
        if named is not None and is_enum_type(named) and of_errors:
            self.found.add(named.name)


def test_every_error_code_that_shopify_can_answer_us_with_is_classified_once(schema: GraphQLSchema) -> None:
    """A code that is new in the schema, or a new operation with codes of its own, is noticed here."""
    info = TypeInfo(schema)
    seen = _EnumsSelected(info)
    for operation in queries.ALL:
        visit(parse(operation.document), TypeInfoVisitor(info, seen))
    assert seen.found == set(_ERROR_TABLES)
    for name, tables in _ERROR_TABLES.items():
        kind: Any = schema.get_type(name)
        assert sorted(code for table in tables for code in table) == sorted(kind.values), name


def test_every_mutation_s_errors_are_asked_for_with_the_codes_that_they_have(schema: GraphQLSchema) -> None:
    for operation in queries.ALL:
        if not operation.changes:
            continue
        definition: Any = parse(operation.document).definitions[0]
        (payload,) = definition.selection_set.selections
        kind: Any = schema.mutation_type
        fields = get_named_type(kind.fields[payload.name.value].type).fields
        asked: dict[str, Any] = {
            each.name.value: each for each in payload.selection_set.selections if isinstance(each, FieldNode)
        }
        errors = [name for name in asked if name.lower().endswith("usererrors")]
        assert errors, operation.name
        for name in errors:
            assert {each.name.value for each in asked[name].selection_set.selections} == set(
                get_named_type(fields[name].type).fields
            )
