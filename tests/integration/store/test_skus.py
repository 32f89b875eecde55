"""The SKU map: a missing mapping holds its own order, and the import lets it go on by itself."""

from __future__ import annotations

from kept.domain import events as ev
from kept.domain.lifecycle import OrderState
from kept.domain.order import OrderContent
from kept.domain.revisions import facts_of_revision
from kept.domain.skus import Component, mapped, unmapped
from kept.processes.remapping import import_mapping
from kept.store.skus import SkuMaps
from tests.integration.store.driving import Driver, fresh
from tests.servers import fetch
from tests.unit.domain import samples

PEN = {"PEN-US": (Component("PEN", 1), Component("CAP", 2, share=3))}


def sold(number: int, sku: str) -> OrderContent:
    return fresh(samples.content(samples.line(1, 1, sku=sku)), number)


async def held(driver: Driver, number: int, sku: str) -> int:
    order = await driver.order(content=mapped(sold(number, sku), {}, required=True))
    await driver.advance("validate", ev.OrderHeld("sku_unmapped", sku), order_id=order.id)
    return order.id


async def test_what_is_stored_is_read_back_and_replaced(driver: Driver) -> None:
    maps = SkuMaps(driver.database)
    await import_mapping(driver.database, "shop", PEN)
    assert await maps.components([("shop", "PEN-US"), ("shop", "INK"), ("other", "PEN-US")]) == {"shop": PEN}
    await import_mapping(driver.database, "shop", {"PEN-US": (Component("PEN-2"),)})
    assert await maps.components([("shop", "PEN-US")]) == {"shop": {"PEN-US": (Component("PEN-2"),)}}
    assert [row["channel_sku"] for row in await maps.listed("shop")] == ["PEN-US"]
    assert await maps.listed("other") == []


async def test_an_import_takes_in_again_only_what_waited_for_it(driver: Driver) -> None:
    waiting, other = await held(driver, 1, "PEN-US"), await held(driver, 2, "INK-US")
    assert await import_mapping(driver.database, "shop", PEN) == 1
    rows = await fetch(driver.database, "SELECT * FROM inbox WHERE external_key LIKE 'mapped:%'")
    original = await fetch(
        driver.database, "SELECT i.* FROM inbox i JOIN orders o ON o.message_id = i.id WHERE o.id = $1", waiting
    )
    assert [(row["body"], row["correlation_id"]) for row in rows] == [
        (row["body"], row["correlation_id"]) for row in original
    ]
    assert [ring.step for ring in await driver.store.due(10)] == ["normalise"]  # at once, by the relay
    order = (await driver.orders.by_ids([other]))[other]
    assert order.state is OrderState.HELD
    assert unmapped(order.content) == ["INK-US"]


async def test_the_same_revision_read_with_its_mapping_revises_the_order(driver: Driver) -> None:
    order_id = await held(driver, 1, "PEN-US")
    order = (await driver.orders.by_ids([order_id]))[order_id]
    again = mapped(sold(1, "PEN-US"), PEN, required=True)
    facts = facts_of_revision(order, again, 99)
    assert facts == [ev.OrderRevised(order.content.revision, 99)]
    still = mapped(sold(1, "PEN-US"), {}, required=True)
    assert facts_of_revision(order, still, 99) == [ev.RevisionIgnored(order.content.revision, 99, "same revision")]
