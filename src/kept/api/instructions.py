"""What an operator says of an order: cancel it, or let go what it is held for."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict

from kept.api.access import require_operator
from kept.api.bodies import described, read_model, require_json
from kept.api.problems import Problem
from kept.engine.interfaces import BellUnavailable
from kept.ports import CancelReason
from kept.store.instructions import NotPossible, Taken, UnknownOrder

router = APIRouter(prefix="/v1/orders", tags=["instructions"])
_Operator = Annotated[str, Depends(require_operator)]
_Name = Annotated[str, Path(max_length=200, pattern=r"^[^\x00]+$")]
_BYTES_MAX = 4096
_KEY_CHARS_MAX = 200


class Cancel(BaseModel):
    """Why; the channel is told so in its own words."""

    model_config = ConfigDict(extra="forbid")

    reason: CancelReason


async def wanted_cancel(request: Request) -> Cancel:
    """The request's body, strictly read."""
    return await read_model(request, Cancel, _BYTES_MAX)


@router.post("/{name}/cancel", status_code=202, openapi_extra=described(Cancel))
async def cancel(
    request: Request, name: _Name, operator: _Operator, wanted: Annotated[Cancel, Depends(wanted_cancel)]
) -> dict[str, Any]:
    """Cancel an order: its centres are asked to stop, the ERP and the channel are told.

    What ships before a centre stops stays shipped. With an Idempotency-Key, saying it again changes nothing.
    """
    return await _take_down(request, name, "cancel", operator, wanted.reason.value)


@router.post("/{name}/release", status_code=202)
async def release(request: Request, name: _Name, operator: _Operator) -> dict[str, Any]:
    """Let a held order go on. It is checked again; a mismatch of totals and a buyer's request to cancel are let
    pass, any other cause must be gone."""
    require_json(request)
    return await _take_down(request, name, "release", operator, "")


async def _take_down(request: Request, name: str, action: str, operator: str, reason: str) -> dict[str, Any]:
    services = request.app.state.services
    key = request.headers.get("idempotency-key", "")
    if len(key) > _KEY_CHARS_MAX:
        raise Problem(400, "Idempotency-Key too long", f"At most {_KEY_CHARS_MAX} characters.")
    try:
        taken: Taken = await services.instructions.take_down(name, action, operator, reason=reason, key=key)
    except UnknownOrder as error:
        raise Problem(404, "Unknown order", "No order has that reference, number or channel id.") from error
    except NotPossible as error:
        raise Problem(409, "Not possible", f"{error}.") from error
    try:
        await services.bell.ring(taken.rings)
    except BellUnavailable:  # the relay rings for it
        return {"reference": taken.reference, "message_id": taken.receipt.message_id, "rung": False}
    return {"reference": taken.reference, "message_id": taken.receipt.message_id, "rung": True}
