"""Our own order format -> ours. Pure. The format is described in `schemas`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from kept.connectors import strict_json
from kept.connectors.channels.inhouse.codes import PAYMENTS
from kept.connectors.channels.inhouse.envelope import opened
from kept.connectors.channels.inhouse.schemas import ComponentBody, LineBody, OrderBody
from kept.connectors.phones import e164
from kept.connectors.wire import LINES_MAX, QUANTITY_MAX, address_of, convert, microseconds, utc
from kept.domain.money import MoneyError, exponent, to_minor
from kept.domain.order import Address, OrderContent, OrderLine, Payment, Promise
from kept.domain.skus import Component, exploded
from kept.domain.values import changed
from kept.ports import BadMessage, Incoming

_ROOT = "$"


def normalise(account: str, message: Incoming, received_at: datetime) -> OrderContent | None:
    """See `kept.ports.Normalise`. Every message of an in-house system is an order, perhaps in an envelope."""
    value, root = opened(message, strict_json.parse(message.body))
    try:
        return content_of(account, convert(value, OrderBody))
    except BadMessage as error:
        if root == _ROOT:
            raise
        text = str(error).removesuffix(f" (at {error.where})")
        raise BadMessage(text, where=root + error.where.removeprefix(_ROOT)) from error


def content_of(account: str, order: OrderBody) -> OrderContent:
    """One revision of an order. Raises BadMessage for a code or an amount that can't be read."""
    currency, promise = _currency(order.currency), order.promise
    _refuse_doubled_lines(order.lines)
    lines = _numbered(order, currency)
    return OrderContent(
        account=account,
        external_id=order.id,
        revision=microseconds(utc(order.revision, "$.revision")),
        number=order.number,
        currency=currency,
        placed_at=utc(order.placed_at, "$.placed_at"),
        payment=_payment(order.payment),
        # An order of which every piece was withdrawn is a cancelled one, however it was said.
        cancelled=order.cancelled or not any(line.quantity for line in lines),
        test=order.test,
        tax_included=order.tax_included,
        lines=lines,
        shipping_minor=_minor(order.shipping, currency, "$.shipping"),
        shipping_tax_minor=_minor(order.shipping_tax, currency, "$.shipping_tax"),
        total_minor=_minor(order.total, currency, "$.total"),
        ship_to=_address(order),
        email=order.email,
        promise=Promise(
            ship_by=utc(promise.ship_by, "$.promise.ship_by"),
            deliver_by=utc(promise.deliver_by, "$.promise.deliver_by"),
            service=promise.service,
        ),
        already_shipped=order.already_shipped,
        fulfilled_by_channel=order.fulfilled_by_channel,
        acknowledge_by=utc(order.acknowledge_by, "$.acknowledge_by") if order.acknowledge_by else None,
        hold=order.hold,
        refunded_minor=_minor(order.refunded, currency, "$.refunded"),
    )


def _numbered(order: OrderBody, currency: str) -> tuple[OrderLine, ...]:
    """The order's lines, kits taken apart, numbered 1, 2, ..."""
    lines: list[OrderLine] = []
    for index, body in enumerate(order.lines):
        where = f"$.lines[{index}]"
        line = _line(len(lines) + 1, body, order, currency, where)
        if body.kit:
            parts = enumerate(_taken_apart(line, body.kit, where), start=line.line_no)
            lines.extend(changed(part, line_no=number) for number, part in parts)
        else:
            lines.append(line)
        if len(lines) > LINES_MAX:
            raise BadMessage(f"with the parts of its kits the order has more than {LINES_MAX} lines", where=where)
    return tuple(lines)


def _line(number: int, line: LineBody, order: OrderBody, currency: str, where: str) -> OrderLine:
    if line.cancelled_quantity > line.quantity:
        text = f"{line.cancelled_quantity} cancelled of {line.quantity} ordered"
        raise BadMessage(text, where=where + ".cancelled_quantity")
    return OrderLine(
        line_no=number,
        external_id=line.id,
        sku=line.sku,
        title=line.title,
        quantity=line.quantity - line.cancelled_quantity,
        unit_price_minor=_minor(line.unit_price, currency, where + ".unit_price"),
        discount_minor=_minor(line.discount, currency, where + ".discount"),
        tax_minor=_minor(line.tax, currency, where + ".tax"),
        requires_shipping=line.requires_shipping,
        weight_g=line.weight_g,
        gift=line.gift,
        cancel_requested=order.cancel_requested or line.cancel_requested,
    )


def _taken_apart(line: OrderLine, kit: list[ComponentBody], where: str) -> Iterable[OrderLine]:
    """A kit's lines, in the SKUs that its sender says it consists of."""
    seen: set[str] = set()
    for index, part in enumerate(kit):
        place = f"{where}.kit[{index}]"
        if part.sku in seen:
            raise BadMessage("an earlier part of the kit has the same SKU; add up its quantity", where=place + ".sku")
        if line.quantity * part.quantity > QUANTITY_MAX:
            raise BadMessage(f"the kits have more than {QUANTITY_MAX} pieces of this part", where=place + ".quantity")
        seen.add(part.sku)
    return exploded(line, [Component(part.sku, part.quantity, part.share) for part in kit])


def _refuse_doubled_lines(lines: list[LineBody]) -> None:
    """Two lines under one id could not be told apart when they ship."""
    seen: set[str] = set()
    for index, line in enumerate(lines):
        if line.id in seen:
            raise BadMessage("an earlier line has the same id", where=f"$.lines[{index}].id")
        seen.add(line.id)


def _address(order: OrderBody) -> Address | None:
    if order.ship_to is None:
        return None
    address = address_of(order.ship_to)
    phone = e164(address.phone or order.phone, address.country)
    return address if phone == address.phone else changed(address, phone=phone)


def _payment(code: str) -> Payment:
    payment = PAYMENTS.get(code)
    if payment is None:
        raise BadMessage(f"unknown payment {code[:40]!r}; known are {', '.join(PAYMENTS)}", where="$.payment")
    return payment


def _currency(code: str) -> str:
    try:
        exponent(code)
    except MoneyError as error:
        raise BadMessage(
            f"{code[:40]!r} is not a three-letter ISO 4217 code in capitals", where="$.currency"
        ) from error
    return code


def _minor(amount: str, currency: str, where: str) -> int:
    if amount == "0":  # what is left out: half of all amounts
        return 0
    try:
        return to_minor(amount, currency)
    except MoneyError as error:
        raise BadMessage(str(error), where=where) from error
