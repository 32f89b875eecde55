"""Orders to decide about: small, valid, and the same every time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from kept.domain import events as ev
from kept.domain.order import Address, OrderContent, OrderLine, Payment, Promise
from kept.domain.progress import Evolution, Order, StockMove, evolve, received

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # a Monday
ADDRESS = Address("Ada Example", "1 Main St", "", "Newark", "NJ", "07102", "US")
INSTALLATION = "K7Q2F"
REFERENCE = f"{INSTALLATION}-000000001"
SSCC = "106141411234567897"


def line(line_no: int, quantity: int = 1, sku: str = "", **changes: Any) -> OrderLine:
    """A line at 10.00 a piece; SKU-1 for line 1 unless told."""
    sold = OrderLine(
        line_no=line_no,
        external_id=f"L{line_no}",
        sku=sku or f"SKU-{line_no}",
        title=f"Thing {line_no}",
        quantity=quantity,
        unit_price_minor=1000,
        discount_minor=0,
        tax_minor=0,
        weight_g=500,
    )
    return replace(sold, **changes)


def content(*lines: OrderLine, **changes: Any) -> OrderContent:
    """Two of SKU-1 and one of SKU-2 unless told; its total ties."""
    lines = lines or (line(1, 2), line(2, 1))
    goods = sum(sold.unit_price_minor * sold.quantity - sold.discount_minor for sold in lines)
    said = OrderContent(
        account="shop",
        external_id="E1",
        revision=100,
        number="#1001",
        currency="USD",
        placed_at=NOW,
        payment=Payment.PAID,
        cancelled=False,
        test=False,
        tax_included=False,
        lines=tuple(lines),
        shipping_minor=500,
        shipping_tax_minor=0,
        total_minor=goods + 500,
        ship_to=ADDRESS,
        email="ada@example.com",
        promise=Promise(NOW + timedelta(days=2), NOW + timedelta(days=7), "standard"),
    )
    return replace(said, **changes)


def planned(centre: str, *lines: tuple[int, str, int], service: str = "ground") -> ev.PlannedPart:
    """A planned part; lines are (line_no, sku, quantity)."""
    return ev.PlannedPart(
        centre=centre,
        service=service,
        ships_at=NOW + timedelta(days=1),
        delivers_at=NOW + timedelta(days=5),
        cost_minor=700,
        lines=tuple(ev.PlannedLine(*one) for one in lines),
    )


def routed(*parts: ev.PlannedPart) -> ev.OrderRouted:
    return ev.OrderRouted(parts, late=False, ruled_out=(), policy="cheapest")


BOOKED = ev.OrderBooked("SO-1", adopted=False)
EAST_ALL = planned("east", (1, "SKU-1", 2), (2, "SKU-2", 1))
EAST_FIRST = planned("east", (1, "SKU-1", 2))
WEST_SECOND = planned("west", (2, "SKU-2", 1))


def package(*lines: tuple[int, str, int], sscc: str = SSCC) -> ev.Package:
    return ev.Package(sscc, "UPS", "1Z999", 900, tuple(ev.ShippedLine(*one) for one in lines))


def shipped(part: int, *lines: tuple[int, str, int]) -> ev.PartShipped:
    """One package of these lines, an hour from now."""
    return ev.PartShipped(part, NOW + timedelta(hours=1), (package(*lines),))


def after_shipping(part: int) -> list[Any]:
    """What a shipped part still has to go through."""
    return [ev.PartAdvised(part, "A", "d"), ev.PartConfirmed(part, "F"), ev.PartPosted(part, "D")]


def up_to_released(part: int) -> list[Any]:
    return [ev.PartLabelled(part, SSCC, ("pdf", "zpl")), ev.PartReleased(part, "R")]


def begun(said: OrderContent | None = None) -> Evolution:
    """An order's birth."""
    return received(1, REFERENCE, "c" * 32, said or content(), message_id=11)


def order_after(*facts: Any, said: OrderContent | None = None, new: OrderContent | None = None) -> Order:
    """An order with these facts after its birth; `new` is the content for OrderRevised."""
    return evolve(begun(said).order, facts, new).order


def booked_order(*parts: ev.PlannedPart, said: OrderContent | None = None) -> Order:
    """An order whose parts are ready to be labelled."""
    return order_after(ev.OrderValidated("C-1"), routed(*(parts or (EAST_ALL,))), BOOKED, said=said)


def reserved(moves: Iterable[StockMove]) -> dict[tuple[str, str], int]:
    """Pieces reserved per (centre, sku) by stock moves; what came back to nothing is left out."""
    total: dict[tuple[str, str], int] = {}
    for move in moves:
        total[move.centre, move.sku] = total.get((move.centre, move.sku), 0) + move.reserved
    return {key: pieces for key, pieces in total.items() if pieces}


def names(entries: Sequence[Any]) -> list[str]:
    """The facts' kinds, in order."""
    return [type(entry.event).__name__ for entry in entries]
