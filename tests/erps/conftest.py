"""The connector over the real Tryton, for each test anew."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kept.ports import Erp
from tests.erps.tryton_desk import Desk
from tests.erps.tryton_orders import ADDRESS, open_erp
from tests.erps.tryton_server import TrytonServer


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs an Odoo that only `make test-odoo` is told of."""
    if "odoo" in config.getoption("markexpr", ""):
        return
    left_out = [item for item in items if item.get_closest_marker("odoo")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture
async def erp(tryton: TrytonServer, tmp_path: Path) -> AsyncIterator[Erp]:
    opened, targets = open_erp(tryton, tmp_path)
    yield opened
    await targets.aclose()


@pytest.fixture
def desk(tryton: TrytonServer) -> Desk:
    return Desk(tryton)


@pytest.fixture
async def customer(erp: Erp) -> str:
    return await erp.customers.resolve_customer("shop", "zoe@example.com", ADDRESS)
