"""Files of orders in our own format. Pure."""

from __future__ import annotations

from kept.ports import Incoming


def messages_of_file(body: bytes) -> list[Incoming]:
    """One order, as a webhook brings it."""
    return [Incoming({}, body)]
