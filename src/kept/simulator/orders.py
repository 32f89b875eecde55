"""Makes up orders: seeded, channel-neutral, in integer minor units, with totals that tie.

`make_sale(seed, seq, now)` is pure, so that a world can be told again. How a channel writes a sale down
is in `payloads`.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

SKU_COUNT = 200
# An order is this old when its channel first tells of it; later revisions then stay in the past too.
_AGE = timedelta(seconds=20)
_DOMESTIC_TAX = {"US": 8, "CA": 13, "JP": 10, "DE": 19, "FR": 20, "ES": 21, "IT": 22, "GR": 24, "PL": 23}
_EURO = frozenset({"DE", "FR", "ES", "IT", "GR", "AT", "NL", "IE", "PT", "FI"})


@dataclass(frozen=True, slots=True)
class Item:
    """What the whole world knows of a SKU."""

    sku: str
    title: str
    weight_g: int
    price_minor: int  # US cents


@dataclass(frozen=True, slots=True)
class SaleAddress:
    """A buyer's address."""

    first_name: str
    last_name: str
    company: str
    line1: str
    line2: str
    city: str
    region: str
    region_name: str
    postal_code: str
    country: str
    country_name: str
    phone: str

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()


@dataclass(frozen=True, slots=True)
class SaleLine:
    """One line; amounts in minor units for the `quantity` ordered. `removed` pieces are no longer wanted.

    A line with removed pieces has neither discount nor tax, so that its rest needs no allocation.
    """

    line_no: int
    item: Item
    quantity: int
    removed: int
    unit_price_minor: int
    line_discount_minor: int
    order_discount_minor: int
    tax_minor: int
    requires_shipping: bool

    @property
    def wanted(self) -> int:
        return self.quantity - self.removed

    @property
    def discount_minor(self) -> int:
        return self.line_discount_minor + self.order_discount_minor


@dataclass(frozen=True, slots=True)
class Sale:
    """One made-up order."""

    seq: int
    placed_at: datetime
    currency: str
    tax_rate: int  # per cent
    tax_included: bool
    free: bool
    lines: tuple[SaleLine, ...]
    shipping_minor: int
    shipping_discount_minor: int
    shipping_tax_minor: int
    ship_to: SaleAddress
    email: str
    service: str
    ship_by: datetime
    deliver_by: datetime

    @property
    def total_minor(self) -> int:
        """What the buyer pays for what is still wanted."""
        goods = sum(line.unit_price_minor * line.wanted - line.discount_minor for line in self.lines)
        tax = 0 if self.tax_included else sum(line.tax_minor for line in self.lines) + self.shipping_tax_minor
        return goods + self.shipping_minor - self.shipping_discount_minor + tax


def sample(name: str) -> Any:
    """One of the sample files beside this module."""
    return json.loads(files("kept.simulator").joinpath("samples", name).read_text(encoding="utf-8"))


@cache
def catalogue() -> tuple[Item, ...]:
    """All that is sold: SKU-0001 to SKU-0200."""
    words = sample("catalogue.json")
    nouns, kinds = words["nouns"], words["kinds"]
    return tuple(
        Item(
            sku=f"SKU-{number:04d}",
            title=f"{kinds[number % len(kinds)]} {nouns[number * 7 % len(nouns)]}",
            weight_g=50 + number * 37 % 41 * 60,
            price_minor=395 + number * 271 % 9600,
        )
        for number in range(1, SKU_COUNT + 1)
    )


@cache
def addresses() -> tuple[SaleAddress, ...]:
    """Where the world's buyers live."""
    return tuple(SaleAddress(**row) for row in sample("addresses.json"))


@cache
def weight_g(sku: str) -> int:
    """The weight of one piece; KeyError for what nobody sells."""
    return {item.sku: item.weight_g for item in catalogue()}[sku]


