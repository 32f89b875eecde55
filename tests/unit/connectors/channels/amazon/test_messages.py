"""Which format a body has, what a message's identity is, and what a notification says."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime

import pytest

from kept.connectors.channels.amazon.mapping import identify, messages_of_file, normalise
from kept.connectors.channels.amazon.notifications import OrderChange, order_change
from kept.ports import BadMessage, Incoming
from tests.unit.connectors.channels.amazon.orders import Json, order_2026, order_v0
from tests.unit.connectors.channels.amazon.recorded import NOW, message, read

CHANGE: Json = {
    "NotificationVersion": "1.0",
    "NotificationType": "ORDER_CHANGE",
    "PayloadVersion": "1.0",
    "EventTime": "2026-11-01T10:31:00.000Z",
    "Payload": {
        "OrderChangeNotification": {
            "NotificationLevel": "OrderLevel",
            "AmazonOrderId": "111-0000001-0000001",
            "OrderChangeType": "OrderStatusChange",
            "OrderChangeTrigger": {"TimeOfOrderChange": "2026-11-01T10:30:00.123Z", "ChangeReason": "x"},
        }
    },
    "NotificationMetadata": {"NotificationId": "d0e9e693"},
}


@pytest.mark.parametrize(("header", "order"), [("amazon-v0-order", order_v0()), ("amazon-2026-order", order_2026())])
def test_the_header_says_the_format_and_the_shape_says_the_same(header: str, order: Json) -> None:
    told = normalise("amazon", message(order, kept_format=header), NOW)
    assert told == read(order)


def test_the_header_wins_over_the_shape() -> None:
    with pytest.raises(BadMessage, match="missing required field `AmazonOrderId`"):
        normalise("amazon", message(order_2026(), kept_format="amazon-v0-order"), NOW)
    with pytest.raises(BadMessage, match="missing required field `orderId`"):
        normalise("amazon", message(order_v0(), kept_format="amazon-2026-order"), NOW)
    with pytest.raises(BadMessage, match=r"no notification of Amazon's"):
        normalise("amazon", message(order_v0(), kept_format="amazon-notification"), NOW)
    with pytest.raises(BadMessage, match=r"the format 'mws' is unknown; known are .* \(at kept-format\)"):
        normalise("amazon", message(order_v0(), kept_format="mws"), NOW)


def test_both_dialects_say_the_same_of_one_order() -> None:
    old, new = read({"payload": order_v0()}), read(order_2026())
    assert (old.external_id, old.lines, old.total_minor, old.promise.ship_by) == (
        new.external_id,
        new.lines,
        new.total_minor,
        new.promise.ship_by,
    )
    assert old.revision < new.revision  # v0 has whole seconds only: it never hides what the newer dialect said


@pytest.mark.parametrize(
    "body",
    [b'{"orderId": "1", "orderId": "2", "orderItems": []}', b'{"orderId": NaN, "orderItems": []}', b'{"orderId":', b""],
)
def test_json_that_readers_disagree_about_is_refused(body: bytes) -> None:
    with pytest.raises(BadMessage, match=r"\(at line 1 column"):
        normalise("amazon", Incoming({}, body), NOW)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ([1], "Expected `object`, got `list` (at $)"),
        ({}, "this is no order of Amazon's: it has neither AmazonOrderId nor orderId with items (at $)"),
        ({"payload": 5}, "this is no order of Amazon's: it has neither AmazonOrderId nor orderId with items (at $.pa"),
        ({"orders": []}, "this is a list of orders: bring each by itself (at $)"),
        ({"payload": {"Orders": []}}, "this is a list of orders: bring each by itself (at $.payload)"),
        ({"errors": []}, "this is an error answer of Amazon's, no order (at $.errors)"),
    ],
)
def test_what_is_no_order_is_named(body: object, reason: str) -> None:
    with pytest.raises(BadMessage) as caught:
        read(body)
    assert str(caught.value).startswith(reason)


def test_a_file_with_a_list_is_taken_apart_and_an_example_is_unwrapped() -> None:
    first, second = order_2026(), order_2026(orderId="2")
    for listed in ({"orders": [first, second]}, {"request": {}, "response": {"orders": [first, second]}}):
        assert [json.loads(each.body) for each in messages_of_file(json.dumps(listed).encode())] == [first, second]
    old = {"payload": {"Orders": [order_v0()], "NextToken": "n"}}
    assert [json.loads(each.body) for each in messages_of_file(json.dumps(old).encode())] == [order_v0()]
    (only,) = messages_of_file(json.dumps({"order": first}).encode())
    assert json.loads(only.body) == {"order": first}
    with pytest.raises(BadMessage):
        messages_of_file(b'{"orders": [1,]}')


def test_a_notification_says_which_order_to_fetch_and_nothing_of_its_content() -> None:
    expected = OrderChange("d0e9e693", "111-0000001-0000001", datetime(2026, 11, 1, 10, 30, 0, 123000, tzinfo=UTC))
    assert order_change(json.dumps(CHANGE).encode()) == expected
    assert order_change(json.dumps({"detail": CHANGE}).encode()) == expected
    assert normalise("amazon", message(CHANGE), NOW) is None
    assert normalise("amazon", message(CHANGE, kept_format="amazon-notification"), NOW) is None


def test_a_notification_without_the_time_of_change_has_that_of_the_event() -> None:
    change = copy.deepcopy(CHANGE)
    change["Payload"]["OrderChangeNotification"]["OrderChangeTrigger"]["TimeOfOrderChange"] = None
    read_change = order_change(json.dumps(change).encode())
    assert read_change is not None
    assert read_change.changed_at == datetime(2026, 11, 1, 10, 31, tzinfo=UTC)


def test_notifications_of_other_kinds_say_nothing_and_broken_ones_are_refused() -> None:
    assert order_change(b'{"notificationType": "FEED_PROCESSING_FINISHED"}') is None
    broken = copy.deepcopy(CHANGE)
    del broken["Payload"]["OrderChangeNotification"]["AmazonOrderId"]
    with pytest.raises(BadMessage, match=r"`AmazonOrderId` \(at \$\.detail\.Payload\.OrderChangeNotification\)"):
        normalise("amazon", message({"detail": broken}), NOW)
    with pytest.raises(BadMessage, match="no notification"):
        order_change(b"{}")


def test_a_notifications_own_id_is_its_identity_and_the_body_is_any_others() -> None:
    assert identify(message(CHANGE)) == "d0e9e693"
    one, same, other = message(order_v0()), message(order_v0()), message(order_2026())
    assert identify(one) == identify(same) != identify(other)
    assert identify(Incoming({}, b"no json")).startswith("sha256:")


def test_a_notification_whose_order_amazon_refused_to_show_is_refused_with_its_words() -> None:
    refused = message(CHANGE, kept_format="amazon-notification", kept_refusal="channel:shop has no order 1")
    with pytest.raises(BadMessage, match="channel:shop has no order 1"):
        normalise("amazon", refused, NOW)
