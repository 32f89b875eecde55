"""NetSuite's errors and states.

Source: Oracle NetSuite help, "REST Web Services Error Handling" (title, status, o:errorDetails with o:errorCode) and
"SuiteTalk error codes"; the states of a sales order: "Sales Order Status" (A pending approval ... H closed).
"""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from kept.connectors import strict_json
from kept.connectors.answers import masked
from kept.connectors.http import Refused
from kept.connectors.meanings import Meaning, fault_of
from kept.connectors.refusals import phrase
from kept.ports import BadMessage, ErpOrderStatus, Fault, PermanentFault

ERRORS = {
    "INSUFFICIENT_PERMISSION": Meaning.RIGHTS,
    "INVALID_LOGIN": Meaning.AUTH,
    "RCRD_HAS_BEEN_CHANGED": Meaning.TEMPORARY,  # somebody else saved it between our read and our write, in NetSuite
    "CONCURRENCY_LIMIT_EXCEEDED": Meaning.TEMPORARY,
    "REQUEST_LIMIT_EXCEEDED": Meaning.TEMPORARY,
}
# Codes of a second record under one external id; which one depends on the record type.
TAKEN = ("DUP_RCRD", "DUP_ENTITY", "UNIQUE_CUST_ID_REQD")
EXISTS = "exists"  # ours, for each of them
_WORDS_OF_TAKEN = ("already exists", "already in use")
_MAY_BE_DONE = HTTPStatus.INTERNAL_SERVER_ERROR

_STATES = {
    "A": ErpOrderStatus.DRAFT,  # pending approval
    "B": ErpOrderStatus.OPEN,  # pending fulfilment
    "C": ErpOrderStatus.CANCELLED,
    "D": ErpOrderStatus.OPEN,  # partially fulfilled
    "E": ErpOrderStatus.OPEN,  # pending billing, partially fulfilled
    "F": ErpOrderStatus.CLOSED,  # pending billing
    "G": ErpOrderStatus.CLOSED,  # billed
}
CLOSED = "H"  # all lines were closed: cancelled, if nothing was fulfilled


class _Detail(msgspec.Struct):
    detail: str = ""
    code: str = msgspec.field(name="o:errorCode", default="")


class _Errors(msgspec.Struct):
    details: list[_Detail] = msgspec.field(name="o:errorDetails")


def read_refusal(refused: Refused) -> Fault | None:
    """`kept.connectors.http.ReadRefusal`; None where the status says all."""
    if refused.status >= _MAY_BE_DONE or refused.status == HTTPStatus.TOO_MANY_REQUESTS:
        return None
    try:
        details = msgspec.convert(strict_json.parse(refused.body), _Errors).details
    except (BadMessage, msgspec.ValidationError):
        return None
    first = details[0] if details else _Detail()
    code, words = first.code[:64], first.detail
    text = f"{refused.target} refused: {phrase(refused.status)} to {refused.request.operation}: {code}: {masked(words)}"
    if code in TAKEN or any(each in words for each in _WORDS_OF_TAKEN):
        return PermanentFault(text, code=EXISTS)
    if refused.status == HTTPStatus.UNAUTHORIZED:
        return None  # a token that is over, or an account that is not ours: the status tells
    return fault_of(ERRORS.get(code, Meaning.PERMANENT), text, code, changes=refused.request.changes)


def status_of(letter: str, *, fulfilled: bool) -> ErpOrderStatus:
    """Raises PermanentFault for a status that is not in the table."""
    if letter == CLOSED:
        return ErpOrderStatus.CLOSED if fulfilled else ErpOrderStatus.CANCELLED
    if letter not in _STATES:
        raise PermanentFault(f"NetSuite has an order of status {letter!r}, which is not known", code="unknown_state")
    return _STATES[letter]
