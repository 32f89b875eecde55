"""Who sent a message: Shopify's HMAC and Standard Webhooks, over the raw bytes, before anything is parsed; and
bearer tokens.

Several secrets may be live at once, so that one can be rotated without losing a message. Every comparison
takes the same time however much of a signature is right.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from kept.ports import Incoming, NotAuthentic
from kept.settings import Secret, SettingsError

TOLERANCE_S = 300  # Standard Webhooks, "Verifying webhook authenticity": five minutes either way
_STANDARD_PREFIX = "whsec_"
_SIGNATURES_MAX = 16  # a sender in rotation has two; the header is the sender's to fill, the work is ours


@dataclass(frozen=True, slots=True)
class ShopifyVerify:
    """X-Shopify-Hmac-Sha256: base64 of the HMAC-SHA256 of the raw body under the app's secret.

    Source: shopify.dev, "Deliver webhooks through HTTPS". There is no timestamp in what is signed.
    """

    secrets: Sequence[Secret]

    def __post_init__(self) -> None:
        if not self.secrets or not all(secret.reveal() for secret in self.secrets):
            raise SettingsError("a webhook needs at least one secret, and none may be empty")

    def __call__(self, message: Incoming, now: datetime) -> None:
        """Raises NotAuthentic. `now` is not needed: Shopify signs no time."""
        given = _header(message, "x-shopify-hmac-sha256").encode("utf-8")
        # No short cut on the first match: all secrets are tried, always.
        matches = [hmac.compare_digest(_shopify(secret, message.body), given) for secret in self.secrets]
        if not any(matches):
            raise NotAuthentic("X-Shopify-Hmac-Sha256 fits none of the secrets")


@dataclass(frozen=True, slots=True)
class StandardVerify:
    """Standard Webhooks v1: HMAC-SHA256 of `id.timestamp.body`, several signatures in one header.

    Source: github.com/standard-webhooks, spec/standard-webhooks.md.
    """

    secrets: Sequence[Secret]

    def __post_init__(self) -> None:
        if not self.secrets:
            raise SettingsError("a webhook needs at least one secret")
        for secret in self.secrets:
            _standard_key(secret.reveal())

    def __call__(self, message: Incoming, now: datetime) -> None:
        """Raises NotAuthentic. `now` is compared with the signed timestamp."""
        identity = _header(message, "webhook-id")
        if "." in identity:
            # "a.1" + "2" and "a" + "1.2" sign alike: a stop in the id would let parts change places.
            raise NotAuthentic("webhook-id has a full stop in it")
        timestamp = _timestamp(_header(message, "webhook-timestamp"))
        if abs(now.timestamp() - timestamp) > TOLERANCE_S:
            raise NotAuthentic(f"webhook-timestamp is more than {TOLERANCE_S} s from now")
        given = [part[3:].encode() for part in _header(message, "webhook-signature").split() if part[:3] == "v1,"]
        if len(given) > _SIGNATURES_MAX:
            raise NotAuthentic(f"webhook-signature has more than {_SIGNATURES_MAX} signatures")
        expected = [_standard(secret.reveal(), identity, timestamp, message.body) for secret in self.secrets]
        matches = [hmac.compare_digest(one, other) for one in expected for other in given]
        if not any(matches):
            raise NotAuthentic("webhook-signature fits none of the secrets")


@dataclass(frozen=True, slots=True)
class BearerVerify:
    """Bearer tokens (RFC 6750, 2.1). With none configured nobody gets in."""

    tokens: Sequence[Secret]

    def __call__(self, message: Incoming, now: datetime) -> None:
        """Raises NotAuthentic. `now` is not needed: a token is good until it is taken out of the settings."""
        scheme, _, given = message.headers.get("authorization", "").partition(" ")
        matches = [hmac.compare_digest(token.reveal().encode(), given.strip().encode()) for token in self.tokens]
        if scheme.lower() != "bearer" or not any(matches):
            raise NotAuthentic("authorization holds none of the account's bearer tokens")


@dataclass(frozen=True, slots=True)
class NoSignature:
    """The verifier of an account that has no webhook secrets, since its orders come by other ways."""

    def __call__(self, message: Incoming, now: datetime) -> None:
        """Raises NotAuthentic, whatever comes."""
        raise NotAuthentic("the account has no webhook_secrets")


def sign_shopify(secret: str, body: bytes) -> str:
    """The value of X-Shopify-Hmac-Sha256, as Shopify makes it; for simulators and tests."""
    return _shopify(Secret(secret), body).decode()


def sign_standard(secret: str, identity: str, timestamp: int, body: bytes) -> str:
    """The value of webhook-signature; `timestamp` in whole seconds since 1970; for simulators and tests."""
    return "v1," + _standard(secret, identity, timestamp, body).decode()


def standard_identity(message: Incoming) -> str:
    """The sender's id of a message. Only verified messages have one, so asking earlier is NotAuthentic."""
    return _header(message, "webhook-id")


def _shopify(secret: Secret, body: bytes) -> bytes:
    return base64.b64encode(hmac.digest(secret.reveal().encode(), body, hashlib.sha256))


def _standard(secret: str, identity: str, timestamp: int, body: bytes) -> bytes:
    signed = f"{identity}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.digest(_standard_key(secret), signed, hashlib.sha256))


def _standard_key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_STANDARD_PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SettingsError("a Standard Webhooks secret is whsec_ and base64; this one is not base64") from error
    if not key:
        raise SettingsError("a Standard Webhooks secret is whsec_ and base64; this one is empty")
    return key


def _timestamp(text: str) -> int:
    # isdigit() is true for other scripts' digits too, and int() is lenient about signs, spaces and underscores.
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise NotAuthentic("webhook-timestamp is not a whole number of seconds")
    return int(text)


def _header(message: Incoming, name: str) -> str:
    value = message.headers.get(name, "")
    if not value:
        raise NotAuthentic(f"the header {name} is missing")
    return value
