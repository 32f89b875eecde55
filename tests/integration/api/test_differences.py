"""What channel, ledger and ERP differ on is an exception that the API shows with both sides' values."""

from __future__ import annotations

from datetime import UTC, datetime

from kept.domain.reconciling import Cause, Difference
from kept.store.database import Database
from kept.store.differences import Differences
from kept.store.loading import Orders
from tests.integration.api.normalising import all_messages_ended, normalising
from tests.integration.api.serving import Api, shop_order
from tests.servers import value_of


async def test_differences_are_shown_with_both_sides_values_until_they_are_gone(api: Api, database: Database) -> None:
    async with normalising(api):
        assert (await api.sell(shop_order())).status_code == 202
        await all_messages_ended(api)
    order_id = await value_of(database, "SELECT id FROM orders")
    assert isinstance(order_id, int)
    differences, now = Differences(database, Orders(database)), datetime.now(UTC)
    found = [
        Difference(Cause.ERP_TOTAL, "", "48.50 EUR", "49.00 EUR"),
        Difference(Cause.ERP_SHIPPED, "line 1", "2", "1"),
    ]
    await differences.put({order_id: found}, now)
    shown = (await api.client.get("/v1/differences")).json()["differences"]
    assert {(each["cause"], each["place"], each["ours"], each["theirs"]) for each in shown} == {
        ("erp_total", "", "48.50 EUR", "49.00 EUR"),
        ("erp_shipped", "line 1", "2", "1"),
    }
    assert shown[0]["reference"] == await value_of(database, "SELECT reference FROM orders")
    assert len((await api.client.get("/v1/differences?limit=1")).json()["differences"]) == 1
    await differences.put({order_id: []}, now)
    assert (await api.client.get("/v1/differences")).json() == {"differences": []}
