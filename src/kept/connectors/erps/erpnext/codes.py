"""ERPNext's errors, by the name of the exception (`exc_type`). Frappe rolls its transaction back before it answers so.

Source: frappe/exceptions.py (names and statuses), frappe/app.py (`handle_exception`: a deadlock or a lock's timeout
becomes 508), erpnext/stock and erpnext/controllers for ERPNext's own names.
"""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from kept.connectors import strict_json
from kept.connectors.answers import masked
from kept.connectors.erps.erpnext.schemas import Order
from kept.connectors.http import Refused
from kept.connectors.meanings import Meaning, fault_of
from kept.connectors.refusals import phrase
from kept.ports import BadMessage, ErpOrderStatus, Fault, PermanentFault

ERRORS = {
    "AuthenticationError": Meaning.AUTH,
    "SessionExpired": Meaning.AUTH,
    "PermissionError": Meaning.RIGHTS,
    "QueryDeadlockError": Meaning.TEMPORARY,
    "QueryTimeoutError": Meaning.TEMPORARY,
    "LockTimeoutError": Meaning.TEMPORARY,
    "DocumentLockedError": Meaning.TEMPORARY,
    "TimestampMismatchError": Meaning.TEMPORARY,  # changed by somebody since it was read
    "InReadOnlyMode": Meaning.TEMPORARY,
    "SessionStopped": Meaning.TEMPORARY,
    "RateLimitExceededError": Meaning.TEMPORARY,
    "TooManyRequestsError": Meaning.TEMPORARY,
}
# Two documents with one value of a unique field, or with one name.
TAKEN = frozenset({"UniqueValidationError", "DuplicateEntryError"})
_DEADLOCK = HTTPStatus.LOOP_DETECTED
_DONE = 100

_DRAFT, _SUBMITTED, _CANCELLED = 0, 1, 2
# Source: erpnext/controllers/status_updater.py, `status_map`, "Sales Order".
OPEN = frozenset({"To Deliver and Bill", "To Bill", "To Deliver", "To Pay", "On Hold", "Partially Delivered"})
CLOSED = frozenset({"Completed", "Closed"})


class _Error(msgspec.Struct):
    exc_type: str = ""
    exception: str = ""


def read_refusal(refused: Refused) -> Fault | None:
    """`kept.connectors.http.ReadRefusal`; None where the status says all."""
    if refused.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        return None
    try:
        error = msgspec.convert(strict_json.parse(refused.body), _Error)
    except (BadMessage, msgspec.ValidationError):
        error = _Error()
    code = error.exc_type[:64]
    meaning = ERRORS.get(code)
    if refused.status == _DEADLOCK:
        meaning = Meaning.TEMPORARY
    if not code and meaning is None:
        return None
    if meaning is None:
        # Every exception that Frappe raises on purpose has a status of its own; a 500 is one that it did not foresee.
        meaning = Meaning.UNKNOWN if refused.status >= HTTPStatus.INTERNAL_SERVER_ERROR else Meaning.PERMANENT
    words = masked(error.exception.partition(": ")[2] or error.exception)
    text = f"{refused.target} refused: {phrase(refused.status)} to {refused.request.operation}: {code}: {words}"
    return fault_of(meaning, text, code or f"http_{refused.status}", changes=refused.request.changes)


def status_of(order: Order) -> ErpOrderStatus:
    """Raises PermanentFault for a status that is not in the table."""
    if order.docstatus == _DRAFT:
        return ErpOrderStatus.DRAFT
    if order.docstatus == _CANCELLED:
        return ErpOrderStatus.CANCELLED
    if order.docstatus == _SUBMITTED and order.status in OPEN | CLOSED:
        closed = order.status in CLOSED or order.per_delivered >= _DONE
        return ErpOrderStatus.CLOSED if closed else ErpOrderStatus.OPEN
    raise PermanentFault(
        f"ERPNext has an order of status {order.status!r} ({order.docstatus}), which is not known", code="unknown_state"
    )
