"""The settlement's transaction of the simulated store, in the order of `kept.store.settling.Settler`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kept.engine.delivery import Advance, Bury, Reschedule, Ring, Settling

from .flow import ADVANCES, STEP_OF_STATE
from .rows import Broken, DeliveryRow, Letter, SimOrder

if TYPE_CHECKING:
    from .store import SimStore


def write(store: SimStore, settlings: Sequence[Settling]) -> list[Ring]:
    """Settle a group; what has to be rung for now."""
    for settling in settlings:
        observe(store, settling)
    rings: list[Ring] = []
    for settling in settlings:
        row = store.deliveries.get(settling.delivery.id)
        if row is not None:
            _settle(store, settling, row, rings)
        else:
            store.tally["stale_settlement"] += 1
    for settling in settlings:
        audit(store, settling.subject.id)
    return rings


def observe(store: SimStore, settling: Settling) -> None:
    """What was observed is true whatever becomes of the settlement."""
    for result in settling.effects:
        effect = store.effects.get(result.key)
        if effect is not None and store.believes(effect, result):
            effect.status, effect.downstream_id, effect.answer = result.status, result.downstream_id, result.answer
            if result.status == "unknown":
                effect.last_sent_at = store.crossing.clock()


def _settle(store: SimStore, settling: Settling, row: DeliveryRow, rings: list[Ring]) -> None:
    subject: SimOrder = settling.subject
    settlement = settling.settlement
    order = store.orders[subject.id]
    if isinstance(settlement, Advance) and order.seq != subject.seq:
        _take_again(store, settling, row, rings)
        return
    if not store.is_mine(row, settling.delivery):
        store.tally["stale_settlement"] += 1
        return
    _check_owner(store, settling, row, "settled")
    match settlement:
        case Advance(events=facts):
            for fact in facts:
                store.add_fact(order, fact)
                order.state = ADVANCES.get(fact.kind, order.state)
            store.end(order.id)
            if order.state in STEP_OF_STATE:
                rings.append(store.begin(order, queued_at=store.crossing.clock()))
        case Reschedule():
            row.due_at, row.attempts = settlement.due_at, settlement.attempts
            row.waiting_since, row.claimed_until, row.queued_at = settlement.waiting_since, None, None
        case Bury():
            store.letters.append(Letter(order.id, row.step, settlement.code, settlement.reason))
            store.tally[f"letter:{settlement.code}"] += 1
            store.end(order.id)


def _take_again(store: SimStore, settling: Settling, row: DeliveryRow, rings: list[Ring]) -> None:
    """The order moved on since it was read: the step is taken again, at once."""
    if not store.may_take_again(row, settling.delivery):
        store.tally["stale_settlement"] += 1
        return
    _check_owner(store, settling, row, "took again")
    store.tally["taken_again"] += 1
    row.claimed_until, row.queued_at = None, store.crossing.clock()
    rings.append(Ring(row.id, row.step, 0))


def _check_owner(store: SimStore, settling: Settling, row: DeliveryRow, what: str) -> None:
    """The auditor's own view, by a count of claims that no rule of the store touches."""
    caller = store.crossing.stepper.caller().name
    if row.held(store.crossing.clock()) and row.holder != caller:
        if settling.delivery.epoch != row.claims:
            raise Broken(f"{caller} {what} delivery {row.id} with a stale epoch; {row.holder} holds it")
        store.tally["settled_over_a_live_claim"] += 1
    if settling.delivery.epoch != row.claims:
        raise Broken(f"{caller} {what} delivery {row.id} with a stale epoch")


def audit(store: SimStore, order_id: int) -> None:
    """After every commit: an order that goes on has one delivery or a dead letter, any other none."""
    order = store.orders[order_id]
    deliveries = sum(row.order_id == order_id for row in store.deliveries.values())
    letters = sum(letter.order_id == order_id and not letter.resolved for letter in store.letters)
    expected = 1 if order.state in STEP_OF_STATE else 0
    if deliveries + letters != expected:
        raise Broken(
            f"order {order_id} is {order.state.value} and has {deliveries} deliveries and {letters} dead letters"
        )
