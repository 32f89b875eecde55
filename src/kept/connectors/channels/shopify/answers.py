"""Shopify's GraphQL data -> values of ours. Pure; each raises UnexpectedAnswer for what was not asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from kept.connectors.answers import UnexpectedAnswer, masked, same
from kept.connectors.channels.shopify.fulfilling import number_of
from kept.connectors.channels.shopify.schemas import (
    CreatedData,
    FulfilmentLinesData,
    FulfilmentOrderLinesData,
    Lines,
    OpenLine,
    OrderData,
    OrderNode,
    ShippedItem,
)
from kept.ports import PermanentFault

AnyLine = TypeVar("AnyLine")
ReadLines = Callable[[Any], Lines[AnyLine]]


def order(data: Any, gid: str) -> OrderNode | None:
    found = msgspec.convert(data, OrderData).order
    if found is not None:
        same("the order", gid, found.id)
    return found


def shipped_items(data: Any) -> Lines[ShippedItem]:
    found = msgspec.convert(data, FulfilmentLinesData).fulfillment
    if found is None:
        raise UnexpectedAnswer("the fulfilment that was just listed is not there")
    return found.fulfillment_line_items


def open_lines(data: Any) -> Lines[OpenLine]:
    found = msgspec.convert(data, FulfilmentOrderLinesData).fulfillment_order
    if found is None:
        raise UnexpectedAnswer("the fulfilment order that was just listed is not there")
    return found.line_items


def created(data: Any, reference: str) -> str:
    """The new fulfilment's number. Raises PermanentFault "user_error" with Shopify's words for a refusal."""
    answer = msgspec.convert(data, CreatedData).fulfillment_create
    if answer is not None and answer.user_errors:
        error = answer.user_errors[0]
        raise PermanentFault(
            f"Shopify refused to fulfil {reference}: {masked(error.message)} ({'.'.join(error.field or ())})",
            code="user_error",
        )
    if answer is None or answer.fulfillment is None:
        raise UnexpectedAnswer("there is neither a fulfilment nor an error")
    return number_of(answer.fulfillment.id)
