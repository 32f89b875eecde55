"""Posting shipments: the order's open delivery is set to what went, and validated; the rest becomes a backorder.

A delivery has no field for a reference of ours but its source document, `origin`, which a backorder copies: only a
delivery that is done is a shipment that was posted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from html import escape
from typing import Any

from kept.connectors.erp_amounts import pieces_of, seen_again
from kept.connectors.erp_roles import line_no_of
from kept.connectors.erps.odoo.booking import OdooBooking
from kept.connectors.erps.odoo.codes import status_of
from kept.connectors.erps.odoo.rpc import search, whatever
from kept.connectors.erps.odoo.sales import Sales
from kept.connectors.erps.odoo.schemas import Move, Order, Picking, fields_of
from kept.ports import (
    ErpOrderStatus,
    PermanentFault,
    PostedShipment,
    ShipmentPosting,
    TemporaryFault,
)

_OPEN = ("draft", "waiting", "confirmed", "assigned")
# Without them `button_validate` answers with a question to a person and does nothing (addons stock, stock_sms).
_NO_QUESTIONS = {"skip_backorder": True, "skip_sms": True}


class OdooShipments:
    """Posted once per reference: looked for before, and staged and checked by one writer of the order at a time.

    What remains possible: another process stages another shipment of the same order between our last look and the
    validation. What was posted is compared afterwards, and a difference is a PermanentFault "shipment_differs".
    """

    honours_key = False
    write_horizon: timedelta = OdooBooking.write_horizon

    def __init__(self, sales: Sales) -> None:
        self._sales = sales

    async def find_shipment(self, posting: ShipmentPosting) -> PostedShipment | None:
        domain = [["origin", "=", posting.reference], ["state", "=", "done"]]
        found = await self._pickings(domain)
        if not found:
            return None
        if len(found) > 1:
            names = ", ".join(picking.name for picking in found[:10])
            raise PermanentFault(f"there are several deliveries {posting.reference} ({names})", code="ambiguous")
        moves = await self._moves([found[0].id])
        order = await self._order(posting)
        went = _by_line(moves, await self._numbers(order))
        if went != pieces_of(posting):
            raise PermanentFault(
                f"delivery {found[0].name} ({posting.reference}) has {dict(went)} by line, "
                f"asked {dict(pieces_of(posting))}",
                code="shipment_differs",
            )
        return PostedShipment(found[0].name)

    async def post_shipment(self, posting: ShipmentPosting, key: str) -> PostedShipment:
        """Raises PermanentFault "not_found" for no open order, "nothing_to_ship" if no open delivery has the pieces."""
        found = await self.find_shipment(posting)
        if found is not None:
            return found
        async with self._sales.writers.alone(posting.order_reference):
            found = await self.find_shipment(posting)
            if found is not None:
                return found
            picking = await self._stage(posting, key)
            answer = await self._sales.rpc.call(
                "stock.picking", "button_validate", whatever, {}, ids=[picking.id], context=_NO_QUESTIONS, key=key
            )
            if answer is not True:
                raise PermanentFault(
                    f"Odoo asks a question before it validates {picking.name}: {_asked(answer)}; answer it there, "
                    "then replay",
                    code="needs_answer",
                )
            return await seen_again(f"shipment {posting.reference}", lambda: self.find_shipment(posting))

    async def _stage(self, posting: ShipmentPosting, key: str) -> Picking:
        """Say on an open delivery what goes now, and see that it is so."""
        order = await self._order(posting)
        numbers = await self._numbers(order)
        open_ones = await self._pickings(
            [["sale_id", "=", order.id], ["picking_type_code", "=", "outgoing"], ["state", "in", _OPEN]]
        )
        moves = await self._moves([picking.id for picking in open_ones])
        for picking in open_ones:
            own = [move for move in moves if move.picking_id and move.picking_id[0] == picking.id]
            going = _going(own, numbers, pieces_of(posting))
            if going is not None:
                break
        else:
            raise PermanentFault(
                f"no open delivery of {order.name} has {dict(pieces_of(posting))} left by line to ship "
                f"{posting.reference} of",
                code="nothing_to_ship",
            )
        values = {
            "origin": posting.reference,
            "note": _note(posting),
            "move_ids": [[1, move.id, {"quantity": going.get(move.id, 0), "picked": move.id in going}] for move in own],
        }
        await self._sales.rpc.call("stock.picking", "write", whatever, {"vals": values}, ids=[picking.id], key=key)
        staged = {move.id: int(move.quantity) for move in await self._moves([picking.id]) if move.picked}
        (now,) = await self._pickings([["id", "=", picking.id]])
        if staged != going or now.origin != posting.reference or now.state == "done":
            raise TemporaryFault(f"somebody else is changing delivery {picking.name}; nothing was posted")
        return picking

    async def _order(self, posting: ShipmentPosting) -> Order:
        order = await self._sales.order(posting.order_reference)
        if order is None or status_of(order.state) is not ErpOrderStatus.OPEN:
            raise PermanentFault(
                f"Odoo has no open order {posting.order_reference} to ship {posting.reference} of", code="not_found"
            )
        return order

    async def _numbers(self, order: Order) -> dict[int, int]:
        """Our line numbers by the ids of Odoo's lines."""
        lines = await self._sales.lines_of(order)
        return {line.id: line_no_of(role) for role, line in lines.items()}

    async def _pickings(self, domain: Sequence[object]) -> list[Picking]:
        return await search(self._sales.rpc, "stock.picking", domain, fields_of(Picking), Picking)

    async def _moves(self, picking_ids: Sequence[int]) -> list[Move]:
        domain = [["picking_id", "in", list(picking_ids)], ["state", "!=", "cancel"]]
        return await search(self._sales.rpc, "stock.move", domain, fields_of(Move), Move) if picking_ids else []


def _going(moves: Sequence[Move], numbers: Mapping[int, int], pieces: Mapping[int, int]) -> dict[int, int] | None:
    """Pieces by move; None if these moves have not as many left."""
    going: dict[int, int] = {}
    for line_no, wanted in pieces.items():
        left = wanted
        for move in moves:
            if move.sale_line_id and numbers.get(move.sale_line_id[0]) == line_no and left:
                some = min(left, int(move.product_uom_qty))
                if some:
                    going[move.id] = some
                left -= some
        if left:
            return None
    return going


def _by_line(moves: Sequence[Move], numbers: Mapping[int, int]) -> Counter[int]:
    went: Counter[int] = Counter()
    for move in moves:
        if move.sale_line_id and move.state == "done":
            went[numbers.get(move.sale_line_id[0], 0)] += int(move.quantity)
    return went


def _note(posting: ShipmentPosting) -> str:
    """Carriers and tracking numbers; the delivery's note is HTML."""
    parcels = (f"{package.carrier} {package.tracking} ({package.sscc})" for package in posting.packages)
    return "".join(f"<p>{escape(parcel)}</p>" for parcel in parcels)


def _asked(answer: Any) -> str:
    return str(answer.get("res_model", "")) if isinstance(answer, dict) else type(answer).__name__
