"""Runs the parties of a simulated world, each in its own process, until SIGTERM or SIGINT.

`run_erp`, `run_centre` and `run_channels` are what a process calls; `erp_running` and its like are the
same parties as async context managers, for whoever already has a loop.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from starlette.applications import Starlette

from kept.settings import Secret, resolve_secret
from kept.simulator.amazon import Amazon
from kept.simulator.books import CENTRE_SCHEMA, CHANNEL_SCHEMA, ERP_SCHEMA, Book
from kept.simulator.centre import Centre
from kept.simulator.centre_floor import Floor
from kept.simulator.config import WorldConfig
from kept.simulator.driver import Driver
from kept.simulator.erp import Erp
from kept.simulator.faults import FaultPlan, Luck
from kept.simulator.inhouse import InHouse
from kept.simulator.party import Clock, Party
from kept.simulator.sender import Webhooks
from kept.simulator.server import serving
from kept.simulator.shopify import Shop
from kept.simulator.walmart import Walmart

_EVENTS_AT_ONCE = 16


def run_erp(config: WorldConfig) -> None:
    """Be the ERP until SIGTERM."""
    asyncio.run(_until_signal(erp_running(config)))


def run_centre(name: str, config: WorldConfig) -> None:
    """Be the centre `name` until SIGTERM. KeyError if the world has no such centre."""
    asyncio.run(_until_signal(centre_running(name, config)))


def run_channels(config: WorldConfig) -> None:
    """Be all channels, and their buyers, until SIGTERM."""
    asyncio.run(_until_signal(channels_running(config)))


async def _until_signal(running: AbstractAsyncContextManager[object]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running:
        await stop.wait()


@asynccontextmanager
async def erp_running(config: WorldConfig, clock: Clock = time.time) -> AsyncIterator[int]:
    """The ERP, serving; yields its port."""
    async with AsyncExitStack() as stack:
        book = await _open(stack, config, "erp", ERP_SCHEMA)
        party = Party("erp", book, resolve_secret(config.erp.token), config.faults, clock)
        app = Erp(party, config.erp).app()
        yield await stack.enter_async_context(serving(app, config.host, config.erp.port))


@asynccontextmanager
async def centre_running(name: str, config: WorldConfig, clock: Clock = time.time) -> AsyncIterator[int]:
    """A centre, serving and working; yields its port."""
    mine = config.centres[name]
    async with AsyncExitStack() as stack:
        book = await _open(stack, config, f"centre-{name}", CENTRE_SCHEMA)
        webhooks = _webhooks(stack, config, _EVENTS_AT_ONCE)
        floor = Floor(
            name=name,
            centres=tuple(sorted(config.centres)),
            book=book,
            luck=Luck(config.seed, config.behaviour),
            delays=config.delays,
            clock=clock,
            webhooks=webhooks,
            secret=resolve_secret(mine.webhook_secret),
        )
        await floor.stock_up(mine.on_hand)
        party = Party(name, book, resolve_secret(mine.token), config.faults, clock)
        app = Centre(party, floor).app()
        port = await stack.enter_async_context(serving(app, config.host, mine.port))
        await stack.enter_async_context(_working(floor.run))
        yield port


@asynccontextmanager
async def channels_running(config: WorldConfig, clock: Clock = time.time) -> AsyncIterator[dict[str, int]]:
    """All channels, serving and selling; yields their ports by account."""
    async with AsyncExitStack() as stack:
        book = await _open(stack, config, "channels", CHANNEL_SCHEMA)
        driver = Driver(config, book, _webhooks(stack, config, config.webhooks_at_once), clock)
        ports = {}
        for account, mine in config.channels.items():
            if mine.type not in CHANNEL_APPS:
                known = ", ".join(sorted(CHANNEL_APPS))
                raise ValueError(f"channel {account!r} has the type {mine.type!r}; there are {known}")
            token = resolve_secret(mine.token)
            app = CHANNEL_APPS[mine.type](account, book, token, config.faults, clock, driver)
            ports[account] = await stack.enter_async_context(serving(app, config.host, mine.port))
        await stack.enter_async_context(_working(driver.run))
        yield ports


def _inhouse(account: str, book: Book, token: Secret, faults: FaultPlan, clock: Clock, driver: Driver) -> Starlette:
    return InHouse(Party(account, book, token, faults, clock), driver).app()


def _shopify(account: str, book: Book, token: Secret, faults: FaultPlan, clock: Clock, driver: Driver) -> Starlette:
    party = Party(account, book, token, faults, clock, header="x-shopify-access-token", scheme="")
    return Shop(party, driver).app()


def _amazon(account: str, book: Book, token: Secret, faults: FaultPlan, clock: Clock, driver: Driver) -> Starlette:
    party = Party(account, book, token, faults, clock)
    return Amazon(party, driver, driver.config.channels[account].speed).app()


def _walmart(account: str, book: Book, token: Secret, faults: FaultPlan, clock: Clock, driver: Driver) -> Starlette:
    party = Party(account, book, token, faults, clock)
    return Walmart(party, driver, driver.config.channels[account].speed).app()


# The API of each kind of channel; how it writes its orders is in `dialects`.
CHANNEL_APPS = {"amazon": _amazon, "inhouse": _inhouse, "shopify": _shopify, "walmart": _walmart}


async def _open(stack: AsyncExitStack, config: WorldConfig, party: str, schema: str) -> Book:
    book = Book(config.book_path(party), schema)
    stack.push_async_callback(book.close)
    return book


def _webhooks(stack: AsyncExitStack, config: WorldConfig, at_once: int) -> Webhooks:
    webhooks = Webhooks(config.kept_url, config.delays.answer_timeout_s, at_once)
    stack.push_async_callback(webhooks.close)
    return webhooks


@asynccontextmanager
async def _working(run: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """`run(stop)` beside the block; if it fails, the block is cancelled and the failure raised."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run(stop))
        try:
            yield
        finally:
            stop.set()
