"""Tells Shopify of shipments, by its Admin GraphQL API.

Shopify has no idempotency key for fulfillmentCreate. A second try is safe because it looks first: what
fulfilments with our tracking numbers cover is not fulfilled again.
"""

from __future__ import annotations

from functools import partial

from kept.connectors.channels.shopify import answers, fulfilling, queries, schemas
from kept.connectors.channels.shopify.graphql import execute
from kept.connectors.http import HttpTarget
from kept.ports import ChannelShipment, Confirmation, PermanentFault

_PAGES_MAX = 20  # of anything: 200 fulfilment orders, or 5,000 lines, are beyond any order


class ShopifyConfirm:
    """`kept.ports.ConfirmShipment` for one shop. Raises the faults of `HttpTarget.call`."""

    honours_key = False

    def __init__(self, target: HttpTarget) -> None:
        self._target = target

    async def confirm(self, confirmation: Confirmation, key: str) -> ChannelShipment:
        """Fulfil what was shipped and is not yet fulfilled; with nothing shipped, nothing is sent."""
        wanted = fulfilling.shipped_pieces(confirmation)
        if not wanted:
            return ChannelShipment("")
        order = await self._order(confirmation)
        if order is None:
            raise PermanentFault(
                f"{self._target.name} has no order {confirmation.channel_order_id}", code="order_unknown"
            )
        ours = await self._ours(order, confirmation)
        left = fulfilling.left_pieces(wanted, fulfilling.done_pieces(ours))
        ids = [fulfilling.number_of(fulfilment.id) for fulfilment in ours]
        if left:
            orders = await self._fulfilment_orders(order, confirmation)
            for place in fulfilling.match(confirmation, left, orders):
                ids.append(await self._create(confirmation, place, key))
        return ChannelShipment(",".join(ids))

    async def find(self, confirmation: Confirmation) -> ChannelShipment | None:
        """The fulfilments with our tracking numbers, if they cover all that was shipped."""
        wanted = fulfilling.shipped_pieces(confirmation)
        order = await self._order(confirmation) if wanted else None
        if order is None:
            return None
        ours = await self._ours(order, confirmation)
        if fulfilling.left_pieces(wanted, fulfilling.done_pieces(ours)):
            return None
        return ChannelShipment(",".join(fulfilling.number_of(fulfilment.id) for fulfilment in ours))

    async def _create(self, confirmation: Confirmation, place: fulfilling.LocationPieces, key: str) -> str:
        variables = {"fulfillment": fulfilling.fulfilment_input(confirmation, place)}
        read = partial(answers.created, reference=confirmation.fulfilment_ref)
        return await execute(self._target, queries.CREATE, variables, read, key=key)

    # -------------------------------------------------------------- whole lists, page by page

    async def _order(self, confirmation: Confirmation, after: str | None = None) -> schemas.OrderNode | None:
        gid = fulfilling.order_gid(confirmation.channel_order_id)
        variables = {"id": gid} | ({"after": after} if after else {})
        return await execute(self._target, queries.ORDER, variables, partial(answers.order, gid=gid))

    async def _fulfilment_orders(
        self, order: schemas.OrderNode, confirmation: Confirmation
    ) -> list[schemas.FulfilmentOrder]:
        """All fulfilment orders with all their lines."""
        found = list(order.fulfillment_orders.nodes)
        page: schemas.OrderNode | None = order
        for _ in range(_PAGES_MAX):
            if page is None or not page.fulfillment_orders.page_info.has_next_page:
                break
            page = await self._order(confirmation, page.fulfillment_orders.page_info.end_cursor)
            found += page.fulfillment_orders.nodes if page else ()
        for each in found:
            await self._complete(each.id, each.line_items, queries.FULFILMENT_ORDER_LINES, answers.open_lines)
        return found

    async def _ours(self, order: schemas.OrderNode, confirmation: Confirmation) -> list[schemas.Fulfilment]:
        """The fulfilments that are this shipment's, with all their lines."""
        numbers = fulfilling.tracking_numbers(confirmation)
        ours = [each for each in order.fulfillments if fulfilling.is_ours(each, numbers)]
        if not ours and len(order.fulfillments) >= queries.FULFILMENTS_MAX:
            raise PermanentFault(
                f"Shopify's order {confirmation.channel_order_id} has {queries.FULFILMENTS_MAX} fulfilments or "
                f"more, and ours may be among those we are not shown: fulfil {confirmation.fulfilment_ref} there",
                code="too_many_fulfilments",
            )
        for each in ours:
            await self._complete(each.id, each.fulfillment_line_items, queries.FULFILMENT_LINES, answers.shipped_items)
        return ours

    async def _complete(
        self,
        gid: str,
        lines: schemas.Lines[schemas.Line],
        operation: queries.Operation,
        read: answers.ReadLines[schemas.Line],
    ) -> None:
        """Put the lines of the further pages into `lines`."""
        for _ in range(_PAGES_MAX):
            if not lines.page_info.has_next_page:
                return
            variables = {"id": gid, "after": lines.page_info.end_cursor}
            page = await execute(self._target, operation, variables, read)
            lines.nodes.extend(page.nodes)
            lines.page_info = page.page_info
