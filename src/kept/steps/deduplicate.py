"""Deduplicate: is this sale known? A new one becomes an order; a newer revision changes it; an older one, nothing."""

from __future__ import annotations

from collections.abc import Sequence

from kept.domain.events import MessageProcessed
from kept.domain.keys import order_reference
from kept.domain.order import OrderContent
from kept.domain.progress import Order, received
from kept.domain.revisions import facts_of_revision
from kept.domain.subjects import Message
from kept.engine.outcome import Done, Outcome, Wait
from kept.steps.ports import Ports


async def deduplicate(messages: Sequence[Message], ports: Ports) -> Sequence[Outcome]:
    known = await ports.orders.by_external([_key(_content(message)) for message in messages])
    new_ids = iter(await ports.order_ids.take(len(messages)))
    begun: set[tuple[str, str]] = set()
    outcomes: list[Outcome] = []
    for message in messages:
        content = _content(message)
        order = known.get(_key(content))
        if order is not None:
            outcomes.append(_revise(order, content, message, ports))
        elif _key(content) in begun:
            outcomes.append(Wait(ports.clock(), "another message is just creating the order"))
        else:
            begun.add(_key(content))
            outcomes.append(_create(next(new_ids), content, message, ports.installation))
    return outcomes


def _content(message: Message) -> OrderContent:
    assert message.content is not None, "a normalised message has its content"
    return message.content


def _key(content: OrderContent) -> tuple[str, str]:
    return content.account, content.external_id


def _revise(order: Order, content: OrderContent, message: Message, ports: Ports) -> Done:
    facts = facts_of_revision(
        order,
        content,
        message.id,
        honours_requests=content.account in ports.cancel_on_request,
        amendable=ports.erp.amendment is not None,
    )
    return Done([MessageProcessed(), *facts], about=order, content=content)


def _create(order_id: int, content: OrderContent, message: Message, installation: str) -> Done:
    reference = order_reference(installation, order_id)
    order = received(order_id, reference, message.correlation_id, content, message.id)
    return Done([MessageProcessed()], about=order)
