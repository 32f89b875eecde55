"""Book: the ERP holds one sales order, however often we ask, and it says what the order says."""

from __future__ import annotations

from kept.domain.events import ErpNotAmended, OrderBooked, OrderHeld
from kept.domain.holds import REFUSED_BOOKINGS
from kept.domain.keys import effect_key
from kept.domain.progress import Order
from kept.domain.values import changed
from kept.engine.interfaces import EffectStanding
from kept.engine.outcome import Done, Outcome, Wait
from kept.ports import AmendOrder, BookedOrder, Effect, PermanentFault
from kept.steps.clearance import clear, sales_order
from kept.steps.ports import Ports


async def book(order: Order, ports: Ports) -> Outcome:
    if not order.customer_id:
        # The ERP could not be asked when the order was validated.
        cleared = await clear(order, ports)
        if isinstance(cleared, OrderHeld):
            return Done([cleared])
        order = changed(order, customer_id=cleared)
    try:
        return await _book_or_amend(order, ports)
    except PermanentFault as fault:
        held_for = REFUSED_BOOKINGS.get(fault.code)
        if held_for is None:
            raise
        return Done([OrderHeld(held_for, str(fault))])


async def _book_or_amend(order: Order, ports: Ports) -> Outcome:
    if order.erp_order_id:
        # Routed anew after a centre refused, or amended.
        return await _bring_up_to_date(order, order.erp_order_id, order.booked_version, ports)
    earlier = await booking_begun(order, ports, before=order.version)
    if earlier is not None:
        # Amended while its booking was under way: what arrived of that is the order to amend.
        there = await ports.erp.booking.find_order(order.reference)
        if there is not None:
            return await _bring_up_to_date(order, there.erp_order_id, 0, ports)
        settled_at = earlier.settled_at + ports.erp.booking.write_horizon
        if earlier.status != "confirmed" and ports.clock() < settled_at:
            return Wait(settled_at, "the booking of what the order said before may still arrive")
    return await _booked(order, await _book(order, ports), ports)


async def _book(order: Order, ports: Ports) -> BookedOrder:
    request = sales_order(order)
    booking = ports.erp.booking
    effect = Effect(book_key(order.reference, order.version), f"erp:{ports.erp.name}", "book", request)
    return await ports.own_effects.perform(
        effect,
        lambda: booking.book(request, effect.key),
        answer_type=BookedOrder,
        find=lambda: booking.find_order(order.reference),
        honours_key=booking.honours_key,
        write_horizon=booking.write_horizon,
    )


async def _bring_up_to_date(order: Order, erp_order_id: str, booked_version: int, ports: Ports) -> Outcome:
    """The order is in the ERP as `booked_version` (0: as an earlier one)."""
    if booked_version == order.version:
        return Done([OrderBooked(erp_order_id, adopted=True)])
    if ports.erp.amendment is None:
        why = f"erp {ports.erp.name} can't amend orders"
        return Done([ErpNotAmended(why), OrderBooked(erp_order_id, adopted=True)])
    beyond = _shipped_beyond(order)
    if beyond:
        # What was delivered stays in the ERP's order; what came back of it is a return there, with its credit note.
        why = f"more shipped than the channel still counts: {beyond}"
        return Done([ErpNotAmended(why), OrderBooked(erp_order_id, adopted=True)])
    return await _booked(order, await _amend(order, ports.erp.amendment, ports), ports)


async def _amend(order: Order, port: AmendOrder, ports: Ports) -> BookedOrder:
    request = sales_order(order)
    effect = Effect(effect_key(order.reference, "amend", order.version), f"erp:{ports.erp.name}", "amend", request)
    return await ports.own_effects.perform(
        effect,
        lambda: port.amend(request, effect.key),
        answer_type=BookedOrder,
        find=None,
        honours_key=True,  # the port's contract: doing it twice is doing it once
    )


async def _booked(order: Order, booked: BookedOrder, ports: Ports) -> Outcome:
    ours = (order.content.total_minor, order.content.currency)
    if (booked.total_minor, booked.currency) != ours:
        # What it answered once may have been put right there since.
        booked = await ports.erp.booking.find_order(order.reference) or booked
    if (booked.total_minor, booked.currency) != ours:
        return Done(
            [
                OrderHeld(
                    "erp_total_differs",
                    f"the ERP has {order.reference} as {booked.erp_order_id} with another total: "
                    f"{booked.total_minor} {booked.currency}, ours {ours[0]} {ours[1]}; put it right there, then"
                    " let the order go",
                )
            ]
        )
    return Done([OrderBooked(booked.erp_order_id, adopted=False)])


async def booking_begun(order: Order, ports: Ports, *, before: int) -> EffectStanding | None:
    """Where the latest booking that may have arrived stands, of the order's versions up to (not including) `before`."""
    latest: EffectStanding | None = None
    for version in range(1, before):
        standing = await ports.effect_standings.standing(book_key(order.reference, version))
        if standing is not None and standing.status != "refused":
            latest = standing
    return latest


def book_key(reference: str, version: int) -> str:
    """The key of booking that version of an order's content."""
    return effect_key(reference, "book", version)


def _shipped_beyond(order: Order) -> str:
    """Lines of which more has shipped than the content says any more, for people; "" when there are none."""
    counted = {line.line_no: line.quantity for line in order.content.lines}
    return ", ".join(
        f"line {line.line_no}: {line.shipped}, not {counted.get(line.line_no, 0)}"
        for line in order.lines
        if line.shipped > counted.get(line.line_no, 0)
    )
