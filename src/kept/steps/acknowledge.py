"""Acknowledge: tell the channel that we took the order, within the time that it gives."""

from __future__ import annotations

from kept.domain.events import OrderAcknowledged
from kept.domain.keys import effect_key
from kept.domain.progress import Order
from kept.engine.outcome import Done, Outcome, Reject
from kept.ports import Acknowledged, Acknowledgement, Effect
from kept.steps.ports import Ports


async def acknowledge(order: Order, ports: Ports) -> Outcome:
    account = order.content.account
    channel = ports.channels.get(account)
    if channel is None:
        return Reject(f"channel account {account!r} is no longer configured", "unknown_account")
    port = channel.acknowledge
    if port is None or order.content.acknowledge_by is None:
        return Done([OrderAcknowledged("")])  # a newer revision says that it is acknowledged already
    acknowledgement = acknowledgement_of(order)
    effect = Effect(effect_key(order.reference, "acknowledge"), f"channel:{account}", "acknowledge", acknowledgement)
    acknowledged = await ports.own_effects.perform(
        effect,
        lambda: port.acknowledge(acknowledgement, effect.key),
        answer_type=Acknowledged,
        find=lambda: port.find_acknowledgement(acknowledgement),
        honours_key=port.honours_key,
    )
    return Done([OrderAcknowledged(acknowledged.channel_order_id)])


def acknowledgement_of(order: Order) -> Acknowledgement:
    """What the channel is told, in its own ids."""
    wanted = [line for line in order.content.lines if line.quantity > 0 and (not line.kit_pieces or line.kit_lead)]
    return Acknowledgement(
        order_ref=order.reference,
        channel_order_id=order.content.external_id,
        line_ids={line.line_no: line.external_id for line in wanted},
        quantities={line.line_no: line.quantity // (line.kit_pieces or 1) for line in wanted},
    )
