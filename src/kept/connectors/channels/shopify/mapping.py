"""Shopify's order -> ours. Pure.

Money is the shop's currency (never the presentment money), and what is *still wanted*: the current
quantities, with the discount and tax that Shopify gave back already out. Duties, additional fees and tips
are charges of the order as a whole and have no line of ours: they are part of `shipping_minor`. Where the
parts don't come to Shopify's own total, both stand as they are and the validate step holds the order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime
from typing import Any

import orjson

from kept.connectors import strict_json
from kept.connectors.channels.shopify.amounts import Amounts
from kept.connectors.channels.shopify.codes import (
    GIFT_NAMES,
    NOT_GIFTED,
    ORDER_TOPICS,
    OTHER_RESOURCES,
    PAYMENTS,
    TOPIC_HEADER,
    service_level,
)
from kept.connectors.channels.shopify.fulfilling import order_gid
from kept.connectors.channels.shopify.nodes import holds, listed_order, order_body
from kept.connectors.channels.shopify.schemas import OrderBody, ShippingAddress
from kept.connectors.phones import e164
from kept.connectors.wire import convert, microseconds, utc
from kept.connectors.zones import end_of_day, zone_of
from kept.domain.order import Address, OrderContent, OrderLine, Payment, Promise
from kept.ports import BadMessage, Incoming

# Polled orders come in another form than webhooks, and say so in a header of our own.
LISTED = {"kept-format": "shopify-graphql"}

_WEBHOOK_ID = "x-shopify-webhook-id"


def identify(message: Incoming) -> str:
    """Shopify's id of the delivery; without one, the hash of topic and body, which the same message repeats."""
    given = message.headers.get(_WEBHOOK_ID, "")
    if given:
        return given
    topic = message.headers.get(TOPIC_HEADER, "")
    return "sha256:" + hashlib.sha256(topic.encode() + b"\0" + message.body).hexdigest()


def normalise(account: str, message: Incoming, received_at: datetime) -> OrderContent | None:
    """See `kept.ports.Normalise`. None for topics that carry no order.

    Reads a webhook's body, or (under `LISTED`) a node of the query `orders`. The places that BadMessage names
    are GraphQL's for what a node lacks, and the order resource's for an amount or a code in it.
    """
    if LISTED.items() <= message.headers.items():
        node = listed_order(strict_json.parse(message.body))
        return content_of(account, order_body(node), holds(node))
    topic = message.headers.get(TOPIC_HEADER)
    if not topic:
        raise BadMessage("the header is missing, so that nobody can say what this body is", where=TOPIC_HEADER)
    if topic not in ORDER_TOPICS:
        return None
    parsed = strict_json.parse(message.body)
    if isinstance(parsed, dict) and "order_edit" in parsed:
        return None  # says that there was an edit; the order as edited comes as orders/updated
    return content_of(account, convert(parsed, OrderBody))


def messages_of_file(body: bytes) -> list[Incoming]:
    """A bare order, {"order": ...} or {"orders": [...]}, each as a webhook would bring it; or a polled order.

    Raises BadMessage, also for another of Shopify's resources under its name.
    """
    headers = {TOPIC_HEADER: "orders/updated"}
    parsed = strict_json.parse(body)
    if not isinstance(parsed, dict):
        return [Incoming(headers, body)]
    if str(parsed.get("id")).startswith(order_gid("")):
        return [Incoming(LISTED, body)]
    if isinstance(parsed.get("orders"), list):
        return [Incoming(headers, orjson.dumps(order)) for order in parsed["orders"]]
    if isinstance(parsed.get("order"), dict):
        return [Incoming(headers, orjson.dumps(parsed["order"]))]
    other = min(OTHER_RESOURCES & parsed.keys(), default=None)
    if other is not None and "line_items" not in parsed:
        raise BadMessage(f"this is Shopify's {other!r}, which is no order", where=f"$.{other}")
    return [Incoming(headers, body)]


