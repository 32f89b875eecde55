"""Business Central's codes: errors, customers' blocks, order states.

Source of the errors: Microsoft Learn, "Troubleshooting OData/API calls" (dynamics-error-codes), categories and table.
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

# Single codes, where they mean something else than their family does.
ERRORS = {
    "Request_EntityChanged": Meaning.TEMPORARY,  # the record changed since we read it: read again
    "Internal_DataNotFoundFilter": Meaning.PERMANENT,  # set-up or data that is missing stays so
    "Internal_RecordNotFound": Meaning.PERMANENT,
    "Internal_InvalidTableRelation": Meaning.PERMANENT,
    "Internal_EntityWithSameKeyExists": Meaning.PERMANENT,
    "Internal_CompanyNotFound": Meaning.PERMANENT,
}
# The category before the underscore, as the same page describes it.
FAMILIES = {
    "BadRequest": Meaning.PERMANENT,
    "Application": Meaning.PERMANENT,
    "Authentication": Meaning.AUTH,
    "Authorization": Meaning.RIGHTS,
    "Internal": Meaning.TEMPORARY,  # "Attempt the operation again"
}
# Statuses that blame who asks, whatever the code.
WHO: dict[int, Meaning] = {HTTPStatus.UNAUTHORIZED: Meaning.AUTH, HTTPStatus.FORBIDDEN: Meaning.RIGHTS}
SAME_KEY = "Internal_EntityWithSameKeyExists"

# Enum values that are a blank are written so in OData (XML names): customers' "blocked", documents' line types.
BLANK = frozenset({"", " ", "_x0020_"})

# Source: Microsoft Learn, salesOrder resource type, `status`. The API has no release: posting releases a draft itself.
# What waits for an approval can't be posted.
STATUSES = {
    "Draft": ErpOrderStatus.OPEN,
    "In Review": ErpOrderStatus.DRAFT,
    "In_x0020_Review": ErpOrderStatus.DRAFT,
    "Open": ErpOrderStatus.OPEN,
}

# Source: enum 5477 "Invoice Entity Aggregate Status" (microsoft/BCApps). Drafts are not posted; the others are.
NOT_POSTED = frozenset({"Draft", "In Review", "In_x0020_Review"})
TAKEN_BACK = frozenset({"Canceled"})


class _Error(msgspec.Struct):
    code: str
    message: str = ""


class _Errors(msgspec.Struct):
    error: _Error


def read_refusal(refused: Refused) -> Fault | None:
    """`kept.connectors.http.ReadRefusal`; None where the status says all: no code, 429, 503, 408 and other 5xx."""
    if refused.status >= 500 or refused.status in (408, 429):
        return None
    try:
        error = msgspec.convert(strict_json.parse(refused.body), _Errors).error
    except (BadMessage, msgspec.ValidationError):
        return None
    code = error.code[:64]
    words = masked(error.message)
    text = f"{refused.target} refused: {phrase(refused.status)} to {refused.request.operation}: {code}: {words}"
    meaning = WHO.get(refused.status) or ERRORS.get(code) or FAMILIES.get(code.partition("_")[0], Meaning.PERMANENT)
    return fault_of(meaning, text, code, changes=refused.request.changes)


def status_of(status: str) -> ErpOrderStatus:
    """Raises PermanentFault for a status that is not in the table."""
    known = STATUSES.get(status)
    if known is None:
        raise PermanentFault(f"Business Central has an order of status {status!r}, which is not known", code="status")
    return known
