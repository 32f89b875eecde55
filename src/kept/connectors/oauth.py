"""What OAuth 2.0's token endpoints answer (RFC 6749), where a vendor keeps to it."""

from __future__ import annotations

from typing import Any

import msgspec

from kept.connectors import strict_json
from kept.connectors.access_tokens import Token
from kept.connectors.answers import given
from kept.connectors.http import Refused
from kept.connectors.meanings import Meaning, fault_of
from kept.connectors.refusals import phrase
from kept.ports import BadMessage, Fault


class _Granted(msgspec.Struct):
    """Section 5.1."""

    access_token: str
    expires_in: float  # some give it as a string


class _Refusal(msgspec.Struct):
    """Section 5.2. The description may name tenants and applications, and is left out."""

    error: str


def granted(answer: Any) -> Token:
    found = msgspec.convert(answer, _Granted, strict=False)
    return Token(given("access_token", found.access_token), found.expires_in)


def read_refusal(refused: Refused) -> Fault | None:
    """`kept.connectors.http.ReadRefusal`: what is wrong with a token's request is wrong with our registration."""
    if refused.status not in (400, 401, 403):
        return None
    try:
        code = msgspec.convert(strict_json.parse(refused.body), _Refusal).error[:64]
    except (BadMessage, msgspec.ValidationError):
        code = f"http_{refused.status}"
    return fault_of(Meaning.AUTH, f"{refused.target} gave no token: {phrase(refused.status)}: {code}", code)
