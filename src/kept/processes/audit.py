"""The audit: our ledger against PostgreSQL's invariants and against the outside parties' own books."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kept.domain.lifecycle import OrderState
from kept.simulator.audit_books import CentreBook, ChannelBook, ErpBook
from kept.simulator.config import load_world
from kept.simulator.dialects import DIALECTS
from kept.store.database import Database
from kept.store.invariants import INVARIANTS, breaches
from kept.store.ledger_view import LedgerView, OrderView, ledger_view
from kept.store.queries import Queries

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: how many things break it, and a few of them."""

    check: str
    broken: int
    examples: tuple[str, ...] = ()


@dataclass(slots=True)
class Books:
    """What the outside parties saw, brought into one shape."""

    erp_orders: Sequence[tuple[str, str, int, str]]
    erp_withdrawn: frozenset[str]
    erp_lines: Counter[tuple[str, int]]  # (order reference, line) -> pieces on order
    posted: Counter[tuple[str, int]]  # (part reference, line) -> pieces
    posted_parts: Counter[str]
    shipped: Counter[tuple[str, int]]  # (order reference, line) -> pieces
    accepted_webhooks: Sequence[tuple[str, str, str]]  # (account, external id, webhook id) answered 2xx
    forged: frozenset[str]  # external ids
    malformed: int
    confirmed: Counter[tuple[str, str]]  # (external id, channel's line id) -> pieces
    sold: Sequence[tuple[str, str, float]]  # (account, external id, seconds since 1970)
    unacknowledged: Sequence[str]  # "account order"
    beyond_rates: Sequence[tuple[str, int]]  # (operation, calls) that a channel refused as too many
    unanswered: int = 0


@dataclass(slots=True)
class Report:
    """All findings. `at_rest` tells that nothing was on its way, so that the books must agree exactly."""

    at_rest: bool
    findings: list[Finding] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return all(finding.broken == 0 for finding in self.findings)

    def add(self, check: str, broken: Iterator[str]) -> None:
        rows = list(broken)
        self.findings.append(Finding(check, len(rows), tuple(rows[:_EXAMPLES])))


async def audit(database: Database, world: Path | None) -> Report:
    """Check everything that can be checked. `world` is the simulated world's JSON file, if there is one."""
    queries = Queries(database)
    # The books are read before the ledger: what they saw, the ledger must know by then, or be about to.
    books = read_books(world) if world is not None else None
    unfinished = await queries.unfinished(waiting_too=False)
    report = Report(at_rest=unfinished == 0 and (books is None or books.unanswered == 0))
    found = await breaches(database)
    for name in INVARIANTS:
        count, examples = found.get(name, (0, []))
        report.findings.append(Finding(name, count, tuple(examples)))
    if books is not None:
        compare(report, await ledger_view(database), books)
    return report


def read_books(world: Path) -> Books:
    """Read every party's book of a simulated world."""
    config = load_world(world)
    erp, channels = ErpBook(config.book_path("erp")), ChannelBook(config.book_path("channels"))
    posted: Counter[tuple[str, int]] = Counter()
    for _, part, line_no, quantity in erp.shipments():
        posted[part, line_no] += quantity
    shipped: Counter[tuple[str, int]] = Counter()
    unanswered = channels.unanswered()
    for name in config.centres:
        centre = CentreBook(config.book_path(f"centre-{name}"))
        for _, order, line_no, _, quantity in centre.shipments():
            shipped[order, line_no] += quantity
        unanswered += centre.unanswered_events()
        centre.close()
    confirmed: Counter[tuple[str, str]] = Counter()
    for external_id, _, line_id, quantity in channels.confirmations():
        confirmed[external_id, line_id] += quantity
    books = Books(
        erp_orders=erp.live_orders(),
        erp_withdrawn=erp.withdrawn(),
        erp_lines=Counter({(each[0], each[2]): each[4] for each in erp.order_lines()}),
        posted=posted,
        posted_parts=Counter({part for _, part, _, _ in erp.shipments()}),
        shipped=shipped,
        accepted_webhooks=[
            (account, order, webhook)
            for account, order, webhook, status, _ in channels.sent()
            if status is not None and 200 <= status < 300
        ],
        forged=frozenset(order for order, _ in channels.forged()),
        malformed=channels.malformed(),
        confirmed=confirmed,
        sold=channels.sold(),
        unacknowledged=[
            f"{name} {order}"
            for name, channel in config.channels.items()
            if (within_s := DIALECTS[channel.type].acknowledge_within_s) is not None
            for order in channels.unacknowledged(name, within_s)
        ],
        beyond_rates=channels.beyond_rates(),
        unanswered=unanswered,
    )
    erp.close()
    channels.close()
    return books


