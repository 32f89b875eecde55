"""Walmart's purchase order -> ours. Pure.

A purchase order has no state of its own: its lines have, per quantity. A line still wants what was ordered less
what is cancelled; the echo of our own shipments changes no quantity.

Walmart gives an order no time of change. The revision is the newest of `orderDate` and every `statusDate`
(milliseconds; the lines have them, in Mexico their statuses), and in its last three digits how many requests to
cancel and refunds there are, which move no status date and only grow.

Notifications (ORDER_UPDATES and the standalone events before it) name the order and its lines, but neither
prices nor the address: the order is fetched for them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from kept.connectors import strict_json
from kept.connectors.channels.walmart import order_xml
from kept.connectors.channels.walmart.amounts import LineAmounts, Purse, given_total, purse_of
from kept.connectors.channels.walmart.codes import (
    ACKNOWLEDGE_WITHIN,
    AUTO_CANCEL,
    FULFILLED_BY_CHANNEL,
    ON_HOLD,
    SERVICE_LEVELS,
    TAX_INCLUDED,
    Pieces,
    country_of,
)
from kept.connectors.channels.walmart.quantities import pieces_of, whole_number
from kept.connectors.channels.walmart.schemas import (
    LineBody,
    Moment,
    OrderBody,
    PostalAddressBody,
    asks_to_cancel,
    lines_of,
    number_of,
    refund_charges_of,
    statuses_of,
)
from kept.connectors.phones import e164
from kept.connectors.wire import convert, microseconds, utc
from kept.connectors.zones import end_of_day, zone_of
from kept.domain.order import Address, OrderContent, OrderLine, Payment, Promise
from kept.ports import BadMessage, Incoming

_RANKS = 1000  # microseconds within a millisecond
_EPOCH = utc(datetime.fromisoformat("1990-01-01T00:00:00+00:00"), "")
_EPOCH_MS = 631_152_000_000  # of _EPOCH, the earliest moment that is read
_MS_MAX = 7_289_568_000_000  # beyond the year 2200

# What else Walmart sends and answers, by the name at its root.
_NO_ORDERS = {
    "orderShipment": "a request to ship",
    "orderCancellation": "a request to cancel",
    "orderRefund": "a request to refund",
    "orderAcknowledge": "a request to acknowledge",
    "errors": "an error answer",
    "error": "an error answer",
    "shipments": "a request to ship",
}


def identify(message: Incoming) -> str:
    """Walmart's id of the event, "use as an idempotency key" (developer.walmart.com, "Order management event");
    without one the hash of the body, which the same message repeats."""
    try:
        parsed = strict_json.parse(message.body)
    except BadMessage:
        parsed = None
    source = parsed.get("source") if isinstance(parsed, dict) else None
    event = source.get("eventId") if isinstance(source, dict) else None
    if isinstance(event, str) and 0 < len(event) <= 200:
        return event
    return "sha256:" + hashlib.sha256(message.body).hexdigest()


def normalise(account: str, message: Incoming, received_at: datetime) -> OrderContent | None:
    """See `kept.ports.Normalise`. None for notifications, which say that an order changed but not how it stands.

    Reads an order as getOrder gives it: bare, or under "order". Raises BadMessage.
    """
    parsed = _parsed(message.body)
    if isinstance(parsed, dict) and "source" in parsed and "payload" in parsed:
        return None
    orders = _orders(parsed)
    if len(orders) != 1:
        raise BadMessage(f"{len(orders)} orders in one message; take the list apart first", where="$")
    return content_of(account, convert(orders[0], OrderBody))


def messages_of_file(body: bytes) -> list[Incoming]:
    """An order (bare or under "order"), or a list as getAllOrders answers it; JSON or XML. Raises BadMessage."""
    parsed = _parsed(body)
    if isinstance(parsed, dict) and "source" in parsed and "payload" in parsed:
        return [Incoming({}, body)]
    return [Incoming({}, orjson.dumps(order)) for order in _orders(parsed)]


def content_of(account: str, order: OrderBody) -> OrderContent:
    """One revision of an order. Raises BadMessage for a code or an amount that can't be read."""
    bodies = lines_of(order)
    if not bodies:
        raise BadMessage("an order without lines", where="$.orderLines")
    purse = purse_of(order)
    lines = [_read(line, purse, f"$.orderLines[{index}]") for index, line in enumerate(bodies)]
    _numbers_are_unique(lines)
    placed_at = _moment(order.order_date, "$.orderDate")
    ship_to = _address(order.shipping_info.postal_address, order.shipping_info.phone or "")
    promise = _promise(order, placed_at, ship_to)
    by_channel = _by_channel(order)
    content_lines = tuple(_line(number, line) for number, line in enumerate(lines, start=1))
    shipping = sum(line.amounts.shipping_minor for line in lines)
    shipping_tax = sum(line.amounts.shipping_tax_minor for line in lines)
    tax_included = purse.currency in TAX_INCLUDED
    total = _total(order, purse, lines, content_lines, shipping, shipping_tax, tax_included=tax_included)
    return OrderContent(
        account=account,
        external_id=order.purchase_order_id,
        revision=_revision(placed_at, bodies),
        number=order.customer_order_id or order.purchase_order_id,
        currency=purse.currency,
        placed_at=placed_at,
        payment=_payment(lines, total),
        cancelled=all(line.wanted == 0 for line in lines),
        test=False,  # Walmart's sandbox is an address of its own; its live accounts know no test orders
        tax_included=tax_included,
        lines=content_lines,
        shipping_minor=shipping,
        shipping_tax_minor=shipping_tax,
        total_minor=total,
        ship_to=ship_to,
        email=order.customer_email_id,
        promise=promise,
        already_shipped=_gone(lines),
        fulfilled_by_channel=by_channel,
        acknowledge_by=_acknowledge_by(lines, placed_at, promise, by_channel=by_channel),
        hold=_hold(lines),
        refunded_minor=sum(line.refunded_minor for line in lines),
    )


