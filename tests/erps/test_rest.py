"""The suite over the REST contract: the connector on one side, the stand-in ERP with its book on the other."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from kept.connectors.erps.rest import build
from kept.connectors.erps.rest.offered import OFFERS
from kept.connectors.http import HttpTargets
from kept.ports import Erp
from kept.settings import ErpSettings, Secret, SettingsError
from kept.simulator.books import ERP_SCHEMA, Book
from kept.simulator.config import ErpConfig
from kept.simulator.erp import Erp as StandIn
from kept.simulator.faults import FaultPlan
from kept.simulator.party import Party
from tests.conformance.wire import NO_LIMITS
from tests.erps.suite import ErpBench, ErpSuite, Losing, order, posting


@dataclass
class RestBench:
    """The connector, and the stand-in's book."""

    erp: Erp
    book: Book
    transport: Losing
    skus: tuple[str, str] = ("SKU-0001", "SKU-0002")
    blocked_sku: str = ""
    currency: str = "EUR"

    async def sales(self, reference: str) -> int:
        sql = (
            "SELECT count(*) FROM orders o WHERE reference = ?"
            " AND NOT EXISTS (SELECT 1 FROM withdrawals w WHERE w.order_reference = o.reference)"
        )
        return int((await self._rows(sql, reference))[0][0])

    async def pieces(self, reference: str) -> dict[str, int]:
        sql = "SELECT sku, quantity FROM order_lines JOIN orders USING (order_id) WHERE reference = ?"
        return dict(await self._rows(sql, reference))

    async def shipped(self, reference: str) -> dict[str, int]:
        sql = (
            "SELECT sku, sum(quantity) FROM shipment_lines JOIN shipments USING (shipment_id)"
            " WHERE order_reference = ? GROUP BY 1"
        )
        return dict(await self._rows(sql, reference))

    def lose_next_answer(self) -> None:
        self.transport.losing = True

    async def block(self, customer: str, reason: str) -> None:
        values = (customer, reason)
        await self.book.write(lambda db: db.execute("INSERT INTO blocked_customers VALUES (?, ?)", values))

    async def _rows(self, sql: str, reference: str) -> list[tuple[str, int]]:
        def read(db: sqlite3.Connection) -> list[tuple[str, int]]:
            return db.execute(sql, (reference,)).fetchall()

        return await self.book.write(read)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[RestBench]:
    book = Book(tmp_path / "erp.sqlite", ERP_SCHEMA)
    party = Party("erp", book, Secret("t0ken"), FaultPlan(), lambda: 1_770_000_000.0)
    transport = Losing(httpx2.ASGITransport(StandIn(party, ErpConfig(0, "")).app()))
    (tmp_path / "token").write_text("t0ken")
    settings = ErpSettings("rest", "http://erp.test", f"file:{tmp_path / 'token'}", offers=OFFERS)
    targets = HttpTargets(transport=transport, shared=NO_LIMITS)
    yield RestBench(build("main", settings, targets), book, transport)
    await targets.aclose()
    await book.close()


class TestRest(ErpSuite):
    """The suite."""

    async def test_a_shipment_is_invoiced_once_and_for_what_shipped(self, bench: ErpBench) -> None:
        asked, _ = await self.booked(bench, "KTEST-000000012")
        sent = posting(bench, asked.reference, 1, 1)
        assert bench.erp.invoices is not None
        assert await bench.erp.invoices.find_invoice(sent) is None
        await bench.erp.shipments.post_shipment(sent, "k")
        made = await bench.erp.invoices.invoice(sent, "i")
        assert made == await bench.erp.invoices.invoice(sent, "i") == await bench.erp.invoices.find_invoice(sent)
        assert (made.total_minor, made.currency) == (3780 // 2 + 500, "EUR")
        assert bench.erp.orders is not None
        (read,) = await bench.erp.orders.read_orders([asked.reference])
        assert read.invoiced_minor == made.total_minor

    async def test_a_blocked_customer_has_a_hold_with_its_reason(self, bench: RestBench) -> None:
        assert bench.erp.credit is not None
        assert await bench.erp.credit.credit_hold("C-1") == ""
        await bench.block("C-1", "limit reached")
        assert await bench.erp.credit.credit_hold("C-1") == "limit reached"

    async def test_a_warehouse_has_what_did_not_ship(self, bench: ErpBench) -> None:
        asked, _ = await self.booked(bench, "KTEST-000000013")
        await bench.erp.shipments.post_shipment(posting(bench, asked.reference, 2), "k")
        assert bench.erp.warehouses is not None
        stock = await bench.erp.warehouses.warehouse_stock("MAIN")
        levels = {level.sku: level.on_hand for level in stock.levels}
        assert levels["SKU-0002"] - levels["SKU-0001"] == 2
        with pytest.raises(Exception, match="no warehouse 'MOON'"):
            await bench.erp.warehouses.warehouse_stock("MOON")

    async def test_the_order_s_own_content_is_what_is_checked(self, bench: ErpBench) -> None:
        assert await self.codes(bench, order(bench, "KTEST-000000014", "C-1")) == []


def test_an_offer_that_the_contract_does_not_have_is_named() -> None:
    settings = ErpSettings("rest", "http://erp.test", "env:PATH", offers=("orders", "magic"))
    with pytest.raises(SettingsError, match=r"erps\.main\.offers has 'magic'; an ERP can offer check, credit"):
        build("main", settings, HttpTargets())
