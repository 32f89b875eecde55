"""Access tokens of NetSuite, by the client credentials grant with a certificate.

Source: Oracle NetSuite help, "OAuth 2.0 Client Credentials Flow", "The Request Token Structure" and "POST Request to
the Token Endpoint and the Access Token Response": a JWT signed by the certificate's private key takes the place of a
client secret; it is good for at most an hour, as is the access token that is given for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jwt
import msgspec

from kept.connectors import strict_json
from kept.connectors.access_tokens import Fetch, Token
from kept.connectors.answers import given
from kept.connectors.erps.netsuite.options import Options
from kept.connectors.http import HttpTarget, Refused, Request
from kept.connectors.meanings import Meaning, fault_of
from kept.connectors.refusals import phrase
from kept.ports import BadMessage, Fault
from kept.settings import Secret, SettingsError

PATH = "/services/rest/auth/oauth2/v1/token"
SCOPE = "rest_webservices"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_GOOD_FOR_S = 300  # of the 3600 that are allowed: it is used at once, and clocks differ
_EARLIER_S = 30  # a clock that is ahead must not make it one of the future


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: float  # NetSuite gives it as a string


class _Refusal(msgspec.Struct):
    """RFC 6749, 5.2."""

    error: str


class Assertion:
    """Signs what proves who we are. `now` gives seconds since 1970.

    Raises SettingsError for a private key that is none, or not of the algorithm.
    """

    def __init__(
        self, setting: str, token_url: str, options: Options, key: Secret, now: Callable[[], float] = time.time
    ) -> None:
        self._url = token_url
        self._options = options
        self._key = key
        self._now = now
        try:
            self.sign()
        except (jwt.exceptions.PyJWTError, ValueError, TypeError) as exc:
            # Without the cause, whose text may quote the key.
            raise SettingsError(
                f"{setting} is no private key in PEM that signs {options.algorithm} ({type(exc).__name__})"
            ) from None

    def sign(self) -> str:
        now = int(self._now())
        claims = {
            "iss": self._options.client_id,
            "scope": [SCOPE],
            "aud": self._url,
            "iat": now - _EARLIER_S,
            "exp": now + _GOOD_FOR_S,
        }
        headers = {"kid": self._options.certificate_id}
        return jwt.encode(claims, self._key.reveal(), algorithm=self._options.algorithm, headers=headers)


def token_fetch(office: HttpTarget, assertion: Assertion) -> Fetch:
    async def fetch() -> Token:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": assertion.sign(),
        }
        return await office.call(Request("POST", PATH, form=form, name="access token", reads_only=True), _token)

    return fetch


def read_refusal(refused: Refused) -> Fault | None:
    """Whatever is wrong with a token's request below 429 is wrong with our integration record or certificate."""
    if refused.status not in (400, 401, 403):
        return None
    try:
        code = msgspec.convert(strict_json.parse(refused.body), _Refusal).error[:64]
    except (BadMessage, msgspec.ValidationError):
        code = f"http_{refused.status}"
    return fault_of(Meaning.AUTH, f"{refused.target} gave no token: {phrase(refused.status)}: {code}", code)


def _token(answer: Any) -> Token:
    granted = msgspec.convert(answer, _Granted, strict=False)
    return Token(given("access_token", granted.access_token), granted.expires_in)
