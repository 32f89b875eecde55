"""Taking the open rest out of a sale. Pure: it looks at the state and says the next step.

Tryton has no button for it once a sale is processed. Its shipments are cancelled; that puts the sale into an
exception, which is answered with "ignore" rather than "make them again". An invoice that was drafted for shipping or
tax goes the same way, if nothing of the sale has left.

Tryton looks after a sale when its shipments have changed, in a task of its own that may have failed (many at once ask
for the same lock) or may still be waiting. So what is left to do is told by the shipments and invoices themselves,
and where the sale does not know of it yet, it is told to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kept.connectors.erps.tryton.codes import OPEN_INVOICE, OPEN_SHIPMENT, SENT_SHIPMENT
from kept.connectors.erps.tryton.schemas import Sale, Stated
from kept.ports import PermanentFault, TemporaryFault, Withdrawal


@dataclass(frozen=True, slots=True)
class Push:
    """Push a button on records."""

    model: str
    button: str
    records: Sequence[int]


@dataclass(frozen=True, slots=True)
class Ignore:
    """Answer an exception: these cancelled records are not made again."""

    wizard: str
    what: str  # "moves" or "invoices"
    records: Sequence[int]


Step = Push | Ignore | Withdrawal


def next_step(sale: Sale) -> Step:
    """What to do now. Raises TemporaryFault while a shipment of it is being posted."""
    match sale.state:
        case "cancelled":
            return Withdrawal(str(sale.id))
        case "draft" | "quotation":
            return Push("sale.sale", "cancel", [sale.id])
        case "confirmed":
            return Push("sale.sale", "draft", [sale.id])
        case "processing" | "done":
            return _of_processed(sale)
    raise PermanentFault(f"sale {sale.id} is in a state that we don't know: {sale.state!r}", code="unknown_state")


def _of_processed(sale: Sale) -> Step:
    for shipment in sale.shipments:
        if shipment.state in OPEN_SHIPMENT and shipment.reference:
            text = f"shipment {shipment.id} of sale {sale.id} is being posted as {shipment.reference}"
            raise TemporaryFault(f"{sale.web_id} can't be withdrawn yet: {text}")
    open_shipments = [each.id for each in sale.shipments if each.state in OPEN_SHIPMENT]
    if open_shipments:
        return Push("stock.shipment.out", "cancel", open_shipments)
    moves = _left({move for line in sale.lines for move in (*line.moves_ignored, *line.moves_recreated)}, sale.moves)
    if moves:
        return _exception(sale, sale.shipment_state, Ignore("sale.handle.shipment.exception", "moves", moves))
    open_invoices = [each.id for each in sale.invoices if each.state in OPEN_INVOICE]
    if open_invoices and not any(each.state in SENT_SHIPMENT for each in sale.shipments):
        return Push("account.invoice", "cancel", open_invoices)
    invoices = _left({*sale.invoices_ignored, *sale.invoices_recreated}, sale.invoices)
    if invoices:
        return _exception(sale, sale.invoice_state, Ignore("sale.handle.invoice.exception", "invoices", invoices))
    return Withdrawal(str(sale.id))


def _exception(sale: Sale, state: str, answer: Ignore) -> Step:
    return answer if state == "exception" else Push("sale.sale", "process", [sale.id])


def _left(answered: set[int], records: Sequence[Stated]) -> list[int]:
    """Cancelled records of which nobody has said what shall be."""
    return [each.id for each in records if each.state == "cancelled" and each.id not in answered]
