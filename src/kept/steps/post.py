"""Post: the ERP learns the shipment, so that it can deliver and invoice."""

from __future__ import annotations

from kept.domain.events import PartPosted
from kept.domain.keys import effect_key
from kept.domain.subjects import PartOf
from kept.engine.outcome import Done, Outcome
from kept.ports import Effect, InvoiceShipment, PostedInvoice, PostedShipment, ShipmentPosting
from kept.steps.ports import Ports


async def post(subject: PartOf, ports: Ports) -> Outcome:
    shipment = subject.part.shipment
    assert shipment is not None, "a shipped part has its shipment"
    posting = ShipmentPosting(
        order_reference=subject.order.reference,
        reference=subject.reference,
        shipped_at=shipment.shipped_at,
        packages=shipment.packages,
    )
    port = ports.erp.shipments
    effect = Effect(effect_key(subject.reference, "post"), f"erp:{ports.erp.name}", "post", posting)
    posted = await ports.own_effects.perform(
        effect,
        lambda: port.post_shipment(posting, effect.key),
        answer_type=PostedShipment,
        find=lambda: port.find_shipment(posting),
        honours_key=port.honours_key,
    )
    if ports.erp.invoices is not None:
        await _invoice(posting, ports.erp.invoices, ports)
    return Done([PartPosted(subject.number, posted.erp_shipment_id)])


async def _invoice(posting: ShipmentPosting, port: InvoiceShipment, ports: Ports) -> None:
    effect = Effect(effect_key(posting.reference, "invoice"), f"erp:{ports.erp.name}", "invoice", posting)
    await ports.own_effects.perform(
        effect,
        lambda: port.invoice(posting, effect.key),
        answer_type=PostedInvoice,
        find=lambda: port.find_invoice(posting),
        honours_key=port.honours_key,
    )
