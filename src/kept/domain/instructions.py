"""What an operator may tell us of one order: cancel it, or let go what it is held for."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from kept.domain.lifecycle import ORDER_TRANSITIONS, OrderState


@dataclass(frozen=True, slots=True)
class Instruction:
    """An operator's word; an inbox message holds it as JSON.

    `code` is that of the hold in force when it was given: what the order is held for by then is not let go by it.
    `reason`, of a cancel, is a `kept.ports.CancelReason`.
    """

    reference: str
    action: str  # "cancel" or "release"
    by: str
    reason: str = ""
    code: str = ""

    def to_body(self) -> bytes:
        """The message's body."""
        return json.dumps(asdict(self)).encode()


def allows(state: OrderState, action: str) -> bool:
    """Whether an order in that state can be told so."""
    return (state, "CancelRequested" if action == "cancel" else "HoldReleased") in ORDER_TRANSITIONS


def read_instruction(body: bytes) -> Instruction:
    """What `to_body` wrote. Only we write it, so that anything else is a bug: TypeError or ValueError."""
    return Instruction(**json.loads(body))
