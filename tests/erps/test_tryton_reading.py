"""Sales, stock and objections, read from a real Tryton."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kept.connectors.erps.tryton import rpc
from kept.connectors.erps.tryton.mapping import date_json
from kept.connectors.warehouse_stock import WarehouseStock
from kept.ports import Erp, ErpLine, ErpOrder, ErpOrderStatus, Objection, PermanentFault, SalesOrder, TemporaryFault
from tests.erps.tryton_desk import Desk
from tests.erps.tryton_orders import line, new_reference, open_erp, order_of, posting_of
from tests.erps.tryton_server import TRYTON, TrytonServer

pytestmark = TRYTON
KEY = "K7Q2F-000000123:step:1"
WAREHOUSE = "Warehouse"


async def read(erp: Erp, *references: str) -> list[ErpOrder]:
    assert erp.orders is not None
    return list(await erp.orders.read_orders(references))


async def stock(erp: Erp, warehouse: str = WAREHOUSE) -> dict[str, int]:
    assert erp.warehouses is not None
    snapshot = await erp.warehouses.warehouse_stock(warehouse)
    return {level.sku: level.on_hand for level in snapshot.levels}


async def objections(erp: Erp, order: SalesOrder) -> list[Objection]:
    assert erp.check is not None
    return list(await erp.check.object_to(order))


@pytest.fixture
async def order(erp: Erp, customer: str) -> SalesOrder:
    """Three pieces at 3.3333, whose line is sold at two prices, with a cent of tax more than Tryton computes; two of
    another with a discount; shipping with its tax. Booked."""
    lines = line(1, "S1", 3, 1001, tax=601), line(2, "S2", 2, 500, tax=50, discount=100)
    order = order_of(*lines, customer=customer, shipping=500, shipping_tax=100)
    await erp.booking.book(order, KEY)
    return order


# ------------------------------------------------------------------ orders


async def test_a_sale_is_read_as_the_channel_said_it_to_the_cent(erp: Erp, order: SalesOrder) -> None:
    (found,) = await read(erp, order.reference, new_reference())
    assert (found.reference, found.status, found.currency) == (order.reference, ErpOrderStatus.OPEN, "EUR")
    assert (found.total_minor, found.tax_minor) == (order.total_minor, 751)
    assert found.lines == (ErpLine(1, "S1", 3, 0, 3003, 601), ErpLine(2, "S2", 2, 0, 900, 50))
    assert (found.invoiced_minor, found.refunded_minor) == (0, 0)


async def test_a_line_that_is_sold_at_two_prices_is_read_as_one(erp: Erp, customer: str) -> None:
    order = order_of(line(1, "UNTAXED", 7000, 1, discount=1), customer=customer)
    await erp.booking.book(order, KEY)
    (found,) = await read(erp, order.reference)
    assert found.lines == (ErpLine(1, "UNTAXED", 7000, 0, 6999, 0),)


async def test_what_has_left_is_counted_and_a_sale_of_which_all_left_is_closed(erp: Erp, order: SalesOrder) -> None:
    await erp.shipments.post_shipment(posting_of(order, {1: 2}), KEY)
    (found,) = await read(erp, order.reference)
    assert (found.status, [each.shipped for each in found.lines]) == (ErpOrderStatus.OPEN, [2, 0])
    await erp.shipments.post_shipment(posting_of(order, {1: 1, 2: 2}, part=2), KEY)
    (found,) = await read(erp, order.reference)
    assert (found.status, [each.shipped for each in found.lines]) == (ErpOrderStatus.CLOSED, [3, 2])


async def test_a_withdrawn_sale_is_cancelled_or_closed_by_what_left(erp: Erp, order: SalesOrder, customer: str) -> None:
    other = order_of(line(1, "S1", 2, 1000, tax=400), customer=customer)
    await erp.booking.book(other, KEY)
    await erp.shipments.post_shipment(posting_of(other, {1: 1}), KEY)
    for each in (order, other):
        await erp.withdrawal.withdraw(each.reference, KEY)
    first, second = await read(erp, order.reference, other.reference)
    assert (first.status, second.status) == (ErpOrderStatus.CANCELLED, ErpOrderStatus.CLOSED)
    assert second.lines[0].shipped == 1


async def test_a_sale_that_was_never_confirmed_is_a_draft(erp: Erp, desk: Desk, order: SalesOrder) -> None:
    (sale,) = desk.sales(order.reference, "party", "company", "currency", "web_shop", "invoice_address")
    values = {name: value for name, value in sale.items() if name != "id" and not name.endswith(".")}
    reference = new_reference()
    values |= {"web_id": reference, "shipment_address": values["invoice_address"]}
    desk.call("sale.sale.create", [values])
    (found,) = await read(erp, reference)
    assert (found.status, found.total_minor, found.lines) == (ErpOrderStatus.DRAFT, 0, ())


async def test_what_was_invoiced_is_told_once_it_is_posted(erp: Erp, desk: Desk, order: SalesOrder) -> None:
    await erp.shipments.post_shipment(posting_of(order), KEY)
    (sale,) = desk.sales(order.reference, "invoices")
    (found,) = await read(erp, order.reference)
    assert found.invoiced_minor == 0
    desk.call("account.invoice.write", sale["invoices"], {"invoice_date": date_json(datetime.now(UTC))})
    desk.call("account.invoice.post", sale["invoices"])
    (found,) = await read(erp, order.reference)
    assert found.invoiced_minor == order.total_minor


async def test_an_answer_that_breaks_its_schema_is_a_fault_that_names_the_field(
    erp: Erp, order: SalesOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kept.connectors.erps.tryton.reading.READ_FIELDS", ["state", "web_id", "total_amount"])
    with pytest.raises(TemporaryFault, match="tax_amount"):
        await read(erp, order.reference)


# ------------------------------------------------------------------ stock


async def test_a_warehouses_stock_is_what_routing_is_told_and_what_left_is_gone_from_it(
    erp: Erp, order: SalesOrder
) -> None:
    before = await stock(erp)
    assert before["SKU-0200"] > 0
    assert "SHIPPING" not in before
    await erp.shipments.post_shipment(posting_of(order, {1: 2, 2: 1}), KEY)
    assert erp.warehouses is not None
    counted = await WarehouseStock(erp.warehouses, "WH").stock()
    assert counted.by_books
    after = {level.sku: level.on_hand for level in counted.levels}
    assert {sku: before[sku] - count for sku, count in after.items() if count != before[sku]} == {"S1": 2, "S2": 1}


async def test_a_warehouse_with_many_products_is_read_in_pages(erp: Erp, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = await stock(erp)
    monkeypatch.setattr(rpc, "RECORDS_MAX", 50)
    assert len(whole) > 150
    assert await stock(erp) == whole


async def test_a_warehouse_that_tryton_does_not_know_is_named(erp: Erp) -> None:
    with pytest.raises(PermanentFault, match="0 warehouses with the name or code 'NOWHERE'") as caught:
        await stock(erp, "NOWHERE")
    assert caught.value.code == "warehouse_unmapped"


# ------------------------------------------------------------------ objections


async def test_what_tryton_could_not_book_is_said_before_and_nothing_is_made(
    erp: Erp, desk: Desk, customer: str
) -> None:
    order = order_of(line(1, "S1", 1, 1000, tax=190), line(2, "NO-SUCH", 1, 100), customer=customer)
    order = replace(order, currency="XTS", ship_to=replace(order.ship_to, country="AQ"))
    found = {each.code: each.evidence for each in await objections(erp, order)}
    assert set(found) == {"currency_unmapped", "country_unmapped", "tax_unmapped"}
    assert "'XTS'" in found["currency_unmapped"]
    assert "'AQ'" in found["country_unmapped"]
    assert "1.90" in found["tax_unmapped"]
    mended = replace(order, lines=(replace(order.lines[0], tax_minor=200), order.lines[1]))
    mended = replace(mended, total_minor=mended.total_minor + 10)
    assert "sku_unknown" in {each.code for each in await objections(erp, mended)}
    assert desk.sales(order.reference) == []


async def test_an_order_that_is_booked_meets_no_objection_of_its_own(erp: Erp, order: SalesOrder) -> None:
    assert await objections(erp, order) == []


async def test_shipping_without_a_product_for_it_is_an_objection(
    tryton: TrytonServer, tmp_path: Path, customer: str
) -> None:
    bare, targets = open_erp(tryton, tmp_path, shipping_sku="")
    order = order_of(line(1, "S1", 1, 1000, tax=200), customer=customer, shipping=500, shipping_tax=100)
    assert [each.code for each in await objections(bare, order)] == ["shipping_sku_missing"]
    await targets.aclose()
