"""What a centre's message makes of the part it is about. Centres repeat, reorder and come too early."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kept.domain import events as ev
from kept.domain.consequences import shipped_by_line
from kept.domain.lifecycle import PART_TRANSITIONS, PartState
from kept.domain.progress import Part

# States in which our request to the centre is not settled yet: its answer outran our own bookkeeping.
TOO_EARLY = frozenset({PartState.PLANNED, PartState.READY, PartState.LABELLED})

# States in which the part was given up: its pieces are promised to others, or the order has ended.
GIVEN_UP = frozenset({PartState.REJECTED, PartState.CANCELLED})


class ContradictsRequest(Exception):
    """A centre says that it shipped what it was not asked for, or what it had given up."""


def accepted(part: Part) -> ev.PartEvent:
    return _if_allowed(part, ev.PartAccepted(part.number), "accepted")


def rejected(part: Part, reason: str) -> ev.PartEvent:
    return _if_allowed(part, ev.PartRejected(part.number, reason), "rejected")


def cancelled(part: Part) -> ev.PartEvent:
    """The answer to our intercept or, unasked, the centre's refusal."""
    if (part.state, "PartCancelled") in PART_TRANSITIONS and part.state is not PartState.PLANNED:
        return ev.PartCancelled(part.number, "stopped by the centre")
    return rejected(part, "cancelled by the centre, unasked")


def shipped(part: Part, at: datetime, packages: Sequence[ev.Package]) -> ev.PartEvent:
    """A shipment as packed.

    Raises ContradictsRequest for lines or quantities that were never asked for, and for a part that was
    given up: goods are on their way that nobody counts on, which a person has to see.
    """
    event = ev.PartShipped(part.number, at, tuple(packages))
    asked = {line.line_no: (line.sku, line.quantity) for line in part.lines}
    for package in packages:
        for line in package.lines:
            sku = asked.get(line.line_no, ("", 0))[0]
            if line.line_no not in asked or line.sku != sku or line.quantity <= 0:
                raise ContradictsRequest(
                    f"package {package.sscc} has {line.quantity} x {line.sku} for line {line.line_no},"
                    f" asked for was {sku!r}"
                )
    gone = shipped_by_line(event)
    for line_no, quantity in gone.items():
        if quantity > asked[line_no][1]:
            raise ContradictsRequest(f"line {line_no}: {quantity} shipped, {asked[line_no][1]} asked for")
    if not gone:
        return rejected(part, "shipped nothing")
    if part.state in GIVEN_UP:
        raise ContradictsRequest(f"part {part.number} was shipped although it is {part.state.value}")
    return _if_allowed(part, event, "shipped")


def ignored(part: Part, what: str) -> ev.CentreEventIgnored:
    return ev.CentreEventIgnored(part.number, f"{what} while {part.state.value}")


def _if_allowed(part: Part, event: ev.PartEvent, what: str) -> ev.PartEvent:
    if (part.state, type(event).__name__) in PART_TRANSITIONS:
        return event
    return ignored(part, what)
