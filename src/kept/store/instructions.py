"""Taking down what an operator says of an order, as a message like any other: durable, once, in the timeline."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from kept.domain.instructions import Instruction, allows
from kept.domain.lifecycle import OrderState
from kept.engine.delivery import Ring
from kept.store.database import Database
from kept.store.inbox import Arrival, Inbox, Receipt
from kept.store.queries import Queries


class NotPossible(Exception):
    """The order is where it can't be told so; the text says where."""


class UnknownOrder(Exception):
    """No order has that reference, number or channel id."""


@dataclass(frozen=True, slots=True)
class Taken:
    """An instruction that was taken down: for which order, and what to ring for."""

    reference: str
    receipt: Receipt
    rings: list[Ring]


class Instructions:
    """Writes operators' words into the inbox."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._queries = Queries(database)
        self._inbox = Inbox(database)
        self._clock = clock

    async def take_down(self, name: str, action: str, by: str, *, reason: str = "", key: str = "") -> Taken:
        """Cancel (with a `CancelReason`) or release the order called `name`.

        `key` names this word, so that saying it again changes nothing. Raises UnknownOrder and NotPossible.
        """
        order = await self._queries.order(name)
        if order is None:
            raise UnknownOrder(f"no order has the reference, number or channel id {name!r}")
        if not allows(OrderState(order["state"]), action):
            raise NotPossible(f"{order['reference']} is {order['state']}: there is nothing to {action}")
        code = await self._queries.hold_code(order["id"]) if action == "release" else ""
        instruction = Instruction(order["reference"], action, by, reason=reason, code=code)
        arrival = Arrival(
            source="operator",
            source_kind="operator",
            external_key=key or str(uuid.uuid4()),
            headers={},
            body=instruction.to_body(),
            correlation_id=order["correlation_id"],
            received_at=self._clock(),
        )
        (receipt,), rings = await self._inbox.accept([arrival])
        return Taken(order["reference"], receipt, rings)
