"""Faults become outcomes in one place; settlements are committed before anybody is told of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kept.domain.lifecycle import OrderState
from kept.engine.delivery import Advance, Bury, Delivery, Loaded, Reschedule, Ring, Rung, Settling
from kept.engine.effects import ClaimLost, DeliveryEffects, StillUncertain
from kept.engine.interfaces import BellUnavailable, EffectRecord, Intent, StoreUnavailable
from kept.engine.outcome import Done, Outcome, Reject, Retry, Wait
from kept.engine.step import Step, each
from kept.engine.work import attempt, finish, outcome_of_fault
from kept.ports import (
    AccessRefused,
    BadMessage,
    CircuitOpen,
    Fault,
    PermanentFault,
    QuotaSpent,
    TemporaryFault,
    UnknownResult,
)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SOON, PAST = NOW + timedelta(seconds=30), NOW - timedelta(seconds=30)


def looks_down(fault: Fault, for_s: float) -> Fault:
    """The fault of a call that left the target's circuit open."""
    fault.down_for_s = for_s
    return fault


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (CircuitOpen("erp is down", retry_after_s=30), Wait(SOON, "erp is down")),
        (CircuitOpen("erp is down"), Wait(NOW + timedelta(seconds=1), "erp is down")),
        (StillUncertain(SOON, "may apply"), Wait(SOON, "may apply")),
        (StillUncertain(PAST, "may apply"), Wait(NOW, "may apply")),
        (TemporaryFault("503", retry_after_s=7), Retry("503", 7)),
        (TemporaryFault("503"), Retry("503")),
        (UnknownResult("timeout"), Retry("timeout", code="unknown_result")),
        (looks_down(TemporaryFault("no answer"), 30.0), Wait(SOON, "no answer")),
        (looks_down(UnknownResult("timeout"), 30.0), Wait(SOON, "timeout")),
        (looks_down(TemporaryFault("no answer"), 0.0), Wait(NOW + timedelta(seconds=1), "no answer")),
        (PermanentFault("no", code="bad_address"), Reject("no", "bad_address")),
        (PermanentFault("no"), Reject("no", "refused")),
        (QuotaSpent("no more calls", retry_after_s=30), Wait(SOON, "no more calls")),
        (AccessRefused("the token is over"), Wait(NOW + timedelta(seconds=60), "the token is over")),
        (BadMessage("no JSON", where="line 1"), Reject("no JSON (at line 1)", "bad_message")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_fault_means_one_outcome(fault: Exception, outcome: Outcome) -> None:
    assert outcome_of_fault(fault, NOW) == outcome


def test_an_unforeseen_error_is_retried_by_name_and_its_text_is_not_repeated() -> None:
    outcome = outcome_of_fault(KeyError("ada@example.com"), NOW)
    assert outcome == Retry("unforeseen KeyError", code="bug:KeyError")


# ------------------------------------------------------------------ one delivery


class NoLedger:
    """For steps that perform no effect."""

    async def intend(self, intent: Intent) -> EffectRecord | None:
        raise AssertionError(intent)


async def run(step_does: Callable[[], Any]) -> Settling | None:
    """One delivery of a step that does this."""

    async def one(subject: object, ports: object) -> Outcome:
        outcome = step_does()
        assert isinstance(outcome, Done | Wait | Retry | Reject)
        return outcome

    delivery = Delivery(7, "book", 0, NOW, attempts=0, waiting_since=None, epoch=1, correlation_id="c")
    effects = DeliveryEffects(delivery, NoLedger(), lambda: NOW)
    step: Step[Any] = Step("book", OrderState.ROUTED, each(one))
    return await attempt(step, Loaded(delivery, "subject"), lambda own: own, effects, lambda: NOW)


def failing(fault: BaseException) -> Callable[[], Any]:
    def fail() -> None:
        raise fault

    return fail


async def settlement_of(step_does: Callable[[], Any]) -> object:
    settling = await run(step_does)
    assert settling is not None
    return settling.settlement


async def test_what_a_step_returns_is_settled() -> None:
    assert await settlement_of(lambda: Done(["fact"])) == Advance(("fact",), None, None, ())


async def test_a_fault_in_a_step_is_settled_as_the_outcome_it_means() -> None:
    assert isinstance(await settlement_of(failing(TemporaryFault("503"))), Reschedule)
    assert await settlement_of(failing(PermanentFault("no", code="x"))) == Bury("no", "x", 1)
    assert isinstance(await settlement_of(failing(ZeroDivisionError())), Reschedule)


async def test_a_lost_claim_settles_nothing() -> None:
    assert await run(failing(ClaimLost("7"))) is None


async def test_a_worker_that_is_being_stopped_settles_nothing() -> None:
    with pytest.raises(asyncio.CancelledError):
        await run(failing(asyncio.CancelledError()))


# ------------------------------------------------------------------ committing


@dataclass
class Party:
    """Store and bell in one, so that the order of calls is seen; fails where it is told to."""

    fails: dict[str, Exception] = field(default_factory=dict)
    seen: list[tuple[str, object]] = field(default_factory=list)
    rings: list[Ring] = field(default_factory=lambda: [Ring(8, "label", 1)])

    def _note(self, what: str, value: object) -> None:
        self.seen.append((what, value))
        if what in self.fails:
            raise self.fails[what]

    async def settle(self, settlings: Sequence[Settling]) -> list[Ring]:
        self._note("settle", len(settlings))
        return self.rings

    async def ring(self, rings: Sequence[Ring]) -> None:
        self._note("ring", list(rings))

    async def ack(self, rungs: Sequence[Rung]) -> None:
        self._note("ack", list(rungs))


RUNG = Rung("stream", "1-0", (7,))


async def finish_with(party: Party) -> list[Ring]:
    delivery = Delivery(7, "book", 0, NOW, attempts=0, waiting_since=None, epoch=1, correlation_id="c")
    settling = Settling(delivery, "subject", Bury("no", "x", 1))
    store: Any = party
    bell: Any = party
    return await finish(store, bell, [settling], lambda: [RUNG])


async def test_commit_first_then_ring_and_acknowledge_last() -> None:
    party = Party()
    assert await finish_with(party) == party.rings
    assert party.seen == [("settle", 1), ("ring", party.rings), ("ack", [RUNG])]


async def test_nothing_is_rung_or_acknowledged_for_what_was_not_committed() -> None:
    party = Party(fails={"settle": StoreUnavailable("gone")})
    with pytest.raises(StoreUnavailable):
        await finish_with(party)
    assert [what for what, _ in party.seen] == ["settle"]


async def test_a_message_is_not_acknowledged_when_the_next_ring_was_lost() -> None:
    party = Party(fails={"ring": BellUnavailable("gone")})
    with pytest.raises(BellUnavailable):
        await finish_with(party)
    assert [what for what, _ in party.seen] == ["settle", "ring"]
