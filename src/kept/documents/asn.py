"""The advance ship notice of a pack as JSON, in a CloudEvents 1.0 envelope."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from kept.documents.sscc import is_valid_sscc
from kept.domain.order import Address

_PURPOSES = ("original", "replace", "cancel")


@dataclass(frozen=True, slots=True)
class PackedLine:
    """Pieces of an order line in a carton."""

    line_no: int
    sku: str
    quantity: int
    lots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PackedCarton:
    """A carton as it was packed."""

    sscc: str
    tracking: str
    weight_g: int
    lines: tuple[PackedLine, ...]


@dataclass(frozen=True, slots=True)
class AdvanceShipNotice:
    """What a consignee is told before the goods arrive: the actual pack, nothing planned."""

    asn_id: str
    order_ref: str
    fulfilment_ref: str
    channel_order_number: str
    purpose: str  # "original", "replace" or "cancel"
    status: str  # "final": of the real pack
    centre: str
    carrier: str
    service: str
    shipped_at: datetime
    ship_from: Address
    ship_to: Address
    cartons: tuple[PackedCarton, ...]


def asn_json(notice: AdvanceShipNotice) -> bytes:
    """The notice as a CloudEvents 1.0 structured-mode JSON document of type `org.kept.asn.v1`.

    Same notice, same bytes. Raises ValueError that names the value for a pack that can't be: no carton, a
    carton without lines, a wrong or doubled SSCC, a quantity below one.
    """
    _check(notice)
    moment = notice.shipped_at.astimezone(UTC)
    envelope = {
        "specversion": "1.0",
        "id": f"{notice.asn_id}:{notice.purpose}",
        "type": "org.kept.asn.v1",
        "source": f"/centres/{notice.centre}",
        "subject": notice.fulfilment_ref,
        "time": moment,
        "datacontenttype": "application/json",
        "data": notice,
    }
    return orjson.dumps(envelope, option=orjson.OPT_UTC_Z)


def _check(notice: AdvanceShipNotice) -> None:
    if notice.purpose not in _PURPOSES:
        raise ValueError(f"purpose {notice.purpose!r} is none of {', '.join(_PURPOSES)}")
    if notice.shipped_at.tzinfo is None:
        raise ValueError(f"shipped_at {notice.shipped_at} has no time zone")
    if not notice.cartons:
        raise ValueError(f"{notice.asn_id} has no carton")
    for number, count in Counter(carton.sscc for carton in notice.cartons).items():
        if not is_valid_sscc(number):
            raise ValueError(f"{number!r} is not an SSCC: 18 digits with a right check digit")
        if count > 1:
            raise ValueError(f"SSCC {number} stands on {count} cartons")
    for carton in notice.cartons:
        if not carton.lines:
            raise ValueError(f"carton {carton.sscc} has no lines")
        for line in carton.lines:
            if line.quantity < 1:
                raise ValueError(f"carton {carton.sscc} has {line.quantity} x {line.sku}")
