"""Going on at once is a shortcut: what it does not keep is rung for, and nothing is both."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from kept.engine.delivery import Delivery, Loaded, Ring, Rung
from kept.engine.handover import HandOver

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


class RecordingBell:
    """Remembers what was rung for."""

    def __init__(self) -> None:
        self.rung: list[int] = []

    async def ring(self, rings: Sequence[Ring]) -> None:
        self.rung += [ring.delivery_id for ring in rings]

    async def read(self, step: str, count: int, block_ms: int) -> list[Rung]:
        return []

    async def ack(self, rungs: Sequence[Rung]) -> None:
        return


def ring(number: int, step: str = "book", *, urgency: int = 1, hours: int = 0, loaded: bool = True) -> Ring:
    delivery = Delivery(number, step, urgency, NOW + timedelta(hours=hours), 0, None, 0, "c")
    return Ring(number, step, urgency, Loaded(delivery, f"subject {number}") if loaded else None)


async def test_what_this_worker_serves_is_kept_and_not_rung_for() -> None:
    bell = RecordingBell()
    handover = HandOver(bell, ["book"], per_step_max=10)
    await handover.ring([ring(1), ring(2)])
    assert bell.rung == []
    assert [loaded.delivery.id for loaded in handover.take("book", 10)] == [1, 2]
    assert handover.take("book", 10) == []


async def test_what_it_can_not_go_on_with_is_rung_for() -> None:
    bell = RecordingBell()
    handover = HandOver(bell, ["book"], per_step_max=1)
    await handover.ring([ring(1), ring(2), ring(3, "route"), ring(4, loaded=False)])
    assert bell.rung == [2, 3, 4]  # too many, a step served elsewhere, no subject at hand


async def test_the_most_urgent_is_taken_first() -> None:
    handover = HandOver(RecordingBell(), ["book"], per_step_max=10)
    await handover.ring([ring(1, urgency=2), ring(2, urgency=0, hours=3), ring(3, urgency=0, hours=1)])
    assert [loaded.delivery.id for loaded in handover.take("book", 10)] == [3, 2, 1]


async def test_waiting_ends_when_something_is_kept() -> None:
    handover = HandOver(RecordingBell(), ["book"], per_step_max=10)
    await handover.ring([ring(1)])
    await handover.wait("book")  # would never return otherwise; the test's time limit notices


async def test_a_closed_one_keeps_nothing_and_tells_what_is_left() -> None:
    bell = RecordingBell()
    handover = HandOver(bell, ["book"], per_step_max=10)
    await handover.ring([ring(1)])
    assert handover.close() == [1]
    await handover.ring([ring(2)])
    assert bell.rung == [2]
