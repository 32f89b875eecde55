"""The REST centre's codes."""

from __future__ import annotations

from kept.ports import CentreEventKind

EVENT_KINDS = {
    "fulfilment.accepted": CentreEventKind.ACCEPTED,
    "fulfilment.rejected": CentreEventKind.REJECTED,
    "fulfilment.shipped": CentreEventKind.SHIPPED,
    "fulfilment.cancelled": CentreEventKind.CANCELLED,
    "fulfilment.cancel_refused": CentreEventKind.CANCEL_REFUSED,
}
