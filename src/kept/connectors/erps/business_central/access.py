"""Access tokens of Microsoft Entra ID, by the client credentials grant.

Source: Microsoft Learn, "Using Service-to-Service (S2S) Authentication" (Business Central): scope
https://api.businesscentral.dynamics.com/.default, Content-Type application/x-www-form-urlencoded.
"""

from __future__ import annotations

from typing import Any

import msgspec

from kept.connectors import strict_json
from kept.connectors.access_tokens import Fetch, Token
from kept.connectors.answers import given
from kept.connectors.http import HttpTarget, Refused, Request
from kept.connectors.meanings import Meaning, fault_of
from kept.connectors.refusals import phrase
from kept.ports import BadMessage, Fault
from kept.settings import Secret

SCOPE = "https://api.businesscentral.dynamics.com/.default"


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: float


class _Refusal(msgspec.Struct):
    """RFC 6749, 5.2. The description names tenant and application ids, and is left out."""

    error: str


def token_fetch(target: HttpTarget, client_id: str, client_secret: Secret) -> Fetch:
    async def fetch() -> Token:
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret.reveal(),
            "scope": SCOPE,
        }
        return await target.call(Request("POST", "", form=form, name="access token", reads_only=True), _token)

    return fetch


def read_refusal(refused: Refused) -> Fault | None:
    """Whatever is wrong with a token's request below 429 is wrong with our registration."""
    if refused.status not in (400, 401):
        return None
    try:
        code = msgspec.convert(strict_json.parse(refused.body), _Refusal).error[:64]
    except (BadMessage, msgspec.ValidationError):
        code = f"http_{refused.status}"
    return fault_of(Meaning.AUTH, f"{refused.target} gave no token: {phrase(refused.status)}: {code}", code)


def _token(answer: Any) -> Token:
    granted = msgspec.convert(answer, _Granted)
    return Token(given("access_token", granted.access_token), granted.expires_in)
