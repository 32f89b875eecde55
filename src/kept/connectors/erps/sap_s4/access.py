"""Who we are at SAP: Basic authentication and, for whatever changes something, a CSRF token with its session's cookies.

Source: SAP Help Portal, "CSRF Protection" of SAP Gateway: a read with `X-CSRF-Token: Fetch` is answered with the token,
which is good together with the cookies of that answer; a change without a good one is a 403 with
`X-CSRF-Token: Required`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from http import HTTPStatus

from kept.connectors.access_tokens import AccessTokens, Fetch, Token
from kept.connectors.erps.sap_s4.services import SALES_ORDERS
from kept.connectors.http import HttpTarget, Refused, Request
from kept.ports import TemporaryFault
from kept.settings import Secret

_TOKEN = "x-csrf-token"  # noqa: S105 - a header's name
_SESSION_S = 1500.0  # SAP's sessions end after 30 idle minutes (http/security_session_timeout); a new one costs a read
_NEXT_COOKIE = re.compile(r",\s*(?=[^\s=;,]+=)")


def basic(user: str, password: Secret) -> str:
    """The Authorization header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password.reveal()}".encode()).decode()


def csrf_fetch(office: HttpTarget) -> Fetch:
    """Fetches a token and its cookies, with a line break between."""

    async def fetch() -> Token:
        request = Request("GET", f"{SALES_ORDERS}/", headers={_TOKEN: "Fetch"}, name="csrf token")
        headers = await office.headers_of(request)
        given = headers.get(_TOKEN, "")
        if not given:
            raise TemporaryFault(f"{office.name} gave no CSRF token")
        cookies = [part.partition(";")[0] for part in _NEXT_COOKIE.split(headers.get("set-cookie", "")) if part]
        return Token(f"{given}\n{'; '.join(cookies)}", _SESSION_S)

    return fetch


class Csrf:
    """`kept.connectors.http.Authorise` for calls that change something."""

    def __init__(self, tokens: AccessTokens) -> None:
        self._tokens = tokens

    async def headers(self, request: Request) -> Mapping[str, str]:
        if not request.changes:
            return {}
        token, _, cookies = (await self._tokens.get()).partition("\n")
        return {_TOKEN: token} | ({"cookie": cookies} if cookies else {})

    def is_over(self, refused: Refused, given: Mapping[str, str]) -> bool:
        if refused.status != HTTPStatus.FORBIDDEN or refused.headers.get(_TOKEN, "").lower() != "required":
            return False
        self._tokens.forget(f"{given.get(_TOKEN, '')}\n{given.get('cookie', '')}")
        return True