def make_sale(seed: int, seq: int, now: datetime) -> Sale:
    """Order number `seq` of the world with that seed, placed a moment before `now` (aware, UTC)."""
    dice = random.Random(f"{seed}/{seq}")
    ship_to = dice.choice(addresses())
    currency = _currency(dice, ship_to.country)
    tax_rate = _DOMESTIC_TAX.get(ship_to.country, 0) if dice.random() < 0.7 else 0
    tax_included = currency != "USD" and tax_rate > 0
    free = dice.random() < 0.02
    edited = not free and dice.random() < 0.04  # some pieces were taken off before we hear of it
    lines = _lines(dice, currency, 0 if edited else tax_rate, tax_included, free=free, edited=edited)
    express = dice.random() < 0.12
    shipping, shipping_discount, shipping_tax = _shipping(
        dice, currency, tax_rate, tax_included, express=express, free=free
    )
    placed_at = (now - _AGE).replace(microsecond=0)
    ship_by = now + (timedelta(hours=dice.randint(26, 60)) if express else timedelta(hours=dice.randint(96, 168)))
    transit = timedelta(days=dice.randint(4, 6) if express else dice.randint(10, 16))
    return Sale(
        seq=seq,
        placed_at=placed_at,
        currency=currency,
        tax_rate=tax_rate,
        tax_included=tax_included,
        free=free,
        lines=lines,
        shipping_minor=shipping,
        shipping_discount_minor=shipping_discount,
        shipping_tax_minor=shipping_tax,
        ship_to=ship_to,
        email=f"buyer{seq:07d}@example.com",
        service="express" if express else "standard",
        ship_by=ship_by.replace(microsecond=0),
        deliver_by=(ship_by + transit).replace(microsecond=0),
    )


def cut(sale: Sale) -> Sale:
    """The sale with one piece less, of a line with neither discount nor tax; as it is where there is no such line."""
    pieces = sum(line.wanted for line in sale.lines if line.requires_shipping)
    for line in sale.lines:
        if line.requires_shipping and line.wanted and pieces > 1 and not (line.discount_minor or line.tax_minor):
            fewer = replace(line, removed=line.removed + 1)
            return replace(sale, lines=tuple(fewer if each is line else each for each in sale.lines))
    return sale


def _currency(dice: random.Random, country: str) -> str:
    if country == "JP" and dice.random() < 0.8:
        return "JPY"
    return "EUR" if country in _EURO and dice.random() < 0.6 else "USD"


def _local(price_minor: int, currency: str) -> int:
    """A price in US cents, in minor units of `currency`: good enough for a made-up world."""
    return {"USD": price_minor, "EUR": price_minor * 92 // 100, "JPY": price_minor * 150 // 100}[currency]


def _tax(net_minor: int, rate: int, included: bool) -> int:
    """Tax on top of `net_minor`, or the tax that it contains; rounded half up, as channels do."""
    base = 100 + rate if included else 100
    return (2 * net_minor * rate + base) // (2 * base)


def _lines(
    dice: random.Random, currency: str, tax_rate: int, tax_included: bool, *, free: bool, edited: bool
) -> tuple[SaleLine, ...]:
    count = dice.choices((1, 2, 3, 4, 6), (50, 25, 13, 8, 4))[0]
    items = dice.sample(catalogue(), count)
    quantities = [dice.choices((1, 2, 3, 5, 12), (60, 22, 10, 6, 2))[0] for _ in items]
    prices = [_local(item.price_minor, currency) for item in items]
    gross = [price * quantity for price, quantity in zip(prices, quantities, strict=True)]
    own = [0 if free or edited or dice.random() > 0.15 else amount * 10 // 100 for amount in gross]
    left = [amount - discount for amount, discount in zip(gross, own, strict=True)]
    if free:
        shared = left
    elif not edited and dice.random() < 0.15:
        shared = _share(sum(left) * dice.choice((5, 10, 15)) // 100, left)
    else:
        shared = [0] * count
    digital = dice.randrange(1, count) if count > 1 and dice.random() < 0.03 else None
    return tuple(
        SaleLine(
            line_no=index + 1,
            item=item,
            quantity=quantities[index],
            removed=dice.randrange(quantities[index]) if edited else 0,
            unit_price_minor=prices[index],
            line_discount_minor=own[index],
            order_discount_minor=shared[index],
            tax_minor=_tax(left[index] - shared[index], tax_rate, tax_included),
            requires_shipping=index != digital,
        )
        for index, item in enumerate(items)
    )


def _share(total_minor: int, weights: list[int]) -> list[int]:
    """`total_minor` over `weights` so that it sums: each part is the step between two running totals."""
    whole, running, parts, given = sum(weights), 0, [], 0
    for weight in weights:
        running += weight
        up_to = total_minor * running // whole
        parts.append(up_to - given)
        given = up_to
    return parts


def _shipping(
    dice: random.Random, currency: str, tax_rate: int, tax_included: bool, *, express: bool, free: bool
) -> tuple[int, int, int]:
    """Shipping price, its discount and the tax on the rest."""
    price = 0 if dice.random() < 0.3 else _local(1500 if express else 595, currency)
    discount = price if free or dice.random() < 0.1 else 0
    return price, discount, _tax(price - discount, tax_rate, tax_included)
