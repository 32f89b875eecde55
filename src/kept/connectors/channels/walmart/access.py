"""Who we are at Walmart: an access token of 900 seconds, and headers that every call must have.

Source: us_auth.json; developer.walmart.com, "Token API" and "Troubleshoot error codes".
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec

from kept.connectors import strict_json
from kept.connectors.access_tokens import AccessTokens, Fetch, Token
from kept.connectors.answers import given, masked
from kept.connectors.channels.walmart.codes import ERRORS
from kept.connectors.channels.walmart.rates import wait_s
from kept.connectors.http import HttpTarget, Refused, Request
from kept.connectors.meanings import Meaning, fault_of
from kept.connectors.refusals import phrase
from kept.ports import BadMessage, Fault, TemporaryFault
from kept.settings import Secret

TOKEN_HEADER = "wm_sec.access_token"  # noqa: S105 - the header's name
TOKEN_PATH = "/v3/token"  # noqa: S105 - an address
SERVICE_NAME = "Walmart Marketplace"

NewId = Callable[[], str]


def new_guid() -> str:
    return str(uuid.uuid4())


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: float


class _Error(msgspec.Struct):
    code: str = ""
    description: str | None = None
    message: str | None = None
    info: str | None = None


class _Errors(msgspec.Struct):
    """An error answer: the gateway writes {"errors": {"error": [...]}}, {"error": [...]} or {"errors": [...]}."""

    errors: list[_Error] | dict[str, list[_Error]] | None = None
    error: list[_Error] | None = None


class WalmartAuthorise:
    """`kept.connectors.http.Authorise`: the token, and a new GUID for each call, which Walmart's support asks for.

    Our own correlation id is in `x-correlation-id` beside it: Walmart's has to be another one each time.
    """

    def __init__(self, tokens: AccessTokens, new_id: NewId = new_guid) -> None:
        self._tokens = tokens
        self._new_id = new_id

    async def headers(self, request: Request) -> Mapping[str, str]:
        return {TOKEN_HEADER: await self._tokens.get(), **call_headers(self._new_id)}

    def is_over(self, refused: Refused, given: Mapping[str, str]) -> bool:
        """A 401 blames the token; a 403 its rights, which a new one would not have either."""
        if refused.status != HTTPStatus.UNAUTHORIZED:
            return False
        self._tokens.forget(given[TOKEN_HEADER])
        return True


def call_headers(new_id: NewId = new_guid) -> dict[str, str]:
    return {"wm_qos.correlation_id": new_id(), "wm_svc.name": SERVICE_NAME}


def token_fetch(target: HttpTarget, client_id: str, client_secret: Secret, new_id: NewId = new_guid) -> Fetch:
    """Fetches an access token by the client credentials grant; it lives 900 s."""

    async def fetch() -> Token:
        credentials = base64.b64encode(f"{client_id}:{client_secret.reveal()}".encode()).decode()
        request = Request(
            "POST",
            TOKEN_PATH,
            form={"grant_type": "client_credentials"},
            headers={"authorization": f"Basic {credentials}", **call_headers(new_id)},
            name="access token",
            reads_only=True,
        )
        return await target.call(request, _token)

    return fetch


def read_refusal(refused: Refused) -> Fault | None:
    """`kept.connectors.http.ReadRefusal`; None where the status says all, or the code is not in the table."""
    error = _first_error(refused.body)
    meaning = ERRORS.get(error.code.partition(".")[0]) if error else None
    if error is None or meaning is None:
        return None
    words = masked(error.description or error.message or error.info or "")
    text = f"{refused.target} refused: {phrase(refused.status)} to {refused.request.operation}: {error.code}"
    text = f"{text}: {words}" if words else text
    if meaning is Meaning.TEMPORARY:
        return TemporaryFault(text, retry_after_s=wait_s(refused.headers, datetime.now(UTC)))
    if refused.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        meaning = Meaning.UNKNOWN  # whatever it says: it may have been done
    return fault_of(meaning, text, error.code, changes=refused.request.changes)


def _first_error(body: bytes) -> _Error | None:
    try:
        parsed = msgspec.convert(strict_json.parse(body), _Errors)
    except (BadMessage, msgspec.ValidationError):
        return None
    errors = parsed.errors.get("error") if isinstance(parsed.errors, dict) else parsed.errors
    found = errors or parsed.error
    return found[0] if found else None


def _token(answer: Any) -> Token:
    granted = msgspec.convert(answer, _Granted)
    return Token(given("access_token", granted.access_token), granted.expires_in)
