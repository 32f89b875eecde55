"""A shipment of a sale, from what Tryton planned to what has left. Pure: it looks at the state and says the next step.

Tryton plans one shipment for all that is open of a sale. Posting a part makes that shipment ours, by writing our
reference into it if it has not changed since we read it, cuts its pickings down to the pieces that were packed, and
brings it to its end; for the rest Tryton then plans a new one by itself. Each step is told by the state alone, so two
callers, or one after a crash, go on where the other one stopped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from kept.connectors.erps.tryton.codes import OPEN_SHIPMENT, SENT_SHIPMENT, SHIPMENT_STATES
from kept.connectors.erps.tryton.mapping import line_no_of
from kept.connectors.erps.tryton.schemas import Move, Sale, Shipment
from kept.ports import PermanentFault, PostedShipment, ShipmentPosting, TemporaryFault


@dataclass(frozen=True, slots=True)
class Claim:
    """Write our reference into a shipment that nobody has taken."""

    shipment: Shipment


@dataclass(frozen=True, slots=True)
class SetQuantities:
    """Cut the pickings down to what was packed: move -> pieces."""

    quantities: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Button:
    """Push a button of the shipment."""

    shipment_id: int
    name: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Let Tryton plan what is open of the sale: it does so by itself, in a task that may have failed or still waits."""


Step = Claim | SetQuantities | Button | Plan | PostedShipment

# What follows each state from "assigned" on; a shipment without pickings is packed at once.
_FORWARD = {"assigned": "pick", "picked": "pack", "packed": "do", "shipped": "do"}


def lines_of(sale: Sale) -> Mapping[str, int]:
    """What a move says of its origin -> our line's number."""
    return {f"sale.line,{line.id}": line_no_of(line.sequence) for line in sale.lines}


def packed(posting: ShipmentPosting) -> Mapping[int, int]:
    """Pieces by our line's number."""
    pieces = Counter[int]()
    for package in posting.packages:
        for line in package.lines:
            pieces[line.line_no] += line.quantity
    return pieces


def under(reference: str, shipments: Sequence[Shipment]) -> Shipment | None:
    """The one shipment with our reference. Raises PermanentFault for two, or for a state that we don't know."""
    ours = [each for each in shipments if each.reference == reference and each.state != "cancelled"]
    if len(ours) > 1:
        names = ", ".join(_name(each) for each in ours[:10])
        raise PermanentFault(f"Tryton has {len(ours)} shipments under {reference}: {names}", code="ambiguous")
    if ours and ours[0].state not in SHIPMENT_STATES:
        text = f"shipment {_name(ours[0])} is in a state that we don't know: {ours[0].state!r}"
        raise PermanentFault(text, code="unknown_state")
    return ours[0] if ours else None


def next_step(
    posting: ShipmentPosting, shipments: Sequence[Shipment], line_nos: Mapping[str, int], *, last: Step | None = None
) -> Step:
    """What to do now, after the step that was `last`: neither stock nor a plan is asked for twice in a row.

    Raises PermanentFault for what can't be posted, TemporaryFault where another part of the sale has to be first.
    """
    wanted = packed(posting)
    ours = under(posting.reference, shipments)
    if ours is None:
        free = _free(posting, shipments, line_nos, wanted)
        if free is None and not isinstance(last, Plan):
            return Plan()
        return Claim(free) if free is not None else _nothing(posting, shipments, line_nos, wanted)
    match ours.state:
        case "draft":
            return Button(ours.id, "wait")
        case "waiting":
            forced = last == Button(ours.id, "assign_try")  # Tryton found too little stock; the goods have left
            return _cut_down(ours, line_nos, wanted) or Button(ours.id, "assign_force" if forced else "assign_try")
        case "done":
            _check_sent(posting, ours, line_nos, wanted)
            return PostedShipment(ours.number or str(ours.id))
        case "assigned" if not ours.inventory_moves:
            return Button(ours.id, "pack")
    return Button(ours.id, _FORWARD[ours.state])


def found(posting: ShipmentPosting, shipments: Sequence[Shipment]) -> PostedShipment | None:
    """The shipment if it is at its end: one that is on its way there still has to be posted."""
    ours = under(posting.reference, shipments)
    return PostedShipment(ours.number or str(ours.id)) if ours is not None and ours.state == "done" else None


