"""The simulated shop answers every operation of ours, and what it answers is what Shopify's schema says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from graphql import graphql_sync

from kept.connectors.channels.shopify import queries
from kept.connectors.channels.shopify.cancel import cancel_input
from kept.settings import resolve_secret
from kept.simulator.config import WorldConfig
from kept.simulator.faults import Behaviour
from kept.simulator.shopify_admin import LOCATION
from kept.simulator.world import channels_running
from tests.conformance.operations import WHOLE_CANCEL
from tests.unit.connectors.channels.shopify.admin_schema import admin_schema

PATH = f"/admin/api/{queries.API_VERSION}/graphql.json"
ITEM = "gid://shopify/InventoryItem/1"
TIMES = "updated_at:>='2020-01-01T00:00:00Z' updated_at:<'2099-01-01T00:00:00Z'"


async def test_every_operation_is_answered_as_the_schema_says(
    kept: Any, make_world: Callable[..., WorldConfig], client: Any
) -> None:
    config = make_world(kept_url=kept.url, rate=1000, count=2, behaviour=Behaviour.calm())
    token = resolve_secret(config.channels["shop"].token).reveal()
    schema = admin_schema()
    answered: set[str] = set()
    async with channels_running(config) as ports:
        await kept.until(lambda hooks: any(hook.account == "shop" for hook in hooks))
        shop = client(ports["shop"], {"x-shopify-access-token": token})

        async def ask(operation: queries.Operation, **variables: Any) -> Any:
            told = (await shop.post(PATH, json={"query": operation.document, "variables": variables})).json()
            assert "errors" not in told, (operation.name, told)
            read = graphql_sync(schema, operation.document, root_value=told["data"], variable_values=variables)
            assert read.errors is None, (operation.name, read.errors)
            answered.add(operation.name)
            return read.data

        order = next(json.loads(hook.body) for hook in kept.hooks if hook.account == "shop")
        gid, number = order["admin_graphql_api_id"], order["id"]
        place = f"gid://shopify/FulfillmentOrder/{number}"
        assert (await ask(queries.ORDERS, query=TIMES))["orders"]["nodes"]
        for operation in (queries.ORDER, queries.LISTED_ORDER, queries.ORDER_LINES, queries.CANCELLATION):
            assert (await ask(operation, id=gid))["order"], operation.name
        for operation in (queries.FULFILMENT_ORDER_LINES, queries.ORDER_OF_FULFILMENT_ORDER):
            assert (await ask(operation, id=place))["fulfillmentOrder"], operation.name
        cancel = cancel_input(replace(WHOLE_CANCEL, channel_order_id=str(number)))
        begun = (await ask(queries.CANCEL, **cancel))["orderCancel"]
        assert (await ask(queries.CANCEL_RESULT, job=begun["jobResult"]["id"], id=gid))["node"]["status"] == "SUCCEEDED"
        assert (await ask(queries.CANCEL_JOB, job=begun["job"]["id"], id=gid))["job"]["done"]
        lines = [{"fulfillmentOrderId": place}]
        made = await ask(queries.CREATE, fulfillment={"lineItemsByFulfillmentOrder": lines})
        shipment = made["fulfillmentCreate"]["fulfillment"]["id"]
        assert (await ask(queries.FULFILMENT_LINES, id=shipment))["fulfillment"]["fulfillmentLineItems"]["nodes"]
        await ask(queries.REFUND, id=f"gid://shopify/Refund/{number}")
        await ask(queries.LOCATIONS)
        assert (await ask(queries.INVENTORY_ITEMS, query="sku:'SKU-0001'"))["inventoryItems"]["nodes"][0]["id"] == ITEM
        row = {"inventoryItemId": ITEM, "locationId": LOCATION, "quantity": 7, "changeFromQuantity": None}
        stock = {"name": "available", "reason": "correction", "quantities": [row]}
        await ask(queries.SET_QUANTITIES, input=stock, key="k")
        (item,) = (await ask(queries.STOCK_LEVELS, ids=[ITEM], location=LOCATION))["nodes"]
        assert item["inventoryLevel"]["quantities"] == [{"name": "available", "quantity": 7}]
        hook = {"uri": "https://kept.example.com/webhooks/shop", "format": "JSON"}
        for taken in (False, True):
            told = await ask(queries.SUBSCRIBE, topic="ORDERS_CREATE", webhookSubscription=hook)
            assert bool(told["webhookSubscriptionCreate"]["userErrors"]) is taken
        (standing,) = (await ask(queries.SUBSCRIPTIONS, topics=["ORDERS_CREATE"]))["webhookSubscriptions"]["nodes"]
        assert standing == {"topic": "ORDERS_CREATE", "uri": hook["uri"]}
    assert answered == {operation.name for operation in queries.ALL}
