"""Who we are at Tryton: a session, opened with a user's name and password, that lives until Tryton forgets it."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from kept.connectors.access_tokens import AccessTokens, Fetch, Token, TokenHeader
from kept.connectors.answers import given
from kept.connectors.erps.tryton.rpc import RPC_PATH, envelope, result_of
from kept.connectors.http import HttpTarget, Request
from kept.settings import Secret

# Tryton keeps a session for 30 days and answers 401 once it has forgotten one; then it is opened anew at once.
_SESSION_S = 86_400.0


def session_header(office: HttpTarget, user: str, password: Secret) -> TokenHeader:
    """`Authorization: Session base64(user:id:key)`, as Tryton's own clients send it."""
    return TokenHeader(AccessTokens(_login(office, user, password)), "authorization", prefix="Session ")


def _login(office: HttpTarget, user: str, password: Secret) -> Fetch:
    async def fetch() -> Token:
        body = envelope("common.db.login", [user, {"password": password.reveal()}])
        # A session more harms nobody.
        request = Request("POST", RPC_PATH, json=body, name="common.db.login", reads_only=True)

        def opened(answer: Any) -> Token:
            result = result_of(answer, office.name, request)
            user_id, key, *_ = msgspec.convert(result, tuple[int, str, str | None])
            signed = f"{user}:{user_id}:{given('the session', key)}"
            return Token(base64.b64encode(signed.encode()).decode(), _SESSION_S)

        return await office.call(request, opened)

    return fetch
