"""Our connector over the real Tryton, and orders to book in it."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from kept.connectors.http import HttpTargets
from kept.connectors.registry import build_erp
from kept.domain.events import Package, ShippedLine
from kept.domain.order import Address
from kept.ports import Erp, SalesOrder, SalesOrderLine, ShipmentPosting
from kept.settings import ErpSettings
from tests.erps.tryton_server import PASSWORD, SHOP, USER, TrytonServer

AT = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
ADDRESS = Address("Zoë Weiß", "Quai 1", "2e étage", "Lyon", "", "69002", "FR")


def settings(server: TrytonServer, folder: Path, timeout_s: float = 30.0, at_once: int = 8) -> ErpSettings:
    password = folder / "tryton-password"
    password.write_text(PASSWORD, encoding="utf-8")
    return ErpSettings(
        "tryton",
        server.url,
        f"file:{password}",
        timeout_s,
        at_once,
        user=USER,
        shop=SHOP,
        shipping_sku="SHIPPING",
        tax_sku="CHANNEL-TAX",
    )


def open_erp(
    server: TrytonServer, folder: Path, transport: httpx2.AsyncBaseTransport | None = None, **changes: str
) -> tuple[Erp, HttpTargets]:
    """The connector as the registry builds it, and what has to be closed after it."""
    targets = HttpTargets(transport=transport)
    wanted = replace(settings(server, folder), **changes)  # type: ignore[arg-type]  # tests name settings freely
    return build_erp("main", wanted, targets), targets


def new_reference() -> str:
    return f"K7Q2F-{secrets.randbelow(10**9):09d}"


def line(line_no: int, sku: str, quantity: int, price: int, tax: int = 0, discount: int = 0) -> SalesOrderLine:
    return SalesOrderLine(line_no, sku, quantity, price, discount, tax, free=price * quantity == discount and not tax)


def order_of(
    *lines: SalesOrderLine, customer: str, shipping: int = 0, shipping_tax: int = 0, included: bool = False
) -> SalesOrder:
    """An order whose total ties; `included` says that its prices contain its tax."""
    goods = sum(each.unit_price_minor * each.quantity - each.discount_minor for each in lines)
    taxes = sum(each.tax_minor for each in lines) + shipping_tax
    return SalesOrder(
        reference=new_reference(),
        channel="shop",
        channel_number="#1001",
        customer_id=customer,
        currency="EUR",
        placed_at=AT,
        ship_to=ADDRESS,
        lines=lines,
        shipping_minor=shipping,
        shipping_tax_minor=shipping_tax,
        total_minor=goods + shipping + (0 if included else taxes),
        tax_included=included,
        version=1,
    )


def posting_of(order: SalesOrder, pieces: dict[int, int] | None = None, part: int = 1) -> ShipmentPosting:
    """A shipment of these pieces (line_no -> pieces), or of everything."""
    skus = {each.line_no: each.sku for each in order.lines}
    packed = {each.line_no: each.quantity for each in order.lines} if pieces is None else pieces
    lines = tuple(ShippedLine(line_no, skus[line_no], count) for line_no, count in packed.items())
    package = Package("006141411234567890", "UPS", "1Z999", 700, lines)
    return ShipmentPosting(order.reference, f"{order.reference}-{part}", AT, (package,))
