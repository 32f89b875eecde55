"""What a step is given to decide about: a message, an order, or one centre's part of an order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from kept.domain.order import OrderContent
from kept.domain.progress import Order, Part


@dataclass(frozen=True, slots=True)
class Message:
    """An inbox message. `content` is there once the message was normalised."""

    id: int
    source: str  # channel account or centre
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    correlation_id: str
    content: OrderContent | None = None


@dataclass(frozen=True, slots=True)
class PartOf:
    """A fulfilment order together with the order that it is a part of."""

    order: Order
    number: int

    @property
    def part(self) -> Part:
        return self.order.part(self.number)

    @property
    def reference(self) -> str:
        return self.order.part_reference(self.number)


Subject = Message | Order | PartOf
