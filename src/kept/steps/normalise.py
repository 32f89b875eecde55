"""Normalise: a channel's raw message becomes the one order schema, in our own SKUs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kept.domain.events import MessageIgnored, MessageNormalised
from kept.domain.order import OrderContent
from kept.domain.skus import SkuMap, mapped
from kept.domain.subjects import Message
from kept.engine.outcome import Done, Outcome, Reject
from kept.ports import BadMessage, Incoming
from kept.steps.ports import Ports


async def normalise(messages: Sequence[Message], ports: Ports) -> Sequence[Outcome]:
    read = [_read(message, ports) for message in messages]
    contents = [each for each in read if isinstance(each, OrderContent)]
    asked = {(content.account, line.sku) for content in contents for line in content.lines if line.sku}
    known = await ports.skus.components(asked) if asked else {}
    return [_in_our_skus(each, known, ports) if isinstance(each, OrderContent) else each for each in read]


def _in_our_skus(content: OrderContent, known: Mapping[str, SkuMap], ports: Ports) -> Outcome:
    account = content.account
    return Done([MessageNormalised(mapped(content, known.get(account, {}), required=account in ports.mapped_accounts))])


def _read(message: Message, ports: Ports) -> OrderContent | Outcome:
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
    return content
