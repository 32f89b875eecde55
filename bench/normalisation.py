"""Orders normalised per second of one core's time, per kind of channel: from raw bytes to the canonical order."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson

from kept.connectors.registry import CHANNELS
from kept.ports import Incoming
from kept.simulator.amazon_payloads import amazon_order
from kept.simulator.dialects import DIALECTS, MessageRow
from kept.simulator.orders import Sale, make_sale
from kept.simulator.payloads import Version, iso
from kept.simulator.walmart_payloads import walmart_order

_LINES = 3
_TURNS = 3
_TURN_S = 1.0
_NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)

# Where the buyer's phone stands in the message that is measured. Each order gets another one, as buyers write them:
# one phone over and over would be found in the cache of `kept.connectors.phones` and cost nothing.
_PHONE = "(207) 835-4259"
_NUMBERS_A_TURN = 1_000_000  # no turn reads as many, and none reads another's

# What an order is fetched as, of channels whose messages only name it.
_FETCHED: dict[str, Callable[[Sale, Version], dict[str, Any]]] = {"amazon": amazon_order, "walmart": walmart_order}


def normalisations_per_s() -> dict[str, float]:
    """The best of some turns for each kind of channel, as `normalise_per_s_KIND`: noise only ever slows down."""
    figures = {}
    for kind in sorted(CHANNELS.keys() & DIALECTS.keys()):
        message = _message(kind)
        figures[f"normalise_per_s_{kind}"] = max(_turn(kind, message, turn * _NUMBERS_A_TURN) for turn in range(_TURNS))
    return figures


def _message(kind: str) -> Incoming:
    """An order as it is read: the webhook that carries it, or what is fetched for the notification that names it."""
    dialect, version = DIALECTS[kind], Version(age_s=1)
    if kind in _FETCHED:
        return Incoming({}, orjson.dumps(_FETCHED[kind](_sale(), version)))
    body = dialect.body(_sale(), version)
    row = MessageRow(1, "bench", "orders/create", "w-1", "e-1", iso(_NOW), "good", body, 0)
    return Incoming(dialect.headers("whsec_YmVuY2g=", row, 0.0) if dialect.headers else {}, body)


def _turn(kind: str, message: Incoming, first_number: int) -> float:
    normalise = CHANNELS[kind].normalise
    around = message.body.split(_PHONE.encode())  # in some messages it stands more than once
    done, begun = 0, time.process_time()
    while (took_s := time.process_time() - begun) < _TURN_S:
        for number in range(first_number + done, first_number + done + 100):
            phone = b"(207) %d-%04d" % (200 + number // 10_000, number % 10_000)
            order = normalise("bench", Incoming(message.headers, phone.join(around)), _NOW)
        done += 100
    assert order is not None
    assert order.ship_to is not None
    assert order.ship_to.phone.startswith("+1"), "the phone was not read"
    assert len(order.lines) == _LINES, "another sale than was meant was measured"
    return done / took_s


def _sale() -> Sale:
    """A made-up order of three lines that all ship, with taxes and discounts, to an address in the US."""
    sales = (make_sale(seed=1, seq=seq, now=_NOW) for seq in range(10_000))
    sale = next(
        sale
        for sale in sales
        if len(sale.lines) == _LINES
        and sale.ship_to.country == "US"
        and all(line.requires_shipping and line.discount_minor and line.tax_minor for line in sale.lines)
    )
    return replace(sale, ship_to=replace(sale.ship_to, phone=_PHONE))