def content_of(account: str, order: OrderBody, holds: Collection[str] = ()) -> OrderContent:
    """One revision of an order. Raises BadMessage for a code or an amount that can't be read.

    `holds`: the reasons for which fulfilment orders are on hold; a webhook doesn't tell.
    """
    amounts = Amounts(order)
    placed_at = utc(order.created_at, "$.created_at")
    ship_to = _address(order.shipping_address, order.phone or "")
    return OrderContent(
        account=account,
        external_id=str(order.id),
        revision=microseconds(utc(order.updated_at, "$.updated_at")),
        number=order.name or str(order.order_number or order.id),
        currency=order.currency,
        placed_at=placed_at,
        payment=_payment(order, amounts.total_minor),
        cancelled=order.cancelled_at is not None,
        test=bool(order.test),
        tax_included=bool(order.taxes_included),
        lines=_lines(order, amounts),
        shipping_minor=amounts.shipping_minor + amounts.extras_minor,
        shipping_tax_minor=amounts.shipping_tax_minor,
        total_minor=amounts.total_minor,
        ship_to=ship_to,
        email=order.email or order.contact_email or "",
        promise=_promise(order, placed_at, ship_to),
        already_shipped=order.fulfillment_status == "fulfilled",
        hold=_hold(holds),
        refunded_minor=amounts.refunded_minor,
    )


def _lines(order: OrderBody, amounts: Amounts) -> tuple[OrderLine, ...]:
    all_gifts = _is_gift(order.note_attributes)
    return tuple(
        OrderLine(
            line_no=number,
            external_id=str(item.id),
            sku=item.sku or "",  # the validate step holds a line without one
            title=item.title or "",
            quantity=amount.quantity,
            unit_price_minor=amount.unit_price_minor,
            discount_minor=amount.discount_minor,
            tax_minor=amount.tax_minor,
            # Gift cards and downloads say false; a payload without the field is older than they are.
            requires_shipping=item.requires_shipping is not False,
            weight_g=item.grams or 0,
            gift=all_gifts or _is_gift(item.properties),
        )
        for number, (item, amount) in enumerate(zip(order.line_items, amounts.lines, strict=True), start=1)
    )


def _is_gift(attributes: Any) -> bool:
    """Whether a line's properties, or an order's note attributes, name it a gift: see GIFT_NAMES."""
    if not isinstance(attributes, list):
        return False
    named = {str(each.get("name")).strip().lower(): each.get("value") for each in attributes if isinstance(each, dict)}
    return any(str(named[name]).strip().lower() not in NOT_GIFTED for name in GIFT_NAMES & named.keys())


def _hold(reasons: Collection[str]) -> str:
    return "Shopify holds its fulfilment: " + ", ".join(sorted(set(reasons))) if reasons else ""


def _payment(order: OrderBody, total_minor: int) -> Payment:
    """What `financial_status` means. Null is what orders had before anybody paid: PENDING, which ships
    nothing and ends with the next webhook. Nothing to pay is FREE, unless the money went back.
    """
    status = order.financial_status
    if status is None:
        return Payment.PENDING
    payment = PAYMENTS.get(status)
    if payment is None:
        raise BadMessage(f"unknown financial status {status[:40]!r}", where="$.financial_status")
    unsettled = payment in {Payment.PENDING, Payment.AUTHORISED, Payment.PAID}
    return Payment.FREE if total_minor == 0 and unsettled and order.cancelled_at is None else payment


def _address(address: ShippingAddress | None, order_phone: str) -> Address | None:
    if address is None:
        return None
    name = address.name or f"{address.first_name or ''} {address.last_name or ''}".strip()
    return Address(
        name=name,
        line1=address.address1 or "",
        line2=address.address2 or "",
        city=address.city or "",
        region=address.province_code or address.province or "",
        postal_code=address.zip or "",
        country=address.country_code or "",
        phone=e164(address.phone or order_phone, address.country_code or ""),
        company=address.company or "",
    )


def _promise(order: OrderBody, placed_at: datetime, ship_to: Address | None) -> Promise:
    """Shopify promises no dates; the shipping method's name is read by the table in `codes`, in days of the buyer's."""
    chosen = next((line for line in order.shipping_lines or () if not line.is_removed), None)
    service = (chosen.title or chosen.code or "" if chosen else "") or "standard"
    level = service_level(service)
    deliver_by = end_of_day(placed_at, level.deliver_days, zone_of(ship_to))
    return Promise(placed_at + level.ship_within, deliver_by, service)
