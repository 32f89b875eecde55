"""Advise: the ASN of what was really packed, made from the centre's shipment and from nothing planned."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from kept.documents.asn import AdvanceShipNotice, PackedCarton, PackedLine, asn_json
from kept.domain.events import PartAdvised
from kept.domain.subjects import PartOf
from kept.engine.outcome import Document, Done, Outcome, Reject
from kept.steps.ports import Ports


async def advise(subjects: Sequence[PartOf], ports: Ports) -> Sequence[Outcome]:
    return [_advise_one(subject, ports) for subject in subjects]


def _advise_one(subject: PartOf, ports: Ports) -> Outcome:
    centre = subject.part.centre
    if centre not in ports.centre_addresses:
        return Reject(f"centre {centre!r} is no longer configured", "unknown_centre")
    notice = notice_of(subject, ports)
    try:
        content = asn_json(notice)
    except ValueError as error:
        return Reject(f"the pack of {subject.reference} makes no ASN: {error}", "bad_pack")
    document = Document(hashlib.sha256(content).hexdigest(), "asn", "application/cloudevents+json", content)
    return Done([PartAdvised(subject.number, notice.asn_id, document.sha256)], documents=[document])


def notice_of(subject: PartOf, ports: Ports) -> AdvanceShipNotice:
    """The ASN's content: cartons, their SSCCs and lines as the centre reported them."""
    content, part = subject.order.content, subject.part
    shipment = part.shipment
    assert shipment is not None, "a shipped part has its shipment"
    assert content.ship_to is not None, "validate holds an order without an address"
    return AdvanceShipNotice(
        asn_id=f"{subject.reference}-ASN",
        order_ref=subject.order.reference,
        fulfilment_ref=subject.reference,
        channel_order_number=content.number,
        purpose="original",
        status="final",
        centre=part.centre,
        carrier=shipment.packages[0].carrier,
        service=part.service,
        shipped_at=shipment.shipped_at,
        ship_from=ports.centre_addresses[part.centre],
        ship_to=content.ship_to,
        cartons=tuple(
            PackedCarton(
                sscc=package.sscc,
                tracking=package.tracking,
                weight_g=package.weight_g,
                lines=tuple(PackedLine(line.line_no, line.sku, line.quantity) for line in package.lines),
            )
            for package in shipment.packages
        ),
    )
