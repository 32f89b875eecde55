"""The suite over the real Tryton, seen by a clerk at its own client."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from kept.ports import Erp
from tests.erps.suite import ErpSuite, Losing
from tests.erps.tryton_desk import Desk
from tests.erps.tryton_orders import open_erp
from tests.erps.tryton_server import TRYTON, TrytonServer

pytestmark = TRYTON


@dataclass
class TrytonBench:
    """The connector, and the clerk's eyes."""

    erp: Erp
    desk: Desk
    transport: Losing
    skus: tuple[str, str] = ("SKU-0001", "SKU-0002")
    blocked_sku: str = "UNSALEABLE"
    currency: str = "EUR"

    async def sales(self, reference: str) -> int:
        """Sales of which goods are to go out, or went: a withdrawn one stays, with its shipments cancelled."""
        sales = self.desk.sales(reference, "shipments.state")
        return sum(any(each["state"] != "cancelled" for each in sale["shipments."]) for sale in sales)

    async def pieces(self, reference: str) -> dict[str, int]:
        (sale,) = self.desk.sales(reference, "id")
        lines = self.desk.find("sale.line", [["sale", "=", sale["id"]]], "quantity", "product.code")
        found = Counter[str]()
        for line in lines:
            found[line["product."]["code"]] += int(line["quantity"])
        return {sku: count for sku, count in found.items() if sku.startswith("SKU-")}

    async def shipped(self, reference: str) -> dict[str, int]:
        (sale,) = self.desk.sales(reference, "id")
        moves = self.desk.find(
            "stock.move",
            [["sale", "=", sale["id"]], ["state", "=", "done"], ["to_location.type", "=", "customer"]],
            "quantity",
            "product.code",
        )
        found = Counter[str]()
        for move in moves:
            found[move["product."]["code"]] += int(move["quantity"])
        return dict(found)

    def lose_next_answer(self) -> None:
        self.transport.losing = True


@pytest.fixture
async def bench(tryton: TrytonServer, tmp_path: Path) -> AsyncIterator[TrytonBench]:
    transport = Losing(httpx2.AsyncHTTPTransport())
    erp, targets = open_erp(tryton, tmp_path, transport)
    yield TrytonBench(erp, Desk(tryton), transport)
    await targets.aclose()


class TestTryton(ErpSuite):
    """The suite."""

    async def test_an_amended_order_says_what_its_newest_version_says(self, bench: TrytonBench) -> None:  # type: ignore[override]  # not built
        assert bench.erp.amendment is None
