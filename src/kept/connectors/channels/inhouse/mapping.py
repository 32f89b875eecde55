"""Our own order format <-> ours. Pure. The format is described in `schemas`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from kept.connectors import strict_json
from kept.connectors.answers import given
from kept.connectors.channels.inhouse.codes import PAYMENTS
from kept.connectors.channels.inhouse.schemas import LineBody, OrderBody, ShipmentBody
from kept.connectors.wire import address_of, convert, microseconds, packages_json, rfc3339, utc
from kept.domain.money import MoneyError, to_minor
from kept.domain.order import OrderContent, OrderLine, Payment, Promise
from kept.ports import BadMessage, ChannelShipment, Confirmation, Incoming, PermanentFault


def normalise(account: str, message: Incoming, received_at: datetime) -> OrderContent | None:
    """See `kept.ports.Normalise`. Every message of an in-house system is an order."""
    return content_of(account, convert(strict_json.parse(message.body), OrderBody))


def messages_of_file(body: bytes) -> list[Incoming]:
    """One order, as a webhook brings it."""
    return [Incoming({}, body)]


def content_of(account: str, order: OrderBody) -> OrderContent:
    """One revision of an order. Raises BadMessage for a code or an amount that can't be read."""
    currency, promise = order.currency, order.promise
    _refuse_doubled_lines(order.lines)
    return OrderContent(
        account=account,
        external_id=order.id,
        revision=microseconds(utc(order.revision, "$.revision")),
        number=order.number,
        currency=currency,
        placed_at=utc(order.placed_at, "$.placed_at"),
        payment=_payment(order.payment),
        cancelled=order.cancelled,
        test=order.test,
        tax_included=order.tax_included,
        lines=tuple(_line(number, line, currency) for number, line in enumerate(order.lines, start=1)),
        shipping_minor=_minor(order.shipping, currency, "$.shipping"),
        shipping_tax_minor=_minor(order.shipping_tax, currency, "$.shipping_tax"),
        total_minor=_minor(order.total, currency, "$.total"),
        ship_to=address_of(order.ship_to) if order.ship_to else None,
        email=order.email,
        promise=Promise(
            ship_by=utc(promise.ship_by, "$.promise.ship_by"),
            deliver_by=utc(promise.deliver_by, "$.promise.deliver_by"),
            service=promise.service,
        ),
    )


def _line(number: int, line: LineBody, currency: str) -> OrderLine:
    where = f"$.lines[{number - 1}]"
    return OrderLine(
        line_no=number,
        external_id=line.id,
        sku=line.sku,
        title=line.title,
        quantity=line.quantity,
        unit_price_minor=_minor(line.unit_price, currency, where + ".unit_price"),
        discount_minor=_minor(line.discount, currency, where + ".discount"),
        tax_minor=_minor(line.tax, currency, where + ".tax"),
        requires_shipping=line.requires_shipping,
        weight_g=line.weight_g,
    )


def _refuse_doubled_lines(lines: list[LineBody]) -> None:
    """Two lines under one id could not be told apart when they ship."""
    seen: set[str] = set()
    for index, line in enumerate(lines):
        if line.id in seen:
            raise BadMessage("an earlier line has the same id", where=f"$.lines[{index}].id")
        seen.add(line.id)


def _payment(code: str) -> Payment:
    payment = PAYMENTS.get(code)
    if payment is None:
        raise BadMessage(f"unknown payment {code[:40]!r}; known are {', '.join(PAYMENTS)}", where="$.payment")
    return payment


def _minor(amount: str, currency: str, where: str) -> int:
    try:
        return to_minor(amount, currency)
    except MoneyError as error:
        raise BadMessage(str(error), where=where) from error


def shipment_json(confirmation: Confirmation) -> dict[str, Any]:
    """What the in-house system is told; lines carry its own ids. Raises PermanentFault for one it never had."""
    packages = packages_json(confirmation.packages)
    for package in packages:
        for line in package["lines"]:
            line_id = confirmation.line_ids.get(line["line_no"])
            if line_id is None:
                raise PermanentFault(
                    f"{confirmation.fulfilment_ref}: line {line['line_no']} is not in the order", code="line_unknown"
                )
            line["id"] = line_id
    return {
        "reference": confirmation.fulfilment_ref,
        "shipped_at": rfc3339(confirmation.shipped_at),
        "packages": packages,
    }


def shipment(answer: Any) -> ChannelShipment:
    return ChannelShipment(given("shipment_id", msgspec.convert(answer, ShipmentBody).shipment_id))
