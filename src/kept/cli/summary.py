"""The end of a demo: what came to what, what faults were injected, and whether the audit holds."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.table import Table

from kept.domain.lifecycle import TERMINAL, OrderState
from kept.processes.audit import Report, audit
from kept.processes.local import Machine
from kept.simulator.audit_books import CentreBook, ChannelBook, ErpBook
from kept.simulator.config import WorldConfig
from kept.store.database import Database
from kept.store.queries import Queries


async def summarise(machine: Machine, orders: int, seconds: float) -> bool:
    """Print the summary; whether every order is at an end state and the audit holds."""
    assert machine.world is not None, "a demo has a world"
    database = Database(machine.settings.database_url)
    try:
        counts = await Queries(database).counts()
        report = await audit(database, machine.world.path)
    finally:
        await database.close()
    console = Console()
    table = Table(title=f"{orders} orders in {seconds:.0f} s", box=None, header_style="bold", title_justify="left")
    table.add_column("what")
    table.add_column("number", justify="right")
    for state, number in sorted(counts["orders"].items()):
        table.add_row(f"orders {state}", str(number))
    table.add_row("messages kept", str(counts["messages"]))
    table.add_row("messages refused (forged)", str(counts["refused"]))
    table.add_row("dead letters (unreadable messages among them)", str(counts["dead"]))
    for kind, number in sorted(faults_of(machine.world.config).items()):
        table.add_row(f"fault injected: {kind}", str(number))
    console.print(table)
    return _verdict(console, counts["orders"], orders, report)


def faults_of(world: WorldConfig) -> Counter[str]:
    """Faults that the world injected, by kind."""
    faults: Counter[str] = Counter()
    books = [ErpBook(world.book_path("erp")), ChannelBook(world.book_path("channels"))]
    for book in (*books, *(CentreBook(world.book_path(f"centre-{name}")) for name in world.centres)):
        faults.update(book.faults())
        book.close()
    return faults


def _verdict(console: Console, states: dict[str, int], orders: int, report: Report) -> bool:
    ended = sum(states.get(state.value, 0) for state in OrderState if state in TERMINAL)
    broken = [finding for finding in report.findings if finding.broken]
    for finding in broken:
        console.print(f"[red]broken[/red] {finding.check}: {finding.broken} {'; '.join(finding.examples)}")
    all_ended = ended >= orders and ended == sum(states.values())
    console.print(
        f"{ended} of {max(orders, sum(states.values()))} orders at an end state;"
        f" audit of {len(report.findings)} checks {'holds' if report.holds else 'is BROKEN'}"
        f"{'' if report.at_rest else ' (not at rest)'}"
    )
    return all_ended and report.holds and report.at_rest
