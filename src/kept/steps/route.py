"""Route: choose the centres that keep the promise with the stock there is, and reserve it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from kept.domain.events import OrderRouted
from kept.domain.progress import Order
from kept.domain.routing import Demand, NoPlan, Plan, departure, plan, take
from kept.engine.outcome import Done, Outcome, Reject, Wait
from kept.steps.ports import Ports

# How soon an order without stock is looked at again: centres count far less often than this.
_LOOK_AGAIN = timedelta(seconds=60)


async def route(orders: Sequence[Order], ports: Ports) -> Sequence[Outcome]:
    demands = [demand_of(order) for order in orders]
    stock = await ports.availability.available({line.sku for d in demands for line in d.lines})
    now = ports.clock()
    departures = {centre.name: departure(centre, now) for centre in ports.routing.centres}
    outcomes: list[Outcome] = []
    for demand in demands:
        if not demand.lines:  # an amendment that took pieces away: what is left is where it was
            outcomes.append(Done([OrderRouted((), late=False, ruled_out=(), policy=ports.routing.name)]))
            continue
        decision = plan(demand, stock, ports.routing, departures)
        match decision:
            case Plan(parts=parts, late=late, ruled_out=ruled_out):
                take(parts, stock)
                outcomes.append(Done([OrderRouted(parts, late, ruled_out, ports.routing.name)]))
            case NoPlan(ruled_out=ruled_out, exhausted=True):
                outcomes.append(Reject("no centre is left: " + "; ".join(ruled_out), "no_centre_left"))
            case NoPlan(ruled_out=ruled_out):
                outcomes.append(Wait(now + _LOOK_AGAIN, "not in stock: " + "; ".join(ruled_out)))
    return outcomes


def demand_of(order: Order) -> Demand:
    """What is still to be routed of an order."""
    content = order.content
    assert content.ship_to is not None, "validate holds an order without an address"
    return Demand(
        lines=order.unrouted(),
        weights_g={line.line_no: line.weight_g for line in content.lines},
        country=content.ship_to.country,
        ship_by=content.promise.ship_by,
        deliver_by=content.promise.deliver_by,
        refused=order.refused(),
    )
