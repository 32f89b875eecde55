"""What Amazon's refusals mean: `errors[].code` of the API, `error` of the token endpoint.

The status counts before the code where it says more: Amazon writes "InvalidInput" beside a 500 as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus

import msgspec

from kept.connectors import strict_json
from kept.connectors.answers import masked, retry_after_s
from kept.connectors.channels.amazon.codes import ERRORS, TOKEN_ERRORS, Meaning
from kept.connectors.http import Refused
from kept.connectors.refusals import WHO_ARE_YOU, phrase, says_it_is_broken
from kept.engine.quotas import Level
from kept.ports import AccessRefused, BadMessage, Fault, PermanentFault, TemporaryFault

_LATER = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_TOKEN_WORDS = ("expired", "revoked, malformed or invalid")
_RATE_MAX = 1e9  # and so no infinity
_WAIT_MAX_S = 300.0  # the slowest operation that we call gets a new token every 180 s (searchOrders)


class Error(msgspec.Struct):
    """One of `errors`. `details` is where Amazon tells more, and where a token's end is told."""

    code: str = ""
    message: str | None = ""
    details: str | None = ""


class _ErrorList(msgspec.Struct):
    errors: list[Error]


class _TokenError(msgspec.Struct):
    error: str
    error_description: str | None = ""


def read_refusal(refused: Refused) -> Fault | None:
    """`kept.connectors.http.ReadRefusal` of the API; None where the status says all."""
    error = _first_error(refused.body)
    if error is None or says_it_is_broken(refused.status):
        return None
    code = error.code.replace(" ", "")
    text = _text(refused, code, f"{error.message or ''} {error.details or ''}")
    meaning = ERRORS.get(code)
    if refused.status in _LATER or meaning is Meaning.TEMPORARY:
        return TemporaryFault(text, retry_after_s=wait_s(refused.headers))
    if meaning is Meaning.AUTH or refused.status in WHO_ARE_YOU:
        return AccessRefused(text, code=code)
    return PermanentFault(text, code=code or f"http_{refused.status}")


def read_token_refusal(refused: Refused) -> Fault | None:
    """The same for the token endpoint; None where the status says all."""
    try:
        error = msgspec.convert(strict_json.parse(refused.body), _TokenError)
    except (BadMessage, msgspec.ValidationError):
        return None
    if says_it_is_broken(refused.status):
        return None
    meaning = TOKEN_ERRORS.get(error.error)
    text = _text(refused, error.error, error.error_description or "")
    if refused.status in _LATER or meaning in {Meaning.TEMPORARY, Meaning.UNKNOWN}:
        return TemporaryFault(text, retry_after_s=wait_s(refused.headers))  # a token more harms nobody
    if meaning is Meaning.AUTH or refused.status in WHO_ARE_YOU:
        return AccessRefused(text, code=error.error)
    return PermanentFault(text, code=error.error)


def read_upload_refusal(refused: Refused) -> Fault | None:
    """The same for an upload. A refusal blames the address, which lives five minutes; the next try has a new one."""
    if says_it_is_broken(refused.status):
        return None
    return TemporaryFault(f"{refused.target} refused: {phrase(refused.status)} to {refused.request.operation}")


def blames_token(refused: Refused) -> bool:
    """Whether the access token is over: 401, or a 403 that says so. Amazon tells both of a lacking role and of an
    old token by 403 "Unauthorized"; only `details` differ.
    """
    if refused.status == HTTPStatus.UNAUTHORIZED:
        return True
    error = _first_error(refused.body)
    if error is None:
        return False
    told = f"{error.message or ''} {error.details or ''}".lower()
    return error.code == "ExpiredToken" or ("token" in told and any(word in told for word in _TOKEN_WORDS))


def read_level(headers: Mapping[str, str], now: datetime) -> Level | None:
    """`kept.connectors.traffic.ReadLevel`: the seller's own rate, where Amazon tells it. `now` is not needed."""
    rate = _rate(headers)
    return None if rate is None else Level(per_s=rate)


def wait_s(headers: Mapping[str, str]) -> float | None:
    """Seconds until the operation's bucket has a token again; None where Amazon does not say."""
    asked = retry_after_s(headers.get("retry-after", ""), datetime.now(UTC))
    if asked is not None:
        return asked
    rate = _rate(headers)
    return None if rate is None else min(1 / rate, _WAIT_MAX_S)


def _rate(headers: Mapping[str, str]) -> float | None:
    """x-amzn-RateLimit-Limit, calls a second. It is not always there, and mocks write the word "string"."""
    try:
        rate = float(headers.get("x-amzn-ratelimit-limit", ""))
    except ValueError:
        return None
    return rate if 0 < rate < _RATE_MAX else None


def _first_error(body: bytes) -> Error | None:
    try:
        errors = msgspec.convert(strict_json.parse(body), _ErrorList).errors
    except (BadMessage, msgspec.ValidationError):
        return None
    return errors[0] if errors else None


def _text(refused: Refused, code: str, told: str) -> str:
    words = masked(told)
    answered = f"{refused.target} refused: {phrase(refused.status)} to {refused.request.operation}: {code}"
    return f"{answered}: {words}" if words else answered
