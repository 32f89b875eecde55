"""Who we are at Amazon: the seller's refresh token gives access tokens, and these give restricted data tokens.

A call that returns personal data of v0 carries a restricted data token instead of the access token; the API of
2026-01-01 and everything else goes by the application's roles. Source: developer-docs.amazon.com, "Connecting to the
Selling Partner API" and "Tokens API".
"""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from kept.connectors.access_tokens import AccessTokens, Fetch, Token
from kept.connectors.answers import given
from kept.connectors.channels.amazon.faults import blames_token
from kept.connectors.http import HttpTarget, Refused, Request
from kept.settings import Secret

HEADER = "x-amz-access-token"
TOKEN_URL = "https://api.amazon.com/auth/o2/token"  # noqa: S105 - an address
TOKENS_PATH = "/tokens/2021-03-01/restrictedDataToken"
# "AppId/AppVersion (Language=...)" is demanded of every call; at most 500 characters.
USER_AGENT = f"Kept/0.1 (Language=Python/{platform.python_version()}; Platform={platform.system() or 'unknown'})"

# What of v0 shows personal data to us, as createRestrictedDataToken names it. One token does for all orders.
RESTRICTED = (
    {"method": "GET", "path": "/orders/v0/orders", "dataElements": ["buyerInfo", "shippingAddress"]},
    {"method": "GET", "path": "/orders/v0/orders/{orderId}/orderItems", "dataElements": ["buyerInfo"]},
)
_RESTRICTED_PATH = re.compile(r"/orders/v0/orders(/[^/]+/orderItems)?")


class _AccessToken(msgspec.Struct):
    access_token: str
    expires_in: float


class _RestrictedToken(msgspec.Struct, rename="camel"):
    restricted_data_token: str
    expires_in: float


class AmazonAuthorise:
    """`kept.connectors.http.Authorise`: the access token, or for v0's personal data the restricted one."""

    def __init__(self, access: AccessTokens, restricted: AccessTokens | None = None) -> None:
        self._access = access
        self._restricted = restricted

    async def headers(self, request: Request) -> Mapping[str, str]:
        return {HEADER: await self._tokens_of(request).get()}

    def is_over(self, refused: Refused, given: Mapping[str, str]) -> bool:
        if not blames_token(refused):
            return False
        self._tokens_of(refused.request).forget(given[HEADER])
        return True

    def _tokens_of(self, request: Request) -> AccessTokens:
        restricted = request.method == "GET" and _RESTRICTED_PATH.fullmatch(request.path) is not None
        return self._restricted if restricted and self._restricted is not None else self._access


def access_fetch(target: HttpTarget, path: str, client_id: str, client_secret: Secret, refresh_token: Secret) -> Fetch:
    """Fetches an access token from Login with Amazon; it lives an hour."""

    async def fetch() -> Token:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": refresh_token.reveal(),
            "client_id": client_id,
            "client_secret": client_secret.reveal(),
        }
        return await target.call(Request("POST", path, form=form, name="access token", reads_only=True), _access_token)

    return fetch


def restricted_fetch(target: HttpTarget) -> Fetch:
    """Fetches a restricted data token; it lives an hour."""

    async def fetch() -> Token:
        body = {"restrictedResources": list(RESTRICTED)}
        request = Request("POST", TOKENS_PATH, json=body, name="createRestrictedDataToken", reads_only=True)
        return await target.call(request, _restricted_token)

    return fetch


def split_url(url: str) -> tuple[str, str]:
    """An address as the part that a target is opened with, and the path."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}", parts.path


def _access_token(answer: Any) -> Token:
    token = msgspec.convert(answer, _AccessToken)
    return Token(given("access_token", token.access_token), token.expires_in)


def _restricted_token(answer: Any) -> Token:
    token = msgspec.convert(answer, _RestrictedToken)
    return Token(given("restrictedDataToken", token.restricted_data_token), token.expires_in)
