"""Access tokens of NetSuite, by the client credentials grant with a certificate.

Source: Oracle NetSuite help, "OAuth 2.0 Client Credentials Flow", "The Request Token Structure" and "POST Request to
the Token Endpoint and the Access Token Response": a JWT signed by the certificate's private key takes the place of a
client secret; it is good for at most an hour, as is the access token that is given for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import jwt

from kept.connectors.access_tokens import Fetch, Token
from kept.connectors.erps.netsuite.options import Options
from kept.connectors.http import HttpTarget, Request
from kept.connectors.oauth import granted
from kept.settings import Secret, SettingsError

PATH = "/services/rest/auth/oauth2/v1/token"
SCOPE = "rest_webservices"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_GOOD_FOR_S = 300  # of the 3600 that are allowed: it is used at once, and clocks differ
_EARLIER_S = 30  # a clock that is ahead must not make it one of the future


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
        return await office.call(Request("POST", PATH, form=form, name="access token", reads_only=True), granted)

    return fetch
