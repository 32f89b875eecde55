"""Centres repeat, reorder and come too early: what each word makes of a part in each state."""

from __future__ import annotations

import pytest

from kept.domain import centre_events
from kept.domain import events as ev
from kept.domain.centre_events import TOO_EARLY, ContradictsRequest
from kept.domain.lifecycle import PART_TRANSITIONS, PartState
from kept.domain.progress import Part, PartLine
from tests.unit.domain.samples import NOW, package

S = PartState
ASKED = [S.RELEASED, S.ACCEPTED, S.WITHDRAWING, S.INTERCEPTING]
GONE = [S.SHIPPED, S.ADVISED, S.CONFIRMED, S.POSTED]
GIVEN_UP = [S.REJECTED, S.CANCELLED]
PACKED = [package((1, "SKU-1", 2), (2, "SKU-2", 1))]


def part(state: PartState) -> Part:
    lines = (PartLine(1, "SKU-1", 2), PartLine(2, "SKU-2", 1))
    return Part(id=5, number=3, centre="east", service="ground", state=state, lines=lines)


def kind(event: ev.PartEvent) -> str:
    assert event.part == 3
    return type(event).__name__


def states(chosen: list[PartState]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("state", chosen, ids=str)


def test_only_states_before_our_own_bookkeeping_are_too_early() -> None:
    assert {S.PLANNED, S.READY, S.LABELLED} == TOO_EARLY
    assert {*TOO_EARLY, *ASKED, *GONE, *GIVEN_UP} == set(PartState)


def test_an_acceptance_counts_once() -> None:
    assert kind(centre_events.accepted(part(S.RELEASED))) == "PartAccepted"


@states([S.ACCEPTED, S.WITHDRAWING, S.INTERCEPTING, *GONE, *GIVEN_UP])
def test_an_acceptance_that_others_overtook_is_recorded_only(state: PartState) -> None:
    event = centre_events.accepted(part(state))
    assert event == ev.CentreEventIgnored(3, f"accepted while {state.value}")


@states(ASKED)
def test_a_rejection_is_taken_while_the_centre_has_the_request(state: PartState) -> None:
    assert centre_events.rejected(part(state), "damaged") == ev.PartRejected(3, "damaged")


@states([*GONE, *GIVEN_UP])
def test_a_rejection_after_the_end_is_recorded_only(state: PartState) -> None:
    assert centre_events.rejected(part(state), "damaged") == ev.CentreEventIgnored(3, f"rejected while {state.value}")


@states([S.WITHDRAWING, S.INTERCEPTING])
def test_a_cancellation_answers_our_intercept_even_before_we_noted_that_we_asked(state: PartState) -> None:
    assert kind(centre_events.cancelled(part(state))) == "PartCancelled"


@states([S.RELEASED, S.ACCEPTED])
def test_a_cancellation_that_nobody_asked_for_is_a_rejection(state: PartState) -> None:
    assert centre_events.cancelled(part(state)) == ev.PartRejected(3, "cancelled by the centre, unasked")


@states([*GONE, *GIVEN_UP])
def test_a_cancellation_after_the_end_is_recorded_only(state: PartState) -> None:
    assert kind(centre_events.cancelled(part(state))) == "CentreEventIgnored"


@states(ASKED)
def test_a_shipment_counts_whatever_we_wanted_by_then(state: PartState) -> None:
    assert centre_events.shipped(part(state), NOW, PACKED) == ev.PartShipped(3, NOW, tuple(PACKED))


@states(GONE)
def test_a_shipment_told_twice_counts_once(state: PartState) -> None:
    assert centre_events.shipped(part(state), NOW, PACKED) == ev.CentreEventIgnored(3, f"shipped while {state.value}")


@states(GIVEN_UP)
def test_a_shipment_of_a_part_that_was_given_up_needs_a_person(state: PartState) -> None:
    with pytest.raises(ContradictsRequest, match=f"shipped although it is {state.value}"):
        centre_events.shipped(part(state), NOW, PACKED)


def test_a_short_pick_is_a_shipment() -> None:
    assert kind(centre_events.shipped(part(S.ACCEPTED), NOW, [package((1, "SKU-1", 1))])) == "PartShipped"


@pytest.mark.parametrize("packages", [[], [package()]], ids=["no package", "an empty package"])
def test_a_shipment_of_nothing_is_a_rejection(packages: list[ev.Package]) -> None:
    assert centre_events.shipped(part(S.ACCEPTED), NOW, packages) == ev.PartRejected(3, "shipped nothing")


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([(9, "SKU-1", 1)], "1 x SKU-1 for line 9"),
        ([(9, "", 1)], "for line 9"),
        ([(1, "SKU-2", 1)], "asked for was 'SKU-1'"),
        ([(1, "", 1)], "asked for was 'SKU-1'"),
        ([(1, "SKU-1", 0)], "0 x SKU-1"),
        ([(1, "SKU-1", -1)], "-1 x SKU-1"),
        ([(1, "SKU-1", 3)], "3 shipped, 2 asked for"),
        ([(2, "SKU-2", 1), (2, "SKU-2", 1)], "2 shipped, 1 asked for"),
    ],
)
def test_a_shipment_of_what_was_not_asked_for_is_refused_with_the_values(
    lines: list[tuple[int, str, int]], why: str
) -> None:
    with pytest.raises(ContradictsRequest, match=why):
        centre_events.shipped(part(S.ACCEPTED), NOW, [package(*lines)])


def test_too_many_pieces_are_found_over_all_packages() -> None:
    twice = [package((1, "SKU-1", 2)), package((1, "SKU-1", 1))]
    with pytest.raises(ContradictsRequest, match="3 shipped, 2 asked for"):
        centre_events.shipped(part(S.ACCEPTED), NOW, twice)


@states([state for state in PartState if state not in TOO_EARLY])
def test_every_word_in_every_state_makes_a_fact_that_is_allowed_or_a_contradiction(state: PartState) -> None:
    one = part(state)
    words: list[ev.PartEvent] = [
        centre_events.accepted(one),
        centre_events.rejected(one, "no"),
        centre_events.cancelled(one),
        centre_events.ignored(one, "cancel refused"),
    ]
    if state not in GIVEN_UP:
        words.append(centre_events.shipped(one, NOW, PACKED))
    assert all((state, kind(event)) in PART_TRANSITIONS for event in words)
