"""What a status other than 2xx means, where the vendor has no reading of its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

from kept.connectors.answers import problem_of, retry_after_s
from kept.ports import AccessRefused, Fault, PermanentFault, TemporaryFault

# They blame who asks and not what is asked.
WHO_ARE_YOU = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_LATER = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


def says_it_is_broken(status: int) -> bool:
    """Whether the target went wrong half-way, so that there is no telling what it did."""
    return (status >= 500 and status not in _LATER) or status == HTTPStatus.REQUEST_TIMEOUT


def refusal(target: str, operation: str, status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Fault:
    """The fault for a status by which the target surely did nothing."""
    answered = f"{phrase(status)} to {operation}"
    if status in _LATER:
        wait_s = retry_after_s(headers.get("retry-after", ""), now)
        return TemporaryFault(f"{target} answered {answered}", retry_after_s=wait_s)
    if status < 400:
        text = f"{target} answered {answered}; give the final address as base_url"
        return PermanentFault(text, code=f"http_{status}")
    code, detail = problem_of(body)
    text = f"{target} refused: {answered}" + (f": {detail}" if detail else "")
    if status in WHO_ARE_YOU:
        # 403 speaks of a right, which other calls may have.
        whole_account = status == HTTPStatus.UNAUTHORIZED
        return AccessRefused(text, code=code or f"http_{status}", whole_account=whole_account)
    return PermanentFault(text, code=code or f"http_{status}")


def phrase(status: int) -> str:
    """ "404 Not Found"; the number alone where it has no name."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
