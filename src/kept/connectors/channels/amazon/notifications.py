"""ORDER_CHANGE notifications: they say which order to fetch, and nothing of what is in it. Pure.

Amazon puts them into the seller's SQS queue or, wrapped in `detail`, onto an EventBridge bus.
Source: Amazon's schema OrderChangeNotification.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from kept.connectors import strict_json
from kept.connectors.channels.amazon.content import convert_at
from kept.connectors.channels.amazon.schemas_2026 import AmazonId
from kept.connectors.wire import Moment, utc
from kept.ports import BadMessage

ORDER_CHANGE = "ORDER_CHANGE"
_TYPES = ("NotificationType", "notificationType")  # ORDER_CHANGE is written with capitals, other kinds without


@dataclass(frozen=True, slots=True)
class OrderChange:
    """An order that changed. `notification_id` is the same however often Amazon delivers the notification."""

    notification_id: str
    order_id: str
    changed_at: datetime


class _Trigger(msgspec.Struct, rename="pascal"):
    time_of_order_change: Moment | None = None  # null "when there is no related timestamp"


class _Change(msgspec.Struct, rename="pascal"):
    amazon_order_id: AmazonId
    order_change_trigger: _Trigger


class _Payload(msgspec.Struct, rename="pascal"):
    order_change_notification: _Change


class _Metadata(msgspec.Struct, rename="pascal"):
    notification_id: AmazonId


class _Notification(msgspec.Struct, rename="pascal"):
    event_time: Moment
    payload: _Payload
    notification_metadata: _Metadata


def is_notification(body: dict[str, Any]) -> bool:
    """Whether it looks like one of Amazon's notifications, of whatever kind."""
    inner = body.get("detail", body)
    return isinstance(inner, dict) and any(name in inner for name in _TYPES)


def order_change(body: bytes) -> OrderChange | None:
    """What a notification says of an order; None for notifications of other kinds.

    Raises BadMessage for what is no notification of Amazon's.
    """
    parsed = strict_json.parse(body)
    if not isinstance(parsed, dict) or not is_notification(parsed):
        raise BadMessage("it is no notification of Amazon's: there is no NotificationType", where="$")
    at = "$.detail" if "detail" in parsed else "$"
    inner = parsed.get("detail", parsed)
    if inner.get("NotificationType") != ORDER_CHANGE:
        return None
    notification = convert_at(inner, _Notification, at)
    change = notification.payload.order_change_notification
    return OrderChange(
        notification_id=notification.notification_metadata.notification_id,
        order_id=change.amazon_order_id,
        changed_at=utc(change.order_change_trigger.time_of_order_change or notification.event_time, at),
    )
