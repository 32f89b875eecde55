"""Normalise: a channel's raw message becomes the one order schema, in our own SKUs."""

from __future__ import annotations

from collections.abc import Sequence

from kept.domain.events import MessageIgnored, MessageNormalised, OrderNamed
from kept.domain.order import OrderContent
from kept.domain.skus import mapped
from kept.domain.subjects import Message
from kept.engine.outcome import Done, Outcome, Reject
from kept.ports import BadMessage, Incoming
from kept.steps.ports import Ports


async def normalise(messages: Sequence[Message], ports: Ports) -> Sequence[Outcome]:
    read = [_read(message, ports) for message in messages]
    in_ours = iter(await in_our_skus([each for each in read if isinstance(each, OrderContent)], ports))
    return [Done([MessageNormalised(next(in_ours))]) if isinstance(each, OrderContent) else each for each in read]


async def in_our_skus(contents: Sequence[OrderContent], ports: Ports) -> list[OrderContent]:
    """Contents by the SKU map; a line without a mapping is marked where its account needs one."""
    asked = {(content.account, line.sku) for content in contents for line in content.lines if line.sku}
    known = await ports.skus.components(asked) if asked else {}
    return [
        mapped(content, known.get(content.account, {}), required=content.account in ports.mapped_accounts)
        for content in contents
    ]


def _read(message: Message, ports: Ports) -> OrderContent | Outcome:
    channel = ports.channels.get(message.source)
    if channel is None:
        return Reject(f"channel account {message.source!r} is no longer configured", "unknown_account")
    incoming = Incoming(message.headers, message.body)
    try:
        content = channel.normalise(message.source, incoming, message.received_at)
    except BadMessage as fault:
        return Reject(str(fault), "bad_message")
    if content is not None:
        return content
    if channel.fetch is not None and channel.fetch.names(incoming):
        return Done([OrderNamed()])
    return Done([MessageIgnored("says nothing about an order")])
