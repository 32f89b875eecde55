"""The write-ahead protocol: an effect is sent once, or found, or left to a person, and never sent blindly."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kept.engine.delivery import Delivery
from kept.engine.effects import ClaimLost, DeliveryEffects, StillUncertain, request_hash
from kept.engine.interfaces import EffectRecord, Intent
from kept.ports import CircuitOpen, Effect, PermanentFault, TemporaryFault, UnknownResult

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HORIZON = timedelta(minutes=2)
REQUEST = {"reference": "R-1", "total": 1050}
EFFECT = Effect("R-1:book:1", "erp:main", "book", REQUEST)
FRESH = EffectRecord(2, "new", request_hash(REQUEST), 1, NOW, None)
UNRESOLVED = EffectRecord(3, "unresolved", request_hash(REQUEST), 2, NOW, None)


@dataclass(frozen=True)
class Booked:
    """What the target answers."""

    erp_order_id: str
    total_minor: int


BOOKED = Booked("SO-1", 1050)


@dataclass
class Book:
    """An intent ledger with one record, and what was written to it."""

    record: EffectRecord | None
    intents: list[Intent] = field(default_factory=list)

    async def intend(self, intent: Intent) -> EffectRecord | None:
        self.intents.append(intent)
        return self.record


@dataclass
class Target:
    """The outside: answers, or raises, and remembers what it was asked, in order."""

    sending: Any = BOOKED
    finding: Any = None
    asked: list[str] = field(default_factory=list)

    async def send(self) -> Booked:
        self.asked.append("send")
        if isinstance(self.sending, Exception):
            raise self.sending
        assert isinstance(self.sending, Booked)
        return self.sending

    async def find(self) -> Booked | None:
        self.asked.append("find")
        if isinstance(self.finding, Exception):
            raise self.finding
        assert self.finding is None or isinstance(self.finding, Booked)
        return self.finding


def effects_of(record: EffectRecord | None, now: datetime = NOW) -> tuple[DeliveryEffects, Book]:
    book = Book(record)
    delivery = Delivery(7, "book", 0, NOW, attempts=0, waiting_since=None, epoch=1, correlation_id="corr")
    return DeliveryEffects(delivery, book, lambda: now), book


async def perform(
    effects: DeliveryEffects, target: Target, *, searchable: bool = True, honours_key: bool = True
) -> Booked:
    find: Callable[[], Awaitable[Booked | None]] | None = target.find if searchable else None
    return await effects.perform(
        EFFECT, target.send, answer_type=Booked, find=find, honours_key=honours_key, write_horizon=HORIZON
    )


async def test_a_new_effect_is_written_down_before_it_is_sent() -> None:
    effects, book = effects_of(FRESH)
    target = Target()
    assert await perform(effects, target) == BOOKED
    assert target.asked == ["send"]
    (intent,) = book.intents
    assert intent == Intent(7, 1, False, EFFECT.key, "erp:main", "book", request_hash(REQUEST), "corr")
    (seen,) = effects.results
    assert (seen.key, seen.status, seen.attempt, seen.epoch) == (EFFECT.key, "confirmed", 1, 2)
    assert (seen.downstream_id, seen.adopted, seen.error) == ("SO-1", False, "")


async def test_the_claim_won_by_the_first_intent_is_held_for_the_next() -> None:
    effects, book = effects_of(FRESH)
    await perform(effects, Target())
    await perform(effects, Target())
    assert [(intent.claimed, intent.epoch) for intent in book.intents] == [(False, 1), (True, 2)]
    assert effects.delivery.epoch == 2


async def test_a_confirmed_effect_is_answered_from_the_record_without_a_call() -> None:
    first, _ = effects_of(FRESH)
    await perform(first, Target())
    confirmed = replace(FRESH, resolved="confirmed", answer=first.results[0].answer)
    again, _ = effects_of(confirmed)
    target = Target()
    assert await perform(again, target) == BOOKED
    assert target.asked == []
    assert again.results == []


async def test_what_was_confirmed_while_we_searched_is_not_sent_again() -> None:
    first, _ = effects_of(FRESH)
    await perform(first, Target())
    effects, book = effects_of(UNRESOLVED)
    target = Target()

    async def find() -> Booked | None:
        # The earlier try's worker settles after our look, and before our second intent.
        book.record = replace(UNRESOLVED, resolved="confirmed", answer=first.results[0].answer)
        return None

    target.find = find  # type: ignore[method-assign]  # one answer of this test's own
    assert await perform(effects, target) == BOOKED
    assert target.asked == []


@pytest.mark.parametrize(("record", "status"), [(FRESH, "refused"), (UNRESOLVED, "unknown")])
async def test_an_open_circuit_takes_the_intent_back_and_leaves_no_try(record: EffectRecord, status: str) -> None:
    effects, _ = effects_of(record)
    with pytest.raises(CircuitOpen):
        await perform(effects, Target(sending=CircuitOpen("erp:main is down")))
    (seen,) = effects.results
    assert (seen.status, seen.asked) == (status, False)


async def test_another_workers_delivery_is_left_alone() -> None:
    effects, _ = effects_of(None)
    target = Target()
    with pytest.raises(ClaimLost):
        await perform(effects, target)
    assert target.asked == []
    assert not effects.claimed


@pytest.mark.parametrize("resolved", ["new", "refused", "unresolved"])
async def test_another_content_under_the_same_key_is_never_sent(resolved: str) -> None:
    effects, _ = effects_of(replace(FRESH, resolved=resolved, request_hash="another"))
    target = Target()
    with pytest.raises(PermanentFault, match="another content") as caught:
        await perform(effects, target)
    assert caught.value.code == "effect_content_changed"
    assert target.asked == []


async def test_what_was_surely_refused_is_sent_again_without_a_search() -> None:
    effects, _ = effects_of(replace(FRESH, resolved="refused", attempt=2))
    target = Target()
    assert await perform(effects, target, honours_key=False) == BOOKED
    assert target.asked == ["send"]


@pytest.mark.parametrize("honours_key", [True, False])
async def test_an_unresolved_effect_that_is_found_is_adopted_and_not_sent_again(honours_key: bool) -> None:
    effects, _ = effects_of(UNRESOLVED)
    target = Target(finding=BOOKED)
    assert await perform(effects, target, honours_key=honours_key) == BOOKED
    assert target.asked == ["find"]
    (seen,) = effects.results
    assert (seen.status, seen.adopted, seen.downstream_id) == ("confirmed", True, "SO-1")


async def test_an_unresolved_effect_that_is_not_found_is_sent_again_under_its_key() -> None:
    effects, book = effects_of(UNRESOLVED)
    target = Target()
    assert await perform(effects, target) == BOOKED
    assert target.asked == ["find", "send"]
    assert {intent.key for intent in book.intents} == {EFFECT.key}


async def test_a_key_alone_is_enough_to_send_again() -> None:
    effects, _ = effects_of(UNRESOLVED)
    target = Target()
    assert await perform(effects, target, searchable=False) == BOOKED
    assert target.asked == ["send"]


async def test_without_a_key_an_empty_search_proves_nothing_until_the_horizon_is_over() -> None:
    effects, _ = effects_of(UNRESOLVED, NOW + HORIZON - timedelta(microseconds=1))
    target = Target()
    with pytest.raises(StillUncertain) as caught:
        await perform(effects, target, honours_key=False)
    assert caught.value.until == NOW + HORIZON
    assert target.asked == ["find"]


async def test_without_a_key_an_empty_search_after_the_horizon_lets_it_be_sent() -> None:
    effects, _ = effects_of(UNRESOLVED, NOW + HORIZON)
    target = Target()
    assert await perform(effects, target, honours_key=False) == BOOKED
    assert target.asked == ["find", "send"]


async def test_with_neither_key_nor_search_a_person_decides() -> None:
    effects, _ = effects_of(UNRESOLVED, NOW + timedelta(days=9))
    target = Target()
    with pytest.raises(PermanentFault, match="neither a key nor a search") as caught:
        await perform(effects, target, searchable=False, honours_key=False)
    assert caught.value.code == "unresolved_effect"
    assert EFFECT.key in str(caught.value)
    assert target.asked == []


async def test_a_search_that_fails_sends_nothing() -> None:
    effects, _ = effects_of(UNRESOLVED)
    target = Target(finding=TemporaryFault("503"))
    with pytest.raises(TemporaryFault):
        await perform(effects, target)
    assert target.asked == ["find"]
    assert effects.results == []


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (TemporaryFault("503, nothing done"), "refused"),
        (CircuitOpen("not asked"), "refused"),
        (PermanentFault("422: bad address", code="bad_address"), "refused"),
        (UnknownResult("timeout after sending"), "unknown"),
    ],
)
async def test_a_fault_goes_through_and_what_it_says_of_the_effect_is_kept(fault: Exception, status: str) -> None:
    effects, _ = effects_of(FRESH)
    with pytest.raises(type(fault)):
        await perform(effects, Target(sending=fault))
    (seen,) = effects.results
    assert (seen.status, seen.error, seen.answer, seen.downstream_id) == (status, str(fault), None, "")


async def test_a_bug_while_sending_leaves_the_effect_unresolved() -> None:
    effects, _ = effects_of(FRESH)
    with pytest.raises(ZeroDivisionError):
        await perform(effects, Target(sending=ZeroDivisionError()))
    assert effects.results == []


async def test_an_error_text_of_any_length_is_kept_short() -> None:
    effects, _ = effects_of(FRESH)
    with pytest.raises(UnknownResult):
        await perform(effects, Target(sending=UnknownResult("x" * 10_000)))
    assert len(effects.results[0].error) == 500


async def test_a_call_is_timed_by_the_clock_that_was_given() -> None:
    moments = iter([NOW, NOW + timedelta(milliseconds=250)])
    effects, _ = effects_of(FRESH)
    effects.clock = lambda: next(moments)
    await perform(effects, Target())
    assert (effects.results[0].at, effects.results[0].duration_ms) == (NOW, 250)


def test_equal_requests_have_equal_hashes_whatever_their_members_order() -> None:
    assert request_hash({"a": 1, "b": NOW}) == request_hash({"b": NOW, "a": 1})
    assert request_hash({"a": 1}) != request_hash({"a": 2})
    assert request_hash(BOOKED) == request_hash(replace(BOOKED))
    assert request_hash({1: "L1"}) == request_hash({1: "L1"})
