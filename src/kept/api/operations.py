"""Dead letters, differences of the books, health, metrics."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from kept.api.access import require_operator
from kept.api.bodies import described, read_model
from kept.api.metrics import render_metrics
from kept.api.problems import Problem, json_response
from kept.engine.interfaces import BellUnavailable
from kept.store.dead_letters import LetterFilter

router = APIRouter()
_Operator = Annotated[str, Depends(require_operator)]
_Word = Annotated[str, Query(max_length=100, pattern=r"^[^\x00]*$")]
# A thousand ids of 19 digits come to 20 kB.
_REPLAY_BYTES_MAX = 65_536


class Replay(BaseModel):
    """Which dead letters to replay: those with these ids, or all of a step or code. Naming nothing is an error."""

    model_config = ConfigDict(extra="forbid", strict=True)

    ids: list[Annotated[int, Field(ge=1, lt=2**63)]] = Field(default=[], max_length=1000)
    step: str = Field(default="", max_length=100, pattern=r"^[^\x00]*$")
    code: str = Field(default="", max_length=100, pattern=r"^[^\x00]*$")
    dry_run: bool = False


@router.get("/v1/dead-letters", tags=["dead letters"])
async def dead_letters(
    request: Request, _: _Operator, step: _Word = "", code: _Word = "", resolved: bool = False
) -> dict[str, Any]:
    """What needs a person, the most urgent first."""
    chosen = LetterFilter(step=step, code=code, resolved=resolved)
    return {"dead_letters": await request.app.state.services.dead_letters.matching(chosen)}


@router.get("/v1/dead-letters/{letter_id}", tags=["dead letters"])
async def dead_letter(
    request: Request, _: _Operator, letter_id: Annotated[int, Path(ge=1, lt=2**63)]
) -> dict[str, Any]:
    """One dead letter with, for a message, its raw body."""
    letter: dict[str, Any] | None = await request.app.state.services.dead_letters.show(letter_id)
    if letter is None:
        raise Problem(404, "Unknown dead letter", "No dead letter has that id.")
    return letter


async def wanted_replay(request: Request) -> Replay:
    """The request's body, strictly read."""
    return await read_model(request, Replay, _REPLAY_BYTES_MAX)


@router.post("/v1/dead-letters/replay", tags=["dead letters"], openapi_extra=described(Replay))
async def replay(
    request: Request, operator: _Operator, wanted: Annotated[Replay, Depends(wanted_replay)]
) -> dict[str, Any]:
    """Put deliveries back: same step, same effect keys, so that replaying twice changes nothing twice."""
    if not (wanted.ids or wanted.step or wanted.code):
        raise Problem(422, "Nothing chosen", "Name ids, a step or a code; a replay of everything is never meant.")
    services = request.app.state.services
    chosen = LetterFilter(step=wanted.step, code=wanted.code, ids=tuple(wanted.ids))
    if wanted.dry_run:
        letters = await services.dead_letters.matching(chosen, limit=1000)
        return {"dry_run": True, "letters": [letter["id"] for letter in letters]}
    replayed, rings = await services.dead_letters.replay(chosen, operator)
    try:
        await services.bell.ring(rings)
    except BellUnavailable:  # the relay rings for them
        return {"replayed": replayed, "rung": False}
    return {"replayed": replayed, "rung": True}


@router.get("/v1/differences", tags=["differences"])
async def differences(
    request: Request, _: _Operator, limit: Annotated[int, Query(ge=1, le=1000)] = 1000
) -> dict[str, Any]:
    """On what channel, ledger and ERP differ, with both sides' values, the oldest first: as the last round found it."""
    return {"differences": await request.app.state.services.differences.open(limit)}


@router.get("/healthz", tags=["health"])
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz", tags=["health"], response_class=Response)
async def readyz(request: Request) -> Response:
    """The ledger answers, so that orders can be accepted; Redis is shown, and not needed for that."""
    answers = await request.app.state.ready()
    return json_response(answers, 200 if answers["postgresql"] == "ok" else 503)


@router.get("/metrics", tags=["health"], response_class=Response)
async def metrics(request: Request) -> Response:
    """Prometheus' text format, from the ledger."""
    return Response(await render_metrics(request.app.state.services.queries), media_type="text/plain; version=0.0.4")