# ------------------------------------------------------------------ what a body is


def _parsed(body: bytes) -> Any:
    if not order_xml.is_xml(body):
        return strict_json.parse(body)
    root, content = order_xml.parse(body)
    return {"order": [content]} if root == "order" else {root: content}


def _orders(parsed: Any) -> list[Any]:
    """The orders of an answer. Raises BadMessage for one that has none."""
    if not isinstance(parsed, dict):
        raise BadMessage(f"a {type(parsed).__name__} where an order was expected", where="$")
    if "purchaseOrderId" in parsed:
        return [parsed]
    for listed in (parsed.get("list"), parsed.get("OrdersListType"), parsed):
        elements = listed.get("elements", listed) if isinstance(listed, dict) else None
        orders = elements.get("order") if isinstance(elements, dict) else None
        if isinstance(orders, dict):
            return [orders]
        if isinstance(orders, list):
            return orders
    other = next((name for name in parsed if name in _NO_ORDERS), None)
    if other is not None:
        raise BadMessage(f"this is {_NO_ORDERS[other]}, which is no order", where=f"$.{other}")
    raise BadMessage("this is no order of Walmart's: it has neither purchaseOrderId nor order", where="$")


# ------------------------------------------------------------------ lines


@dataclass(frozen=True, slots=True)
class _Line:
    """A line, read: pieces by where they are, and amounts of the wanted ones."""

    body: LineBody
    number: str
    wanted: int
    new: int
    gone: int
    on_hold: bool
    amounts: LineAmounts
    refunded_minor: int


def _read(line: LineBody, purse: Purse, where: str) -> _Line:
    number = number_of(line)
    if not number:
        raise BadMessage("a line without its number", where=f"{where}.lineNumber")
    ordered = whole_number(line.order_line_quantity.amount, f"{where}.orderLineQuantity.amount")
    pieces = pieces_of(line, where)
    cancelled = pieces[Pieces.CANCELLED]
    if cancelled > ordered:
        raise BadMessage(f"{cancelled} pieces are cancelled of {ordered}", where=f"{where}.orderLineStatuses")
    wanted = ordered - cancelled
    return _Line(
        body=line,
        number=number,
        wanted=wanted,
        new=pieces[Pieces.NEW],
        gone=pieces[Pieces.GONE],
        on_hold=any(each.status == ON_HOLD for each in statuses_of(line)),
        amounts=purse.line(line, wanted, where),
        refunded_minor=purse.refunded(line, where),
    )


def _line(line_no: int, line: _Line) -> OrderLine:
    price, discount = line.amounts.unit_price(line.wanted)
    return OrderLine(
        line_no=line_no,
        external_id=line.number,
        sku=line.body.item.sku,  # the validate step holds a line without one
        title=line.body.item.product_name,
        quantity=line.wanted,
        unit_price_minor=price,
        discount_minor=discount,
        tax_minor=line.amounts.tax_minor,
        cancel_requested=asks_to_cancel(line.body),
    )


def _numbers_are_unique(lines: Sequence[_Line]) -> None:
    seen: set[str] = set()
    for index, line in enumerate(lines):
        if line.number in seen:
            raise BadMessage(f"the line {line.number[:40]!r} twice", where=f"$.orderLines[{index}].lineNumber")
        seen.add(line.number)


# ------------------------------------------------------------------ the order


def _total(
    order: OrderBody,
    purse: Purse,
    lines: Sequence[_Line],
    content_lines: Sequence[OrderLine],
    shipping: int,
    shipping_tax: int,
    *,
    tax_included: bool,
) -> int:
    """Walmart's own total; our sum where it gives none, or gave it before some pieces were cancelled."""
    given = given_total(order, purse)
    if given is not None and not any(each.status == "Cancelled" for line in lines for each in statuses_of(line.body)):
        return given
    goods = sum(line.unit_price_minor * line.quantity - line.discount_minor for line in content_lines)
    tax = 0 if tax_included else sum(line.tax_minor for line in content_lines) + shipping_tax
    return goods + shipping + tax