def _free(
    posting: ShipmentPosting,
    shipments: Sequence[Shipment],
    line_nos: Mapping[str, int],
    wanted: Mapping[int, int],
) -> Shipment | None:
    """The shipment to take: open, nobody's, and with all the pieces."""
    open_now = [each for each in shipments if each.state in OPEN_SHIPMENT]
    taken = [each for each in open_now if each.reference]
    free = [each for each in open_now if not each.reference and each.state in {"draft", "waiting"}]
    for each in free:
        if not _lacking(_planned(each, line_nos), wanted):
            return each
    if taken:
        text = f"{_name(taken[0])} of the same sale is being posted as {taken[0].reference}; the rest comes after it"
        raise TemporaryFault(f"{posting.reference} can't be posted yet: {text}")
    return None


def _nothing(
    posting: ShipmentPosting,
    shipments: Sequence[Shipment],
    line_nos: Mapping[str, int],
    wanted: Mapping[int, int],
) -> NoReturn:
    planned = next((_planned(each, line_nos) for each in shipments if each.state in OPEN_SHIPMENT), {})
    lacking = ", ".join(f"{more} of line {line_no}" for line_no, more in _lacking(planned, wanted).items())
    sent = ", ".join(_name(each) for each in shipments if each.state in SENT_SHIPMENT) or "none"
    text = f"Tryton has no open shipment for all of {posting.reference}: it lacks {lacking}; sent are: {sent}"
    raise PermanentFault(text, code="nothing_to_ship")


def _cut_down(shipment: Shipment, line_nos: Mapping[str, int], wanted: Mapping[int, int]) -> Step | None:
    """The pickings' new quantities; None when they are right. The moves to the customer follow when it is picked."""
    moves = {move.id: move for move in shipment.moves}
    left = Counter(wanted)
    change: dict[int, int] = {}
    for outgoing in _outgoing(shipment):
        line_no = line_nos.get(outgoing.origin or "", 0)
        target = min(left[line_no], int(outgoing.quantity))
        left[line_no] -= target
        pickings = [
            moves[each] for each in shipment.inventory_moves if moves[each].origin == f"stock.move,{outgoing.id}"
        ]
        editable = pickings if shipment.inventory_moves else [outgoing]
        if sum(int(move.quantity) for move in editable) == target:
            continue
        if len(editable) != 1:
            return Button(shipment.id, "wait")  # makes the pickings anew, one for each
        change[editable[0].id] = target
    if +left:
        raise PermanentFault(f"shipment {_name(shipment)} lacks pieces of line {min(+left)}", code="nothing_to_ship")
    return SetQuantities(change) if change else None


def _check_sent(
    posting: ShipmentPosting, shipment: Shipment, line_nos: Mapping[str, int], wanted: Mapping[int, int]
) -> None:
    sent = _planned(shipment, line_nos)
    if Counter(sent) != Counter(wanted):
        theirs = ", ".join(f"line {line_no}: {count}" for line_no, count in sorted(sent.items()))
        text = f"Tryton has {posting.reference} as shipment {_name(shipment)} with other pieces: {theirs}"
        raise PermanentFault(text, code="reference_conflict")


def _planned(shipment: Shipment, line_nos: Mapping[str, int]) -> Mapping[int, int]:
    """Pieces to the customer by our line's number."""
    pieces = Counter[int]()
    for move in _outgoing(shipment):
        pieces[line_nos.get(move.origin or "", 0)] += int(move.quantity)
    return pieces


def _lacking(planned: Mapping[int, int], wanted: Mapping[int, int]) -> Mapping[int, int]:
    return {
        line_no: count - planned.get(line_no, 0) for line_no, count in wanted.items() if count > planned.get(line_no, 0)
    }


def _outgoing(shipment: Shipment) -> list[Move]:
    moves = {move.id: move for move in shipment.moves}
    return [moves[each] for each in sorted(shipment.outgoing_moves) if moves[each].state != "cancelled"]


def _name(shipment: Shipment) -> str:
    return shipment.number or str(shipment.id)
