"""The one place that decides what follows an outcome. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from kept.engine.delivery import Advance, Bury, Delivery, Reschedule, Settlement
from kept.engine.outcome import Done, Outcome, Reject, Retry, Wait
from kept.engine.retry import RetryPolicy


def settle(outcome: Outcome, delivery: Delivery, policy: RetryPolicy, *, now: datetime) -> Settlement:
    """What becomes of a delivery after an outcome, under its step's retry policy."""
    match outcome:
        case Done():
            return Advance(tuple(outcome.events), outcome.about, outcome.content, tuple(outcome.documents))
        case Wait(until=until, reason=reason):
            since = delivery.waiting_since or now
            if now - since > policy.wait_max:
                return Bury(f"waited since {since:%Y-%m-%d %H:%M} UTC: {reason}", "waited_too_long", delivery.attempts)
            return Reschedule(until, delivery.attempts, since, reason)
        case Retry(reason=reason, delay_s=delay_s, code=code):
            attempts = delivery.attempts + 1
            if attempts >= policy.attempts_max:
                return Bury(f"gave up after {attempts} attempts: {reason}", code, attempts)
            wished_s = policy.delay_s(delivery.id, attempts)
            # A target's own wish is honoured, but never shortens our back-off.
            wait_s = max(delay_s, wished_s) if delay_s is not None else wished_s
            return Reschedule(now + timedelta(seconds=wait_s), attempts, None, reason)
        case Reject(reason=reason, code=code):
            return Bury(reason, code, delivery.attempts + 1)
