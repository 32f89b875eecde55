"""Subscriptions to events: made, shown, changed, paused, resumed, tried, sent again, deleted."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.responses import Response

from kept.api.access import require_operator
from kept.api.bodies import read_model, require_json
from kept.api.problems import Problem, json_response
from kept.connectors.endpoints import SECRETS_MAX, URL_CHARS_MAX, NotAllowed
from kept.domain.notifying import Wanted
from kept.domain.public_events import fact_named, ping_event
from kept.observe.correlation import correlation_id
from kept.settings import SettingsError
from kept.store.subscriptions import TooMany

router = APIRouter(prefix="/v1/subscriptions", tags=["events"])

_Operator = Annotated[str, Depends(require_operator)]
_Id = Annotated[str, Path(max_length=100, pattern=r"^[^\x00]+$")]
_Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
# A url of 2,000 characters and a hundred names of each kind come to 45 kB.
_BODY_BYTES_MAX = 65_536
_NAMES_MAX = 100


class Changes(BaseModel):
    """What a subscription is to be; a member that is left out stays as it is. No types or accounts: all."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: str | None = Field(default=None, max_length=URL_CHARS_MAX, pattern=r"^[^\x00]*$")
    types: list[_Text] | None = Field(default=None, max_length=_NAMES_MAX)
    accounts: list[_Text] | None = Field(default=None, max_length=_NAMES_MAX)
    personal_data: bool | None = None
    secrets: list[_Text] | None = Field(default=None, min_length=1, max_length=SECRETS_MAX)

    def on(self, before: Wanted) -> Wanted:
        """`before` with what is given here."""
        return Wanted(
            url=before.url if self.url is None else self.url,
            types=before.types if self.types is None else tuple(self.types),
            accounts=before.accounts if self.accounts is None else tuple(self.accounts),
            personal_data=before.personal_data if self.personal_data is None else self.personal_data,
            secrets=before.secrets if self.secrets is None else tuple(self.secrets),
        )


class New(Changes):
    """A new subscription. `secrets` are references (env:NAME, file:PATH) to whsec_... values; the first is the newest.

    `since`: begin with what happened at that time, instead of with what comes from now on.
    """

    url: str = Field(max_length=URL_CHARS_MAX, pattern=r"^[^\x00]*$")
    secrets: list[_Text] = Field(min_length=1, max_length=SECRETS_MAX)
    since: AwareDatetime | None = None


class Redelivery(BaseModel):
    """Which events to send again: one by its id, or all that happened since a time."""

    model_config = ConfigDict(extra="forbid", strict=True)

    event: str = Field(default="", max_length=200, pattern=r"^[^\x00]*$")
    since: AwareDatetime | None = None


def _body(model: type[BaseModel]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}


@router.post("", status_code=201, openapi_extra=_body(New))
async def create(request: Request, operator: _Operator) -> Response:
    """Subscribe an endpoint. It has to answer 2xx within the timeout; try it with a ping."""
    services = request.app.state.services
    given = await read_model(request, New, _BODY_BYTES_MAX)
    wanted = given.on(Wanted("", (), (), personal_data=False, secrets=()))
    await _check(request, wanted)
    position = await services.feed.position_before(given.since) if given.since is not None else None
    try:
        identity = await services.subscriptions.create(wanted, operator, position)
    except TooMany as error:
        raise Problem(409, "Too many subscriptions", str(error)) from error
    answer = json_response(await _one(request, identity), 201)
    answer.headers["location"] = f"/v1/subscriptions/{identity}"
    return answer


@router.get("")
async def listed(request: Request, _: _Operator) -> dict[str, Any]:
    """All subscriptions with their standing: active, failing or paused, and how many events behind."""
    return {"subscriptions": await request.app.state.services.subscriptions.listed()}


@router.get("/{identity}")
async def show(request: Request, _: _Operator, identity: _Id) -> dict[str, Any]:
    """One subscription, with the orders that wait because the endpoint did not take an event."""
    found = await _one(request, identity)
    return {**found, "lanes": await request.app.state.services.subscriptions.lanes(identity)}


