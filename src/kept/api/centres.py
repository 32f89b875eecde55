"""Centres: which are paused, and pausing and resuming them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from kept.api.access import require_operator
from kept.api.bodies import described, read_model, require_json
from kept.api.problems import Problem

router = APIRouter(prefix="/v1/centres", tags=["centres"])
_Operator = Annotated[str, Depends(require_operator)]
_Name = Annotated[str, Path(max_length=100, pattern=r"^[^\x00]+$")]
_PAUSE_BYTES_MAX = 4096


class Pause(BaseModel):
    """Why nothing is to be planned at a centre; people read it with every order that goes elsewhere for it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: str = Field(min_length=1, max_length=500, pattern=r"^[^\x00]*$")


async def wanted_pause(request: Request) -> Pause:
    """The request's body, strictly read."""
    return await read_model(request, Pause, _PAUSE_BYTES_MAX)


@router.get("")
async def centres(request: Request, _: _Operator) -> dict[str, Any]:
    """Every centre of kept.toml; `paused` is null for one that is planned at."""
    services = request.app.state.services
    pauses = await services.centres.all()
    return {
        "centres": [{"centre": name, "paused": pauses.get(name)} for name in sorted(services.settings.business.centres)]
    }


@router.post("/{name}/pause", openapi_extra=described(Pause))
async def pause(
    request: Request, operator: _Operator, name: _Name, wanted: Annotated[Pause, Depends(wanted_pause)]
) -> dict[str, Any]:
    """Plan nothing new at a centre. What was planned there goes on. Pausing twice keeps the first reason."""
    services = _with_centre(request, name)
    changed = await services.centres.pause(name, wanted.reason, operator, services.clock())
    return {"centre": name, "paused": True, "changed": changed}


@router.post("/{name}/resume")
async def resume(request: Request, operator: _Operator, name: _Name) -> dict[str, Any]:
    """Plan at a centre again; orders that wait for stock are looked at now."""
    require_json(request)
    services = _with_centre(request, name)
    changed = await services.centres.resume(name, operator, services.clock())
    return {"centre": name, "paused": False, "changed": changed}


def _with_centre(request: Request, name: str) -> Any:
    """The services. Raises Problem for a centre that kept.toml does not name."""
    services = request.app.state.services
    if name not in services.settings.business.centres:
        known = ", ".join(sorted(services.settings.business.centres))
        raise Problem(404, "Unknown centre", f"kept.toml names {known or 'no centre'}.")
    return services
