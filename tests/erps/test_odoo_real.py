"""The ERPs' suite over a real Odoo 19 whose address the environment gives: `make test-odoo`, docs/guides/odoo.md."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import httpx2
import pytest

from kept.connectors.http import HttpTargets
from kept.connectors.registry import build_erp
from kept.ports import Erp
from kept.settings import ErpSettings
from tests.conformance.wire import NO_LIMITS
from tests.erps.suite import ErpSuite, Losing

pytestmark = [pytest.mark.odoo, pytest.mark.timeout(300), pytest.mark.xdist_group("odoo")]

_URL, _KEY, _DATABASE = (os.environ.get(f"KEPT_ODOO_{name}", "") for name in ("URL", "KEY", "DATABASE"))
_OPTIONS = {
    "database": _DATABASE,
    "pricelists": os.environ.get("KEPT_ODOO_PRICELISTS", "EUR=2, USD=3"),
    "shipping_sku": "SHIPPING",
    "discount_sku": "DISCOUNT",
}


def _own_prefix() -> str:
    return f"K{secrets.token_hex(2).upper()}"


class RealOdoo:
    """The connector over the real thing, and a client of the test's own to look into it."""

    skus = ("SKU-1", "SKU-2")
    blocked_sku = "OLD"
    currency = "EUR"

    def __init__(self, folder: Path, **options: str) -> None:
        if not (_URL and _KEY and _DATABASE):
            pytest.fail("KEPT_ODOO_URL, KEPT_ODOO_KEY and KEPT_ODOO_DATABASE name no Odoo to test against")
        secret = folder / "key"
        secret.write_text(_KEY, encoding="utf-8")
        self._losing = Losing(httpx2.AsyncHTTPTransport())
        self.targets = HttpTargets(transport=self._losing, shared=NO_LIMITS)
        settings = ErpSettings("odoo", _URL, f"file:{secret}", timeout_s=60, options=_OPTIONS | options)
        self.erp: Erp = build_erp("main", settings, self.targets)
        headers = {"authorization": f"bearer {_KEY}", "x-odoo-database": _DATABASE}
        self._client = httpx2.AsyncClient(base_url=_URL, headers=headers, timeout=60)

    async def read(self, model: str, domain: list[Any], *fields: str) -> list[dict[str, Any]]:
        response = await self._client.post(f"/json/2/{model}/search_read", json={"domain": domain, "fields": fields})
        response.raise_for_status()
        found: list[dict[str, Any]] = response.json()
        return found

    async def sales(self, reference: str) -> int:
        domain = [["client_order_ref", "=", reference], ["state", "!=", "cancel"]]
        return len(await self.read("sale.order", domain, "name"))

    async def pieces(self, reference: str) -> dict[str, int]:
        return await self._goods(reference, "product_uom_qty")

    async def shipped(self, reference: str) -> dict[str, int]:
        return await self._goods(reference, "qty_delivered")

    async def _goods(self, reference: str, field: str) -> dict[str, int]:
        domain = [["order_id.client_order_ref", "=", reference], ["product_id.is_storable", "=", True]]
        lines = await self.read("sale.order.line", domain, "name", field)
        return {line["name"]: int(line[field]) for line in lines if line[field]}

    def lose_next_answer(self) -> None:
        self._losing.losing = True

    async def aclose(self) -> None:
        await self.targets.aclose()
        await self._client.aclose()


class _Suite(ErpSuite):
    """References of this run's own, since what a run made stays there."""

    options: ClassVar[Mapping[str, str]]

    @pytest.fixture
    async def bench(self, tmp_path: Path) -> AsyncIterator[RealOdoo]:
        bench = RealOdoo(tmp_path, **self.options)
        yield bench
        await bench.aclose()


class TestOdooByTaxLine(_Suite):
    prefix = _own_prefix()
    options: ClassVar = {"tax_sku": "TAX"}


class TestOdooByItsOwnTaxes(_Suite):
    prefix = _own_prefix()
    options: ClassVar = {"taxes": os.environ.get("KEPT_ODOO_TAXES", "8=5, 20=6, 0=7")}

    async def test_an_amended_order_says_what_its_newest_version_says(self, bench: RealOdoo) -> None:  # type: ignore[override]  # the same, with a tax that a percentage gives
        await self.amended_with_a_tax_of(bench, 152)


class TestOdooByJsonRpc(_Suite):
    prefix = _own_prefix()
    options: ClassVar = {"tax_sku": "TAX", "api": "json-rpc", "login": os.environ.get("KEPT_ODOO_LOGIN", "kept")}
