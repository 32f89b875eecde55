"""Whatever legal facts come in whatever order: pieces, stock and numbering stay right, and the order ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kept.domain import events as ev
from kept.domain.lifecycle import RESERVING, STEP_OF_STATE, STOPPING, TERMINAL, OrderState, PartState
from kept.domain.order import OrderContent
from kept.domain.progress import Order, Part, StockMove, evolve
from kept.domain.revisions import facts_of_revision
from tests.unit.domain.samples import SSCC, begun, content, line, planned, reserved, routed, shipped

CENTRES = ("east", "north", "south", "west", "other")
Move = tuple[list[Any], OrderContent | None]


def order_moves(order: Order, draw: Callable[[Any], Any]) -> list[Move]:
    """What may befall the order itself now."""
    moves: list[Move] = [([ev.RevisionIgnored(1, 9, "older revision")], None)]
    match order.state:
        case OrderState.UNACKNOWLEDGED:
            moves.append(([ev.OrderAcknowledged("E-1")], None))
        case OrderState.RECEIVED:
            moves += [
                ([ev.OrderValidated("C")], None),
                ([ev.PaymentAwaited("pending")], None),
                ([ev.OrderHeld("no_address", "")], None),
            ]
        case OrderState.HELD:
            moves.append(([ev.HoldReleased("ada")], None))
        case OrderState.VALIDATED:
            moves += [(_routing(order, draw), None)] * 3
        case OrderState.ROUTED:
            moves += [([ev.OrderBooked("SO", adopted=False)], None)] * 3
        case OrderState.WITHDRAWING:
            some_shipped = any(one.shipped for one in order.lines)
            moves += [([ev.OrderCompleted() if some_shipped else ev.OrderCancelled()], None)] * 3
    before_routing = {
        OrderState.UNACKNOWLEDGED,
        OrderState.RECEIVED,
        OrderState.PENDING,
        OrderState.HELD,
        OrderState.VALIDATED,
    }
    if order.state in before_routing and not order.parts:
        revision = order.content.revision + 1
        newer = content(*(line(n, draw(st.integers(1, 4))) for n in (1, 2)), revision=revision)
        moves.append(([ev.OrderRevised(revision, 12)], newer))
    if order.parts:
        revision = order.revision + 1
        numbers = draw(st.permutations([1, 2, 3]))
        newer = content(*(line(n, draw(st.integers(0, 4))) for n in numbers), revision=revision)
        facts = facts_of_revision(order, newer, 12, amendable=True)
        if not isinstance(facts[0], ev.RevisionIgnored):
            moves.append((facts, newer))
    if order.state in before_routing | {OrderState.ROUTED, OrderState.BOOKED, OrderState.AMENDING}:
        moves.append(([ev.CancelRequested("channel", 13)], None))
    return moves


def _routing(order: Order, draw: Callable[[Any], Any]) -> list[Any]:
    """Every open piece to some centre that has not refused."""
    left = [name for name in CENTRES if name not in order.refused()] or ["last"]
    given: dict[str, dict[int, tuple[int, str, int]]] = {}
    for one in order.unrouted():
        first = draw(st.integers(0, one.open))
        for pieces in (first, one.open - first):
            if pieces:
                lines = given.setdefault(draw(st.sampled_from(left)), {})
                before = lines.get(one.line_no, (0, "", 0))[2]
                lines[one.line_no] = (one.line_no, one.sku, before + pieces)
    return [routed(*(planned(centre, *lines.values()) for centre, lines in given.items()))]


def part_moves(part: Part, draw: Callable[[Any], Any]) -> list[list[Any]]:
    """What may befall a part now."""
    n = part.number
    steps: dict[PartState, list[Any]] = {
        PartState.READY: [ev.PartLabelled(n, SSCC, ("d",))],
        PartState.LABELLED: [ev.PartReleased(n, "R")],
        PartState.RELEASED: [ev.PartAccepted(n), ev.PartRejected(n, "no")],
        PartState.ACCEPTED: [ev.PartRejected(n, "no")],
        PartState.WITHDRAWING: [ev.InterceptAsked(n), ev.PartCancelled(n, "stopped"), ev.PartRejected(n, "no")],
        PartState.INTERCEPTING: [ev.PartCancelled(n, "stopped"), ev.PartRejected(n, "no")],
        PartState.SHIPPED: [ev.PartAdvised(n, "A", "d")],
        PartState.ADVISED: [ev.PartConfirmed(n, "F")],
        PartState.CONFIRMED: [ev.PartPosted(n, "D")],
    }
    moves = [[fact] for fact in steps.get(part.state, [])]
    if part.state in {PartState.RELEASED, PartState.ACCEPTED, PartState.WITHDRAWING, PartState.INTERCEPTING}:
        short = {one.line_no: draw(st.integers(0, one.quantity)) for one in part.lines}
        some = [(one.line_no, one.sku, short[one.line_no]) for one in part.lines if short[one.line_no]]
        whole = [(one.line_no, one.sku, one.quantity) for one in part.lines]
        moves += [[shipped(n, *lines)] for lines in (some, whole) if lines]
    return [*moves, [ev.CentreEventIgnored(n, "accepted")]]


def check(order: Order, moves: list[StockMove]) -> None:
    """What always holds."""
    for one in order.lines:
        assert one.shipped >= 0
        assert one.cancelled >= 0
        assert one.shipped + one.cancelled <= one.ordered
    held: dict[tuple[str, str], int] = {}
    gone: dict[int, int] = {}
    for part in order.parts:
        for piece in part.lines:
            gone[piece.line_no] = gone.get(piece.line_no, 0) + piece.shipped
            if part.state in RESERVING:
                held[part.centre, piece.sku] = held.get((part.centre, piece.sku), 0) + piece.quantity
    assert reserved(moves) == held
    assert {one.line_no: one.shipped for one in order.lines if one.shipped} == {n: q for n, q in gone.items() if q}
    assert -sum(move.on_hand for move in moves) == sum(gone.values())
    some_open = any(part.open for part in order.parts)
    if order.state is OrderState.AMENDING:
        assert any(part.state in STOPPING for part in order.parts), "an order that is amended has parts that stop"
    if order.state in {OrderState.BOOKED, OrderState.CANCELLING}:
        assert some_open, "an order that waits for its parts has an open one"
        assert order.state is OrderState.CANCELLING or not order.unrouted()
    if order.state is OrderState.VALIDATED:
        assert order.unrouted() or order.version > 1, "an order to be routed has pieces to route, or had"
    if order.state in TERMINAL:
        assert not some_open
        assert all(one.open == 0 for one in order.lines)


def apply(order: Order, move: Move, stock: list[StockMove]) -> Order:
    facts, new = move
    done = evolve(order, facts, new)
    assert [entry.seq for entry in done.entries] == list(range(order.seq + 1, done.order.seq + 1))
    last = {entry.part: entry.state for entry in done.entries}
    for number, state in last.items():
        assert state == (done.order.state if number is None else done.order.part(number).state).value
    stock.extend(done.stock)
    check(done.order, stock)
    return done.order


@settings(max_examples=300)
@given(st.data())
def test_any_sequence_of_legal_facts_keeps_pieces_stock_and_numbering_right(data: st.DataObject) -> None:
    order, stock = begun().order, list[StockMove]()
    for _ in range(data.draw(st.integers(1, 40))):
        moves = order_moves(order, data.draw)
        moves += [(facts, None) for part in order.parts for facts in part_moves(part, data.draw)]
        order = apply(order, data.draw(st.sampled_from(moves)), stock)


@settings(max_examples=150)
@given(st.data())
def test_from_anywhere_a_cancel_brings_the_order_to_its_end(data: st.DataObject) -> None:
    order, stock = begun().order, list[StockMove]()
    for _ in range(data.draw(st.integers(0, 25))):
        moves = order_moves(order, data.draw)
        moves += [(facts, None) for part in order.parts for facts in part_moves(part, data.draw)]
        order = apply(order, data.draw(st.sampled_from(moves)), stock)
    if order.state not in TERMINAL | {OrderState.CANCELLING, OrderState.WITHDRAWING}:
        order = apply(order, ([ev.CancelRequested("ada", 0)], None), stock)
    # Each open part needs at most five more facts (asked, shipped, advised, confirmed, posted), the order one.
    for _ in range(5 * len(order.parts) + 1):
        if order.state in TERMINAL:
            break
        if order.state in STEP_OF_STATE:
            order = apply(order, order_moves(order, data.draw)[-1], stock)
        else:
            part = next(part for part in order.parts if part.open)
            order = apply(order, (data.draw(st.sampled_from(part_moves(part, data.draw)[:-1])), None), stock)
    assert order.state in TERMINAL
    assert reserved(stock) == {}
