"""Errors as RFC 9457 problem documents, each with the correlation id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.responses import Response

from kept.observe.correlation import correlation_id

MEDIA_TYPE = "application/problem+json"


def json_response(value: object, status: int = 200) -> Response:
    """A JSON answer, written by orjson."""
    return Response(orjson.dumps(value), status, media_type="application/json")


def places_of(errors: Sequence[Mapping[str, Any]]) -> str:
    """Where a request was wrong, by pydantic's account of it, without echoing anything that was sent."""
    return ", ".join(f"{_place(error)} ({error['type']})" for error in errors[:5])


def _place(error: Mapping[str, Any]) -> str:
    # The name of a member that we don't know is the caller's own text.
    known = error["loc"][:-1] if error["type"] == "extra_forbidden" else error["loc"]
    return ".".join(map(str, known)) or "body"


class Problem(Exception):
    """An error for the caller: what was wrong and what to do. Never holds a secret or the caller's data."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        headers: dict[str, str] | None = None,
        *,
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = headers or {}
        self.members = members or {}  # extension members (RFC 9457, 3.2), for programs

    def response(self) -> Response:
        return Response(orjson.dumps(self.document()), self.status, {**self.headers}, MEDIA_TYPE)

    def document(self) -> dict[str, object]:
        """The problem as a JSON object."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "correlation_id": correlation_id.get(),
            **self.members,
        }
