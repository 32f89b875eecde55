"""Release: ask the centre to ship its part. From here on the order is a promise to the centre as well."""

from __future__ import annotations

from kept.domain.events import PartReleased
from kept.domain.keys import effect_key
from kept.domain.subjects import PartOf
from kept.engine.outcome import Done, Outcome, Reject
from kept.ports import Effect, FulfilmentRequest, RequestLine, RequestReceipt
from kept.steps.ports import Ports


async def release(subject: PartOf, ports: Ports) -> Outcome:
    part = subject.part
    centre = ports.centres.get(part.centre)
    if centre is None:
        return Reject(f"centre {part.centre!r} is no longer configured", "unknown_centre")
    request = fulfilment_request(subject)
    effect = Effect(release_key(subject), f"centre:{centre.name}", "request", request)
    receipt = await ports.own_effects.perform(
        effect,
        lambda: centre.requests.request(request, effect.key),
        answer_type=RequestReceipt,
        find=lambda: centre.requests.find_request(request.reference),
        honours_key=centre.requests.honours_key,
        write_horizon=centre.requests.write_horizon,
    )
    return Done([PartReleased(part.number, receipt.centre_request_id)])


def release_key(subject: PartOf) -> str:
    return effect_key(subject.reference, "release")


def fulfilment_request(subject: PartOf) -> FulfilmentRequest:
    """What the centre is asked to ship."""
    content, part = subject.order.content, subject.part
    assert content.ship_to is not None, "validate holds an order without an address"
    return FulfilmentRequest(
        reference=subject.reference,
        order_reference=subject.order.reference,
        service=part.service,
        ship_by=content.promise.ship_by,
        ship_to=content.ship_to,
        sscc=part.sscc,
        label_sha256=part.label_sha256,
        lines=tuple(RequestLine(line.line_no, line.sku, line.quantity) for line in part.lines),
    )
