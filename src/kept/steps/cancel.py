"""Cancel: tell the channel what of an order will not ship, and why, where the cancel was not its own."""

from __future__ import annotations

from kept.domain.events import OrderCancelled, OrderCompleted, OrderRetracted
from kept.domain.keys import effect_key
from kept.domain.progress import Order
from kept.engine.outcome import Done, Outcome, Reject
from kept.ports import CancelAtChannel, CancelReason, ChannelCancel, ChannelCancelled, Effect, PermanentFault
from kept.steps.ports import Ports


async def cancel(order: Order, ports: Ports) -> Outcome:
    account = order.content.account
    channel = ports.channels.get(account)
    if channel is None:
        return Reject(f"channel account {account!r} is no longer configured", "unknown_account")
    wanted = cancel_of(order)
    if channel.cancel is None or not wanted.quantities:
        return _ended(order, "")
    cancelled = await _told(channel.cancel, f"channel:{account}", wanted, ports)
    if cancelled.job_id:
        # Told once and for all: whoever tries again, in whichever process, only looks how it goes.
        assert channel.cancel_jobs is not None, "a channel that answers with a job tells of it"
        cancelled = await channel.cancel_jobs.finished(wanted, cancelled.job_id)
    return _ended(order, cancelled.cancel_id)


def cancel_of(order: Order) -> ChannelCancel:
    """What the channel is told, in its own ids and pieces: everything that is still open."""
    open_pieces = {line.line_no: line.open for line in order.lines if line.open > 0}
    lines = [
        line
        for line in order.content.lines
        if line.line_no in open_pieces and (not line.kit_pieces or line.kit_lead)  # a kit is one line there
    ]
    quantities = {line.line_no: open_pieces[line.line_no] // (line.kit_pieces or 1) for line in lines}
    return ChannelCancel(
        order_ref=order.reference,
        channel_order_id=order.content.external_id,
        reason=CancelReason(order.cancel_reason),
        line_ids={line.line_no: line.external_id for line in lines},
        quantities={line_no: quantity for line_no, quantity in quantities.items() if quantity},
        whole=not any(line.shipped for line in order.lines),
    )


async def _told(port: CancelAtChannel, target: str, wanted: ChannelCancel, ports: Ports) -> ChannelCancelled:
    effect = Effect(effect_key(wanted.order_ref, "cancel"), target, "cancel", wanted)
    try:
        return await ports.own_effects.perform(
            effect,
            lambda: port.cancel(wanted, effect.key),
            answer_type=ChannelCancelled,
            find=lambda: port.find_cancel(wanted),
            honours_key=port.honours_key,
            write_horizon=port.write_horizon,
        )
    except PermanentFault:
        # Channels refuse to cancel what is cancelled: perhaps the buyer was faster.
        found = await port.find_cancel(wanted)
        if found is None:
            raise
        return found


def _ended(order: Order, cancel_id: str) -> Done:
    end = OrderCompleted() if any(line.shipped for line in order.lines) else OrderCancelled()
    return Done([OrderRetracted(cancel_id), end])
