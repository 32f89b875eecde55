"""Reconciliation on a real database: what is at rest is compared, what is safe is repaired, what is gone is gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from kept.domain import events as ev
from kept.domain.erp_orders import ErpLine, ErpOrder, ErpOrderStatus
from kept.domain.progress import Order
from kept.ports import TemporaryFault, Withdrawal
from kept.processes.assembly import utc_now
from kept.processes.reconciling import Reconciler
from kept.simulator.instant import InstantErp
from kept.store.differences import Differences
from tests.integration.store.driving import Driver, done
from tests.servers import execute

SINCE = timedelta(days=1)


@dataclass
class Books:
    """An ERP's orders, as somebody there has put them."""

    orders: dict[str, ErpOrder] = field(default_factory=dict)
    withdrawn: list[tuple[str, str]] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)

    async def read_orders(self, references: Sequence[str]) -> Sequence[ErpOrder]:
        self.asked.append(len(references))
        return [self.orders[reference] for reference in references if reference in self.orders]

    async def withdraw(self, reference: str, key: str) -> Withdrawal:
        self.withdrawn.append((reference, key))
        self.orders[reference] = replace(self.orders[reference], status=ErpOrderStatus.CANCELLED)
        return Withdrawal(reference)


def agreeing(order: Order) -> ErpOrder:
    lines = tuple(
        ErpLine(line.line_no, line.sku, line.quantity, progress.shipped, line.quantity * line.unit_price_minor, 0)
        for line, progress in zip(order.content.lines, order.lines, strict=True)
    )
    content = order.content
    return ErpOrder(
        order.erp_order_id, order.reference, ErpOrderStatus.CLOSED, content.currency, content.total_minor, 0, lines
    )


def reconciler(driver: Driver, books: Books) -> Reconciler:
    erp = replace(InstantErp().port(), orders=books, withdrawal=books)
    return Reconciler(driver.database, driver.orders, erp, utc_now)


async def settled_long_ago(driver: Driver) -> None:
    await execute(driver.database, "UPDATE orders SET updated_at = now() - interval '10 minutes'")


@pytest.fixture(autouse=True)
async def stocked(driver: Driver) -> None:
    await driver.stock_up()


async def standing(driver: Driver) -> list[tuple[str, str, str, str]]:
    rows = await Differences(driver.database, driver.orders).open()
    return [(row["cause"], row["place"], row["ours"], row["theirs"]) for row in rows]


async def test_what_differs_is_shown_with_both_values_until_it_is_put_right(driver: Driver) -> None:
    order, books = await driver.shipped(), Books()
    right = agreeing(order)
    books.orders[order.reference] = replace(right, total_minor=3499)
    await settled_long_ago(driver)
    one = await reconciler(driver, books).reconcile(utc_now() - SINCE)
    assert (one.orders, one.differing, one.repaired) == (1, 1, 0)
    assert await standing(driver) == [("erp_total", "", "35.00 USD", "34.99 USD")]
    books.orders[order.reference] = right
    assert (await reconciler(driver, books).reconcile(utc_now() - SINCE)).differing == 0
    assert await standing(driver) == []


async def test_an_order_that_moves_is_left_out_until_it_rests(driver: Driver) -> None:
    await driver.shipped()
    assert (await reconciler(driver, Books()).reconcile(utc_now() - SINCE)).orders == 0
    await driver.booked()  # its part is to be labelled
    await settled_long_ago(driver)
    assert (await reconciler(driver, Books()).reconcile(utc_now() - SINCE)).orders == 1


async def test_an_order_cancelled_here_and_open_there_is_taken_out_there_by_itself(driver: Driver) -> None:
    order, books = await driver.order(), Books()
    await driver.tell(order.id, ev.CancelRequested("channel", 1))
    cancelled = await driver.advance("withdraw", ev.OrderCancelled())
    books.orders[order.reference] = replace(agreeing(cancelled), status=ErpOrderStatus.OPEN)
    await settled_long_ago(driver)
    looked = await reconciler(driver, books).reconcile(utc_now() - SINCE, repair=False)
    assert (looked.repaired, books.withdrawn) == (0, [])
    mended = await reconciler(driver, books).reconcile(utc_now() - SINCE)
    assert mended.repaired == 1
    assert books.withdrawn == [(order.reference, f"{order.reference}:withdraw:1")]
    again = await reconciler(driver, books).reconcile(utc_now() - SINCE)
    assert (again.differing, again.repaired) == (0, 0)
    assert await standing(driver) == []


async def test_the_channel_s_last_word_counts_though_it_changed_nothing(driver: Driver) -> None:
    order, books = await driver.shipped(), Books()
    books.orders[order.reference] = agreeing(order)
    refunded = replace(order.content, revision=500, refunded_minor=700)
    message = await driver.normalised(refunded)
    ignored = ev.RevisionIgnored(500, message.subject.id, "nothing differs")
    await driver.settle(done(message, ev.MessageProcessed(), ignored, about=order, content=refunded))
    await settled_long_ago(driver)
    await reconciler(driver, books).reconcile(utc_now() - SINCE)
    assert await standing(driver) == [("erp_refund", "", "7.00 USD", "0.00 USD")]


async def test_many_orders_are_read_back_some_hundreds_at_a_time(driver: Driver) -> None:
    for _ in range(3):
        await driver.shipped()
    await settled_long_ago(driver)
    books = Books()
    assert (await reconciler(driver, books).reconcile(utc_now() - SINCE)).orders == 3
    assert books.asked == [3]


async def test_an_erp_that_is_down_leaves_what_was_found_before(driver: Driver) -> None:
    order, books = await driver.shipped(), Books()
    books.orders[order.reference] = replace(agreeing(order), tax_minor=5)
    await settled_long_ago(driver)
    await reconciler(driver, books).reconcile(utc_now() - SINCE)

    async def down(references: Sequence[str]) -> Sequence[ErpOrder]:
        raise TemporaryFault("503")

    books.read_orders = down  # type: ignore[method-assign]  # it does not answer
    with pytest.raises(TemporaryFault):
        await reconciler(driver, books).reconcile(utc_now() - SINCE)
    assert len(await standing(driver)) == 1
