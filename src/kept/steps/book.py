"""Book: the ERP holds one sales order, however often we ask."""

from __future__ import annotations

from kept.domain.events import OrderBooked
from kept.domain.keys import effect_key
from kept.domain.progress import Order
from kept.engine.outcome import Done, Outcome, Reject
from kept.ports import BookedOrder, Effect, SalesOrder, SalesOrderLine
from kept.steps.ports import Ports


async def book(order: Order, ports: Ports) -> Outcome:
    if order.erp_order_id:
        # Routed anew after a centre refused: the sale itself is unchanged.
        return Done([OrderBooked(order.erp_order_id, adopted=True)])
    request = sales_order(order)
    booking = ports.erp.booking
    effect = Effect(book_key(order), f"erp:{ports.erp.name}", "book", request)
    booked = await ports.own_effects.perform(
        effect,
        lambda: booking.book(request, effect.key),
        answer_type=BookedOrder,
        find=lambda: booking.find_order(order.reference),
        honours_key=booking.honours_key,
        write_horizon=booking.write_horizon,
    )
    if (booked.total_minor, booked.currency) != (request.total_minor, request.currency):
        return Reject(
            f"the ERP has {order.reference} as {booked.erp_order_id} with another total: "
            f"{booked.total_minor} {booked.currency}, ours {request.total_minor} {request.currency}",
            "erp_total_differs",
        )
    return Done([OrderBooked(booked.erp_order_id, adopted=False)])


def book_key(order: Order) -> str:
    return effect_key(order.reference, "book")


def sales_order(order: Order) -> SalesOrder:
    """What the ERP is asked to book: the channel's own amounts, tax included, never recomputed."""
    content = order.content
    assert content.ship_to is not None, "validate holds an order without an address"
    return SalesOrder(
        reference=order.reference,
        channel=content.account,
        channel_number=content.number,
        customer_id=order.customer_id,
        currency=content.currency,
        placed_at=content.placed_at,
        ship_to=content.ship_to,
        lines=tuple(
            SalesOrderLine(
                line_no=line.line_no,
                sku=line.sku,
                quantity=line.quantity,
                unit_price_minor=line.unit_price_minor,
                discount_minor=line.discount_minor,
                tax_minor=line.tax_minor,
            )
            for line in content.lines
            if line.quantity > 0
        ),
        shipping_minor=content.shipping_minor,
        shipping_tax_minor=content.shipping_tax_minor,
        total_minor=content.total_minor,
    )
