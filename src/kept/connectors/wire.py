"""The JSON that our own contracts share: the in-house channel, the REST ERP and the REST centre.

Times are RFC 3339 in UTC with "Z"; quantities and weights are whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import msgspec

from kept.domain.events import Package, ShippedLine
from kept.domain.order import Address
from kept.ports import BadMessage

T = TypeVar("T")

QUANTITY_MAX = 1_000_000  # pieces of one line; far above any order, far below what overflows a sum
WEIGHT_G_MAX = 100_000_000  # 100 t
LINES_MAX = 500  # lines of an order; the largest real orders seen have some dozens
PACKAGES_MAX = 500

Text = Annotated[str, msgspec.Meta(max_length=500)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Quantity = Annotated[int, msgspec.Meta(ge=1, le=QUANTITY_MAX)]
WeightG = Annotated[int, msgspec.Meta(ge=0, le=WEIGHT_G_MAX)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]  # RFC 3339 with an offset

# Orders older than the web, or further off than anything can be promised, are mistakes; and far from the
# ends of the calendar no change of time zone can leave it.
_YEAR_MIN, _YEAR_MAX = 1990, 2200


class AddressBody(msgspec.Struct, forbid_unknown_fields=True):
    """A postal address; `country` is ISO 3166-1 alpha-2."""

    name: Text
    line1: Text
    city: Text
    postal_code: Text
    country: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")]
    company: Text = ""
    line2: Text = ""
    region: Text = ""
    phone: Text = ""


class PackedLineBody(msgspec.Struct):
    """Pieces of one order line in one package."""

    line_no: Annotated[int, msgspec.Meta(ge=1, le=LINES_MAX)]
    sku: Id
    quantity: Quantity


class PackageBody(msgspec.Struct):
    """A carton as packed."""

    sscc: Annotated[str, msgspec.Meta(pattern="^[0-9]{18}$")]
    carrier: Text
    tracking: Text
    weight_g: WeightG
    lines: Annotated[list[PackedLineBody], msgspec.Meta(min_length=1, max_length=LINES_MAX)]


def convert(value: object, kind: type[T]) -> T:
    """`value` (of parsed JSON) as `kind`, strictly: nothing is cast. Raises BadMessage with the JSON path."""
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `")
        raise BadMessage(text, where=path.rstrip("`") or "$") from error


def utc(moment: datetime, where: str) -> datetime:
    """The same moment in UTC. Raises BadMessage outside the years 1990 to 2200."""
    if not _YEAR_MIN <= moment.year <= _YEAR_MAX:
        raise BadMessage(f"the year {moment.year} is not between {_YEAR_MIN} and {_YEAR_MAX}", where=where)
    return moment.astimezone(UTC)


def rfc3339(moment: datetime) -> str:
    """An aware time as RFC 3339 in UTC: "2026-11-03T09:30:00Z"."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 of a UTC time, exactly (a float has not the digits)."""
    passed = moment - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def address_of(body: AddressBody) -> Address:
    return Address(
        name=body.name,
        line1=body.line1,
        line2=body.line2,
        city=body.city,
        region=body.region,
        postal_code=body.postal_code,
        country=body.country,
        phone=body.phone,
        company=body.company,
    )


def address_json(address: Address) -> dict[str, str]:
    return {
        "name": address.name,
        "company": address.company,
        "line1": address.line1,
        "line2": address.line2,
        "city": address.city,
        "region": address.region,
        "postal_code": address.postal_code,
        "country": address.country,
        "phone": address.phone,
    }


def packages_of(bodies: Sequence[PackageBody]) -> tuple[Package, ...]:
    return tuple(
        Package(
            sscc=body.sscc,
            carrier=body.carrier,
            tracking=body.tracking,
            weight_g=body.weight_g,
            lines=tuple(ShippedLine(line.line_no, line.sku, line.quantity) for line in body.lines),
        )
        for body in bodies
    )


def packages_json(packages: Sequence[Package]) -> list[dict[str, Any]]:
    return [
        {
            "sscc": package.sscc,
            "carrier": package.carrier,
            "tracking": package.tracking,
            "weight_g": package.weight_g,
            "lines": [{"line_no": line.line_no, "sku": line.sku, "quantity": line.quantity} for line in package.lines],
        }
        for package in packages
    ]


def segment(reference: str) -> str:
    """An id as one segment of a path, whatever characters it has."""
    return quote(reference, safe="")
