"""The columns of a CSV file of orders: where each stands in the order's JSON, and what may stand in it.

The table for people is docs/guides/order-files.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import msgspec

from kept.connectors.channels.inhouse.codes import PAYMENTS
from kept.connectors.channels.inhouse.schemas import LineBody, OrderBody, PromiseBody
from kept.connectors.wire import AddressBody, Moment

_TIME = "write a time with its offset, such as 2026-11-03T09:30:00Z"
_AMOUNT = "write an amount with a point, such as 12.50, and no thousands separator"
_WHOLE = "write a whole number, such as 2"
_YES_NO = "write true or false"
_TEXT = "write 1 to 200 characters"
_OTHER = "put the value right"
_BOOLEANS = {"true": True, "false": False}
_INTEGER_DIGITS_MAX = 12  # beyond any limit of ours, and few enough to convert


class WrongCell(Exception):
    """A cell that can't be what its column holds; the text says why."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `path` is where it stands in the order, or in its line where `of_line`."""

    name: str
    path: tuple[str, ...]
    kind: Any
    advice: str
    of_line: bool = False
    required: bool = False  # in the header, and with a value in the first row of an order (in each row, `of_line`)

    def read(self, cell: str) -> Any:
        """The JSON value that a cell stands for. Raises WrongCell."""
        base = _base(self.kind)
        value: Any = cell
        if base is bool:
            if cell.lower() not in _BOOLEANS:
                raise WrongCell("it is neither true nor false")
            value = _BOOLEANS[cell.lower()]
        elif base is int:
            if not (cell.isascii() and cell.isdecimal() and len(cell) <= _INTEGER_DIGITS_MAX):
                raise WrongCell("it is not a whole number")
            value = int(cell)
        try:
            msgspec.convert(value, self.kind, strict=True)
        except msgspec.ValidationError as error:
            raise WrongCell(str(error).partition(" - at ")[0]) from error
        return value


def _base(kind: Any) -> Any:
    """The plain type under an annotation with limits; `Moment | None` is a moment."""
    if kind == Moment | None:
        return Moment
    return get_args(kind)[0] if hasattr(kind, "__metadata__") else kind


def _kinds(struct: type[msgspec.Struct]) -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(struct)}


_OF_ORDER, _OF_LINE = _kinds(OrderBody), _kinds(LineBody)
_OF_ADDRESS, _OF_PROMISE = _kinds(AddressBody), _kinds(PromiseBody)


def _order(name: str, advice: str, *, member: str = "", required: bool = False) -> Column:
    return Column(name, (member or name,), _OF_ORDER[member or name], advice, required=required)


def _line(name: str, advice: str, *, member: str = "", required: bool = False) -> Column:
    return Column(name, (member or name,), _OF_LINE[member or name], advice, of_line=True, required=required)


_ALL = (
    _order("order_id", _TEXT, member="id", required=True),
    _order("number", _TEXT),
    _order("revision", _TIME, required=True),
    _order("currency", "write the ISO 4217 code in capitals, such as EUR", required=True),
    _order("placed_at", _TIME, required=True),
    _order("payment", f"write one of {', '.join(PAYMENTS)}", required=True),
    _order("total", _AMOUNT, required=True),
    *(_order(name, _AMOUNT) for name in ("shipping", "shipping_tax", "refunded")),
    *(
        _order(name, _YES_NO)
        for name in ("cancelled", "cancel_requested", "test", "fulfilled_by_channel", "already_shipped", "tax_included")
    ),
    _order("acknowledge_by", _TIME),
    *(_order(name, _OTHER) for name in ("hold", "email", "phone")),
    *(Column(name, ("promise", name), _OF_PROMISE[name], _TIME, required=True) for name in ("ship_by", "deliver_by")),
    Column("service", ("promise", "service"), _OF_PROMISE["service"], _OTHER),
    *(
        Column(
            f"ship_to_{name}",
            ("ship_to", name),
            kind,
            "write the ISO 3166-1 code in capitals, such as FR" if name == "country" else _OTHER,
        )
        for name, kind in _OF_ADDRESS.items()
    ),
    _line("line_id", _TEXT, member="id", required=True),
    _line("sku", _OTHER, required=True),
    _line("title", _OTHER),
    _line("quantity", _WHOLE, required=True),
    _line("cancelled_quantity", _WHOLE),
    _line("unit_price", _AMOUNT, required=True),
    _line("discount", _AMOUNT),
    _line("tax", _AMOUNT),
    _line("weight_g", "write whole grams, such as 350"),
    _line("requires_shipping", _YES_NO),
    _line("gift", _YES_NO),
    _line("cancel_line", _YES_NO, member="cancel_requested"),
)
COLUMNS: Mapping[str, Column] = {column.name: column for column in _ALL}
REQUIRED = tuple(column.name for column in _ALL if column.required)
# An order without a SKU is held for a person, not refused.
MAY_BE_EMPTY = frozenset({"sku"})
