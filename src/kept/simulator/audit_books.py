"""Reads the books of a world's parties, for comparing them with Kept's own: what really happened out there.

Books are opened read-only, while their parties write.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class _ReadOnlyBook:
    """A party's book. FileNotFoundError when there is none."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise FileNotFoundError(f"there is no book at {path}; has the world been run?")
        self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)

    def close(self) -> None:
        self._connection.close()

    def _all(self, sql: str) -> list[Any]:
        return self._connection.execute(sql).fetchall()

    def _one(self, sql: str) -> int:
        number: int = self._connection.execute(sql).fetchone()[0]
        return number

    def faults(self) -> dict[str, int]:
        """Faults that this party injected, by kind."""
        return dict(self._all("SELECT fault, count(*) FROM calls WHERE fault IS NOT NULL GROUP BY fault"))


class ErpBook(_ReadOnlyBook):
    """What the ERP holds."""

    def live_orders(self) -> Sequence[tuple[str, str, int, str]]:
        """(reference, order_id, total_minor, currency) of every sales order; a duplicate is one more row."""
        return self._all("SELECT reference, order_id, total_minor, currency FROM orders WHERE live = 1 ORDER BY id")

    def order_lines(self) -> Sequence[tuple[str, str, int, str, int]]:
        """(reference, order_id, line_no, sku, quantity) of every live sales order."""
        return self._all(
            "SELECT o.reference, o.order_id, l.line_no, l.sku, l.quantity FROM order_lines l"
            " JOIN orders o ON o.order_id = l.order_id WHERE o.live = 1 ORDER BY o.id, l.line_no"
        )

    def shipments(self) -> Sequence[tuple[str, str, int, int]]:
        """(order_reference, shipment_reference, line_no, quantity) of every posted line, duplicates too."""
        return self._all(
            "SELECT s.order_reference, s.reference, l.line_no, l.quantity FROM shipments s"
            " JOIN shipment_lines l ON l.shipment_id = s.shipment_id ORDER BY s.id, l.line_no"
        )

    def withdrawn(self) -> frozenset[str]:
        """References of the orders whose open rest was withdrawn."""
        return frozenset(row[0] for row in self._all("SELECT order_reference FROM withdrawals"))


class CentreBook(_ReadOnlyBook):
    """What a centre did."""

    def shipments(self) -> Sequence[tuple[str, str, int, str, int]]:
        """(reference, order_reference, line_no, sku, quantity) of everything that left the building."""
        return self._all("SELECT reference, order_reference, line_no, sku, quantity FROM shipments ORDER BY rowid")

    def on_hand(self) -> dict[str, int]:
        """Pieces on the shelves by SKU."""
        return dict(self._all("SELECT sku, on_hand FROM stock"))

    def requests(self) -> Sequence[tuple[str, str, str]]:
        """(reference, order_reference, state) of every request."""
        return self._all("SELECT reference, order_reference, state FROM requests ORDER BY received_at")

    def unanswered_events(self) -> int:
        """Events that Kept has not taken yet."""
        return self._one("SELECT count(*) FROM events WHERE answered_at IS NULL")


class ChannelBook(_ReadOnlyBook):
    """What the channels sold, said and were told."""

    def orders(self) -> Sequence[tuple[str, str, str, int, bool]]:
        """(account, external_id, currency, total_minor, withdrawn in the end) of every order sold."""
        rows = self._all("SELECT account, external_id, currency, total_minor, cancelled FROM orders ORDER BY seq")
        return [(account, order, currency, total, bool(gone)) for account, order, currency, total, gone in rows]

    def sold(self) -> Sequence[tuple[str, str, float]]:
        """(account, external_id, seconds since 1970) of every order sold."""
        return self._all("SELECT account, external_id, made_at FROM orders ORDER BY seq")

    def lines(self) -> Sequence[tuple[str, str, str, str, int]]:
        """(account, external_id, line id, sku, quantity) of every line that must be shipped unless cancelled."""
        return self._all(
            "SELECT account, external_id, line_id, sku, quantity FROM order_lines"
            " WHERE requires_shipping = 1 AND quantity > 0"
        )

    def sent(self) -> Sequence[tuple[str, str, str, int | None, str]]:
        """(account, external_id, webhook_id, last status answered, correlation id) of every good webhook."""
        return self._all(
            "SELECT account, external_id, webhook_id, status, correlation_id FROM messages"
            " WHERE flavour = 'good' ORDER BY id"
        )

    def confirmations(self) -> Sequence[tuple[str, str, str, int]]:
        """(external_id, fulfilment_ref or tracking, line id, quantity) of every line confirmed to a channel."""
        return self._all(
            "SELECT f.external_id, f.reference, l.line_id, l.quantity FROM fulfilments f"
            " JOIN fulfilment_lines l ON l.fulfilment = f.id ORDER BY f.id"
        )

    def acknowledged(self) -> Sequence[tuple[str, str, str]]:
        """(account, external_id, reference) of every order that a channel was told we took."""
        return self._all("SELECT account, external_id, reference FROM acknowledgements ORDER BY at")

    def cancelled(self) -> Sequence[tuple[str, str, str, int]]:
        """(account, external_id, line id, quantity) of every line that a channel was told we cancel."""
        return self._all(
            "SELECT c.account, c.external_id, l.line_id, l.quantity FROM cancellations c"
            " JOIN cancellation_lines l ON l.cancellation = c.id ORDER BY c.id, l.line_id"
        )

    def offered(self) -> Sequence[tuple[str, str, str, int]]:
        """(account, location, sku, quantity) that a channel may sell by what it was last told."""
        return self._all("SELECT account, location, sku, quantity FROM offered_stock ORDER BY account, location, sku")

    def unacknowledged(self, account: str, within_s: float) -> Sequence[str]:
        """External ids of orders that were sold, never withdrawn, and not acknowledged in time."""
        rows = self._connection.execute(
            "SELECT o.external_id FROM orders o LEFT JOIN acknowledgements a USING (account, external_id)"
            " WHERE o.account = ? AND o.cancelled = 0 AND (a.at IS NULL OR a.at > o.made_at + ?)",
            (account, within_s),
        ).fetchall()
        return [order for (order,) in rows]

    def beyond_rates(self) -> Sequence[tuple[str, int]]:
        """(operation, calls) of calls that a channel refused because its rate was exceeded."""
        return self._all("SELECT operation, count(*) FROM calls WHERE status = 429 AND fault IS NULL GROUP BY 1")

    def malformed(self) -> int:
        """Authentic webhooks that are no orders and were answered 2xx: each must be a dead letter."""
        return self._one("SELECT count(*) FROM messages WHERE flavour = 'malformed' AND status BETWEEN 200 AND 299")

    def forged(self) -> Sequence[tuple[str, int | None]]:
        """(external_id, status answered) of webhooks with a wrong signature: none may become an order."""
        return self._all("SELECT external_id, status FROM messages WHERE flavour = 'forged' ORDER BY id")

    def unanswered(self) -> int:
        """Webhooks that Kept has not taken yet."""
        return self._one("SELECT count(*) FROM messages WHERE answered_at IS NULL")
