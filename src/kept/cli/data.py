"""Commands about what is kept: orders, dead letters, stock, audit."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from kept import settings as settings_module
from kept.cli import instructions
from kept.cli.database import with_database
from kept.cli.output import print_json, print_rows, text_of
from kept.settings import SettingsError

T = TypeVar("T")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Put the commands into the application."""
    orders = typer.Typer(no_args_is_help=True, help="Orders.")
    orders.command("list")(list_orders)
    orders.command("show")(show_order)
    instructions.register(orders)
    app.add_typer(orders, name="orders")
    dead = typer.Typer(no_args_is_help=True, help="Dead letters: what needs a person.")
    dead.command("list")(list_letters)
    dead.command("show")(show_letter)
    dead.command("replay")(replay_letters)
    app.add_typer(dead, name="dead")
    stock = typer.Typer(no_args_is_help=True, help="Stock by centre and SKU.")
    stock.command("list")(list_stock)
    stock.command("offers")(list_offers)
    stock.command("safety")(keep_back)
    app.add_typer(stock, name="stock")
    skus = typer.Typer(no_args_is_help=True, help="What channels' SKUs are in ours.")
    skus.command("import")(import_skus)
    skus.command("list")(list_skus)
    app.add_typer(skus, name="skus")
    app.command()(audit)


