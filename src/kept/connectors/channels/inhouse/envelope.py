"""The CloudEvents envelope (CloudEvents 1.0.2, structured mode, JSON format): an order as the `data` of an event.

In binary mode the body is the bare order, and the `ce-` headers say nothing that we need. A batch of events is
refused: one message is one order.
"""

from __future__ import annotations

import re
from typing import Any

from kept.ports import BadMessage, Incoming

MEDIA_TYPE = "application/cloudevents+json"
_BATCH = "application/cloudevents-batch"
_REQUIRED = ("id", "source", "type")
_CHARS_MAX = 500
# Section 3.1, "Attribute Naming Convention": lower-case letters and digits.
_NAME = re.compile(r"[a-z0-9]+")
_JSON = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json(?:\s*;.*)?", re.IGNORECASE)


def opened(message: Incoming, value: Any) -> tuple[Any, str]:
    """The order in a message's JSON value, and the JSON path where it stands.

    An object with a `specversion` is an envelope, whatever the content type says: an order has no such member.
    Raises BadMessage for an envelope that is none of version 1.0 or holds no JSON.
    """
    kind = message.headers.get("content-type", "").lower()
    if kind.startswith(_BATCH):
        raise BadMessage("a batch of CloudEvents; send each event by itself", where="$")
    if isinstance(value, dict) and "specversion" in value:
        return _data(value), "$.data"
    if kind.startswith(MEDIA_TYPE):
        raise BadMessage("the content type says CloudEvents, and there is no specversion", where="$")
    return value, "$"


def _data(event: dict[str, Any]) -> Any:
    if event["specversion"] != "1.0":
        raise BadMessage("a CloudEvents version other than '1.0'", where="$.specversion")
    for name in _REQUIRED:
        value = event.get(name)
        if not isinstance(value, str) or not 1 <= len(value) <= _CHARS_MAX:
            raise BadMessage(f"a CloudEvent needs {name!r}: 1 to {_CHARS_MAX} characters", where=f"$.{name}")
    if "data_base64" in event:
        raise BadMessage("binary data; put the order's JSON into `data`", where="$.data_base64")
    if "data" not in event:
        raise BadMessage("a CloudEvent without data; put the order there", where="$.data")
    content_type = event.get("datacontenttype", "application/json")
    if not isinstance(content_type, str) or not _JSON.fullmatch(content_type):
        raise BadMessage("the data is not JSON by its datacontenttype", where="$.datacontenttype")
    unnamed = next((name for name in event if name != "data" and not _NAME.fullmatch(name)), None)
    if unnamed is not None:
        raise BadMessage("an attribute's name is not of lower-case letters and digits", where="$")
    return event["data"]
