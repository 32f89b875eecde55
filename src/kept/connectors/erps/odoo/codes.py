"""Odoo's errors, by the name of the exception. Its transaction is rolled back before it answers with one.

Source: Odoo 19.0, odoo/exceptions.py, odoo/http.py (statuses) and odoo/service/model.py (`retrying`: what the database
refused is tried five times there before it is an answer).
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
    "odoo.exceptions.AccessDenied": Meaning.AUTH,
    "odoo.exceptions.AccessError": Meaning.RIGHTS,
    "odoo.exceptions.UserError": Meaning.PERMANENT,
    "odoo.exceptions.ValidationError": Meaning.PERMANENT,
    "odoo.exceptions.RedirectWarning": Meaning.PERMANENT,
    "odoo.exceptions.MissingError": Meaning.PERMANENT,
    "odoo.exceptions.LockError": Meaning.TEMPORARY,
    "odoo.exceptions.ConcurrencyError": Meaning.TEMPORARY,
    "odoo.http.SessionExpiredException": Meaning.AUTH,
    "werkzeug.exceptions.Unauthorized": Meaning.AUTH,
    "werkzeug.exceptions.NotFound": Meaning.PERMANENT,
    "werkzeug.exceptions.UnprocessableEntity": Meaning.PERMANENT,
}
# The module of an exception that has no line above.
MODULES = {
    "psycopg2": Meaning.TEMPORARY,  # the database gave up: locks, serialisation, connections
    "builtins": Meaning.PERMANENT,  # a call that Odoo's code can't take: its version, or ours
}
# Words of the database in a message of `load`, which catches exceptions itself.
_OVERTAKEN = ("could not serialize", "deadlock detected", "duplicate key value", "lock timeout")

STATUSES = {
    "draft": ErpOrderStatus.DRAFT,
    "sent": ErpOrderStatus.DRAFT,
    "sale": ErpOrderStatus.OPEN,
    "done": ErpOrderStatus.OPEN,  # "locked", before version 17
    "cancel": ErpOrderStatus.CANCELLED,
}


class _Error(msgspec.Struct):
    name: str
    message: str = ""


def meaning_of(name: str) -> Meaning:
    """What an exception means; one that nobody knows leaves us without telling."""
    return ERRORS.get(name) or MODULES.get(name.partition(".")[0]) or Meaning.UNKNOWN


def overtaken(text: str) -> bool:
    """Whether a message of `load` says that somebody else was at it."""
    return any(words in text for words in _OVERTAKEN)


def read_refusal(refused: Refused) -> Fault | None:
    """`kept.connectors.http.ReadRefusal`; None where the status says all."""
    if refused.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        return None
    try:
        error = msgspec.convert(strict_json.parse(refused.body), _Error)
    except (BadMessage, msgspec.ValidationError):
        return None
    code = error.name.rpartition(".")[2][:64]
    text = (
        f"{refused.target} refused: {phrase(refused.status)} to {refused.request.operation}: {code}: "
        f"{masked(error.message)}"
    )
    return fault_of(meaning_of(error.name), text, code, changes=refused.request.changes)


def status_of(state: str) -> ErpOrderStatus:
    """Raises PermanentFault for a state that is not in the table."""
    known = STATUSES.get(state)
    if known is None:
        raise PermanentFault(f"Odoo has an order in the state {state!r}, which is not known", code="unknown_state")
    return known
