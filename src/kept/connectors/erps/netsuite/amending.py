"""Amending booked orders: all lines are replaced in one write, so that it is done or not."""

from __future__ import annotations

from kept.connectors.erp_amounts import untied
from kept.connectors.erps.netsuite import mapping
from kept.connectors.erps.netsuite.booking import booked, skus_of
from kept.connectors.erps.netsuite.records import Records
from kept.connectors.erps.netsuite.schemas import Order
from kept.ports import BookedOrder, ErpOrderStatus, PermanentFault, SalesOrder


class SuiteAmendment:
    """Makes a standing order say what a newer version of ours says; the version is in its memo.

    NetSuite lets no line go of which something was fulfilled: such an order is amended no more.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    async def amend(self, order: SalesOrder, key: str) -> BookedOrder:
        """Raises PermanentFault "not_found" for no open order, "shipped" where something was fulfilled,
        "total_differs" if the sums are not the channel's afterwards."""
        options = self._records.options
        items = await self._records.item_ids(skus_of(order, options))
        async with self._records.writers.alone(order.reference):
            standing = await self._standing(order.reference)
            if mapping.version_of(standing) > order.version:
                return booked(standing, options)  # an older version that comes late
            differs = mapping.differences(standing, order, options, items)
            if differs or mapping.version_of(standing) != order.version:
                if mapping.gone(standing):
                    raise PermanentFault(
                        f"order {order.reference} has lines that were fulfilled: NetSuite replaces none of them",
                        code="shipped",
                    )
                body = mapping.amended_json(order, options, items)
                await self._records.change("salesOrder", standing.id, body, key, replacing="item")
                standing = await self._standing(order.reference)
        difference = untied(order, mapping.total_minor(standing, options), mapping.tax_minor(standing, options))
        if difference:
            raise PermanentFault(
                f"order {standing.tran_id} ({order.reference}) is amended, and has other sums: {difference}",
                code="total_differs",
            )
        return booked(standing, options)

    async def _standing(self, reference: str) -> Order:
        standing = await self._records.order(reference)
        over = (ErpOrderStatus.CANCELLED, ErpOrderStatus.CLOSED)
        if standing is None or mapping.state_of(standing) in over:
            raise PermanentFault(f"NetSuite has no open order {reference} to amend", code="not_found")
        return standing
