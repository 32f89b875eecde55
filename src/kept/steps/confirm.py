"""Confirm: the channel learns carrier and tracking of what really shipped."""

from __future__ import annotations

from kept.domain.events import PartConfirmed
from kept.domain.keys import effect_key
from kept.domain.skus import in_channel_pieces
from kept.domain.subjects import PartOf
from kept.engine.outcome import Done, Outcome, Reject
from kept.ports import ChannelShipment, Confirmation, Effect
from kept.steps.ports import Ports


async def confirm(subject: PartOf, ports: Ports) -> Outcome:
    account = subject.order.content.account
    channel = ports.channels.get(account)
    if channel is None:
        return Reject(f"channel account {account!r} is no longer configured", "unknown_account")
    port = channel.confirm
    if port is None:
        return Done([PartConfirmed(subject.number, "")])
    confirmation = confirmation_of(subject)
    if not confirmation.packages:
        return Done([PartConfirmed(subject.number, "")])  # components of kits whose lead ships elsewhere
    effect = Effect(effect_key(subject.reference, "confirm"), f"channel:{account}", "confirm", confirmation)
    shipment = await ports.own_effects.perform(
        effect,
        lambda: port.confirm(confirmation, effect.key),
        answer_type=ChannelShipment,
        find=lambda: port.find(confirmation),
        honours_key=port.honours_key,
    )
    return Done([PartConfirmed(subject.number, shipment.shipment_id)])


def confirmation_of(subject: PartOf) -> Confirmation:
    """What the channel is told, in the channel's own line ids: of what shipped only, whatever is edited of the rest."""
    content, shipment = subject.order.content, subject.part.shipment
    assert shipment is not None, "a shipped part has its shipment"
    packages = in_channel_pieces(shipment.packages, content)
    told = {line.line_no for package in packages for line in package.lines}
    return Confirmation(
        order_ref=subject.order.reference,
        fulfilment_ref=subject.reference,
        channel_order_id=content.external_id,
        shipped_at=shipment.shipped_at,
        packages=packages,
        line_ids={line.line_no: line.external_id for line in content.lines if line.line_no in told},
    )
