"""Normalise: a channel's raw message becomes the one order schema."""

from __future__ import annotations

from collections.abc import Sequence

from kept.domain.events import MessageIgnored, MessageNormalised
from kept.domain.subjects import Message
from kept.engine.outcome import Done, Outcome, Reject
from kept.ports import BadMessage, Incoming
from kept.steps.ports import Ports


async def normalise(messages: Sequence[Message], ports: Ports) -> Sequence[Outcome]:
    return [_normalise_one(message, ports) for message in messages]


def _normalise_one(message: Message, ports: Ports) -> Outcome:
    channel = ports.channels.get(message.source)
    if channel is None:
        return Reject(f"channel account {message.source!r} is no longer configured", "unknown_account")
    incoming = Incoming(message.headers, message.body)
    try:
        content = channel.normalise(message.source, incoming, message.received_at)
    except BadMessage as fault:
        return Reject(str(fault), "bad_message")
    if content is None:
        return Done([MessageIgnored("says nothing about an order")])
    return Done([MessageNormalised(content)])
