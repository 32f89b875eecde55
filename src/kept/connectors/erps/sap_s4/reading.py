"""Orders read back, and what a plant has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from kept.connectors.erps.sap_s4 import mapping
from kept.connectors.erps.sap_s4.codes import is_done, status_of
from kept.connectors.erps.sap_s4.schemas import DeliveryRow, Item, Order, Stock
from kept.connectors.erps.sap_s4.services import DELIVERIES, STOCK, Services, quoted
from kept.ports import ErpLine, ErpOrder, PermanentFault, StockLevel, StockSnapshot

_UNRESTRICTED = "01"  # InventoryStockType: unrestricted use


class S4Orders:
    """Orders as they stand, with the pieces of their deliveries whose goods issue was posted."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def read_orders(self, references: Sequence[str]) -> Sequence[ErpOrder]:
        read = []
        for order in await self._services.orders(references):
            rows = await self._services.find(
                DeliveryRow, f"{DELIVERIES}/A_OutbDeliveryItem", f"ReferenceSDDocument eq {quoted(order.sales_order)}"
            )
            gone = [row for row in rows if is_done(row.goods_movement_status)]
            read.append(_read(order, gone))
        return read


class S4Stock:
    """Pieces for unrestricted use of a plant ("1010"), or of one storage location of it ("1010/101A")."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def warehouse_stock(self, warehouse: str) -> StockSnapshot:
        """Raises PermanentFault "warehouse_unmapped" for a name that is none; a plant without stock has none."""
        as_of = datetime.now(UTC)
        plant, _, location = warehouse.partition("/")
        if not plant or len(plant) > 4 or len(location) > 4:
            raise PermanentFault(f"{warehouse!r} is not PLANT or PLANT/LOCATION", code="warehouse_unmapped")
        filter_ = f"Plant eq {quoted(plant)} and InventoryStockType eq {quoted(_UNRESTRICTED)}"
        if location:
            filter_ += f" and StorageLocation eq {quoted(location)}"
        pieces: dict[str, int] = {}
        for row in await self._services.find(Stock, f"{STOCK}/A_MatlStkInAcctMod", filter_):
            pieces[row.material] = pieces.get(row.material, 0) + int(row.matl_wrhs_stk_qty_in_matl_base_unit)
        return StockSnapshot(as_of, tuple(StockLevel(sku, max(0, number)) for sku, number in sorted(pieces.items())))


def _read(order: Order, gone: Sequence[DeliveryRow]) -> ErpOrder:
    shipped: dict[int, int] = {}
    for row in gone:
        number = int(row.reference_s_d_document_item)
        shipped[number] = shipped.get(number, 0) + int(row.actual_delivery_quantity)
    items = {number: item for number, item in mapping.items_by_number(order).items() if mapping.line_no_of(number)}
    return ErpOrder(
        order.sales_order,
        order.purchase_order_by_customer,
        status_of(order),
        order.transaction_currency,
        mapping.total_minor(order),
        mapping.tax_minor(order),
        tuple(
            _line(number, item, shipped.get(number, 0), order.transaction_currency) for number, item in items.items()
        ),
    )


def _line(number: int, item: Item, shipped: int, currency: str) -> ErpLine:
    return ErpLine(
        mapping.line_no_of(number),
        item.material,
        int(item.requested_quantity),
        shipped,
        mapping.minor(item.net_amount, currency),
        mapping.minor(item.tax_amount, currency),
    )
