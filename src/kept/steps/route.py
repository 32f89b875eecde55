"""Route: choose the centres that keep the promise with the stock there is, and reserve it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from kept.domain.events import OrderRouted
from kept.domain.progress import Order
from kept.domain.routing import Demand, Leaving, Plan, Situation, plan, take
from kept.domain.routing.record import KIND, inputs_of, recorded
from kept.engine.outcome import Document, Done, Outcome, Reject, Wait
from kept.steps.ports import Ports

# How soon an order without stock is looked at again: centres count far less often than this.
_LOOK_AGAIN = timedelta(seconds=60)


async def route(orders: Sequence[Order], ports: Ports) -> Sequence[Outcome]:
    """The orders in turn, which is that of urgency, each with what those before it left."""
    policy, now = ports.routing, ports.clock()
    demands = [demand_of(order) for order in orders]
    situation = Situation(
        now,
        available=await ports.availability.available({line.sku for d in demands for line in d.lines}),
        paused=await ports.availability.paused(),
        booked=await ports.availability.booked(policy, now),
    )
    leaving = Leaving(policy, situation)
    outcomes: list[Outcome] = []
    for demand in demands:
        if not demand.lines:  # an amendment that took pieces away: what is left is where it was
            outcomes.append(Done([OrderRouted((), late=False, ruled_out=(), policy=policy.name)]))
            continue
        inputs = inputs_of(demand, situation, policy)
        decision = plan(demand, situation, policy, leaving)
        if isinstance(decision, Plan):
            record = recorded(inputs, policy, decision)
            parts = decision.parts
            take(parts, situation, policy)
            fact = OrderRouted(parts, decision.late, decision.ruled_out, policy.name, policy.sha256, record.sha256)
            document = Document(record.sha256, KIND, "application/json", record.content)
            outcomes.append(Done([fact], documents=[document]))
        elif decision.exhausted:
            why = "no centre is left: " + "; ".join(decision.ruled_out)
            outcomes.append(Reject(why, "no_centre_left"))
        else:
            outcomes.append(Wait(now + _LOOK_AGAIN, "not in stock: " + "; ".join(decision.ruled_out)))
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
        postal_code=content.ship_to.postal_code,
        account=content.account,
    )
