"""Commands about events out: subscriptions, redelivery, the feed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

import typer

from kept import settings as settings_module
from kept.cli.data import Json
from kept.cli.database import with_database
from kept.cli.output import print_json, print_rows, text_of
from kept.cli.servers import Config

_ACTOR = "command line"
_MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
_LOOK_EVERY_S = 0.5
_Id = Annotated[str, typer.Argument(metavar="SUBSCRIPTION", help="The subscription's id: see `kept events list`.")]
_Types = Annotated[list[str] | None, typer.Option("--type", help="A type of event; repeat it for more. Default: all.")]
_Accounts = Annotated[list[str] | None, typer.Option("--account", help="A channel account. Default: all.")]


def register(app: typer.Typer) -> None:
    """Put the commands into the application."""
    events = typer.Typer(no_args_is_help=True, help="Events out to in-house systems.")
    events.command("types")(types)
    events.command("subscribe")(subscribe)
    events.command("list")(list_subscriptions)
    events.command("show")(show)
    events.command("pause")(pause)
    events.command("resume")(resume)
    events.command("delete")(delete)
    events.command("redeliver")(redeliver)
    events.command("tail")(tail)
    app.add_typer(events, name="events")


def types() -> None:
    """Print the types that can be subscribed to, one a line."""
    from kept.domain.public_events import public_types

    for name in public_types():
        print(name)


def subscribe(
    url: Annotated[str, typer.Argument(help="The endpoint: https://...")],
    secret: Annotated[list[str], typer.Option(help="env:NAME or file:PATH of a whsec_... secret; in rotation: two.")],
    kinds: _Types = None,
    accounts: _Accounts = None,
    personal_data: Annotated[bool, typer.Option("--personal-data", help="Tell addresses and e-mails too.")] = False,
    since: Annotated[datetime | None, typer.Option("--from", formats=_MOMENTS, help="Begin then, in UTC.")] = None,
    config: Config = None,
) -> None:
    """Send events to an endpoint, from now on. Exit code 2 if it can't work."""
    from kept.connectors.endpoints import Endpoints, NotAllowed
    from kept.domain.notifying import Wanted
    from kept.processes.assembly import utc_now
    from kept.store.publishing import Feed
    from kept.store.subscriptions import TooMany

    business = settings_module.load(config).business
    wanted = Wanted(url, tuple(kinds or ()), tuple(accounts or ()), personal_data, tuple(secret))

    async def work(database: Any) -> Any:
        await Endpoints(business.events, utc_now).check(wanted, business.channels)
        position = await Feed(database).position_before(since.replace(tzinfo=UTC)) if since else None
        subscriptions = _subscriptions(database)
        identity = await subscriptions.create(wanted, _ACTOR, position)
        return (await subscriptions.listed(identity))[0]

    try:
        print_json(with_database(work))
    except (NotAllowed, TooMany) as error:
        raise settings_module.SettingsError(str(error)) from error


def list_subscriptions(as_json: Json = False) -> None:
    """List subscriptions with their standing."""
    rows = with_database(lambda database: _subscriptions(database).listed())
    columns = ("id", "url", "state", "failures", "behind", "blocked_orders", "given_up_orders", "why", "last_error")
    print_rows(rows, columns, as_json)


def show(identity: _Id, as_json: Json = False) -> None:
    """Show a subscription, the orders that wait for it, and its last tries."""

    async def work(database: Any) -> dict[str, Any] | None:
        subscriptions = _subscriptions(database)
        found = await subscriptions.listed(identity)
        if not found:
            return None
        tries = await subscriptions.notifications(identity, 20)
        return {**found[0], "lanes": await subscriptions.lanes(identity), "notifications": tries}

    found = with_database(work)
    if found is None:
        _unknown(identity)
    if as_json or not sys.stdout.isatty():
        print_json(found)
        return
    for key, value in found.items():
        if key not in {"lanes", "notifications"}:
            typer.echo(f"{key:>16}  {text_of(value)}")
    print_rows(found["lanes"], ("event", "attempts", "due_at", "last_error"), as_json=False)
    print_rows(found["notifications"], ("at", "event", "attempt", "status", "duration_ms", "error"), as_json=False)


