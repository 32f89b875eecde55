"""Commands with a simulated world: up, demo, simulate."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from kept import settings as settings_module


def register(app: typer.Typer) -> None:
    """Put the commands into the application."""
    app.command()(up)
    app.command()(demo)
    simulate = typer.Typer(no_args_is_help=True, help="Be a party of a simulated world.")
    simulate.command("erp")(simulate_erp)
    simulate.command("centre")(simulate_centre)
    simulate.command("channels")(simulate_channels)
    app.add_typer(simulate, name="simulate")


# The world sells faster than one seller of these vendors may ask: their quotas refill so many times faster.
_SPEED = 60.0

WorldFile = Annotated[Path, typer.Option("--world", help="The world's JSON file.")]


def simulate_erp(world: WorldFile) -> None:
    """Be the ERP."""
    from kept.simulator.config import load_world
    from kept.simulator.world import run_erp

    run_erp(load_world(world))


def simulate_centre(name: Annotated[str, typer.Option()], world: WorldFile) -> None:
    """Be one fulfilment centre."""
    from kept.simulator.config import load_world
    from kept.simulator.world import run_centre

    run_centre(name, load_world(world))


def simulate_channels(world: WorldFile) -> None:
    """Be the channels and their buyers."""
    from kept.simulator.config import load_world
    from kept.simulator.world import run_channels

    run_channels(load_world(world))


def up(
    config: Annotated[Path | None, typer.Option("--config", help="kept.toml")] = None,
    with_demo: Annotated[bool, typer.Option("--demo", help="With a simulated world that feeds it orders.")] = False,
    rate: Annotated[float, typer.Option(help="Simulated orders a second.")] = 5.0,
    seed: Annotated[int, typer.Option(help="Of the simulated world.")] = 1,
) -> None:
    """Run everything on this machine until Ctrl-C; the next start goes on where this one stopped."""
    from kept.cli.live import Live
    from kept.processes.local import running

    make_world = _maker(rate=rate, count=0, seed=seed) if with_demo else None
    stop = _Stop()
    with running(settings_module.load(config), config, make_world) as machine, Live(machine) as live:
        while not stop.asked:
            machine.supervisor.tend()
            live.refresh()
            stop.wait(1.0)
        live.say("stopping ...")


def demo(
    orders: Annotated[int, typer.Option(min=1)] = 500,
    rate: Annotated[float, typer.Option(help="Simulated orders a second.")] = 40.0,
    seed: Annotated[int, typer.Option(help="Of orders and faults.")] = 1,
    faults: Annotated[float, typer.Option(min=0, max=0.5, help="Share of calls that a fault hits.")] = 0.1,
    within_s: Annotated[float, typer.Option(help="Give up after this many seconds.")] = 420.0,
) -> None:
    """Run a number of orders with faults on, then a summary and the audit. Exit code 0 only if all is well."""
    from kept.cli.live import Live
    from kept.cli.summary import summarise
    from kept.processes.local import running

    loaded = settings_module.load()
    loaded = replace(loaded, home=loaded.home / f"demo-{seed}-{int(time.time())}")
    stop = _Stop()
    started = time.monotonic()
    with running(loaded, None, _maker(rate=rate, count=orders, seed=seed, faults=faults)) as machine:
        with Live(machine) as live:
            while not stop.asked and not live.at_rest(orders):
                if time.monotonic() - started > within_s:
                    live.say(f"not at rest after {within_s:.0f} s")
                    break
                machine.supervisor.tend()
                live.refresh()
                stop.wait(0.5)
        well = asyncio.run(summarise(machine, orders, time.monotonic() - started))
    if stop.asked or not well:
        raise typer.Exit(1)


def _maker(*, rate: float, count: int, seed: int, faults: float = 0.0) -> Callable[[Path, str], Any]:
    """What makes the world once the address of Kept is known."""

    def make(folder: Path, kept_url: str) -> Any:
        from kept.embedded.ports import free_port
        from kept.simulator.config import load_world
        from kept.simulator.demo import ACCOUNTS, demo_config
        from kept.simulator.faults import FaultPlan

        folder.mkdir(parents=True, exist_ok=True)
        known = folder / "world.json"
        first_port = load_world(known).erp.port if known.exists() else free_port()
        return demo_config(
            folder,
            kept_url=kept_url,
            first_port=first_port,
            seed=seed,
            rate=rate,
            count=count,
            faults=FaultPlan(seed=seed, rate=faults) if faults else None,
            poll_every_s=10 if count else 60,  # what no webhook told of is waited for at the end
            accounts=tuple(ACCOUNTS),
            speed=_SPEED,
        )

    return make


class _Stop:
    """Whether somebody asked us to stop: Ctrl-C or SIGTERM."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True

    def wait(self, seconds: float) -> None:
        """Wait, but not after being asked to stop."""
        deadline = time.monotonic() + seconds
        while not self.asked and time.monotonic() < deadline:
            time.sleep(0.05)
