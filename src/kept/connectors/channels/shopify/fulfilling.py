"""Which of Shopify's fulfilment orders a shipment of ours fulfils. Pure.

Shopify fulfils *fulfilment orders*, not order lines, and one fulfilment covers one location only: where
Shopify spread an order over locations, one shipment of ours becomes one fulfilment per location.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kept.connectors.channels.shopify.codes import CREATE_FULFILMENT, DEAD_FULFILMENTS
from kept.connectors.channels.shopify.schemas import Fulfilment, FulfilmentOrder
from kept.ports import Confirmation, PermanentFault

_NOTIFY_CUSTOMER = True  # the buyer learns of the shipment from the shop, as of one that was made by hand


@dataclass(slots=True)
class LocationPieces:
    """What is to be fulfilled at one location: fulfilment order -> its line -> pieces."""

    pieces: dict[str, dict[str, int]] = field(default_factory=dict)


def shipped_pieces(confirmation: Confirmation) -> dict[str, int]:
    """Pieces that we shipped, by Shopify's line id. Raises PermanentFault for a line that it never had."""
    pieces: dict[str, int] = {}
    for package in confirmation.packages:
        for line in package.lines:
            line_id = confirmation.line_ids.get(line.line_no)
            if line_id is None:
                raise PermanentFault(
                    f"{confirmation.fulfilment_ref}: line {line.line_no} is not in Shopify's order "
                    f"{confirmation.channel_order_id}",
                    code="line_unknown",
                )
            pieces[line_id] = pieces.get(line_id, 0) + line.quantity
    return pieces


def tracking_numbers(confirmation: Confirmation) -> list[str]:
    """The packages' tracking numbers, each once, in the packages' order."""
    return list(dict.fromkeys(package.tracking for package in confirmation.packages if package.tracking))


def is_ours(fulfilment: Fulfilment, numbers: Sequence[str]) -> bool:
    """Whether a fulfilment that still stands has exactly our tracking numbers."""
    theirs = {tracking.number for tracking in fulfilment.tracking_info}
    return fulfilment.status not in DEAD_FULFILMENTS and bool(numbers) and theirs == set(numbers)


def done_pieces(ours: Sequence[Fulfilment]) -> dict[str, int]:
    """Pieces that fulfilments already cover, by line id."""
    done: dict[str, int] = {}
    for fulfilment in ours:
        for item in fulfilment.fulfillment_line_items.nodes:
            line_id = number_of(item.line_item.id)
            done[line_id] = done.get(line_id, 0) + (item.quantity or 0)
    return done


def left_pieces(wanted: Mapping[str, int], done: Mapping[str, int]) -> dict[str, int]:
    """What is still to be fulfilled; only lines with pieces left."""
    left = {line_id: quantity - done.get(line_id, 0) for line_id, quantity in wanted.items()}
    return {line_id: quantity for line_id, quantity in left.items() if quantity > 0}


def match(
    confirmation: Confirmation, left: Mapping[str, int], orders: Sequence[FulfilmentOrder]
) -> list[LocationPieces]:
    """Open fulfilment orders' lines for all pieces that are left, by location.

    Only fulfilment orders that we may fulfil: those on hold, and those that another app serves, offer no
    such action. Raises PermanentFault, before anything is sent, if not every piece has its place.
    """
    need = dict(left)
    places: dict[str, LocationPieces] = {}
    for order in orders:
        if not any(action.action == CREATE_FULFILMENT for action in order.supported_actions):
            continue
        location = order.assigned_location.location
        for line in order.line_items.nodes:
            line_id = number_of(line.line_item.id)
            taken = min(need.get(line_id, 0), line.remaining_quantity)
            if taken > 0:
                need[line_id] -= taken
                place = places.setdefault(location.id if location else "", LocationPieces())
                place.pieces.setdefault(order.id, {})[line.id] = taken
    missing = {line_id: quantity for line_id, quantity in need.items() if quantity}
    if missing:
        states = ", ".join(sorted({order.status for order in orders})) or "none"
        raise PermanentFault(
            f"{confirmation.fulfilment_ref}: Shopify's order {confirmation.channel_order_id} is not open for "
            f"{sum(missing.values())} shipped pieces of lines {', '.join(sorted(missing))}; its fulfilment orders "
            f"are {states}. Open or fulfil them there, then replay",
            code="not_fulfillable",
        )
    return list(places.values())


def fulfilment_input(confirmation: Confirmation, place: LocationPieces) -> dict[str, Any]:
    """The FulfillmentInput for what is fulfilled at one location."""
    numbers = tracking_numbers(confirmation)
    tracking: dict[str, Any] = {}
    carriers = {package.carrier for package in confirmation.packages if package.carrier}
    if len(carriers) == 1:
        # Of several carriers Shopify takes none, and guesses each from its number.
        tracking["company"] = carriers.pop()
    if len(numbers) == 1:
        tracking["number"] = numbers[0]
    elif numbers:
        tracking["numbers"] = numbers
    return {
        "lineItemsByFulfillmentOrder": [
            {
                "fulfillmentOrderId": order_id,
                "fulfillmentOrderLineItems": [{"id": line, "quantity": pieces} for line, pieces in lines.items()],
            }
            for order_id, lines in place.pieces.items()
        ],
        "trackingInfo": tracking,
        "notifyCustomer": _NOTIFY_CUSTOMER,
    }


def order_gid(order_id: str) -> str:
    return f"gid://shopify/Order/{order_id}"


def number_of(gid: str) -> str:
    """ "123" of "gid://shopify/LineItem/123"."""
    return gid.rpartition("/")[2].partition("?")[0]