def pause(identity: _Id) -> None:
    """Send nothing to an endpoint until it is resumed."""
    _change(identity, lambda subscriptions: subscriptions.pause(identity, _ACTOR))


def resume(identity: _Id) -> None:
    """Go on where it stopped, at once; orders that were given up too."""
    _change(identity, lambda subscriptions: subscriptions.resume(identity, _ACTOR))


def delete(identity: _Id, yes: Annotated[bool, typer.Option("--yes", help="Do it.")] = False) -> None:
    """End a subscription. Does nothing without --yes."""
    if not yes:
        typer.echo(f"would delete {identity}; add --yes to do it", err=True)
        return
    if not with_database(lambda database: _subscriptions(database).delete(identity, _ACTOR)):
        _unknown(identity)
    print_json({"deleted": identity})


def redeliver(
    identity: _Id,
    event: Annotated[str, typer.Argument(help="The id of one event; or choose by --from.")] = "",
    since: Annotated[datetime | None, typer.Option("--from", formats=_MOMENTS, help="All since then, in UTC.")] = None,
) -> None:
    """Send one event again, alone, or everything since a time, in order."""
    from kept.domain.public_events import fact_named
    from kept.store.publishing import Feed

    if bool(event) == (since is not None):
        raise typer.BadParameter("give either the id of an event or --from")

    async def work(database: Any) -> tuple[str, bool]:
        feed, subscriptions = Feed(database), _subscriptions(database)
        if since is not None:
            position = await feed.position_before(since.replace(tzinfo=UTC))
            return "", await subscriptions.redeliver_after(identity, position, _ACTOR)
        named = fact_named(event)
        found = await feed.position_of(*named) if named is not None else None
        if found is None:
            return f"no published event has the id {event!r}", False
        return "", await subscriptions.redeliver_event(identity, found, _ACTOR)

    error, done = with_database(work)
    if error:
        typer.echo(error, err=True)
        raise typer.Exit(1)
    if not done:
        _unknown(identity)
    print_json({"redelivering": event or {"since": since}})


def tail(
    after: Annotated[str, typer.Option(help="A cursor, 0 for the first event; default: the last ones.")] = "",
    kinds: _Types = None,
    accounts: _Accounts = None,
    count: Annotated[int, typer.Option("-n", min=0, max=10_000, help="How many of the last ones.")] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
) -> None:
    """Print events as they are told, one JSON a line, without personal data."""
    import orjson

    from kept.domain.public_events import cloud_event, ledger_types
    from kept.store.publishing import Feed

    try:
        chosen = ledger_types(kinds or [])
    except KeyError as error:
        raise typer.BadParameter(
            f"{error.args[0]!r} is unknown: see `kept events types`", param_hint="--type"
        ) from None
    if after and not after.isdecimal():
        raise typer.BadParameter(f"{after!r} is no cursor", param_hint="--after")

    async def work(database: Any) -> None:
        feed = Feed(database)
        position = int(after) if after else max(0, await feed.head() - count)
        while True:
            page = await feed.read(position, chosen, accounts or [], 500)
            for fact in page.facts:
                print(orjson.dumps(cloud_event(fact, personal_data=False)).decode(), flush=True)
            position = page.until
            if page.more:
                continue
            if not follow:
                print(f"cursor {position}", file=sys.stderr)
                return
            await asyncio.sleep(_LOOK_EVERY_S)

    try:
        with_database(work)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _change(identity: str, change: Callable[[Any], Any]) -> None:
    async def work(database: Any) -> Any:
        subscriptions = _subscriptions(database)
        return (await subscriptions.listed(identity))[0] if await change(subscriptions) else None

    found = with_database(work)
    if found is None:
        _unknown(identity)
    print_json(found)


def _unknown(identity: str) -> NoReturn:
    typer.echo(f"no subscription has the id {identity!r}", err=True)
    raise typer.Exit(1)


def _subscriptions(database: Any) -> Any:
    from kept.processes.assembly import utc_now
    from kept.store.subscriptions import Subscriptions, new_subscription_id

    return Subscriptions(database, utc_now, new_subscription_id)
