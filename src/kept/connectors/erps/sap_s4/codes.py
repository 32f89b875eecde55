"""S/4HANA's errors and states.

Source: SAP Help Portal, "OData V2 Error Response" of SAP Gateway: `error.code` is message class/number, `error.message`
its words. A document that somebody works on is message V1/042 (orders) or VL/046 (deliveries).
"""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from kept.connectors import strict_json
from kept.connectors.answers import masked
from kept.connectors.erps.sap_s4.schemas import Order
from kept.connectors.http import Refused
from kept.connectors.meanings import Meaning, fault_of
from kept.connectors.refusals import phrase
from kept.ports import BadMessage, ErpOrderStatus, Fault, PermanentFault

ERRORS = {
    "V1/042": Meaning.TEMPORARY,  # the order is being processed by somebody
    "VL/046": Meaning.TEMPORARY,
    "R1/550": Meaning.TEMPORARY,  # the business partner is locked
    "/IWBEP/CM_MGW_RT/022": Meaning.TEMPORARY,  # changed since it was read (If-Match)
}
PARTNER_EXISTS = "R11/657"  # "business partner ... already exists": the number was given by us
_WORDS_OF_LOCKS = ("is currently being processed", "is locked by")

_ALL = "C"  # of statuses that say how much of a document something is true of: "A" nothing, "B" part, "C" all
STATES = frozenset({"", "A", "B", "C"})


class _Message(msgspec.Struct):
    value: str = ""


class _Error(msgspec.Struct):
    code: str = ""
    message: _Message = msgspec.field(default_factory=_Message)


class _Errors(msgspec.Struct):
    error: _Error


def read_refusal(refused: Refused) -> Fault | None:
    """`kept.connectors.http.ReadRefusal`; None where the status says all."""
    who = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
    if refused.status >= HTTPStatus.INTERNAL_SERVER_ERROR or refused.status in who:
        return None
    try:
        error = msgspec.convert(strict_json.parse(refused.body), _Errors).error
    except (BadMessage, msgspec.ValidationError):
        return None
    code, words = error.code[:64], error.message.value
    locked = any(each in words for each in _WORDS_OF_LOCKS)
    meaning = Meaning.TEMPORARY if locked else ERRORS.get(code, Meaning.PERMANENT)
    text = f"{refused.target} refused: {phrase(refused.status)} to {refused.request.operation}: {code}: {masked(words)}"
    return fault_of(meaning, text, code, changes=refused.request.changes)


def status_of(order: Order) -> ErpOrderStatus:
    """Raises PermanentFault for a status that is not in the table."""
    for status in (order.overall_s_d_process_status, order.overall_rejection):
        if status not in STATES:
            raise PermanentFault(f"S/4HANA has an order of status {status!r}, which is not known", code="unknown_state")
    goods = order.to_item.results
    delivered = [item for item in goods if item.delivery_status in ("B", "C")]
    if goods and all(item.sales_document_rjcn_reason for item in goods):
        return ErpOrderStatus.CLOSED if delivered else ErpOrderStatus.CANCELLED
    if order.overall_s_d_process_status == _ALL:
        return ErpOrderStatus.CLOSED
    return ErpOrderStatus.OPEN


def is_done(status: str) -> bool:
    return status == _ALL
