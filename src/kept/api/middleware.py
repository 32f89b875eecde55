"""A correlation id for every request, and a problem document for every error. Pure ASGI, for its speed."""

from __future__ import annotations

from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kept.api.problems import Problem
from kept.engine.interfaces import StoreUnavailable
from kept.observe.correlation import correlation_id, new_correlation_id

log = structlog.get_logger("kept.api")


class CorrelationMiddleware:
    """Mints the request's correlation id and puts it on the response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        minted = new_correlation_id()
        correlation_id.set(minted)
        begun = False

        async def send_with_id(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                # A receipt for a message that came before names the first one's id.
                message["headers"].append((b"x-correlation-id", correlation_id.get().encode()))
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:
            if begun:
                raise
            await _problem_of(error).response()(scope, receive, send_with_id)


def _problem_of(error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case StoreUnavailable():
            log.warning("api.store_unavailable", error=str(error))
            return Problem(503, "Not kept", "The ledger can't be reached; send it again.", {"Retry-After": "1"})
        case _:
            log.error("api.unforeseen", error=type(error).__name__, exc_info=error)
            return Problem(500, "Internal error", "Something unforeseen happened; it is logged under this id.")


async def read_body(receive: Receive, headers: dict[str, str], bytes_max: int) -> bytes:
    """The raw body, refused with 413 as soon as it is known to be too large."""
    announced = headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > bytes_max:
        raise _too_large(bytes_max)
    chunks: list[bytes] = []
    size = 0
    while True:
        message: dict[str, Any] = dict(await receive())
        if message["type"] == "http.disconnect":
            raise Problem(400, "Incomplete", "The connection closed before the body was complete.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > bytes_max:
            raise _too_large(bytes_max)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(bytes_max: int) -> Problem:
    return Problem(413, "Too large", f"The body may have at most {bytes_max} bytes.")
