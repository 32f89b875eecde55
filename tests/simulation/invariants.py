"""What must hold when a schedule has come to rest."""

from __future__ import annotations

from .flow import KINDS_OF_FACTS, LAST_STATE
from .rows import Broken, OrderRow
from .target import Kind, SimTarget
from .world import World

_OPERATIONS = {"booked": "book", "labelled": "label", "released": "release"}
# Why an order may end as a dead letter. Everything else is a bug.
_FORGIVEN = frozenset(
    {"refused", "unknown_result", "temporary", "bug:StoreUnavailable", "waited_too_long", "unresolved_effect"}
)


def check(world: World) -> None:
    """Raises Broken."""
    for order in world.store.orders.values():
        _check_ledger(world, order)
        for fact, operation in _OPERATIONS.items():
            target = world.erp if operation == "book" else world.centre
            _check_documents(world, order, fact, operation, target)
    _check_letters(world)


def _check_ledger(world: World, order: OrderRow) -> None:
    """Ended or a dead letter; events gapless; each step's fact once."""
    letters = [letter for letter in world.store.letters if letter.order_id == order.id and not letter.resolved]
    if (order.state is LAST_STATE) == bool(letters):
        raise Broken(f"order {order.id} is {order.state.value} with {len(letters)} dead letters")
    if [event.seq for event in order.events] != list(range(1, order.seq + 1)):
        raise Broken(f"order {order.id} has gaps in its ledger: {order.events}")
    kinds = [event.fact.kind for event in order.events if event.fact.kind != "remarked"]
    if kinds != list(KINDS_OF_FACTS[: len(kinds)]):
        raise Broken(f"order {order.id} has {kinds}")


def _check_documents(world: World, order: OrderRow, fact: str, operation: str, target: SimTarget) -> None:
    """One document per effect, and the one that the ledger tells of."""
    reference = f"{order.reference}/{operation}"
    made = target.documents.get(reference, [])
    told = [event.fact.about for event in order.events if event.fact.kind == fact]
    if target.kind is Kind.NEITHER and reference in target.resent:
        raise Broken(f"{reference} was sent again to a target with neither key nor search")
    if len(made) > 1:
        _judge_double(world, reference, target)
        return
    if not told:
        return
    if told[0] not in {document.document_id for document in made}:
        raise Broken(f"{reference}: the ledger tells of {told[0]}, the target has {made}")
    effect = world.store.effects.get(f"{order.reference}:{operation}:1")
    if effect is None or (effect.status, effect.downstream_id) != ("confirmed", told[0]) or not effect.answer:
        raise Broken(f"{reference}: the ledger tells of {told[0]}, its effect is {effect}")


def _judge_double(world: World, reference: str, target: SimTarget) -> None:
    """A process that stood still between its intent and its request, for longer than its lease, sends
    a request that nobody expects any more. Only a key at the target stops that; without one it is
    detected, not prevented, and the README says so."""
    if target.kind is Kind.SEARCHABLE and reference in target.overdue:
        world.tally["doubled_by_a_frozen_process"] += 1
        return
    raise Broken(f"{reference} was made {len(target.documents[reference])} times at a {target.kind.value} target")


def _check_letters(world: World) -> None:
    for letter in world.store.letters:
        if letter.code not in _FORGIVEN:
            raise Broken(f"order {letter.order_id} died of {letter.code}: {letter.reason}")
        target = world.erp if letter.step == "book" else world.centre
        if letter.code == "unresolved_effect" and target.kind is not Kind.NEITHER:
            raise Broken(f"order {letter.order_id} needs a person, but its target is {target.kind.value}")
