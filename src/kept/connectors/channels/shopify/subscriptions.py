"""What a shop tells us of by webhook: subscriptions made by API, which Shopify deletes after eight failures in a row.

Only subscriptions of our own app are shown to it; those that a person made in the shop's admin are not, and a second
one beside them brings each message twice, which changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from kept.connectors.answers import UnexpectedAnswer, masked
from kept.connectors.channels.shopify import queries
from kept.connectors.channels.shopify.answers import next_cursor
from kept.connectors.channels.shopify.codes import SUBSCRIBED_TOPICS
from kept.connectors.channels.shopify.graphql import execute
from kept.connectors.channels.shopify.schemas import CodedError, PageInfo
from kept.connectors.http import HttpTarget
from kept.ports import PermanentFault, Subscription

_PAGES_MAX = 10  # of 100: an app has a few subscriptions a shop
_TAKEN = "has already been taken"  # Shopify's words, without a code, for a topic that has this address


class _Node(msgspec.Struct):
    topic: str
    uri: str


class _Nodes(msgspec.Struct, rename="camel"):
    nodes: list[_Node]
    page_info: PageInfo


class _Listed(msgspec.Struct, rename="camel"):
    webhook_subscriptions: _Nodes


class _Id(msgspec.Struct):
    id: str


class _Created(msgspec.Struct, rename="camel"):
    user_errors: list[CodedError]
    webhook_subscription: _Id | None


class _CreatedData(msgspec.Struct, rename="camel"):
    webhook_subscription_create: _Created | None


class ShopifySubscriptions:
    """`kept.ports.KeepSubscriptions` for one shop. Raises the faults of `HttpTarget.call`."""

    def __init__(self, target: HttpTarget) -> None:
        self._target = target

    async def standing(self, address: str) -> Sequence[Subscription]:
        """How each topic that we take stands. A subscription to another address is somebody else's, or an old one."""
        found: dict[str, set[str]] = {}
        after: str | None = None
        for _ in range(_PAGES_MAX):
            variables: dict[str, Any] = {"topics": list(SUBSCRIBED_TOPICS)} | ({"after": after} if after else {})
            page = await execute(self._target, queries.SUBSCRIPTIONS, variables, _listed)
            for node in page.nodes:
                found.setdefault(node.topic, set()).add(node.uri)
            after = next_cursor(page.page_info)
            if not after:
                break
        return [
            Subscription(topic, stands=address in found.get(topic, ()), elsewhere=tuple(sorted(found.get(topic, ()))))
            for topic in SUBSCRIBED_TOPICS
        ]

    async def subscribe(self, topic: str, address: str, key: str) -> None:
        """Make one; one that is there already is no fault. Raises PermanentFault for an address that is refused."""
        subscription = {"uri": address, "format": "JSON"}
        variables = {"topic": topic, "webhookSubscription": subscription}
        await execute(self._target, queries.SUBSCRIBE, variables, partial(_subscribed, topic=topic), key=key)


def _listed(data: Any) -> _Nodes:
    found = msgspec.convert(data, _Listed).webhook_subscriptions
    next_cursor(found.page_info)
    return found


def _subscribed(data: Any, topic: str) -> None:
    answer = msgspec.convert(data, _CreatedData).webhook_subscription_create
    if answer is not None and answer.user_errors:
        message = answer.user_errors[0].message
        if _TAKEN in message:
            return
        raise PermanentFault(f"Shopify refused the subscription to {topic}: {masked(message)}", code="user_error")
    if answer is None or answer.webhook_subscription is None:
        raise UnexpectedAnswer("there is neither a subscription nor an error")
