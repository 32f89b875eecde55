"""JSON bodies of requests that change something."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from kept.api.middleware import read_body
from kept.api.problems import Problem, places_of
from kept.connectors import strict_json
from kept.ports import BadMessage

M = TypeVar("M", bound=BaseModel)


def require_json(request: Request) -> None:
    """Raises Problem 415. The content type is asked for because no web page can send it to this machine unasked."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "Not JSON", "Send the body as application/json.")


async def read_model(request: Request, model: type[M], size_bytes_max: int) -> M:
    """The request's body. FastAPI's own reader knows no limit, and keeps the last of two equal names.

    Raises Problem.
    """
    require_json(request)
    body = await read_body(request.receive, dict(request.headers), size_bytes_max)
    try:
        strict_json.parse(body)  # what readers disagree about is refused
        return model.model_validate_json(body)
    except BadMessage as error:
        raise Problem(422, "Invalid request", str(error)) from error
    except ValidationError as error:
        raise Problem(422, "Invalid request", f"Wrong or missing: {places_of(error.errors())}") from error


def described(model: type[BaseModel]) -> dict[str, Any]:
    """What the API's documentation says of such a body."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}
