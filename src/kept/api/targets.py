"""Systems outside that are left alone for now, and why; and the word that they may be asked again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request

from kept.api.access import require_operator
from kept.api.bodies import require_json
from kept.api.problems import Problem
from kept.engine.interfaces import BellUnavailable

router = APIRouter(prefix="/v1/targets", tags=["targets"], dependencies=[Depends(require_operator)])


@router.get("")
async def targets(request: Request) -> dict[str, Any]:
    """Targets whose circuit is open in some worker: since and until when (seconds since 1970), and why."""
    try:
        notices = await request.app.state.services.board.notices()
    except BellUnavailable as error:
        raise Problem(503, "Redis does not answer", "What workers tell each other is not known.") from error
    return {"left_alone": [asdict(notice) for notice in notices]}


@router.post("/{name}/reset", status_code=202)
async def reset(request: Request, name: Annotated[str, Path(max_length=200)]) -> dict[str, Any]:
    """Ask a target again now, as after its credentials were mended. Workers hear of it within a minute."""
    require_json(request)
    await request.app.state.services.board.clear(name)
    return {"target": name}
