"""What targets say besides the answer itself: problem details, Retry-After, and answers that don't fit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from kept.connectors import strict_json
from kept.ports import BadMessage

RETRY_AFTER_MAX_S = 3600.0  # a target that asks for more is asked once an hour all the same
_DETAIL_CHARS_MAX = 200
_CODE = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
_EMAIL = re.compile(r"[^\s@<>\"',;]+@[^\s@<>\"',;]+")
# Not within a word: references of ours, "K7Q2F-000000123-2", are to be read.
_LONG_NUMBER = re.compile(r"(?<![\w-])\+?\d[\d ()-]{8,}\d")


class UnexpectedAnswer(Exception):
    """A 2xx whose content isn't what was asked for: another id, a missing part. The text names what."""


class _Problem(msgspec.Struct):
    """Problem details (RFC 9457), with the member `code` that our contracts add."""

    code: Any = ""
    type: Any = ""
    title: Any = ""
    detail: Any = ""


def problem_of(body: bytes) -> tuple[str, str]:
    """Code and text of a refusal, as far as its body has them; ("", "") for what is no JSON object.

    Foreign text may quote the order, so it is shortened to 200 characters, and what looks like an e-mail
    address or a phone number is masked.
    """
    try:
        problem = msgspec.convert(strict_json.parse(body), _Problem)
    except (BadMessage, msgspec.ValidationError):
        return "", ""
    code = next((value for value in (problem.code, problem.type) if _is_code(value)), "")
    text = next((value for value in (problem.detail, problem.title) if isinstance(value, str) and value), "")
    return code, masked(text)


def masked(text: str) -> str:
    """Foreign text, fit for our log: one line of at most 200 characters, without addresses and numbers."""
    line = " ".join(text[: _DETAIL_CHARS_MAX * 4].split())
    return _LONG_NUMBER.sub("(number)", _EMAIL.sub("(e-mail)", line))[:_DETAIL_CHARS_MAX]


def retry_after_s(value: str, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date); None without one.

    At least 0 and at most RETRY_AFTER_MAX_S; what can't be read counts as not said.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:12]), RETRY_AFTER_MAX_S)
    try:
        until = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max((until - now).total_seconds(), 0.0), RETRY_AFTER_MAX_S)


def same(what: str, asked: object, answered: object) -> None:
    """Raises UnexpectedAnswer unless the target answered about what it was asked for."""
    if asked != answered:
        raise UnexpectedAnswer(f"{what} is {masked(repr(answered))}, asked was {asked!r}")


def given(what: str, value: str) -> str:
    """An id that must not be empty. Raises UnexpectedAnswer."""
    if not value:
        raise UnexpectedAnswer(f"{what} is empty")
    return value


def unique(values: Sequence[str]) -> bool:
    return len(set(values)) == len(values)


def _is_code(value: object) -> bool:
    """Whether it looks like a code; "about:blank" is RFC 9457's word for having none."""
    return isinstance(value, str) and value != "about:blank" and _CODE.fullmatch(value) is not None
