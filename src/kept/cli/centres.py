"""Commands about centres: which are paused, and pausing and resuming them."""

from __future__ import annotations

import getpass
from typing import Annotated, Any

import typer

from kept.cli.data import Json
from kept.cli.database import with_database
from kept.cli.output import print_json, print_rows
from kept.cli.servers import Config
from kept.settings import SettingsError, load

_Name = Annotated[str, typer.Argument(help="As kept.toml names it.")]


def register(app: typer.Typer) -> None:
    """Put the commands into the application."""
    centres = typer.Typer(no_args_is_help=True, help="Fulfilment centres.")
    centres.command("list")(list_centres)
    centres.command("pause")(pause)
    centres.command("resume")(resume)
    app.add_typer(centres, name="centres")


def list_centres(as_json: Json = False, config: Config = None) -> None:
    """List the centres of kept.toml, with who paused which, when and why."""
    from kept.store.centres import CentrePauses

    pauses = with_database(lambda database: CentrePauses(database).all())
    names = sorted(load(config).business.centres)
    rows = [{"centre": name, **pauses.get(name, {"reason": None, "by": None, "since": None})} for name in names]
    print_rows(rows, ("centre", "since", "by", "reason"), as_json)


def pause(
    name: _Name, reason: Annotated[str, typer.Option(help="Why; it is shown with orders.")], config: Config = None
) -> None:
    """Plan nothing new at a centre. What was planned there goes on."""
    _known(name, config)
    _change(lambda pauses, now: pauses.pause(name, reason, getpass.getuser(), now), name, paused=True)


def resume(name: _Name, config: Config = None) -> None:
    """Plan at a centre again; orders that wait for stock are looked at now."""
    _known(name, config)
    _change(lambda pauses, now: pauses.resume(name, getpass.getuser(), now), name, paused=False)


def _known(name: str, config: Any) -> None:
    centres = load(config).business.centres
    if name not in centres:
        raise SettingsError(f"kept.toml names no centre {name!r}; it names {', '.join(sorted(centres)) or 'none'}")


def _change(change: Any, name: str, *, paused: bool) -> None:
    from kept.processes.assembly import utc_now
    from kept.store.centres import CentrePauses

    changed = with_database(lambda database: change(CentrePauses(database), utc_now()))
    print_json({"centre": name, "paused": paused, "changed": changed})
