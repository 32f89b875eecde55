"""The events as a feed that is read from a cursor on."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from kept.api.access import require_operator
from kept.api.problems import Problem
from kept.domain.public_events import cloud_event, ledger_types, public_types
from kept.store.publishing import Feed, Page

router = APIRouter(prefix="/v1", tags=["events"], dependencies=[Depends(require_operator)])

# A reader that waits costs a look at the database each time.
_LOOK_EVERY_S = 0.25
_WAIT_MAX_S = 30
# Readers who wait at once; one more gets its answer at once and asks again.
_WAITING_MAX = 50
_Names = Annotated[str, Query(max_length=2000, pattern=r"^[^\x00]*$")]


@router.get("/event-types")
async def event_types() -> dict[str, Any]:
    """All types that can be subscribed to."""
    return {"types": public_types()}


@router.get("/events")
async def events(
    request: Request,
    after: Annotated[str, Query(pattern=r"^([0-9]{1,18}|latest)$")] = "0",
    types: _Names = "",
    accounts: _Names = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    wait_s: Annotated[int, Query(ge=0, le=_WAIT_MAX_S)] = 0,
    personal_data: bool = False,
) -> Response:
    """Events after a cursor, oldest first; `cursor` is the `after` of the next page.

    `after=0` begins at the first event, `after=latest` with the next one. A page may be empty and `more` true: what
    was looked at held nothing chosen. With `wait_s` the answer waits so long for an event. Nothing is ever skipped,
    and a page that is read again is the same.
    """
    feed: Feed = request.app.state.services.feed
    head = await feed.head()
    position = head if after == "latest" else int(after)
    if position > head:
        raise Problem(
            422,
            "Unknown cursor",
            f"The feed ends at {head}. After a restored database it is shorter: go on after {head}, or begin at 0.",
        )
    chosen = (_ledger_types(_split(types)), _split(accounts))
    page = await feed.read(position, *chosen, limit)
    until_s = time.monotonic() + wait_s
    while wait_s and not page.facts and _may_wait(request, until_s) and not await request.is_disconnected():
        if not page.more:
            await _look_again(request)
        page = await feed.read(page.until, *chosen, limit)
    return _answer(page, personal_data)


def _may_wait(request: Request, until_s: float) -> bool:
    return time.monotonic() < until_s and getattr(request.app.state, "readers_waiting", 0) < _WAITING_MAX


async def _look_again(request: Request) -> None:
    state = request.app.state
    state.readers_waiting = getattr(state, "readers_waiting", 0) + 1
    try:
        await asyncio.sleep(_LOOK_EVERY_S)
    finally:
        state.readers_waiting -= 1


def _answer(page: Page, personal_data: bool) -> Response:
    events = [cloud_event(fact, personal_data=personal_data) for fact in page.facts]
    body = {"events": events, "cursor": str(page.until), "more": page.more}
    return Response(orjson.dumps(body), media_type="application/json")


def _split(names: str) -> list[str]:
    return [name for each in names.split(",") if (name := each.strip())]


def _ledger_types(types: list[str]) -> list[str]:
    try:
        return ledger_types(types)
    except KeyError as error:
        raise Problem(422, "Unknown type", "No event has one of these types; see GET /v1/event-types.") from error
