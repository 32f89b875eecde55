"""The command `kept`: noun and verb, `--json` on everything that prints data, prompts and progress on stderr."""

from __future__ import annotations

import sys

import typer

from kept.cli import centres, channels, data, events, reconcile, routing, servers, targets, world
from kept.embedded.errors import EmbeddedError
from kept.engine.interfaces import BellUnavailable, StoreUnavailable
from kept.settings import SettingsError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Every order is a promise. Kept keeps it.")
servers.register(app)
data.register(app)
channels.register(app)
centres.register(app)
targets.register(app)
events.register(app)
reconcile.register(app)
routing.register(app)
world.register(app)


def main() -> None:
    """Run the command; a wrong setting or a server that is away is an error with one line, not a traceback."""
    try:
        app()
    except SettingsError as error:
        print(f"kept: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except (StoreUnavailable, BellUnavailable, EmbeddedError) as error:
        print(f"kept: {error}", file=sys.stderr)
        raise SystemExit(1) from error
