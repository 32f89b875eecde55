"""A centre's stock as an ERP's warehouse has it, for centres that don't count for themselves."""

from __future__ import annotations

from dataclasses import replace

from kept.ports import ReadWarehouse, StockSnapshot


class WarehouseStock:
    """`kept.ports.ReadStock` over one warehouse of an ERP. Raises the ERP's faults."""

    def __init__(self, erp: ReadWarehouse, warehouse: str) -> None:
        self._erp = erp
        self._warehouse = warehouse

    async def stock(self) -> StockSnapshot:
        return replace(await self._erp.warehouse_stock(self._warehouse), by_books=True)
