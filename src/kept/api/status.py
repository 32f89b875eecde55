"""Where orders stand: read-only routes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from kept.api.access import require_operator
from kept.api.problems import Problem
from kept.domain.lifecycle import OrderState
from kept.store.queries import OrderFilter
from kept.store.routing_views import decisions_of

router = APIRouter(prefix="/v1", tags=["status"], dependencies=[Depends(require_operator)])

_Name = Annotated[str, Path(max_length=200, pattern=r"^[^\x00]+$")]
_Text = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]


@router.get("/orders")
async def orders(
    request: Request,
    state: OrderState | None = None,
    account: _Text = "",
    text: _Text = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[int, Query(ge=0, lt=2**63)] = 0,
) -> dict[str, Any]:
    """Orders, newest first; `next` is the `before` of the next page."""
    chosen = OrderFilter(state.value if state else "", account, text, limit, before)
    found = await request.app.state.services.queries.orders(chosen)
    return {"orders": found, "next": found[-1]["id"] if len(found) == limit else None}


@router.get("/orders/{name}")
async def order(request: Request, name: _Name) -> dict[str, Any]:
    """One order, by our reference, the buyer's number or the channel's id."""
    return await _order(request, name)


@router.get("/orders/{name}/timeline")
async def timeline(request: Request, name: _Name) -> dict[str, Any]:
    """Everything that happened to an order: messages, facts, effects and every call, in time."""
    found = await _order(request, name)
    entries = await request.app.state.services.queries.timeline(found["id"])
    return {"reference": found["reference"], "timeline": entries}


@router.get("/orders/{name}/routing")
async def routing(request: Request, name: _Name) -> dict[str, Any]:
    """Why an order was routed as it was: each decision with its inputs, candidates, costs, runner-up and words."""
    found = await decisions_of(request.app.state.services.database, name)
    if found is None:
        raise Problem(404, "Unknown order", "No order has that reference, number or channel id.")
    return found


@router.get("/documents/{sha256}", response_class=Response)
async def document(request: Request, sha256: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]) -> Response:
    """A label or ASN by its content's SHA-256."""
    found = await request.app.state.services.queries.document(sha256)
    if found is None:
        raise Problem(404, "Unknown document", "No document has that SHA-256.")
    media_type, content = found
    return Response(content, media_type=media_type, headers={"X-Content-Type-Options": "nosniff"})


@router.get("/stock")
async def stock(request: Request) -> dict[str, Any]:
    """What each centre has, and what of it is promised."""
    return {"stock": await request.app.state.services.stock.levels()}


@router.get("/counts")
async def counts(request: Request) -> dict[str, Any]:
    """How many orders stand where."""
    return dict(await request.app.state.services.queries.counts())


async def _order(request: Request, name: str) -> dict[str, Any]:
    found: dict[str, Any] | None = await request.app.state.services.queries.order(name)
    if found is None:
        raise Problem(404, "Unknown order", "No order has that reference, number or channel id.")
    return found
