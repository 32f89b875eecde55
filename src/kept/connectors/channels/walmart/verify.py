"""Who sent a notification: what a subscription says of its authentication, `HMAC` or `BASIC_AUTH`.

Source: us_notifications.json, "URL Authentication Options": the header that the subscription names carries the
HMAC-SHA256 "of complete response" under the client secret, or the BASE64 of user name and password. In which letters
the HMAC comes is not said: base64 and hexadecimal both count.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from kept.ports import Incoming, NotAuthentic, Verify
from kept.settings import Secret, SettingsError

HEADER = "authorization"  # what Walmart's own examples name


@dataclass(frozen=True, slots=True)
class HmacVerify:
    """The body under one of the secrets, in `header` (lower case)."""

    secrets: Sequence[Secret]
    header: str = HEADER

    def __call__(self, message: Incoming, now: datetime) -> None:
        """Raises NotAuthentic. `now` is not needed: Walmart signs no time."""
        given = _given(message, self.header)
        digests = [hmac.digest(secret.reveal().encode(), message.body, hashlib.sha256) for secret in self.secrets]
        # All are tried, always: how long it takes tells nothing.
        matches = [hmac.compare_digest(base64.b64encode(digest), given) for digest in digests]
        matches += [hmac.compare_digest(digest.hex().encode(), given.lower()) for digest in digests]
        if not any(matches):
            raise NotAuthentic(f"{self.header} fits none of the secrets")


@dataclass(frozen=True, slots=True)
class BasicVerify:
    """Each secret is "user:password"; their base64 stands in `header` (lower case), after "Basic " or alone."""

    secrets: Sequence[Secret]
    header: str = HEADER

    def __call__(self, message: Incoming, now: datetime) -> None:
        """Raises NotAuthentic. `now` is not needed."""
        given = _given(message, self.header)
        given = given[6:].strip() if given[:6].lower() == b"basic " else given
        matches = [hmac.compare_digest(base64.b64encode(secret.reveal().encode()), given) for secret in self.secrets]
        if not any(matches):
            raise NotAuthentic(f"{self.header} fits none of the secrets")


METHODS: dict[str, Callable[[Sequence[Secret], str], Verify]] = {"hmac": HmacVerify, "basic": BasicVerify}


def verifier(setting: str, method: str, header: str, secrets: Sequence[Secret]) -> Verify:
    """The verifier that the settings ask for. Raises SettingsError for an unknown method and a password alone."""
    if method not in METHODS:
        raise SettingsError(f"{setting}.webhook_method is {method!r}; known are {', '.join(METHODS)}")
    if method == "basic" and not all(":" in secret.reveal() for secret in secrets):
        raise SettingsError(f"{setting}.webhook_secrets: with the method basic each is user:password")
    return METHODS[method](secrets, (header or HEADER).lower())


def _given(message: Incoming, header: str) -> bytes:
    value = message.headers.get(header, "")
    if not value:
        raise NotAuthentic(f"the header {header} is missing")
    return value.strip().encode()
