"""Shopify's GraphQL data -> values of ours. Pure; each raises UnexpectedAnswer for what was not asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from kept.connectors.answers import UnexpectedAnswer, masked, same
from kept.connectors.channels.shopify.codes import AVAILABLE, CANCEL_ERRORS
from kept.connectors.channels.shopify.fulfilling import number_of
from kept.connectors.channels.shopify.schemas import (
    CancelJob,
    CancelJobData,
    CancellationData,
    CancellationNode,
    CancelledData,
    CodedError,
    CreatedData,
    FulfilmentLinesData,
    FulfilmentOrderLinesData,
    Items,
    ItemsData,
    Lines,
    LocationsData,
    OpenLine,
    OrderData,
    OrderNode,
    PageInfo,
    QuantitiesSetData,
    ShippedItem,
    StockLevelsData,
)
from kept.connectors.meanings import Meaning, fault_of
from kept.ports import PermanentFault

AnyLine = TypeVar("AnyLine")
ReadLines = Callable[[Any], Lines[AnyLine]]


def order(data: Any, gid: str) -> OrderNode | None:
    found = msgspec.convert(data, OrderData).order
    if found is not None:
        same("the order", gid, found.id)
        next_cursor(found.fulfillment_orders.page_info)
        for fulfilment in found.fulfillments:
            next_cursor(fulfilment.fulfillment_line_items.page_info)
        for fulfilment_order in found.fulfillment_orders.nodes:
            next_cursor(fulfilment_order.line_items.page_info)
    return found


def next_cursor(page: PageInfo) -> str:
    """Where the next page begins; "" after the last one. Without a cursor the first page would come again."""
    if not page.has_next_page:
        return ""
    if not page.end_cursor:
        raise UnexpectedAnswer("there is a next page and no cursor to it")
    return page.end_cursor


def shipped_items(data: Any) -> Lines[ShippedItem]:
    found = msgspec.convert(data, FulfilmentLinesData).fulfillment
    if found is None:
        raise UnexpectedAnswer("the fulfilment that was just listed is not there")
    next_cursor(found.fulfillment_line_items.page_info)
    return found.fulfillment_line_items


def open_lines(data: Any) -> Lines[OpenLine]:
    found = msgspec.convert(data, FulfilmentOrderLinesData).fulfillment_order
    if found is None:
        raise UnexpectedAnswer("the fulfilment order that was just listed is not there")
    next_cursor(found.line_items.page_info)
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


def cancellation(data: Any, gid: str) -> CancellationNode | None:
    found = msgspec.convert(data, CancellationData).order
    if found is not None:
        same("the order", gid, found.id)
    return found


def cancel_begun(data: Any, gid: str, reference: str) -> CancelJob:
    """The job that was taken on, as far as it is. Raises the fault that Shopify's error means by CANCEL_ERRORS."""
    answer = msgspec.convert(data, CancelledData).order_cancel
    if answer is not None and answer.order_cancel_user_errors:
        error = answer.order_cancel_user_errors[0]
        code = error.code or "user_error"
        text = f"Shopify refused to cancel {reference}: {code}: {masked(error.message)}"
        raise fault_of(CANCEL_ERRORS.get(code, Meaning.PERMANENT), text, code)
    job = (answer.job_result or answer.job) if answer is not None else None
    if job is None or not job.id:
        raise UnexpectedAnswer("there is neither a job nor an error")
    if job.order is not None:
        same("the order", gid, job.order.id)
    return job


def cancel_job(data: Any, gid: str) -> CancelJob:
    """The job as it is now, with its order."""
    found = msgspec.convert(data, CancelJobData)
    job = found.node or found.job or CancelJob(done=True)  # Shopify forgets jobs, and none that is still to run
    if found.order is None:
        raise UnexpectedAnswer("the order of the job is not there")
    same("the order", gid, found.order.id)
    job.order = found.order
    return job


def locations(data: Any) -> list[str]:
    return [node.id for node in msgspec.convert(data, LocationsData).locations.nodes]


def items(data: Any) -> Items:
    found = msgspec.convert(data, ItemsData).inventory_items
    next_cursor(found.page_info)
    return found


def stock_levels(data: Any) -> dict[str, int]:
    """What may be sold of each item; an item that is gone, or not stocked at the place, is not among them."""
    found: dict[str, int] = {}
    for item in msgspec.convert(data, StockLevelsData).nodes:
        if item is not None and item.inventory_level is not None:
            quantities = {each.name: each.quantity for each in item.inventory_level.quantities}
            if AVAILABLE in quantities:
                found[item.id] = quantities[AVAILABLE]
    return found


def quantity_errors(data: Any) -> list[CodedError]:
    """What Shopify has against the quantities; none if it took them all."""
    answer = msgspec.convert(data, QuantitiesSetData).inventory_set_quantities
    if answer is None:
        raise UnexpectedAnswer("the quantities' answer is missing")
    return answer.user_errors
