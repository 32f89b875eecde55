"""Where the pieces of an order's lines stand at Walmart. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from kept.connectors.channels.walmart.codes import STATUSES, Pieces
from kept.connectors.channels.walmart.schemas import (
    LineBody,
    Number,
    OrderBody,
    asks_to_cancel,
    lines_of,
    number_of,
    statuses_of,
)
from kept.connectors.wire import QUANTITY_MAX
from kept.ports import BadMessage

_WHOLE = re.compile(r"([0-9]{1,9})(?:\.0+)?")


@dataclass(frozen=True, slots=True)
class LineStanding:
    """A line's pieces by where they are, and by tracking number those that have one."""

    pieces: Mapping[Pieces, int]
    asks_to_cancel: bool
    tracked: Mapping[str, int] = field(default_factory=dict)

    @property
    def open(self) -> int:
        """Pieces that can still be shipped or cancelled."""
        return self.pieces[Pieces.NEW] + self.pieces[Pieces.OPEN]


@dataclass(frozen=True, slots=True)
class Standing:
    """An order at Walmart, by line number."""

    order_id: str
    method_code: str
    lines: Mapping[str, LineStanding]


def standing_of(order: OrderBody) -> Standing:
    """Raises BadMessage for a status or a quantity that can't be read."""
    return Standing(
        order.purchase_order_id,
        order.shipping_info.method_code or "",
        {number_of(line): _line(line, f"$.orderLines[{index}]") for index, line in enumerate(lines_of(order))},
    )


def pieces_of(line: LineBody, where: str) -> dict[Pieces, int]:
    """A line's pieces by where they are. Raises BadMessage."""
    found = dict.fromkeys(Pieces, 0)
    for index, each in enumerate(statuses_of(line)):
        at = f"{where}.orderLineStatuses[{index}]"
        state = STATUSES.get(each.status)
        if state is None:
            raise BadMessage(f"unknown line status {each.status[:40]!r}", where=f"{at}.status")
        found[state] += whole_number(each.status_quantity.amount, f"{at}.statusQuantity.amount")
    return found


def whole_number(amount: Number, where: str) -> int:
    """A quantity, written as number or text. Raises BadMessage for what is no whole number."""
    match = _WHOLE.fullmatch(str(amount))
    if match is None or int(match[1]) > QUANTITY_MAX:
        raise BadMessage(f"the quantity {str(amount)[:40]!r} is no whole number up to {QUANTITY_MAX}", where=where)
    return int(match[1])


def _line(line: LineBody, where: str) -> LineStanding:
    tracked: dict[str, int] = {}
    for each in statuses_of(line):
        number = each.tracking_info.tracking_number if each.tracking_info else None
        if number:
            tracked[number] = tracked.get(number, 0) + whole_number(each.status_quantity.amount, where)
    return LineStanding(pieces_of(line, where), asks_to_cancel(line), tracked)
