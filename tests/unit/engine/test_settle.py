"""The one place that decides what follows an outcome."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kept.engine.delivery import Advance, Bury, Delivery, Reschedule
from kept.engine.outcome import Document, Done, Reject, Retry, Wait
from kept.engine.retry import RetryPolicy
from kept.engine.settle import settle

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
POLICY = RetryPolicy(attempts_max=3, base_s=10, cap_s=100, jitter=0, wait_max=timedelta(days=3))
DELIVERY = Delivery(7, "book", 0, NOW, attempts=0, waiting_since=None, epoch=1, correlation_id="c")


def test_done_carries_its_facts_whole() -> None:
    document = Document("sha", "label", "application/pdf", b"%PDF")
    done = Done(["fact"], about="order", content="content", documents=[document])
    assert settle(done, DELIVERY, POLICY, now=NOW) == Advance(("fact",), "order", "content", (document,))


def test_waiting_costs_no_attempt_and_remembers_since_when() -> None:
    until = NOW + timedelta(minutes=1)
    tried = replace(DELIVERY, attempts=2)
    first = settle(Wait(until, "no stock"), tried, POLICY, now=NOW)
    assert first == Reschedule(until, 2, NOW, "no stock")
    later = replace(tried, waiting_since=NOW)
    assert settle(Wait(until, "no stock"), later, POLICY, now=NOW + timedelta(days=2)) == first


def test_waiting_ends_when_its_limit_is_over_and_says_since_when() -> None:
    waiting = replace(DELIVERY, waiting_since=NOW)
    limit = NOW + POLICY.wait_max
    assert isinstance(settle(Wait(limit, "no stock"), waiting, POLICY, now=limit), Reschedule)
    buried = settle(Wait(limit, "no stock"), waiting, POLICY, now=limit + timedelta(seconds=1))
    assert buried == Bury("waited since 2026-03-02 09:00 UTC: no stock", "waited_too_long", 0)


def test_a_retry_costs_an_attempt_and_backs_off_as_the_policy_says() -> None:
    first = settle(Retry("503"), DELIVERY, POLICY, now=NOW)
    assert first == Reschedule(NOW + timedelta(seconds=10), 1, None, "503")
    second = settle(Retry("503"), replace(DELIVERY, attempts=1), POLICY, now=NOW)
    assert second == Reschedule(NOW + timedelta(seconds=20), 2, None, "503")


def test_a_retry_ends_the_waiting() -> None:
    settlement = settle(Retry("503"), replace(DELIVERY, waiting_since=NOW), POLICY, now=NOW)
    assert isinstance(settlement, Reschedule)
    assert settlement.waiting_since is None


@pytest.mark.parametrize(("wish_s", "wait_s"), [(0.0, 10), (3.0, 10), (600.0, 600)])
def test_a_targets_wish_lengthens_our_back_off_and_never_shortens_it(wish_s: float, wait_s: int) -> None:
    settlement = settle(Retry("429", delay_s=wish_s), DELIVERY, POLICY, now=NOW)
    assert isinstance(settlement, Reschedule)
    assert settlement.due_at == NOW + timedelta(seconds=wait_s)


def test_the_last_attempt_that_fails_is_a_dead_letter_under_its_cause() -> None:
    settlement = settle(Retry("timeout", code="unknown_result"), replace(DELIVERY, attempts=2), POLICY, now=NOW)
    assert settlement == Bury("gave up after 3 attempts: timeout", "unknown_result", 3)


def test_a_delivery_that_tried_more_often_than_a_new_policy_allows_is_a_dead_letter() -> None:
    assert isinstance(settle(Retry("503"), replace(DELIVERY, attempts=50), POLICY, now=NOW), Bury)


def test_a_rejection_is_a_dead_letter_at_once() -> None:
    settlement = settle(Reject("total differs", "erp_total_differs"), DELIVERY, POLICY, now=NOW)
    assert settlement == Bury("total differs", "erp_total_differs", 1)


def test_settling_changes_nothing_of_the_delivery() -> None:
    before = replace(DELIVERY)
    for outcome in (Done([]), Wait(NOW, ""), Retry(""), Reject("", "")):
        settle(outcome, DELIVERY, POLICY, now=NOW)
    assert replace(DELIVERY) == before
