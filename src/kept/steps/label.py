"""Label: the carton gets its SSCC, and its label as ZPL and PDF. A serial is drawn once and never used again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, tzinfo

from kept.documents.label import LogisticsLabel, pdf, zpl
from kept.documents.sscc import sscc
from kept.domain.events import PartLabelled
from kept.domain.subjects import PartOf
from kept.engine.outcome import Document, Done, Outcome, Reject
from kept.steps.ports import Ports

# What fits beside the bar code; the packing slip has the rest.
_LINES_SHOWN = 3


async def label(subjects: Sequence[PartOf], ports: Ports) -> Sequence[Outcome]:
    serials = await ports.serials.take(len(subjects))
    return [_label_one(subject, serial, ports) for subject, serial in zip(subjects, serials, strict=True)]


def _label_one(subject: PartOf, serial: int, ports: Ports) -> Outcome:
    centre = subject.part.centre
    if centre not in ports.centre_addresses:
        return Reject(f"centre {centre!r} is no longer configured", "unknown_centre")
    number = sscc(ports.labels.company_prefix, ports.labels.extension, serial)
    content = label_content(subject, number, ports)
    documents = [
        _document("application/pdf", pdf(content)),
        _document("x-application/zpl", zpl(content)),
    ]
    hashes = tuple(document.sha256 for document in documents)
    return Done([PartLabelled(subject.number, number, hashes)], documents=documents)


def _document(media_type: str, content: bytes) -> Document:
    return Document(hashlib.sha256(content).hexdigest(), "label", media_type, content)


def _zone_of(centre: str, ports: Ports) -> tzinfo:
    """The centre's own time zone: its people read the date by their own clock."""
    return next((profile.timezone for profile in ports.routing.centres if profile.name == centre), UTC)


def label_content(subject: PartOf, number: str, ports: Ports) -> LogisticsLabel:
    """What the label of a part's one planned carton says."""
    content, part = subject.order.content, subject.part
    assert content.ship_to is not None, "validate holds an order without an address"
    return LogisticsLabel(
        sscc=number,
        ship_from=ports.centre_addresses[part.centre],
        ship_to=content.ship_to,
        order_ref=subject.order.reference,
        fulfilment_ref=subject.reference,
        carrier_service=part.service,
        ship_by_date=f"{content.promise.ship_by.astimezone(_zone_of(part.centre, ports)):%Y-%m-%d}",
        lines_summary=tuple(f"{line.quantity} x {line.sku}" for line in part.lines[:_LINES_SHOWN]),
        package=1,
        packages=1,
    )
