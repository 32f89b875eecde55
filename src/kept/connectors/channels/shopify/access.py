"""How we prove to a shop who we are: a token that does not end, or one that is fetched for a day."""

from __future__ import annotations

from typing import Any

import msgspec

from kept.connectors.access_tokens import AccessTokens, Token, TokenHeader
from kept.connectors.http import HttpTarget, Request
from kept.settings import Secret

TOKEN_HEADER = "x-shopify-access-token"  # noqa: S105 - the header's name
_PATH = "/admin/oauth/access_token"


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: float


def daily_tokens(target: HttpTarget, client_id: str, client_secret: Secret) -> TokenHeader:
    """Tokens of an app of the shop's own organisation, by the client credentials grant; each lives for 24 hours.

    Source: shopify.dev, "Client credentials grant". `target` is the shop, without a token.
    """

    async def fetch() -> Token:
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret.reveal(),
        }
        granted = await target.call(Request("POST", _PATH, form=form, name="access token", reads_only=True), _granted)
        return Token(granted.access_token, granted.expires_in)

    return TokenHeader(AccessTokens(fetch), TOKEN_HEADER)


def _granted(parsed: Any) -> _Granted:
    return msgspec.convert(parsed, _Granted)
