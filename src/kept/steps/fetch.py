"""Fetch: ask the channel for the order that a message only names."""

from __future__ import annotations

from kept.domain.events import MessageIgnored, MessageNormalised
from kept.domain.subjects import Message
from kept.engine.outcome import Done, Outcome, Reject
from kept.ports import BadMessage, Incoming
from kept.steps.normalise import in_our_skus
from kept.steps.ports import Ports


async def fetch(message: Message, ports: Ports) -> Outcome:
    channel = ports.channels.get(message.source)
    if channel is None or channel.fetch is None:
        return Reject(f"channel account {message.source!r} can no longer be asked for an order", "unknown_account")
    name = channel.fetch.names(Incoming(message.headers, message.body))
    polled = await channel.fetch.fetch(name)
    if polled is None:
        return Done([MessageIgnored(f"the channel has no order of {name}")])
    try:
        content = channel.normalise(message.source, Incoming(polled.headers, polled.body), message.received_at)
    except BadMessage as fault:
        return Reject(f"the order that it names: {fault}", "bad_message")
    if content is None:
        return Done([MessageIgnored(f"what the channel says of {name} is no order")])
    (in_ours,) = await in_our_skus([content], ports)
    return Done([MessageNormalised(in_ours)])
