"""The audit's comparison of a ledger with what the channels sold."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from kept.processes.audit import Books, Report, compare
from kept.store.ledger_view import LedgerView

POLLED = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
CHECK = "every order that was sold is known"


def unknown(*sold: tuple[str, str, float], at_rest: bool = True) -> tuple[str, ...]:
    ledger = LedgerView(
        orders=(),
        orders_by_external={("shop", "E1"): "K-1"},
        lines={},
        shipped_parts={},
        posted_parts=frozenset(),
        shipped_to_tell={},
        told_the_channel={},
        inbox_keys={},
        unreadable_messages=0,
        polled_until={"shop": POLLED},
    )
    books = Books(
        erp_lines=Counter(),
        erp_orders=(),
        erp_withdrawn=frozenset(),
        posted=Counter(),
        posted_parts=Counter(),
        shipped=Counter(),
        accepted_webhooks=(),
        forged=frozenset(),
        malformed=0,
        confirmed=Counter(),
        sold=sold,
        unacknowledged=(),
        beyond_rates=(),
    )
    report = Report(at_rest)
    compare(report, ledger, books)
    return next(finding.examples for finding in report.findings if finding.check == CHECK)


BEFORE = (POLLED - timedelta(seconds=1)).timestamp()
AFTER = (POLLED + timedelta(seconds=1)).timestamp()


def test_an_order_that_was_sold_before_the_last_poll_and_is_not_here_is_a_breach() -> None:
    assert unknown(("shop", "E1", BEFORE), ("shop", "E2", BEFORE)) == ("shop E2",)


def test_an_order_that_the_next_poll_will_bring_is_none() -> None:
    assert unknown(("shop", "E2", AFTER)) == ()


def test_an_account_without_polling_must_have_told_everything() -> None:
    assert unknown(("own", "E9", AFTER)) == ("own E9",)


def test_what_is_on_its_way_is_no_breach() -> None:
    assert unknown(("own", "E9", BEFORE), at_rest=False) == ()
