"""Why an order was routed as it was, over the API."""

from __future__ import annotations

from kept.store.database import Database
from tests.integration.api.normalising import all_messages_ended, normalising
from tests.integration.api.serving import Api, shop_order
from tests.servers import value_of


async def test_an_order_that_was_not_routed_yet_has_no_decision_and_nobodys_order_is_404(
    api: Api, database: Database
) -> None:
    async with normalising(api):
        assert (await api.sell(shop_order())).status_code == 202
        await all_messages_ended(api)
    reference = await value_of(database, "SELECT reference FROM orders")
    answer = await api.client.get(f"/v1/orders/{reference}/routing")
    assert (answer.status_code, answer.json()) == (200, {"reference": reference, "decisions": []})
    assert (await api.client.get("/v1/orders/nobody/routing")).status_code == 404