@router.patch("/{identity}", openapi_extra=_body(Changes))
async def change(request: Request, operator: _Operator, identity: _Id) -> dict[str, Any]:
    """Another url, choice or set of secrets, from the next event on."""
    found = await _one(request, identity)
    before = Wanted(
        found["url"],
        tuple(found["types"]),
        tuple(found["accounts"]),
        personal_data=found["personal_data"],
        secrets=tuple(found["secrets"]),
    )
    wanted = (await read_model(request, Changes, _BODY_BYTES_MAX)).on(before)
    await _check(request, wanted)
    _there(await request.app.state.services.subscriptions.change(identity, wanted, operator))
    return await _one(request, identity)


@router.delete("/{identity}", status_code=204, response_class=Response)
async def delete(request: Request, operator: _Operator, identity: _Id) -> Response:
    """End a subscription."""
    _there(await request.app.state.services.subscriptions.delete(identity, operator))
    return Response(status_code=204)


@router.post("/{identity}/pause", dependencies=[Depends(require_json)])
async def pause(request: Request, operator: _Operator, identity: _Id) -> dict[str, Any]:
    """Send nothing until it is resumed."""
    _there(await request.app.state.services.subscriptions.pause(identity, operator))
    return await _one(request, identity)


@router.post("/{identity}/resume", dependencies=[Depends(require_json)])
async def resume(request: Request, operator: _Operator, identity: _Id) -> dict[str, Any]:
    """Go on where it stopped, at once; orders that were given up too."""
    _there(await request.app.state.services.subscriptions.resume(identity, operator))
    return await _one(request, identity)


@router.post("/{identity}/ping", dependencies=[Depends(require_json)])
async def ping(request: Request, _: _Operator, identity: _Id) -> dict[str, Any]:
    """Send one event of type io.kept.ping now, whatever the subscription's state, and say what came of it."""
    found = await _one(request, identity)
    services = request.app.state.services
    name = f"ping_{correlation_id.get()}"
    try:
        async with services.endpoints.open(found["url"], found["secrets"]) as endpoint:
            sent = await endpoint.send(name, orjson.dumps(ping_event(name, services.clock())))
    except (NotAllowed, SettingsError) as error:
        raise Problem(409, "Can't be sent to", str(error)) from error
    except (TimeoutError, OSError) as error:
        raise Problem(409, "Can't be sent to", "The address of the url's host was not found.") from error
    return {"taken": sent.taken, "status": sent.status, "duration_ms": sent.duration_ms, "error": sent.error}


@router.get("/{identity}/notifications")
async def notifications(
    request: Request,
    _: _Operator,
    identity: _Id,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[int, Query(ge=0, lt=2**63)] = 0,
) -> dict[str, Any]:
    """Tries of the last days, newest first; `next` is the `before` of the next page."""
    await _one(request, identity)
    found = await request.app.state.services.subscriptions.notifications(identity, limit, before)
    return {"notifications": found, "next": found[-1]["id"] if len(found) == limit else None}


@router.post("/{identity}/redeliver", status_code=202, openapi_extra=_body(Redelivery))
async def redeliver(request: Request, operator: _Operator, identity: _Id) -> dict[str, Any]:
    """Send one event again, alone, or everything since a time, in order. It is sent when the endpoint takes it."""
    wanted = await read_model(request, Redelivery, _BODY_BYTES_MAX)
    if bool(wanted.event) == (wanted.since is not None):
        raise Problem(422, "Nothing chosen", "Give either the id of an event or a time since when.")
    await _one(request, identity)
    subscriptions = request.app.state.services.subscriptions
    if wanted.since is not None:
        position = await _position_before(request, wanted.since)
        _there(await subscriptions.redeliver_after(identity, position, operator))
        return {"redelivering": {"after": str(position)}}
    named = fact_named(wanted.event)
    found = await request.app.state.services.feed.position_of(*named) if named is not None else None
    if found is None:
        raise Problem(404, "Unknown event", "No published event has that id.")
    _there(await subscriptions.redeliver_event(identity, found, operator))
    return {"redelivering": {"event": wanted.event}}


async def _position_before(request: Request, since: datetime) -> int:
    position: int = await request.app.state.services.feed.position_before(since)
    return position


async def _check(request: Request, wanted: Wanted) -> None:
    services = request.app.state.services
    try:
        await services.endpoints.check(wanted, services.settings.business.channels)
    except NotAllowed as error:
        raise Problem(422, "Can't be subscribed", str(error)) from error


async def _one(request: Request, identity: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = await request.app.state.services.subscriptions.listed(identity)
    _there(bool(found))
    return found[0]


def _there(found: bool) -> None:
    if not found:
        raise Problem(404, "Unknown subscription", "No subscription has that id.")
