"""Instruct: an operator's word about an order (cancel it, let its hold go) becomes facts of the order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kept.domain.events import CancelRequested, HoldReleased, LedgerEvent, MessageIgnored, MessageProcessed
from kept.domain.instructions import Instruction, allows, read_instruction
from kept.domain.progress import Order, evolve
from kept.domain.subjects import Message
from kept.engine.outcome import Done, Outcome, Reject
from kept.steps.ports import Ports


async def instruct(messages: Sequence[Message], ports: Ports) -> Sequence[Outcome]:
    instructions = [read_instruction(message.body) for message in messages]
    orders = await ports.orders.by_references([each.reference for each in instructions])
    outcomes: list[Outcome] = []
    for instruction, message in zip(instructions, messages, strict=True):
        outcome = _apply(instruction, message, orders)
        if isinstance(outcome, Done) and isinstance(outcome.about, Order):
            # Several words about one order are judged one after the other.
            orders[instruction.reference] = evolve(outcome.about, outcome.events[1:]).order
        outcomes.append(outcome)
    return outcomes


def _apply(instruction: Instruction, message: Message, orders: Mapping[str, Order]) -> Outcome:
    order = orders.get(instruction.reference)
    if order is None:
        return Reject(f"there is no order {instruction.reference!r}", "unknown_reference")
    if not allows(order.state, instruction.action):
        return Done([MessageIgnored(f"{instruction.action}: the order is {order.state.value}")])
    return Done([MessageProcessed(), _fact(instruction, message)], about=order)


def _fact(instruction: Instruction, message: Message) -> LedgerEvent:
    by = f"operator {instruction.by}"
    if instruction.action == "cancel":
        return CancelRequested(by, message.id, instruction.reason)
    return HoldReleased(by, instruction.code)