def compare(report: Report, ledger: LedgerView, books: Books) -> None:
    """The checks between our ledger and the books."""
    report.add("exactly one ERP order per booked order", _erp_orders(ledger, books))
    report.add("no ERP order that we don't know", _unknown_in_erp(ledger, books))
    report.add("ERP totals are the channel's", _erp_totals(report.at_rest, ledger, books))
    report.add("ERP lines are the order's", _erp_lines(report.at_rest, ledger, books))
    report.add("cancelled orders are withdrawn from the ERP", _withdrawn(ledger, books))
    report.add("centres shipped no more than was ordered", _over_shipped(ledger, books))
    report.add("centres and ledger agree on what shipped", _shipped(report.at_rest, ledger, books))
    report.add("the ERP was told each shipment once", _posted(ledger, books))
    report.add("the channel was told each shipment once", _confirmed(ledger, books))
    report.add("every webhook answered 2xx is in the inbox", _accepted(ledger, books))
    report.add("every order that was sold is known", iter(_unknown(ledger, books) if report.at_rest else ()))
    report.add("every order was acknowledged in time", iter(books.unacknowledged if report.at_rest else ()))
    beyond = [f"{operation}: {calls}" for operation, calls in books.beyond_rates]
    report.add("no channel was asked beyond its rates", iter(beyond))
    report.add("no forged webhook was kept", iter(books.forged & {key[1] for key in ledger.orders_by_external}))
    unread = ledger.unreadable_messages
    report.add(
        "every unreadable message is a dead letter",
        iter([f"{books.malformed} sent, {unread} dead letters"] if report.at_rest and unread < books.malformed else []),
    )


_BOOKED = frozenset({OrderState.BOOKED.value, OrderState.COMPLETE.value})


def _erp_orders(ledger: LedgerView, books: Books) -> Iterator[str]:
    live = Counter(reference for reference, *_ in books.erp_orders)
    yield from (f"{reference}: {count} in the ERP" for reference, count in live.items() if count > 1)
    for order in ledger.orders:
        if order.state in _BOOKED and order.booked and live[order.reference] != 1:
            yield f"{order.reference} is {order.state}, the ERP has {live[order.reference]}"


def _unknown_in_erp(ledger: LedgerView, books: Books) -> Iterator[str]:
    known = {order.reference for order in ledger.orders}
    yield from (reference for reference, *_ in books.erp_orders if reference not in known)


def _settled_in_erp(at_rest: bool, ledger: LedgerView) -> Iterator[OrderView]:
    """Orders of which the ERP must say what we say: not those being amended, nor those that a person was told of."""
    for order in ledger.orders:
        if order.state in _BOOKED and order.booked and not order.erp_behind and (at_rest or order.version == 1):
            yield order


def _erp_lines(at_rest: bool, ledger: LedgerView, books: Books) -> Iterator[str]:
    settled = {order.reference for order in _settled_in_erp(at_rest, ledger)}
    for (reference, line_no), line in ledger.lines.items():
        theirs = books.erp_lines[reference, line_no]
        if reference in settled and theirs != line.ordered:
            yield f"{reference} line {line_no}: ERP {theirs}, ledger {line.ordered}"


def _erp_totals(at_rest: bool, ledger: LedgerView, books: Books) -> Iterator[str]:
    totals = {each.reference: (each.total_minor, each.currency) for each in _settled_in_erp(at_rest, ledger)}
    for reference, _, total_minor, currency in books.erp_orders:
        if reference in totals and totals[reference] != (total_minor, currency):
            yield f"{reference}: ERP {total_minor} {currency}, ledger {totals[reference]}"


def _withdrawn(ledger: LedgerView, books: Books) -> Iterator[str]:
    live = {reference for reference, *_ in books.erp_orders}
    for order in ledger.orders:
        if order.state == OrderState.CANCELLED.value and order.reference in live - books.erp_withdrawn:
            yield order.reference


def _over_shipped(ledger: LedgerView, books: Books) -> Iterator[str]:
    for (reference, line_no), quantity in books.shipped.items():
        line = ledger.lines.get((reference, line_no))
        if line is None or quantity > line.ordered:
            yield f"{reference} line {line_no}: {quantity} shipped, {line.ordered if line else 'nothing'} ordered"


def _shipped(at_rest: bool, ledger: LedgerView, books: Books) -> Iterator[str]:
    for (reference, line_no), line in ledger.lines.items():
        theirs = books.shipped[reference, line_no]
        if line.shipped > theirs or (at_rest and line.shipped != theirs):
            yield f"{reference} line {line_no}: centres {theirs}, ledger {line.shipped}"


def _posted(ledger: LedgerView, books: Books) -> Iterator[str]:
    for part, lines in ledger.shipped_parts.items():
        for line_no, quantity in lines.items():
            told = books.posted[part, line_no]
            if told > quantity or (part in ledger.posted_parts and told != quantity):
                yield f"{part} line {line_no}: ERP {told}, shipped {quantity}"
    yield from (part for part in books.posted_parts if part not in ledger.shipped_parts)


def _confirmed(ledger: LedgerView, books: Books) -> Iterator[str]:
    for key, quantity in books.confirmed.items():
        if quantity > ledger.shipped_to_tell.get(key, 0):
            yield f"{key}: told {quantity}, shipped {ledger.shipped_to_tell.get(key, 0)}"
    for key, quantity in ledger.told_the_channel.items():
        if books.confirmed[key] < quantity:
            yield f"{key}: we say {quantity} told, the channel knows {books.confirmed[key]}"


def _unknown(ledger: LedgerView, books: Books) -> Iterator[str]:
    """Sold before the channel was last asked, or told by webhooks alone, which were all answered."""
    for account, external_id, at_s in books.sold:
        polled_until = ledger.polled_until.get(account)
        if (account, external_id) not in ledger.orders_by_external and (
            polled_until is None or at_s < polled_until.timestamp()
        ):
            yield f"{account} {external_id}"


def _accepted(ledger: LedgerView, books: Books) -> Iterator[str]:
    kept: Mapping[str, set[str]] = defaultdict(set, ledger.inbox_keys)
    yield from (
        f"{account} {webhook}" for account, _, webhook in books.accepted_webhooks if webhook not in kept[account]
    )
