"""The transition tables hold together: nothing gets stuck, nothing comes out of an end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from kept import flow
from kept.domain import events as ev
from kept.domain.lifecycle import (
    MESSAGE_TRANSITIONS,
    ORDER_TRANSITIONS,
    PART_TRANSITIONS,
    STEP_OF_STATE,
    TERMINAL,
    WAITING,
    IllegalTransition,
    MessageState,
    OrderState,
    PartState,
    State,
    advance_message,
    advance_order,
    advance_part,
)

TABLES: Mapping[str, Mapping[tuple[Any, str], Any]] = {
    "message": MESSAGE_TRANSITIONS,
    "order": ORDER_TRANSITIONS,
    "part": PART_TRANSITIONS,
}
STATES: Mapping[str, frozenset[State]] = {
    "message": frozenset(MessageState),
    "order": frozenset(OrderState),
    "part": frozenset(PartState),
}
BIRTHS: Mapping[str, frozenset[State]] = {
    "message": frozenset({MessageState.RECEIVED, MessageState.ARRIVED, MessageState.INSTRUCTED}),
    "order": frozenset({OrderState.UNACKNOWLEDGED, OrderState.RECEIVED}),
    "part": frozenset({PartState.PLANNED}),
}
ALL_STATES: tuple[State, ...] = (*MessageState, *OrderState, *PartState)
KINDS = pytest.mark.parametrize("kind", ["message", "order", "part"])
# What begins a subject is in no table: there is no state before it.
BIRTH_EVENTS = {"OrderReceived"}


def outcome_names(kind: str) -> set[str]:
    """The kinds of facts that a subject may have."""
    unions = {"message": ev.MessageEvent, "order": ev.OrderEvent, "part": ev.PartEvent}
    return {member.__name__ for member in unions[kind].__args__}


def reachable(kind: str, start: frozenset[State]) -> set[State]:
    found = set(start)
    while True:
        more = {target for (source, _), target in TABLES[kind].items() if source in found} - found
        if not more:
            return found
        found |= more


def test_the_flow_covers_every_state() -> None:
    flow.check_flow()


@pytest.mark.parametrize("state", ALL_STATES, ids=str)
def test_every_state_is_terminal_or_has_one_step_or_waits_for_somebody_named(state: State) -> None:
    steps = [step.name for step in flow.FLOW.values() if step.accepts is state]
    assert len(steps) + (state in WAITING) + (state in TERMINAL) == 1
    assert STEP_OF_STATE.get(state) == (steps[0] if steps else None)
    assert WAITING.get(state, "somebody")


def test_a_flow_that_forgets_a_state_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "FLOW", {name: step for name, step in flow.FLOW.items() if name != "book"})
    with pytest.raises(ValueError, match="ROUTED"):
        flow.check_flow()


def test_step_names_are_unique_and_each_accepts_one_state() -> None:
    steps = (*flow.INTAKE_FLOW, *flow.ORDER_FLOW, *flow.FULFILMENT_FLOW)
    assert len(flow.FLOW) == len(steps) == len({step.accepts for step in steps})


@KINDS
def test_sources_and_targets_are_states_of_the_same_lifecycle(kind: str) -> None:
    for (source, _), target in TABLES[kind].items():
        assert source in STATES[kind]
        assert target in STATES[kind]


@KINDS
def test_every_event_in_a_table_is_a_fact_of_its_subject(kind: str) -> None:
    assert {event for _, event in TABLES[kind]} <= outcome_names(kind)


@KINDS
def test_every_fact_is_allowed_somewhere(kind: str) -> None:
    assert outcome_names(kind) - {event for _, event in TABLES[kind]} <= BIRTH_EVENTS


@KINDS
def test_nothing_leaves_an_end_and_what_is_recorded_there_changes_nothing(kind: str) -> None:
    for (source, event), target in TABLES[kind].items():
        if source in TERMINAL:
            assert target is source
            assert event in {"RevisionIgnored", "CentreEventIgnored"}


@KINDS
def test_every_state_can_be_reached_from_the_first(kind: str) -> None:
    assert reachable(kind, BIRTHS[kind]) == STATES[kind]


@pytest.mark.parametrize("state", ALL_STATES, ids=str)
def test_every_state_leads_to_an_end(state: State) -> None:
    kind = next(kind for kind, states in STATES.items() if state in states)
    assert reachable(kind, frozenset({state})) & TERMINAL


@pytest.mark.parametrize("state", OrderState, ids=str)
def test_an_order_takes_a_revision_that_changes_nothing_in_any_state(state: OrderState) -> None:
    assert advance_order(state, "RevisionIgnored") is state


@pytest.mark.parametrize("state", PartState, ids=str)
def test_a_part_takes_a_centres_repeated_word_in_any_state(state: PartState) -> None:
    assert advance_part(state, "CentreEventIgnored") is state


@pytest.mark.parametrize("state", [s for s in OrderState if s not in TERMINAL], ids=str)
def test_an_open_order_can_be_cancelled_or_is_being_cancelled(state: OrderState) -> None:
    ending = {OrderState.CANCELLING, OrderState.WITHDRAWING, OrderState.RETRACTING}
    assert ((state, "CancelRequested") in ORDER_TRANSITIONS) != (state in ending)


def test_what_the_centre_was_asked_for_may_ship_whatever_we_want_by_now() -> None:
    asked = {PartState.RELEASED, PartState.ACCEPTED, PartState.WITHDRAWING, PartState.INTERCEPTING}
    assert {source for source, event in PART_TRANSITIONS if event == "PartShipped"} == asked


def test_a_centre_may_refuse_whatever_it_was_asked_for() -> None:
    asked = {PartState.RELEASED, PartState.ACCEPTED, PartState.WITHDRAWING, PartState.INTERCEPTING}
    assert {source for source, event in PART_TRANSITIONS if event == "PartRejected"} == asked


def test_a_transition_that_is_not_in_the_table_names_state_and_event() -> None:
    with pytest.raises(IllegalTransition, match="OrderState 'complete' does not allow OrderBooked"):
        advance_order(OrderState.COMPLETE, "OrderBooked")
    with pytest.raises(IllegalTransition, match="PartState 'planned' does not allow PartShipped"):
        advance_part(PartState.PLANNED, "PartShipped")
    with pytest.raises(IllegalTransition, match="MessageState 'processed' does not allow MessageNormalised"):
        advance_message(MessageState.PROCESSED, "MessageNormalised")


def test_states_of_two_lifecycles_never_compare_equal() -> None:
    assert OrderState.CANCELLED != PartState.CANCELLED  # type: ignore[comparison-overlap]  # that is the point
    assert len(set(ALL_STATES)) == len(ALL_STATES)
