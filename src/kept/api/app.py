"""The HTTP API: intake, status, dead letters, health, metrics."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kept.api import centres, docs, feed, instructions, operations, posting, status, subscriptions, targets, webhooks
from kept.api.intake import Intake, Source
from kept.api.middleware import CorrelationMiddleware
from kept.api.problems import Problem, places_of
from kept.connectors.endpoints import Endpoints
from kept.connectors.registry import Connectors
from kept.engine.circuit_board import CircuitBoard
from kept.engine.streams import Streams, connect
from kept.settings import Settings
from kept.store.centres import CentrePauses
from kept.store.database import Database
from kept.store.dead_letters import DeadLetters
from kept.store.differences import Differences
from kept.store.inbox import Inbox
from kept.store.instructions import Instructions
from kept.store.loading import Orders
from kept.store.publishing import Feed
from kept.store.queries import Queries
from kept.store.stock import StockRooms
from kept.store.subscriptions import Subscriptions, new_subscription_id


@dataclass(slots=True)
class Services:
    """What the routes work with; found at `request.app.state.services`."""

    settings: Settings
    clock: Callable[[], datetime]
    database: Database
    bell: Streams
    intake: Intake
    queries: Queries
    orders: Orders
    centres: CentrePauses
    dead_letters: DeadLetters
    differences: Differences
    stock: StockRooms
    instructions: Instructions
    board: CircuitBoard
    feed: Feed
    subscriptions: Subscriptions
    endpoints: Endpoints


def sources_of(connectors: Connectors) -> dict[str, Source]:
    """Everybody who may send us messages."""
    channels = [
        Source(c.account, "channel", c.verify, c.identify, admit=c.admit, normalise=c.normalise)
        for c in connectors.channels.values()
    ]
    centres = [Source(c.name, "centre", c.verify, c.identify) for c in connectors.centres.values()]
    return {source.name: source for source in (*channels, *centres)}


def create_app(settings: Settings, connectors: Connectors, bell: Streams, clock: Callable[[], datetime]) -> FastAPI:
    """The application; it opens its connections when it starts and closes them when it stops."""
    database = Database(settings.database_url)
    board_redis = connect(settings.redis_url)
    orders = Orders(database)
    services = Services(
        settings=settings,
        clock=clock,
        database=database,
        bell=bell,
        intake=Intake(Inbox(database), bell, sources_of(connectors)),
        queries=Queries(database),
        orders=orders,
        centres=CentrePauses(database),
        dead_letters=DeadLetters(database, clock),
        differences=Differences(database, orders),
        stock=StockRooms(database),
        instructions=Instructions(database, clock),
        board=CircuitBoard(board_redis),
        feed=Feed(database),
        subscriptions=Subscriptions(database, clock, new_subscription_id),
        endpoints=Endpoints(settings.business.events, clock),
    )

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await services.intake.aclose()
        await connectors.aclose()
        await bell.aclose()
        await board_redis.aclose()
        await database.close()

    app = FastAPI(
        title="Kept",
        version="0.1.0",
        summary="Every order is a promise. Kept keeps it.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own pages load script from elsewhere
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # asked for at every request, used by none
    )
    app.state.services = services
    app.state.ready = lambda: ready(services)
    app.include_router(webhooks.router)
    app.include_router(posting.router)
    app.include_router(status.router)
    app.include_router(instructions.router)
    app.include_router(targets.router)
    app.include_router(centres.router)
    app.include_router(operations.router)
    app.include_router(subscriptions.router)
    app.include_router(feed.router)
    app.include_router(docs.router)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_middleware(webhooks.WebhookDoor, services=services)
    app.add_middleware(CorrelationMiddleware)
    return app


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _http_exception(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    return Problem(error.status_code, str(error.detail), "See the API's documentation at /docs.", headers).response()


async def _invalid(_: Request, error: Exception) -> Response:
    """Where the request was wrong, without echoing what was sent."""
    assert isinstance(error, RequestValidationError)
    return Problem(422, "Invalid request", f"Wrong or missing: {places_of(error.errors())}").response()


async def ready(services: Services) -> dict[str, str]:
    """Whether ledger and doorbell answer. Only the ledger is needed to accept orders."""

    async def database() -> str:
        async with services.database.connection() as connection:
            await connection.fetchval("SELECT 1")
        return "ok"

    async def redis() -> str:
        await services.bell.ping()
        return "ok"

    answers = await asyncio.gather(database(), redis(), return_exceptions=True)
    names = ("postgresql", "redis")
    return {
        name: answer if isinstance(answer, str) else type(answer).__name__
        for name, answer in zip(names, answers, strict=True)
    }