def _revision(placed_at: datetime, lines: Sequence[LineBody]) -> int:
    """See the top of this file."""
    dates = [
        _moment(date, f"$.orderLines[{index}].statusDate")
        for index, line in enumerate(lines)
        for date in (line.status_date, *(each.status_date for each in statuses_of(line)))
        if date is not None
    ]
    newest = microseconds(max([placed_at, *dates]))
    refunds = sum(len(refund_charges_of(line)) for line in lines)
    rank = sum(1 for line in lines if asks_to_cancel(line)) + refunds
    return newest - newest % _RANKS + min(rank, _RANKS - 1)


def _payment(lines: Sequence[_Line], total_minor: int) -> Payment:
    """Walmart releases orders whose payment is authorised, and charges the buyer for what is marked as shipped.

    Source: us_orders.json, shippingUpdates: "trigger the charge to the customer".
    """
    if total_minor == 0 and any(line.wanted for line in lines):
        return Payment.FREE
    return Payment.PAID if _gone(lines) else Payment.AUTHORISED


def _gone(lines: Sequence[_Line]) -> bool:
    """Whether all that is wanted was shipped."""
    wanted = [line for line in lines if line.wanted > 0]
    return bool(wanted) and all(line.gone >= line.wanted for line in wanted)


def _hold(lines: Sequence[_Line]) -> str:
    """Why a person has to look first. After our own shipment a partial one is an echo and holds nothing."""
    if any(line.on_hold for line in lines):
        return "Walmart holds it"
    gone = sum(line.gone for line in lines)
    if gone and not _gone(lines):
        return f"{gone} pieces are marked as shipped at Walmart already"
    return ""


def _by_channel(order: OrderBody) -> bool:
    """Whether Walmart ships it. Lists give the seller's own orders where nothing is said (`shipNodeType`)."""
    types = [(order.ship_node.type if order.ship_node else None, "$.shipNode.type")]
    types += [(line.seller.ship_node_type if line.seller else None, "$.orderLines.seller") for line in lines_of(order)]
    named = [(name, where) for name, where in types if name]
    for name, where in named:
        if name not in FULFILLED_BY_CHANNEL:
            raise BadMessage(f"unknown type of ship node {name[:40]!r}", where=where)
    return any(FULFILLED_BY_CHANNEL[name] for name, _ in named)


def _acknowledge_by(
    lines: Sequence[_Line], placed_at: datetime, promise: Promise, *, by_channel: bool
) -> datetime | None:
    """By when to acknowledge, while there is something to: long before Walmart cancels by itself."""
    if by_channel or not any(line.new and line.wanted for line in lines):
        return None
    return min(placed_at + ACKNOWLEDGE_WITHIN, promise.ship_by + AUTO_CANCEL)


def _promise(order: OrderBody, placed_at: datetime, ship_to: Address | None) -> Promise:
    """Walmart's own dates; what is missing comes from the table of services. Raises BadMessage without either."""
    info = order.shipping_info
    service = info.method_code or next((line.shipping_method for line in lines_of(order) if line.shipping_method), "")
    ship_by = _maybe(info.estimated_ship_date, "$.shippingInfo.estimatedShipDate")
    deliver_by = _maybe(info.estimated_delivery_date, "$.shippingInfo.estimatedDeliveryDate")
    if ship_by is None or deliver_by is None:
        level = SERVICE_LEVELS.get(service.lower())
        if level is None:
            text = f"no dates, and unknown method {service[:40]!r}" if service else "neither dates nor a method"
            raise BadMessage(text, where="$.shippingInfo.methodCode")
        ship_by = ship_by or placed_at + level.ship_within
        deliver_by = deliver_by or end_of_day(ship_by, level.deliver_days, zone_of(ship_to))
    return Promise(min(ship_by, deliver_by), deliver_by, service or "Standard")


def _address(address: PostalAddressBody | None, phone: str) -> Address | None:
    """Mexico's lines three to six (colony, municipality, ...) stand beside the second."""
    if address is None:
        return None
    country = country_of(address.country or "")
    more = (address.address2, address.address3, address.address4, address.address5, address.address6)
    return Address(
        name=(address.name or "").strip(),
        line1=(address.address1 or "").strip(),
        line2=", ".join(dict.fromkeys(part.strip() for part in more if part and part.strip())),
        city=(address.city or "").strip(),
        region=(address.state or "").strip(),
        postal_code=(address.postal_code or "").strip(),
        country=country,
        phone=e164(phone, country),
    )


def _maybe(moment: Moment | None, where: str) -> datetime | None:
    return None if moment is None else _moment(moment, where)


def _moment(moment: Moment, where: str) -> datetime:
    """Milliseconds since 1970, as JSON has them, or RFC 3339, as XML and Mexico have them."""
    if isinstance(moment, int):
        if not _EPOCH_MS <= moment <= _MS_MAX:
            raise BadMessage(f"{moment} is no time in milliseconds between 1990 and 2200", where=where)
        return utc(_EPOCH + timedelta(milliseconds=moment - _EPOCH_MS), where)
    try:
        read = datetime.fromisoformat(moment)
    except ValueError as error:
        raise BadMessage(f"{moment[:40]!r} is no time", where=where) from error
    if read.tzinfo is None:
        raise BadMessage(f"{moment[:40]!r} has no offset from UTC", where=where)
    return utc(read, where)
