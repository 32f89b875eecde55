"""Withdraw: take out of the ERP what a cancelled order will not deliver."""

from __future__ import annotations

from kept.domain.events import LedgerEvent, OrderCancelled, OrderCompleted, OrderWithdrawn
from kept.domain.keys import effect_key
from kept.domain.progress import Order
from kept.engine.outcome import Done, Outcome, Wait
from kept.ports import Effect, Withdrawal
from kept.steps.book import booking_begun
from kept.steps.ports import Ports


async def withdraw(order: Order, ports: Ports) -> Outcome:
    in_erp = bool(order.erp_order_id)
    if not in_erp:
        standing = await booking_begun(order, ports, before=order.version + 1)
        if standing is None:
            return Done([_end(order)])
        # The booking was on its way when the cancel came: it may have arrived, or still arrive.
        settled_at = standing.settled_at + ports.erp.booking.write_horizon
        if standing.status != "confirmed" and ports.clock() < settled_at:
            return Wait(settled_at, "the booking that was under way may still arrive")
        in_erp = await ports.erp.booking.find_order(order.reference) is not None
    if in_erp:
        effect = Effect(effect_key(order.reference, "withdraw"), f"erp:{ports.erp.name}", "withdraw", order.reference)
        await ports.own_effects.perform(
            effect,
            lambda: ports.erp.withdrawal.withdraw(order.reference, effect.key),
            answer_type=Withdrawal,
            find=None,
            honours_key=True,  # the port's contract: doing it twice is doing it once
        )
    return Done([_end(order)])


def _end(order: Order) -> LedgerEvent:
    if order.cancel_reason:
        return OrderWithdrawn()  # step cancel goes on
    return OrderCompleted() if any(line.shipped for line in order.lines) else OrderCancelled()