def list_orders(
    state: Annotated[str, typer.Option(help="Only orders in this state.")] = "",
    account: Annotated[str, typer.Option(help="Only orders of this channel account.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: Json = False,
) -> None:
    """List orders, newest first."""
    from kept.store.queries import OrderFilter, Queries

    chosen = OrderFilter(state=state, account=account, limit=limit)
    rows = with_database(lambda database: Queries(database).orders(chosen))
    columns = ("reference", "account", "number", "state", "total_minor", "currency", "ship_by", "updated_at")
    print_rows(rows, columns, as_json)


def show_order(name: str, as_json: Json = False) -> None:
    """Show an order and its timeline with every call. NAME is our reference, a number or a channel's id."""
    from kept.store.queries import Queries

    async def work(database: Any) -> tuple[Any, Any]:
        queries = Queries(database)
        order = await queries.order(name)
        return order, await queries.timeline(order["id"]) if order is not None else []

    order, timeline = with_database(work)
    if order is None:
        typer.echo(f"no order has the reference, number or channel id {name!r}", err=True)
        raise typer.Exit(1)
    if as_json or not sys.stdout.isatty():
        print_json({**order, "timeline": timeline})
        return
    for key, value in order.items():
        typer.echo(f"{key:>16}  {text_of(value)}")
    for entry in timeline:
        what = {k: v for k, v in entry.items() if k not in ("at", "entry", "correlation_id") and v not in (None, "")}
        typer.echo(f"{entry['at']:%H:%M:%S.%f}  {entry['entry']:<8} {text_of(what)}")


def list_letters(step: str = "", code: str = "", resolved: bool = False, as_json: Json = False) -> None:
    """List dead letters, the most urgent first."""
    rows = with_database(lambda database: _letters(database).matching(_filter(step=step, code=code, resolved=resolved)))
    print_rows(rows, ("id", "order_reference", "step", "code", "reason", "attempts", "died_at"), as_json)


def show_letter(letter: int, as_json: Json = False) -> None:
    """Show one dead letter with, for a message, its raw body."""
    found = with_database(lambda database: _letters(database).show(letter))
    if found is None:
        typer.echo(f"no dead letter has the id {letter}", err=True)
        raise typer.Exit(1)
    if as_json or not sys.stdout.isatty():
        print_json(found)
        return
    for key, value in found.items():
        typer.echo(f"{key:>16}  {text_of(value)}")


def replay_letters(
    letters: Annotated[list[int] | None, typer.Argument(help="Ids; or choose by --step or --code.")] = None,
    step: str = "",
    code: str = "",
    yes: Annotated[bool, typer.Option("--yes", help="Replay; without it only show what would be.")] = False,
    as_json: Json = False,
) -> None:
    """Put dead letters' deliveries back. Dry run unless --yes. Exit code 3 if some were gone already."""
    if not (letters or step or code):
        raise typer.BadParameter("name letters, --step or --code; a replay of everything is never meant")
    chosen = _filter(step=step, code=code, ids=tuple(letters or ()))
    if not yes:
        rows = with_database(lambda database: _letters(database).matching(chosen, limit=1000))
        typer.echo(f"would replay {len(rows)}; add --yes to do it", err=True)
        print_rows(rows, ("id", "order_reference", "step", "code", "reason"), as_json)
        return
    # The relay rings for what is put back, so Redis is not needed here.
    replayed, _ = with_database(lambda database: _letters(database).replay(chosen, "command line"))
    print_json({"replayed": replayed})
    if letters and len(replayed) < len(set(letters)):
        raise typer.Exit(3)


def _letters(database: Any) -> Any:
    from kept.processes.assembly import utc_now
    from kept.store.dead_letters import DeadLetters

    return DeadLetters(database, utc_now)


def _filter(**fields: Any) -> Any:
    from kept.store.dead_letters import LetterFilter

    return LetterFilter(**fields)


def list_stock(as_json: Json = False) -> None:
    """List stock: on hand, promised, available."""
    from kept.store.stock import StockRooms

    rows = with_database(lambda database: StockRooms(database).levels())
    print_rows(rows, ("centre", "sku", "on_hand", "reserved", "safety", "available", "as_of"), as_json)


def keep_back(file: Annotated[Path, typer.Argument(help="CSV: centre, sku, pieces; 0 pieces keep back none.")]) -> None:
    """Set how many pieces of a SKU a centre keeps back: they are on the shelf and promised to nobody."""
    from kept.cli.csv_files import WrongRow, read_safety
    from kept.processes.assembly import utc_now
    from kept.store.stock import StockRooms

    safety = _read_csv(file, read_safety, WrongRow)
    with_database(lambda database: StockRooms(database).keep_back(safety, getpass.getuser(), utc_now()))
    print_json({"skus": len(safety)})


def list_offers(
    account: Annotated[str | None, typer.Option(help="Of one channel account only.")] = None, as_json: Json = False
) -> None:
    """List what channels were last told that they may sell, and what they would not take."""
    from kept.store.stock_offers import StockOffers

    rows = with_database(lambda database: StockOffers(database).listed(account))
    print_rows(rows, ("account", "sku", "told", "refused", "reason", "told_at"), as_json)


def import_skus(
    file: Annotated[Path, typer.Argument(help="CSV: channel_sku, sku and, for kits, quantity and share.")],
    account: Annotated[str, typer.Option(help="The channel account whose SKUs these are.")],
) -> None:
    """Add or replace mappings; orders held for one of them go on by themselves."""
    from kept.cli.csv_files import WrongRow, read_mapping
    from kept.processes.remapping import import_mapping

    loaded = settings_module.load()
    if loaded.business.channels and account not in loaded.business.channels:
        raise SettingsError(
            f"kept.toml has no channel {account!r}; it has {', '.join(sorted(loaded.business.channels))}"
        )
    mapping = _read_csv(file, read_mapping, WrongRow)
    going_on = with_database(lambda database: import_mapping(database, account, mapping))
    print_json({"account": account, "skus": len(mapping), "orders_going_on": going_on})


def _read_csv(file: Path, read: Callable[[str], T], wrong: type[Exception]) -> T:
    """A file's content. Raises SettingsError naming what is wrong with it: half of it would be worse than none."""
    try:
        return read(file.read_text(encoding="utf-8"))
    except (wrong, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: {error}; nothing was imported") from error
    except OSError as error:
        raise SettingsError(f"{file} can't be read: {error.strerror}") from error


def list_skus(
    account: Annotated[str | None, typer.Option(help="Of one channel account only.")] = None, as_json: Json = False
) -> None:
    """Print the mappings."""
    from kept.store.skus import SkuMaps

    rows = with_database(lambda database: SkuMaps(database).listed(account))
    print_rows(rows, ("account", "channel_sku", "components", "imported_at"), as_json)


def audit(
    world: Annotated[Path | None, typer.Option(help="A simulated world's JSON file, to compare with.")] = None,
    as_json: Json = False,
) -> None:
    """Compare ledger, invariants and the outside parties' books. Exit code 1 on any breach."""
    from kept.processes.audit import audit as run_audit

    if world is None:
        usual = settings_module.load().home / "world" / "world.json"
        world = usual if usual.exists() else None
    report = with_database(lambda database: run_audit(database, world))
    rows = [{"check": f.check, "broken": f.broken, "examples": "; ".join(f.examples)} for f in report.findings]
    print_rows(rows, ("check", "broken", "examples"), as_json)
    rest = "everything is at rest" if report.at_rest else "orders are on their way"
    typer.echo(f"audit {'holds' if report.holds else 'BROKEN'}: {len(rows)} checks, {rest}", err=True)
    if not report.holds:
        raise typer.Exit(1)
